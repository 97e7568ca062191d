"""Recurrent layers: a bidirectional GRU, and a pair of which one gates the other."""

import keras
import numpy as np
from keras import layers, ops

from sedzoo.layers.pooling import keep_frames

if keras.backend.backend() == "tensorflow":
    from sedzoo.layers import kernels_tensorflow as kernels
else:
    kernels = None


@keras.saving.register_keras_serializable("sedzoo")
def hard_sigmoid(x):
    """clip(0.2 x + 0.5, 0, 1): Keras 2's, where Keras 3 divides by 6."""
    return ops.clip(0.2 * x + 0.5, 0.0, 1.0)


@keras.saving.register_keras_serializable("sedzoo")
class BiGRU(keras.layers.Layer):
    """A bidirectional GRU, its two directions side by side.

    Args:
        units: int > 0, per direction.
        activation: str, of the candidate state; "keras2" only.
        recurrence: "keras2" (hard sigmoid, reset gate before the product: the released code's) or
            "cudnn" (tanh, sigmoid, reset gate after it: what GPUs have a kernel for).

    Call: x, float (batch, frames, C); frame_mask, bool (batch, frames) or None
        -> (batch, frames, 2 * units).
    Raises: ValueError for another `recurrence`.
    """

    def __init__(self, units, activation="tanh", recurrence="keras2", **kwargs):
        if recurrence not in ("keras2", "cudnn"):
            raise ValueError('`recurrence` must be "keras2" or "cudnn". '
                             f"Received: recurrence={recurrence!r}")
        super().__init__(**kwargs)
        self.units = units
        self.activation = activation
        self.recurrence = recurrence
        rule = {"activation": "tanh"} if recurrence == "cudnn" else {
            "activation": activation, "recurrent_activation": hard_sigmoid, "reset_after": False}
        self.rnn = layers.Bidirectional(
            layers.GRU(units, return_sequences=True, dtype=self.dtype_policy, **rule),
            dtype=self.dtype_policy)

    def build(self, input_shape):
        self.rnn.build(input_shape)

    def call(self, x, frame_mask=None):
        (y,) = run_together([self], x, frame_mask)
        return y

    def compute_output_shape(self, x_shape, frame_mask_shape=None):
        return (*x_shape[:-1], 2 * self.units)


@keras.saving.register_keras_serializable("sedzoo")
class GatedBiGRU(keras.layers.Layer):
    """y = BiGRU_linear(x) . BiGRU_sigmoid(x), two independent bidirectional GRUs.

    Args:
        units: int > 0, per direction.
        recurrence: "keras2" or "cudnn", see BiGRU; with "cudnn" both candidates are
            tanh and the gate is the sigmoid of its layer's output.

    Call: x, float (batch, frames, C); frame_mask, bool (batch, frames) or None
        -> (batch, frames, 2 * units).
    Source: released code of Xu et al. 2018, https://arxiv.org/abs/1710.00343; the paper's text has
        one BiGRU.
    """

    def __init__(self, units, recurrence="keras2", **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.recurrence = recurrence
        self.linear = BiGRU(units, "linear", recurrence, dtype=self.dtype_policy)
        self.gate = BiGRU(units, "sigmoid", recurrence, dtype=self.dtype_policy)

    def build(self, input_shape):
        self.linear.build(input_shape)
        self.gate.build(input_shape)

    def call(self, x, frame_mask=None):
        linear, gate = run_together([self.linear, self.gate], x, frame_mask)
        return linear * (ops.sigmoid(gate) if self.recurrence == "cudnn" else gate)

    def compute_output_shape(self, x_shape, frame_mask_shape=None):
        return (*x_shape[:-1], 2 * self.units)


def run_together(bigrus, x, frame_mask):
    """The outputs of BiGRUs of one size and recurrence on the same input, a list of (B, T, 2U).

    On TensorFlow all directions run in one loop (kernels_tensorflow.gru), in float32 under any
    policy; elsewhere each is Keras' own layer.
    """
    if kernels is None:
        # Copies, free of the implicit mask that Keras ties to the originals.
        return [ops.copy(bigru.rnn(x, mask=frame_mask)) for bigru in bigrus]
    cells = [layer.cell for bigru in bigrus
             for layer in (bigru.rnn.forward_layer, bigru.rnn.backward_layer)]
    reset_after = bigrus[0].recurrence == "cudnn"
    activations = tuple("tanh" if reset_after else bigru.activation
                        for bigru in bigrus for _ in range(2))
    p, recurrent_bias = _project(cells, x, frame_mask, reset_after)
    kernel = ops.stack([ops.cast(cell.recurrent_kernel, "float32") for cell in cells])
    h = kernels.gru(p, kernel, recurrent_bias, activations, reset_after)     # (T, N, B, U)
    h = [_turned(direction, k) for k, direction in enumerate(ops.unstack(h, axis=1))]
    pairs = [ops.transpose(ops.concatenate(h[k:k + 2], axis=2), (1, 0, 2))   # (B, T, 2U)
             for k in range(0, len(h), 2)]
    return [keep_frames(ops.cast(y, bigrus[0].compute_dtype), frame_mask) for y in pairs]


def _project(cells, x, frame_mask, reset_after):
    """The input's part of every direction, (T, N, B, 3U), backward ones turned in time; and the
    recurrent biases, (N, 3U)."""
    units, num = cells[0].units, len(cells)
    biases = [ops.cast(cell.bias, "float32") for cell in cells]
    inner = ops.stack([bias[1] if reset_after else ops.zeros_like(bias) for bias in biases])
    bias = ops.concatenate([bias[0] if reset_after else bias for bias in biases])
    kernel = ops.concatenate([ops.cast(cell.kernel, "float32") for cell in cells], axis=1)
    p = ops.matmul(ops.cast(x, "float32"), kernel) + bias                    # (B, T, N 3U)
    p = ops.reshape(p, (*ops.shape(x)[:2], num, 3 * units))
    if frame_mask is not None:
        # An update gate of exactly 1 keeps the state through padded frames.
        hold = np.arange(3 * units) < units
        p = ops.where(ops.logical_and(ops.logical_not(frame_mask)[:, :, None, None], hold), 1e4, p)
    p = ops.unstack(ops.transpose(p, (2, 1, 0, 3)), num)                     # N x (T, B, 3U)
    return ops.stack([_turned(direction, k) for k, direction in enumerate(p)], axis=1), inner


def _turned(x, k):
    """Odd directions run backwards in time."""
    return ops.flip(x, axis=0) if k % 2 else x
