"""Neighbouring frames, side by side."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("sedzoo")
class StackFrames(keras.layers.Layer):
    """Each frame beside its neighbours; the clip's end frames are repeated.

    Args:
        num_frames: odd int > 0, frames in a stack, centred.

    Call: x, float (batch, frames, F) -> (batch, frames, num_frames * F), oldest frame first.
    Raises: ValueError when `num_frames` is not odd and positive.
    Source: DCASE 2017 baseline system (5 frames of 40 bands).
    """

    def __init__(self, num_frames=5, **kwargs):
        if num_frames < 1 or num_frames % 2 == 0:
            raise ValueError("`num_frames` must be odd and positive. "
                             f"Received: num_frames={num_frames!r}")
        super().__init__(**kwargs)
        self.num_frames = num_frames

    def call(self, x, frame_mask=None):
        frames, reach = ops.shape(x)[1], self.num_frames // 2
        last = (frames - 1 if frame_mask is None else
                ops.maximum(ops.sum(ops.cast(frame_mask, "int32"), axis=1, keepdims=True) - 1, 0))
        here = ops.arange(frames, dtype="int32")[None, :]
        stack = []
        for lag in range(-reach, reach + 1):
            index = ops.minimum(ops.maximum(here + lag, 0), last)[:, :, None]
            if frame_mask is None:
                stack.append(ops.take(x, index[0, :, 0], axis=1))
            else:
                stack.append(ops.take_along_axis(x, index, axis=1))
        return ops.concatenate(stack, axis=-1)

    def compute_output_shape(self, x_shape, frame_mask_shape=None):
        return (*x_shape[:-1], None if x_shape[-1] is None else self.num_frames * x_shape[-1])
