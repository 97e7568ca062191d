"""The decoder beneath `sedzoo.audio`: any source -> chunks of mono samples, and what was wrong."""

import contextlib
import io
import logging
import os
import stat

import numpy as np
import soundfile
import soxr

from sedzoo.container import examine

MIN_RATE_HZ, MAX_RATE_HZ = 1_000, 1_000_000
# 60 dB over full scale: more is no sound, but integers stored as floats, or damage.
MAX_AMPLITUDE = 1e3

# Values decoded at a time, over all channels, and samples resampled at a time: what memory is
# taken follows from these, never from what a header claims.
_CHUNK = 2 ** 18
# Damage is reported at the end of a read, blocks of silence in its place: short reads, as long as
# a FLAC block, keep all sound before it and nothing after. Without a codec there is no damage.
_CODED_FRAMES = 4096
_UNCODED = ("WAV", "WAVEX", "RF64", "W64", "AIFF", "AU")
# Channels whose mean has less than this share of their energy cancel each other (-40 dB).
_CANCELLED = 1e-4
_UNKNOWN_FRAMES = 2 ** 62

_log = logging.getLogger(__name__)


class AudioError(ValueError):
    """A source that cannot be used as sound; the message names it and the reason in one line."""


class AudioDecodeError(AudioError):
    """No audio, or none that can be decoded."""


class EmptyAudioError(AudioError):
    """Sound of no samples."""


class NonFiniteAudioError(AudioError):
    """Samples that are NaN or infinite."""


class AmplitudeError(AudioError):
    """Samples beyond MAX_AMPLITUDE, where full scale is 1."""


