"""Recurrent layers: a bidirectional GRU, and a pair of which one gates the other."""

import keras
from keras import layers, ops


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

    def call(self, x, frame_mask=None, training=None):
        # A copy, free of the implicit mask that Keras ties to the original.
        return ops.copy(self.rnn(x, mask=frame_mask, training=training))

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

    def call(self, x, frame_mask=None, training=None):
        linear = self.linear(x, frame_mask=frame_mask, training=training)
        gate = self.gate(x, frame_mask=frame_mask, training=training)
        return linear * (ops.sigmoid(gate) if self.recurrence == "cudnn" else gate)

    def compute_output_shape(self, x_shape, frame_mask_shape=None):
        return (*x_shape[:-1], 2 * self.units)
