"""Gated linear convolution."""

import keras
from keras import ops

from sedzoo.layers.batch_norm import BatchNorm


@keras.saving.register_keras_serializable("sedzoo")
class GatedConv2D(keras.layers.Layer):
    """Convolution that decides, cell by cell, how much of itself to let through.

    y = (W * x + b) . sigmoid(V * x + c), biases supplied by batch normalisation of each half.

    Args:
        filters: int > 0, channels of the output, C'.
        kernel_size: int or (frames, bands), cells, padded "same". Defaults to 3.
        fused: bool, one convolution of 2C' filters, or two of C' with the halves of the same
            kernel. The numbers and the weights are the same; two are faster on a CPU, one on a
            GPU. Defaults to None: as the machine suggests.
        momentum, epsilon: floats of the batch normalisation, in Keras' sense.

    Call: x, float (batch, frames, bands, C); frame_mask, bool (batch, frames) or None, keeps
        padded frames out of the batch statistics -> float (batch, frames, bands, C').
    Raises: ValueError when `filters` is not a positive int.
    Source: Xu et al. 2018, https://arxiv.org/abs/1710.00343, eq. 2, after Dauphin et al. 2017,
        https://arxiv.org/abs/1612.08083. Differs: W and V lie in one kernel and batch normalisation
        stands before the gate, as in the released code.
    """

    def __init__(self, filters, kernel_size=3, fused=None, momentum=0.99, epsilon=1e-3, **kwargs):
        if not (isinstance(filters, int) and filters > 0):
            raise ValueError(f"`filters` must be a positive int. Received: filters={filters!r}")
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = (kernel_size,) * 2 if isinstance(kernel_size, int) else kernel_size
        self.fused = _on_accelerator() if fused is None else fused
        self.linear_norm, self.gate_norm = (
            BatchNorm(momentum=momentum, epsilon=epsilon, dtype=self.dtype_policy, name=name)
            for name in ("linear_norm", "gate_norm"))

    def build(self, input_shape):
        self.kernel = self.add_weight(
            shape=(*self.kernel_size, input_shape[-1], 2 * self.filters),
            initializer="glorot_uniform", name="kernel")
        for norm in (self.linear_norm, self.gate_norm):
            norm.build((*input_shape[:-1], self.filters))

    def call(self, x, frame_mask=None, training=None):
        if self.fused:
            linear, gate = ops.split(ops.conv(x, self.kernel, padding="same"), 2, axis=-1)
        else:
            linear, gate = (ops.conv(x, half, padding="same")
                            for half in ops.split(self.kernel, 2, axis=-1))
        linear = self.linear_norm(linear, training=training, frame_mask=frame_mask)
        gate = self.gate_norm(gate, training=training, frame_mask=frame_mask)
        return linear * ops.sigmoid(gate)

    def compute_output_shape(self, x_shape, frame_mask_shape=None):
        return (*x_shape[:-1], self.filters)


def _on_accelerator():
    """Whether tensors live on a GPU or TPU, on any backend."""
    device = str(getattr(ops.zeros(()), "device", "")).lower()
    return any(kind in device for kind in ("gpu", "cuda", "tpu"))
