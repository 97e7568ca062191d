"""The training set's mean and deviation, taken out of the features."""

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable("sedzoo")
class Standardise(keras.layers.Layer):
    """y = (x - mean) / max(std, 1e-6), per band or with one mean for all.

    Args:
        mean, std: float or F floats, of the training features (features.statistics gives them).

    Call: x, float (batch, frames, F) -> the same shape.
    Raises: ValueError when the two do not match each other, or are not finite.
    """

    def __init__(self, mean, std, **kwargs):
        super().__init__(**{"dtype": "float32", "trainable": False, **kwargs})
        self.mean = np.asarray(mean, np.float32)
        self.std = np.asarray(std, np.float32)
        if self.mean.shape != self.std.shape or self.mean.ndim > 1:
            raise ValueError("`mean` and `std` must be two floats or two vectors of one length. "
                             f"Received: shapes {self.mean.shape} and {self.std.shape}")
        if not (np.isfinite(self.mean).all() and np.isfinite(self.std).all()):
            raise ValueError("`mean` and `std` must be finite.")

    def call(self, x):
        # Cast first: eight bits would wrap around.
        return (ops.cast(x, self.compute_dtype) - self.mean) / np.maximum(self.std, 1e-6)

    def compute_output_shape(self, input_shape):
        if self.mean.ndim and input_shape[-1] not in (None, len(self.mean)):
            raise ValueError(f"`mean` has {len(self.mean)} bands, the features {input_shape[-1]}.")
        return tuple(input_shape)

    def build(self, input_shape):
        self.compute_output_shape(input_shape)

    def get_config(self):
        return {**super().get_config(), "mean": self.mean.tolist(), "std": self.std.tolist()}
