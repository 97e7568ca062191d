"""The post-processing of AudioSet's embeddings: principal components in eight bits, and back."""

import keras
import numpy as np
from keras import ops

LIMIT = 2.0             # components beyond it are cut off
# A table, for compilers that fuse the product and the sum round once less, and differ in a bit.
_COMPONENTS = (np.arange(256, dtype=np.float32) * np.float32(2 * LIMIT / 255)
               + np.float32(2 * LIMIT / 512 - LIMIT))


def quantise(y):
    """Components as eight bits: q = floor((clip(y, -2, 2) + 2) 255 / 4).

    Args:
        y: float array or tensor, any shape, without NaN.
    Returns: uint8 tensor of the same shape.
    Source: VGGish's post-processor (vggish_postprocess.py), the same to the bit in float32.
    """
    y = ops.clip(ops.cast(y, "float32"), -LIMIT, LIMIT)
    return ops.cast((y + LIMIT) * (255 / (2 * LIMIT)), "uint8")


def dequantise(codes):
    """Components of eight bits: y = q 4 / 255 + 4 / 512 - 2, near the middle of what gave the code.

    quantise(dequantise(q)) is q for all 256 codes; the largest comes back as 2 + 1 / 128.

    Args:
        codes: uint8 array or tensor, any shape.
    Returns: float32 tensor of the same shape.
    Source: Dequantize of the YouTube-8M starter code.
    """
    return ops.take(_COMPONENTS, ops.cast(codes, "int32"), axis=0)


def training_scale(codes):
    """Codes as networks are trained on them: (q - 128) / 128, in [-1, 1).

    Args:
        codes: uint8 array or tensor, any shape.
    Returns: float32 tensor of the same shape.
    Source: the released code of Kong et al. 2018 and Yu et al. 2018 on AudioSet; Xu's thesis (2018)
        trains on the same embeddings and does not say.
    """
    return (ops.cast(codes, "float32") - 128) / 128


@keras.saving.register_keras_serializable("sedzoo")
class EmbeddingPCA(keras.layers.Layer):
    """Principal components of embeddings, whitened where the components are: y = E (x - mu).

    Args:
        mean: D floats, mu.
        components: (D', D) floats, E, a component a row.

    Call: x, float (..., D) -> float32 (..., D').
    Raises: ValueError when they are not finite or their shapes do not fit.
    Source: VGGish's post-processor; its published E is 128 x 128, scaled so that the components
        have variance 1.
    """

    def __init__(self, mean, components, **kwargs):
        super().__init__(**{"dtype": "float32", "trainable": False, **kwargs})
        self.mean = np.asarray(mean, np.float32)
        self.components = np.asarray(components, np.float32)
        if (self.mean.ndim != 1 or self.components.ndim != 2
                or self.components.shape[1] != len(self.mean)):
            raise ValueError("`mean` must be (D,) and `components` (D', D). Received: shapes "
                             f"{self.mean.shape} and {self.components.shape}")
        if not (np.isfinite(self.mean).all() and np.isfinite(self.components).all()):
            raise ValueError("`mean` and `components` must be finite.")

    def call(self, x):
        return ops.matmul(x - self.mean, self.components.T)

    def inverse(self, y):
        """Embeddings of components (..., D'): the x with E (x - mu) = y, float32 (..., D).

        E is no rotation where it whitens, so it is solved for, in float64, and not transposed.

        Raises: ValueError when E has no inverse.
        """
        size, width = self.components.shape
        if size != width or np.linalg.matrix_rank(self.components) < size:
            raise ValueError(f"`components` {self.components.shape} must be square and of full "
                             "rank to be inverted.")
        inverse = np.linalg.solve(self.components.astype(np.float64), np.eye(size))
        return ops.matmul(ops.cast(y, "float32"), inverse.T.astype(np.float32)) + self.mean

    def build(self, input_shape):
        if input_shape[-1] not in (None, len(self.mean)):
            raise ValueError(f"`mean` has {len(self.mean)} numbers, an embedding "
                             f"{input_shape[-1]}.")

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], len(self.components))

    def get_config(self):
        return {**super().get_config(), "mean": self.mean.tolist(),
                "components": self.components.tolist()}


@keras.saving.register_keras_serializable("sedzoo")
class Postprocessor(EmbeddingPCA):
    """Embeddings as AudioSet releases them: q = quantise(E (x - mu)).

    Args, Raises: as EmbeddingPCA.
    Call: x, float (..., D), an extractor's embeddings -> uint8 (..., D').
    """

    def call(self, x):
        return quantise(super().call(x))

    def compute_output_spec(self, x):
        return keras.KerasTensor(self.compute_output_shape(x.shape), "uint8")

    def inverse(self, codes):
        """Embeddings of codes, uint8 (..., D') -> float32 (..., D), but for what the bits lost."""
        return super().inverse(dequantise(codes))
