"""Pooling over time, and what it does to a frame mask."""

import keras
from keras import ops

POOLS = ("mean", "max", "linear_softmax")


@keras.saving.register_keras_serializable("sedzoo")
class TimePool(keras.layers.Layer):
    """Frame scores to clip scores, over the frames that count.

    mean: sum_t x / T;  max: max_t x;  linear_softmax: sum_t x^2 / sum_t x.

    Args:
        pool: "mean", "max" or "linear_softmax".

    Call: x, float (batch, frames, K) >= 0; frame_mask, bool (batch, frames) or None
        -> (batch, K). A clip without any frame scores 0.
    Raises: ValueError for another `pool`.
    Source: mean, Xu et al. 2018, section 2.1; linear softmax, Wang et al. 2019,
        https://arxiv.org/abs/1810.09050.
    """

    def __init__(self, pool="mean", **kwargs):
        if pool not in POOLS:
            raise ValueError(f"`pool` must be one of {POOLS}. Received: pool={pool!r}")
        super().__init__(**kwargs)
        self.pool = pool

    def call(self, x, frame_mask=None):
        x = keep_frames(x, frame_mask)
        if self.pool == "max":
            return ops.max(x, axis=1)
        if self.pool == "linear_softmax":
            return ops.sum(x * x, axis=1) / ops.maximum(ops.sum(x, axis=1), 1e-7)
        if frame_mask is None:
            return ops.mean(x, axis=1)
        count = ops.sum(ops.cast(frame_mask, x.dtype), axis=1, keepdims=True)
        return ops.sum(x, axis=1) / ops.maximum(count, 1)

    def compute_output_shape(self, x_shape, frame_mask_shape=None):
        return (x_shape[0], x_shape[-1])


def keep_frames(x, frame_mask):
    """x (B, T, ...) with the masked frames set to zero, whatever stood there."""
    if frame_mask is None:
        return x
    keep = ops.reshape(frame_mask, (*frame_mask_shape(frame_mask), *[1] * (len(x.shape) - 2)))
    return ops.where(ops.cast(keep, "bool"), x, ops.zeros((), x.dtype))


def frame_mask_shape(frame_mask):
    return -1, (frame_mask.shape[1] if frame_mask.shape[1] is not None
                else ops.shape(frame_mask)[1])


@keras.saving.register_keras_serializable("sedzoo")
class KeepFrames(keras.layers.Layer):
    """Zeros in the padded frames, so that a convolution sees there what it sees past a clip's end.

    Call: x, (batch, frames, ...); frame_mask, bool (batch, frames) -> like x.
    """

    def call(self, x, frame_mask):
        return keep_frames(x, frame_mask)

    def compute_output_shape(self, x_shape, frame_mask_shape=None):
        return tuple(x_shape)


@keras.saving.register_keras_serializable("sedzoo")
class PoolMask(keras.layers.Layer):
    """The frame mask after "valid" pooling over `size` frames: on where all of them count.

    Args:
        size: int > 0, frames per pooled frame.

    Call: frame_mask, bool (batch, frames) -> bool (batch, frames // size).
    """

    def __init__(self, size, **kwargs):
        super().__init__(**{"dtype": "bool", **kwargs})
        self.size = size

    def call(self, frame_mask):
        # A mask is a run of True and then of False, so the last frame of each pool decides.
        return frame_mask[:, self.size - 1::self.size]

    def compute_output_shape(self, input_shape):
        frames = input_shape[1]
        return (input_shape[0], None if frames is None else frames // self.size)
