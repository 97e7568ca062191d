"""The sound of video files, on the clock of their pictures."""

import warnings

import av
import numpy as np

from sedzoo import audio, waveform
from sedzoo.audio import AudioDecodeError, AudioError, AudioWarning, EmptyAudioError
from sedzoo.decode import MAX_RATE_HZ, MIN_RATE_HZ
from sedzoo.video.demux import VideoDecodeError, opened

MAX_SILENCE_S = 600     # what a file's clock may leave without sound, in all
# Timestamps are rounded, to milliseconds in Matroska; where sound is missing, more is.
_GAP_S = 0.05


def sound(source, sample_rate):
    """The sound of a video file as mono float32, from second 0 on.

    Channels are averaged, the result resampled as in audio.load; silence stands where the file's
    timestamps leave a gap.

    Args:
        source: path, the bytes of a file, or a binary file.
        sample_rate: int in [1000, 1000000], Hz.
    Returns: float32 (S,), S >= 1.
    Raises:
        FileNotFoundError: there is no such file.
        NoSoundError: pictures alone.
        VideoDecodeError: no video, or nothing of its sound can be decoded.
        EmptyAudioError, NonFiniteAudioError, AmplitudeError: as their names say.
    Warns: AudioWarning where sound is missing.
    """
    with opened(source) as file:
        parts, rate = _placed(file, file.require_sound())
        doubts = file.doubts(at_end=True)
    if not parts:
        if doubts:
            raise VideoDecodeError(f"{file.name}: nothing of its sound can be decoded ({doubts})")
        raise EmptyAudioError(f"{file.name}: its sound holds no samples")
    try:
        whole = np.concatenate(list(waveform.blocks(np.concatenate(parts), rate, sample_rate)))
    except AudioError as error:
        reason = str(error).removeprefix("the waveform: ")
        raise type(error)(f"{file.name}: {reason}") from error
    if doubts:
        warnings.warn(f"{file.name}: sound may be missing ({doubts})", AudioWarning, stacklevel=2)
    return whole


def load_sound(source, sample_rate):
    """The sound of any file: audio.load, or `sound` where libsndfile does not know the container.

    Args, Returns, Warns: as both.
    Raises: as audio.load; as `sound` for what can be opened as a video.
    """
    try:
        return audio.load(source, sample_rate)
    except AudioDecodeError as error:
        try:
            return sound(source, sample_rate)
        except VideoDecodeError:
            raise error from None


def _placed(file, stream):
    """Mono pieces that lie one after the other from second 0 on, and their rate."""
    parts, held, silent, rate = [], 0, 0, None
    for at_s, frame in file.decoded(stream):
        rate = rate or frame.sample_rate
        if frame.sample_rate != rate or not MIN_RATE_HZ <= rate <= MAX_RATE_HZ:
            raise VideoDecodeError(f"{file.name}: its sound has a rate of {frame.sample_rate} Hz; "
                                   f"it must be one, in [{MIN_RATE_HZ}, {MAX_RATE_HZ}]")
        mono = _mono(frame)
        gap = 0 if at_s is None else round(at_s * rate) - held
        if not held and gap < 0:
            mono = mono[-gap:]                  # before second 0
        elif gap > 0 and (not held or gap > _GAP_S * rate):
            silent += gap
            if silent > MAX_SILENCE_S * rate:
                raise VideoDecodeError(f"{file.name}: its timestamps leave {silent / rate:.0f} s "
                                       "without sound")
            parts.append(np.zeros(gap, np.float32))
            held += gap
        if len(mono):
            parts.append(mono)
            held += len(mono)
    return parts, rate


def _mono(frame):
    """float32 (n,) of an audio frame of any sample format, the mean of its channels."""
    num_channels = frame.layout.nb_channels
    if frame.format.is_planar and num_channels >= 8:
        # PyAV would read past the last plane.
        [frame] = av.AudioResampler(frame.format.packed.name, frame.layout,
                                    frame.sample_rate).resample(frame)
    samples = frame.to_ndarray()                # (C, n), or interleaved (1, n * C)
    if not frame.format.is_planar:
        samples = samples.reshape(-1, num_channels).T
    if samples.dtype.kind in "iu":
        full_scale = 2.0 ** (8 * samples.dtype.itemsize - 1)
        samples = samples / full_scale - (samples.dtype.kind == "u")
    return samples.mean(axis=0, dtype=np.float64).astype(np.float32)
