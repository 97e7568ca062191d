"""Where in its clip a frame stands, added to what it holds."""

import keras
import numpy as np
from keras import ops

from sedzoo.layers.attention import check_counts


@keras.saving.register_keras_serializable("sedzoo")
class SinusoidalPositions(keras.layers.Layer):
    """Sines and cosines of the frame's number, from fast to slow, added.

    y(p) = x(p) + PE(p); PE(p, 2i) = sin(p / 10000^(2i/D)), PE(p, 2i + 1) = cos(p / 10000^(2i/D)).

    Call: x, float (batch, frames, D), of any length and any D -> like x. No weights; the angles
        are float32 under any policy.
    Source: Vaswani et al. 2017, https://arxiv.org/abs/1706.03762, section 3.5.
    """

    def call(self, x):
        column = np.arange(x.shape[-1])
        rate = 10000.0 ** -((column - column % 2) / x.shape[-1])
        angle = ops.cast(ops.arange(ops.shape(x)[1]), "float32")[:, None] * rate.astype("float32")
        table = ops.where(column % 2 == 0, ops.sin(angle), ops.cos(angle))      # (T, D)
        return x + ops.cast(table, x.dtype)

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)


@keras.saving.register_keras_serializable("sedzoo")
class LearnedPositions(keras.layers.Layer):
    """A learned vector of every frame's number, added.

    y(p) = x(p) + w_p.

    Args:
        max_frames: int > 0, rows of the table, and the longest input.

    Call: x, float (batch, frames <= max_frames, D) -> like x.
    Raises: ValueError when `max_frames` is no positive int, or the input is longer.
    Source: Boes and Van hamme 2022, https://doi.org/10.1186/s13636-022-00252-9, where the encoders'
        tables have 64 rows and the decoders' 65.
    """

    def __init__(self, max_frames, **kwargs):
        check_counts(max_frames=max_frames)
        super().__init__(**kwargs)
        self.max_frames = max_frames

    def build(self, input_shape):
        self.table = self.add_weight(shape=(self.max_frames, input_shape[-1]),
                                     initializer="uniform", name="table")

    def call(self, x):
        frames = x.shape[1] if x.shape[1] is not None else ops.shape(x)[1]
        if isinstance(frames, int) and frames > self.max_frames:
            raise ValueError(f"`max_frames` must be at least the frames of the input, {frames}. "
                             f"Received: max_frames={self.max_frames!r}")
        return x + self.table[:frames]

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)
