"""What a clip's segments say together: attention of every class, or the last state of a memory."""

import keras
from keras import ops

from sedzoo.layers.pooling import keep_frames

AXES = ("time", "class")
FLOOR = 1e-7


@keras.saving.register_keras_serializable("sedzoo")
class ClassAttention(keras.layers.Layer):
    """Clip scores as the mean of segment scores, each class under attention of its own.

    y_k = sum_t p_k(t) f_k(t),  p_k(t) = w_k(t) / sum_t w_k(t);
    w = exp(v), so that p is the softmax of v over time, or
    w = min(max(softmax over classes of v, 1e-7), 1 - 1e-7).

    Args:
        attention_axis: "time" (the thesis) or "class" (the released code), the axis of the softmax.
            Defaults to "time".

    Call: f, v, float (batch, frames, K); frame_mask, bool (batch, frames) or None ->
        {"clip": (batch, K), "attention": (batch, frames, K)}, float32. Attention is of sum 1 over
        the frames that count and 0 elsewhere; a clip without any frame scores 0.
    Raises: ValueError for another `attention_axis`.
    Source: Xu 2018 (master's thesis, Aalto University), eq. 22; "class": the code released with Yu
        et al. 2018, https://arxiv.org/abs/1803.02353, and by the thesis' author.
    """

    def __init__(self, attention_axis="time", **kwargs):
        if attention_axis not in AXES:
            raise ValueError(f"`attention_axis` must be one of {AXES}. "
                             f"Received: attention_axis={attention_axis!r}")
        super().__init__(**{"dtype": "float32", **kwargs})
        self.attention_axis = attention_axis

    def call(self, f, v, frame_mask=None):
        if self.attention_axis == "class":
            weight = ops.clip(ops.softmax(v, axis=-1), FLOOR, 1 - FLOOR)
        else:
            if frame_mask is not None:
                # Below every segment that counts, in any precision, so that none is the largest.
                lowest = ops.min(keep_frames(v, frame_mask), axis=1, keepdims=True)
                v = ops.where(frame_mask[:, :, None], v, lowest)
            # In place of ops.softmax, which warns of clips of one segment.
            weight = ops.exp(v - ops.stop_gradient(ops.max(v, axis=1, keepdims=True)))
        weight = keep_frames(weight, frame_mask)
        attention = weight / ops.maximum(ops.sum(weight, axis=1, keepdims=True), FLOOR)
        clip = ops.sum(attention * keep_frames(f, frame_mask), axis=1)
        return {"clip": clip, "attention": attention}

    def compute_output_shape(self, f_shape, v_shape=None, frame_mask_shape=None):
        return {"clip": (f_shape[0], f_shape[-1]), "attention": tuple(f_shape)}


@keras.saving.register_keras_serializable("sedzoo")
class LastFrame(keras.layers.Layer):
    """The last frame that counts: of a recurrent layer's outputs, its state at the clip's end.

    Call: x, float (batch, frames, C); frame_mask, bool (batch, frames) or None -> (batch, C).
        A clip without any frame gives 0.
    """

    def call(self, x, frame_mask=None):
        if frame_mask is None:
            return x[:, -1]
        count = ops.cumsum(ops.cast(frame_mask, "int32"), axis=1)
        last = ops.logical_and(frame_mask, ops.equal(count, count[:, -1:]))
        return ops.sum(keep_frames(x, last), axis=1)

    def compute_output_shape(self, x_shape, frame_mask_shape=None):
        return (x_shape[0], x_shape[-1])
