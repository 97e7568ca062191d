"""How SavedModels take sound and give embeddings: what their traces say, and the published ones."""

from dataclasses import dataclass

import keras
import tensorflow as tf


@dataclass(frozen=True)
class WaveformInput:
    """The one argument of a SavedModel that hears.

    Args:
        axes: tuple of ints, None where they are free: (S,), a waveform; (B, S), a batch; (B, W),
            (B, W, 1) or (B, 1, W), windows.
    """

    axes: tuple

    @classmethod
    def of(cls, layer):
        """The one with the most axes, of those that a HubLayer's SavedModel was traced with.

        Raises: ValueError when none of them is sound.
        """
        traced = [[spec for spec in keras.tree.flatten(trace.structured_input_signature)
                   if isinstance(spec, tf.TensorSpec)] for trace in layer.traces]
        sound = [tuple(specs[0].shape) for specs in traced if len(specs) == 1 and _hears(specs[0])]
        if not sound:
            raise ValueError("`handle` must be a SavedModel of one float32 input: waveforms (S,) "
                             "or (B, S), or windows (B, W), (B, W, 1) or (B, 1, W). "
                             f"Received: {layer.handle}, which takes {traced}")
        return cls(max(sound, key=len))

    @property
    def is_batch(self):
        return len(self.axes) > 1

    @property
    def window_samples(self):
        """Samples that each row must have, or None for any number."""
        return _lengths(self.axes)[0] if self.is_batch else None

    def shaped(self, waveforms):
        """(B, S) -> what the SavedModel takes; B = 1 where that is one waveform."""
        if not self.is_batch:
            return waveforms[0]
        return waveforms.reshape(len(waveforms), *(1 if axis == 1 else -1
                                                   for axis in self.axes[1:]))


def _hears(spec):
    """Whether an input can be waveforms."""
    if spec.dtype != tf.float32 or not spec.shape.rank or spec.shape[0] is not None:
        return False
    return spec.shape.rank == 1 or len(_lengths(tuple(spec.shape))) == 1


def _lengths(axes):
    """The axes of a row that are no single channel."""
    return [axis for axis in axes[1:] if axis != 1]


@dataclass(frozen=True)
class Published:
    """A well-known interface, and what it does not say of itself.

    Args:
        window_samples: int, or None for whole waveforms.
        widths: ints, the last axes of what it returns, in order.
        output: which of them is the embedding, or None where there is one.
        sample_rate: Hz; hop_s: seconds.
    """

    window_samples: int | None
    widths: tuple
    output: int | None
    sample_rate: int
    hop_s: float


PUBLISHED = (
    Published(None, (521, 1024, 64), 1, 16000, 0.48),    # YAMNet: scores, embeddings, log-mel
    Published(None, (128,), None, 16000, 0.96),          # VGGish
    Published(48000, (512,), None, 48000, 0.1),          # OpenL3, its small embedding
    Published(48000, (6144,), None, 48000, 0.1),         # and its large one
)


def published(window_samples, answer):
    """The Published interface that an answer looks like, or None."""
    if isinstance(answer, dict):
        return None
    widths = tuple(tensor.shape[-1] for tensor in keras.tree.flatten(answer) if tensor.shape.rank)
    return next((known for known in PUBLISHED
                 if (known.window_samples, known.widths) == (window_samples, widths)), None)
