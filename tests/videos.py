"""Small video files, written for tests."""

from fractions import Fraction

import av
import numpy as np


def plain(colours, size=(16, 24)):
    """One picture (H, W, 3) of each colour (R, G, B)."""
    return [np.broadcast_to(np.array(colour, np.uint8), (*size, 3)) for colour in colours]


def colours_of(number):
    """As many colours, no two alike."""
    return [(9 * k % 256, 255 - 7 * k % 256, 40 * k % 256) for k in range(number)]


def write_video(path, pictures=None, times_s=None, *, codec="ffv1", pix_fmt="bgr0", options=None,
                rotation=None, waveform=None, rate=16000, sound_codec="pcm_s16le",
                sound_times_s=(0.0,), sound_first=False, clock_hz=1000, muxer=None):
    """A file of pictures, each from its own time on, and of sound; lossless in Matroska.

    Args:
        pictures: list of uint8 (H, W, 3), or None; times_s: their times, or None for 25 a second.
        waveform: float (S,) or (channels, S), or None, in equal parts from each of `sound_times_s`.
        sound_first: bool, which stream is number 0.
        clock_hz: ticks of the pictures' clock; muxer: dict of options.
    """
    packets = []
    with av.open(str(path), "w", container_options=muxer or {}) as file:
        if waveform is not None:
            waveform = np.atleast_2d(waveform)
        if sound_first:
            sound = _sound_stream(file, sound_codec, rate, waveform)
        if pictures is not None:
            stream = file.add_stream(codec, rate=25, options=options or {})
            stream.height, stream.width = pictures[0].shape[:2]
            stream.pix_fmt = pix_fmt
            stream.codec_context.time_base = Fraction(1, clock_hz)
            if rotation is not None:
                stream.set_display_rotation(rotation)
        if waveform is not None and not sound_first:
            sound = _sound_stream(file, sound_codec, rate, waveform)
        for k, picture in enumerate(pictures or []):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24")
            frame = frame.reformat(format=pix_fmt)
            frame.pts = round((k / 25 if times_s is None else times_s[k]) * clock_hz)
            frame.time_base = Fraction(1, clock_hz)
            packets += stream.encode(frame)
        if pictures is not None:
            packets += stream.encode(None)
        if waveform is not None:
            parts = np.array_split(waveform, len(sound_times_s), axis=1)
            for part, time_s in zip(parts, sound_times_s, strict=True):
                packets += _encoded(sound, part, time_s, rate)
            packets += sound.encode(None)
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            file.mux(packet)


def _sound_stream(file, codec, rate, waveform):
    return file.add_stream(codec, rate=rate,
                           layout={1: "mono", 2: "stereo", 8: "7.1"}[len(waveform)])


def _encoded(stream, part, time_s, rate):
    interleaved = np.ascontiguousarray(part.T, np.float32).reshape(1, -1)
    frame = av.AudioFrame.from_ndarray(interleaved, "flt", stream.layout.name)
    frame.sample_rate, frame.pts = rate, round(time_s * rate)
    frame.time_base = Fraction(1, rate)
    resampler = av.AudioResampler(stream.format.name, stream.layout.name, rate)
    return [packet for ready in resampler.resample(frame) for packet in stream.encode(ready)]
