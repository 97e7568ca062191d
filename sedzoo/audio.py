"""Audio files of any common kind -> mono float32 at one rate, or an error that says why not."""

import os
import warnings

import numpy as np
import soundfile

from sedzoo.decode import (
    MAX_AMPLITUDE,
    AmplitudeError,
    AudioDecodeError,
    AudioError,
    EmptyAudioError,
    NonFiniteAudioError,
    decode,
    duration_s,
)

__all__ = ["AmplitudeError", "AudioDecodeError", "AudioError", "AudioWarning", "EmptyAudioError",
           "NonFiniteAudioError", "blocks", "duration_s", "load", "save"]


_WRITE_FRAMES = 2 ** 16


class AudioWarning(UserWarning):
    """Something of the sound was lost or is doubtful."""


def load(source, sample_rate, *, strict=False):
    """A sound as mono float32 in [-1, 1] at the asked rate.

    Channels are averaged and the result resampled (soxr, high quality). WAV of any depth, FLAC,
    OGG, MP3, AIFF and what else libsndfile reads; the content decides, not the name's ending.
    Floats above full scale stay as they are, denormal samples become zero. A file that ends too
    early gives what is there, and a warning.

    Args:
        source: path, the bytes of a file, or a binary file.
        sample_rate: int in [1000, 1000000], Hz.
        strict: bool, make errors of the warnings. Defaults to False.

    Returns: float32 (S,), S >= 1.
    Raises:
        FileNotFoundError: there is no such file.
        AudioDecodeError: not audio, unreadable, or a rate outside [1000, 1000000] Hz.
        EmptyAudioError, NonFiniteAudioError, AmplitudeError: as their names say.
        AudioError: a path with a NUL byte; with `strict`, what else would be a warning.
    Warns: AudioWarning where audio is missing or its channels cancel each other.
    """
    doubts = []
    parts = list(decode(source, sample_rate, doubts))
    _settle(doubts, strict)
    return np.concatenate(parts)


def blocks(source, sample_rate, block_s=30.0, *, strict=False):
    """The same sound piece by piece, in memory that does not grow with its length.

    Args:
        source, sample_rate, strict: as for `load`.
        block_s: float > 0, seconds of each piece; the last one may be shorter. Defaults to 30.

    Yields: float32 (n,); joined they equal what `load` returns.
    Raises, Warns: as `load`, errors where they are met, warnings after the last piece.
    """
    num_samples = round(block_s * sample_rate)
    if num_samples < 1:
        raise ValueError(f"`block_s` must be at least one sample. Received: block_s={block_s!r}")
    doubts, parts, held = [], [], 0
    for part in decode(source, sample_rate, doubts):
        parts.append(part)
        held += len(part)
        if held >= num_samples:
            joined = np.concatenate(parts)
            whole = held - held % num_samples
            yield from np.split(joined[:whole], whole // num_samples)
            parts, held = [joined[whole:].copy()], held - whole
    if held:
        yield np.concatenate(parts)
    _settle(doubts, strict)


def save(path, waveform, sample_rate, *, subtype=None):
    """Write a mono waveform; the name's ending says in which format (.wav, .flac, .ogg, .mp3).

    Args:
        path: path of the file to write; its folder must exist.
        waveform: float (S,), in [-1, 1] unless `subtype` is "FLOAT" or "DOUBLE".
        sample_rate: int, Hz.
        subtype: libsndfile's name of the sample format. Defaults to the format's own, which is
            16 bits for WAV and FLAC.

    Raises: NonFiniteAudioError, AmplitudeError: what could not be read back as it was.
    """
    waveform = np.asarray(waveform)
    if waveform.ndim != 1 or not np.issubdtype(waveform.dtype, np.floating):
        raise ValueError("`waveform` must be float of shape (samples,). "
                         f"Received: {waveform.dtype} of shape {waveform.shape}")
    name = repr(os.fspath(path))
    peak = float(np.abs(waveform).max(initial=0.0))
    if not np.isfinite(peak):
        raise NonFiniteAudioError(f"{name}: the waveform to save is not finite")
    if peak > (MAX_AMPLITUDE if subtype in ("FLOAT", "DOUBLE") else 1):
        raise AmplitudeError(f"{name}: the waveform to save reaches {peak:g}, more than the file "
                             'can hold; scale it, or for a peak up to 1000 use subtype="FLOAT"')
    with soundfile.SoundFile(path, "w", sample_rate, 1, subtype) as file:
        # Vorbis' encoder overruns the stack on a long write.
        for start in range(0, len(waveform), _WRITE_FRAMES):
            file.write(waveform[start:start + _WRITE_FRAMES])


def _settle(doubts, strict):
    """Warn of doubts in the name of whoever called the caller, or raise the first."""
    if strict and doubts:
        raise AudioError(doubts[0])
    for doubt in doubts:
        warnings.warn(doubt, AudioWarning, stacklevel=3)
