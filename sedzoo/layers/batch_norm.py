"""Batch normalisation with a fused kernel where TensorFlow has one."""

import keras
from keras import ops

if keras.backend.backend() == "tensorflow":
    from sedzoo.layers import kernels_tensorflow as kernels
else:
    kernels = None


@keras.saving.register_keras_serializable("sedzoo")
class BatchNorm(keras.layers.BatchNormalization):
    """keras.layers.BatchNormalization, the same weights and numbers, in fewer passes over memory.

    On TensorFlow, feature maps (batch, frames, channels) and (batch, frames, bands, channels) go
    through one fused kernel each way (about twice the training speed of a convolutional model on a
    CPU); everything else takes Keras' own road.

    Args: those of keras.layers.BatchNormalization.

    Call: inputs, float (batch, ..., channels); frame_mask, bool (batch, frames) or None, keeps
        padded frames out of the batch statistics. It is no `mask`, which Keras would hand on to
        layers that do not ask for one.
    """

    def call(self, inputs, training=None, frame_mask=None):
        fused = (kernels is not None and frame_mask is None and not self.synchronized
                 and len(inputs.shape) in (3, 4) and self.axis in (-1, len(inputs.shape) - 1)
                 and self.center and self.scale and inputs.dtype != "float64")
        if not fused:
            return super().call(inputs, training=training, mask=_spread(frame_mask, inputs))
        if len(inputs.shape) == 3:
            return ops.squeeze(self._fused(inputs[:, :, None], training), axis=2)
        return self._fused(inputs, training)

    def _fused(self, inputs, training):
        """The layer on (batch, frames, bands, channels)."""
        x = ops.cast(inputs, self.compute_dtype)
        if not (training and self.trainable):
            return kernels.normalise(x, self.gamma, self.beta, self.moving_mean,
                                     self.moving_variance, self.epsilon)
        y, mean, variance = kernels.normalise_batch(x, self.gamma, self.beta, self.epsilon)
        for moving, new in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + ops.cast(new, moving.dtype)
                          * (1.0 - self.momentum))
        return y


@keras.saving.register_keras_serializable("sedzoo")
class SharedNorm(BatchNorm):
    """BatchNorm of several calls, of which some stay as at test while the model is trained.

    Call: as BatchNorm; at_test, bool, in place of training=False, which a keras.Model that trains
        would overrule.
    """

    def call(self, inputs, training=None, frame_mask=None, at_test=False):
        return super().call(inputs, training=training and not at_test, frame_mask=frame_mask)


def _spread(frame_mask, x):
    """A frame mask (B, T) for every cell of x (B, T, ...) but its channels."""
    if frame_mask is None or len(x.shape) == 3:
        return frame_mask
    mask = ops.reshape(frame_mask, (*ops.shape(frame_mask), *[1] * (len(x.shape) - 3)))
    return ops.broadcast_to(mask, ops.shape(x)[:-1])