def decode(source, sample_rate, doubts):
    """Chunks (n,) of a source at `sample_rate`; messages of what is doubtful go to `doubts`."""
    if not (isinstance(sample_rate, (int, np.integer))
            and MIN_RATE_HZ <= sample_rate <= MAX_RATE_HZ):
        raise ValueError(f"`sample_rate` must be an int in [{MIN_RATE_HZ}, {MAX_RATE_HZ}]. "
                         f"Received: sample_rate={sample_rate!r}")
    with _opened(source) as (sound, name, doubt):
        rate = sound.samplerate
        if rate < sample_rate:
            _log.debug("%s: nothing above %d Hz, its rate is %d Hz", name, rate // 2, rate)
        damage, meter = [], _Meter(name, rate)
        resampler = None if rate == sample_rate else soxr.ResampleStream(rate, sample_rate, 1)
        num_samples = 0
        for chunk in _read(sound, sample_rate, damage):
            mono = meter.downmix(chunk)
            part = mono if resampler is None else resampler.resample_chunk(mono)
            num_samples += len(part)
            if len(part):
                yield _without_denormals(part)
        if resampler is not None and meter.num_frames:
            part = resampler.resample_chunk(np.zeros(0, np.float32), last=True)
            num_samples += len(part)
            if len(part):
                yield _without_denormals(part)
        found = [doubt] * (doubt is not None) + meter.doubts(sound.frames, damage)
    if damage and not meter.num_frames:
        raise AudioDecodeError(f"{name}: {found[-1]}")
    if not num_samples:
        raise EmptyAudioError("; ".join([f"{name}: holds {meter.num_frames} samples at {rate} Hz, "
                                         f"none at {sample_rate} Hz", *found]))
    doubts.extend(f"{name}: {reason}" for reason in found)


def duration_s(source):
    """Seconds of a sound, by its header where that knows, else by decoding.

    Of a WAV file that was cut off, the seconds that are there; of a cut FLAC or MP3 file, those
    its header still promises.

    Args:
        source: as for `load`.

    Returns: float >= 0.
    Raises: as `load` for what cannot be opened.
    """
    with _opened(source) as (sound, _, _):
        num_frames = sound.frames
        if num_frames >= _UNKNOWN_FRAMES:
            num_frames = sum(len(chunk) for chunk in _read(sound, sound.samplerate, []))
        return num_frames / sound.samplerate


class _Forward(soundfile.SoundFile):
    """A SoundFile that only goes forward.

    The parent seeks after every read where it can, which makes compressed formats decode twice,
    and takes the header's number of frames for what can be read.
    """

    def seekable(self):
        return False


@contextlib.contextmanager
def _opened(source):
    """(decoder, name for messages, doubt or None) of a source."""
    name, file = binary(source)
    with contextlib.ExitStack() as stack:
        if file is not source:
            stack.enter_context(file)
        size = file.seek(0, 2)
        if not size:
            raise AudioDecodeError(f"{name}: empty, not one byte")
        view, doubt = examine(file)
        file.seek(0)
        head = file.read(8)
        file.seek(0)
        try:
            sound = stack.enter_context(_Forward(view))
        except soundfile.LibsndfileError as error:
            raise AudioDecodeError(f"{name}: cannot be decoded as audio: {_reason(error)} "
                                   f"({size} bytes, the first are {head!r})") from error
        if not MIN_RATE_HZ <= sound.samplerate <= MAX_RATE_HZ:
            raise AudioDecodeError(f"{name}: its header claims a rate of {sound.samplerate} Hz, "
                                   f"outside [{MIN_RATE_HZ}, {MAX_RATE_HZ}]")
        yield sound, name, doubt


def binary(source, kind="audio"):
    """Name for messages and seekable binary file of a path, bytes (of this kind) or a file."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        return f"{kind} of {len(source)} bytes", io.BytesIO(source)
    if hasattr(source, "read"):
        name = repr(getattr(source, "name", source))
        return name, source if source.seekable() else io.BytesIO(source.read())
    path = os.fspath(source)
    name = repr(path)
    if "\0" in path:
        raise AudioError(f"{name}: no file has a NUL byte in its name")
    try:
        mode = os.stat(path).st_mode
        # Opening a pipe would wait for somebody to write into it.
        if not stat.S_ISREG(mode):
            raise AudioDecodeError(
                f"{name}: {'is a directory' if stat.S_ISDIR(mode) else 'is not a regular file'}")
        return name, open(path, "rb")
    except FileNotFoundError:
        raise
    except OSError as error:
        raise AudioDecodeError(f"{name}: cannot be read: {error.strerror}") from error


def _read(sound, sample_rate, damage):
    """Chunks (n, C) up to the end or the first damage, whose reason goes to the list `damage`."""
    num_frames = min(_CHUNK // sound.channels, _CHUNK * sound.samplerate // sample_rate)
    if sound.format not in _UNCODED:
        num_frames = min(num_frames, _CODED_FRAMES)
    while True:
        chunk = np.empty((max(1, num_frames), sound.channels), np.float32)
        try:
            chunk = sound.read(out=chunk)
        except soundfile.LibsndfileError as error:
            damage.append(_reason(error))
            return
        if not len(chunk):
            return
        yield chunk


def _reason(error):
    """libsndfile's message, or a clearer one."""
    if "SF_INFO struct incomplete" in error.error_string:
        return "its header claims an impossible rate or number of channels"
    text = error.error_string.removeprefix("Error : ").rstrip(".")
    return text or f"libsndfile's error {error.code}"


class _Meter:
    """Averages channels, refuses samples that are no sound, and remembers what was heard."""

    def __init__(self, name, rate):
        self.name, self.rate = name, rate
        self.num_frames = 0
        self.energy = self.mono_energy = 0.0

    def downmix(self, chunk):
        """(n, C) -> (n,), or an error at the first sample that cannot be."""
        # NaN survives max and min, so two passes see everything.
        high, low = chunk.max(), chunk.min()
        if not (np.isfinite(high) and np.isfinite(low)):
            where, what = self._first(~np.isfinite(chunk), chunk)
            raise NonFiniteAudioError(f"{self.name}: not finite, the first {what} is {where}")
        if max(high, -low) > MAX_AMPLITUDE:
            where, what = self._first(np.abs(chunk) > MAX_AMPLITUDE, chunk)
            raise AmplitudeError(f"{self.name}: amplitude {what} {where}, where full scale is 1 "
                                 f"and {MAX_AMPLITUDE:g} the limit; integers stored as floats?")
        self.num_frames += len(chunk)
        if chunk.shape[1] == 1:
            return chunk[:, 0]
        mono = chunk.mean(axis=1)
        self.energy += float(np.square(chunk, dtype=np.float64).sum()) / chunk.shape[1]
        self.mono_energy += float(np.square(mono, dtype=np.float64).sum())
        return mono

    def _first(self, bad, chunk):
        frame, channel = np.argwhere(bad)[0]
        sample = self.num_frames + frame
        return f"at sample {sample} ({sample / self.rate:.3f} s)", f"{chunk[frame, channel]:g}"

    def doubts(self, num_promised, damage):
        """What to say at the end, given the header's number of frames and what broke."""
        doubts = []
        if damage or self.num_frames < num_promised < _UNKNOWN_FRAMES:
            promised = (f" of {num_promised / self.rate:.3f} s" if num_promised < _UNKNOWN_FRAMES
                        else "")
            doubts.append((f"damaged ({damage[0]})" if damage else "truncated")
                          + f": {self.num_frames / self.rate:.3f} s{promised} could be decoded")
        if self.mono_energy < _CANCELLED * self.energy:
            doubts.append("its channels cancel each other, their mean is nearly silent")
        return doubts


def _without_denormals(mono):
    mono[np.abs(mono) < np.finfo(np.float32).tiny] = 0
    return mono
