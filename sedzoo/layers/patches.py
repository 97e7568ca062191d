"""A clip as patches of frames, each a picture of its own, and back."""

import keras
from keras import ops

from sedzoo.layers.pooling import keep_frames


@keras.saving.register_keras_serializable("sedzoo")
class FramePatches(keras.layers.Layer):
    """Consecutive patches of `size` frames, without overlap; frames that fill no patch are dropped.

    A clip shorter than a patch is padded to one, for it must have an answer, too.

    Args:
        size: int > 0, frames of a patch, t.
        fill: float, what stands in padded frames: the features of silence.

    Call: x, float (batch, frames, F); frame_mask, bool (batch, frames) or None
        -> (batch, max(1, frames // size), size, F). PatchMask says which of them count.
    Raises: ValueError when `size` is not a positive int.
    """

    def __init__(self, size, fill=0.0, **kwargs):
        _check_size(size)
        super().__init__(**kwargs)
        self.size = size
        self.fill = fill

    def call(self, x, frame_mask=None):
        if frame_mask is not None:
            x = ops.where(frame_mask[:, :, None], x, ops.cast(self.fill, x.dtype))
        num_patches = _num_patches(x, self.size)
        # In a graph of unknown length there is no telling whether a patch is lacking.
        lacking = self.size if x.shape[1] is None else max(0, self.size - x.shape[1])
        if lacking:
            x = ops.pad(x, ((0, 0), (0, lacking), (0, 0)), constant_values=self.fill)
        x = x[:, :num_patches * self.size]
        return ops.reshape(x, (-1, num_patches, self.size, x.shape[2]))

    def compute_output_shape(self, x_shape, frame_mask_shape=None):
        return (x_shape[0], _declared(x_shape[1], self.size), self.size, x_shape[2])


@keras.saving.register_keras_serializable("sedzoo")
class PatchMask(keras.layers.Layer):
    """The patches that count: whole ones, and the first of a clip shorter than a patch.

    Args:
        size: int > 0, frames of a patch.

    Call: frame_mask, bool (batch, frames) -> bool (batch, max(1, frames // size)).
    Raises: ValueError when `size` is not a positive int.
    """

    def __init__(self, size, **kwargs):
        _check_size(size)
        super().__init__(**{"dtype": "bool", **kwargs})
        self.size = size

    def call(self, frame_mask):
        count = ops.sum(ops.cast(frame_mask, "int32"), axis=1, keepdims=True)        # (B, 1)
        patch = ops.arange(_num_patches(frame_mask, self.size), dtype="int32")[None]
        whole = (patch + 1) * self.size <= count
        return ops.logical_or(whole, ops.logical_and(patch == 0, count > 0))

    def compute_output_shape(self, input_shape):
        return (input_shape[0], _declared(input_shape[1], self.size))


@keras.saving.register_keras_serializable("sedzoo")
class SplitPatches(keras.layers.Layer):
    """Every patch of every clip as an image of its own, for convolutions in two dimensions.

    Call: patches, float (batch, P, t, F) -> (batch * P, t, F, 1), clip by clip.
    """

    def call(self, patches):
        return ops.reshape(patches, (-1, *patches.shape[2:], 1))

    def compute_output_shape(self, input_shape):
        batch, num_patches, *picture = input_shape
        known = batch is not None and num_patches is not None
        return (batch * num_patches if known else None, *picture, 1)


@keras.saving.register_keras_serializable("sedzoo")
class JoinPatches(keras.layers.Layer):
    """What was found of each patch, gathered by clip: the way back from SplitPatches.

    Call: x, float (batch * P, D); patches, (batch, P, ...), what was split; patch_mask, bool
        (batch, P) or None -> (batch, P, D), 0 in patches that do not count.
    """

    def call(self, x, patches, patch_mask=None):
        num_patches = patches.shape[1]
        if num_patches is None:
            num_patches = ops.shape(patches)[1]
        return keep_frames(ops.reshape(x, (-1, num_patches, x.shape[-1])), patch_mask)

    def compute_output_shape(self, x_shape, patches_shape, patch_mask_shape=None):
        return (*patches_shape[:2], x_shape[-1])


def _num_patches(x, size):
    """Patches of (B, T, ...): an int where T is known."""
    if x.shape[1] is None:
        return ops.maximum(ops.shape(x)[1] // size, 1)
    return _declared(x.shape[1], size)


def _declared(frames, size):
    return None if frames is None else max(1, frames // size)


def _check_size(size):
    if not (isinstance(size, int) and size > 0):
        raise ValueError(f"`size` must be an int > 0. Received: size={size!r}")
