"""Arrays that claim to be sound -> blocks of mono float32 at one rate, or the reason why not."""

import numpy as np
import soxr

from sedzoo.audio import AmplitudeError, AudioError, EmptyAudioError, NonFiniteAudioError
from sedzoo.decode import MAX_AMPLITUDE, MAX_RATE_HZ, MIN_RATE_HZ

# PCM by its type: what is silence, and how far full scale is from it.
_PCM = {"uint8": (128, 2 ** 7), "int16": (0, 2 ** 15), "int32": (0, 2 ** 31)}


class WaveformError(AudioError):
    """An array that is no waveform: its type or its axes."""


def blocks(waveform, sample_rate, target_rate, block_s=30.0):
    """A waveform piece by piece, scaled and resampled, in memory that does not grow with it.

    Args:
        waveform: (S,) float in [-1, 1], or PCM of int16, int32 or uint8, which is scaled.
        sample_rate: int, Hz, of the waveform; target_rate: int, Hz, of the blocks.
        block_s: float > 0, seconds.
    Yields: float32 (n,); joined they are the whole.
    Raises: WaveformError for another type or rank; EmptyAudioError, NonFiniteAudioError,
        AmplitudeError as their names say; ValueError for a rate outside [1000, 1000000] Hz.
    """
    waveform = _checked(waveform)
    for rate in (sample_rate, target_rate):
        if not (isinstance(rate, (int, np.integer)) and MIN_RATE_HZ <= rate <= MAX_RATE_HZ):
            raise ValueError(f"`sample_rate` must be an int in [{MIN_RATE_HZ}, {MAX_RATE_HZ}] Hz. "
                             f"Received: sample_rate={rate!r}")
    resampler = None
    if sample_rate != target_rate:
        resampler = soxr.ResampleStream(sample_rate, target_rate, 1)
    step, num_samples = max(1, round(block_s * sample_rate)), 0
    for start in range(0, len(waveform), step):
        block = _scaled(waveform[start:start + step], start)
        if resampler is not None:
            block = resampler.resample_chunk(block, last=start + step >= len(waveform))
        num_samples += len(block)
        if len(block):
            yield block
    if not num_samples:
        raise EmptyAudioError(f"the waveform: holds {len(waveform)} samples at {sample_rate} Hz, "
                              f"none at {target_rate} Hz")


def _checked(waveform):
    """The array (S,) of a type that has a scale."""
    try:
        waveform = np.asarray(waveform)
    except ValueError as error:  # lists of different lengths
        raise WaveformError(f"the waveform: not an array: {error}") from None
    kind = waveform.dtype.name
    if kind not in _PCM and waveform.dtype.kind != "f":
        raise WaveformError("the waveform: its type must be float, or int16, int32 or uint8 PCM. "
                            f"Received: {kind}")
    if waveform.ndim != 1:
        hint = "; average the channels, or give one clip at a time" if waveform.ndim == 2 else ""
        raise WaveformError("the waveform: it must have one axis, (samples,). "
                            f"Received: shape {waveform.shape}{hint}")
    return waveform


def _scaled(block, start):
    """A block as float32 in [-1, 1], or an error that names its first bad sample."""
    if block.dtype.name in _PCM:
        silence, full_scale = _PCM[block.dtype.name]
        return ((block.astype(np.float64) - silence) / full_scale).astype(np.float32)
    # NaN is in no interval.
    bad = ~(np.abs(block) <= MAX_AMPLITUDE)
    if bad.any():
        first = int(bad.argmax())
        if not np.isfinite(block[first]):
            raise NonFiniteAudioError(f"the waveform: not finite, the first {block[first]} is at "
                                      f"sample {start + first}")
        raise AmplitudeError(f"the waveform: amplitude {block[first]:g} at sample {start + first}, "
                             f"where full scale is 1 and {MAX_AMPLITUDE:g} the limit; "
                             "integers stored as floats?")
    return block.astype(np.float32)
