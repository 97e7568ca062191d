"""53 files that audio loaders meet and stumble over, each with what must come of it.

`CASES` is for every test that hands files to sedzoo: `case.make(folder)` writes one and returns
its path, `case.outcome` says what `sedzoo.audio.load` does with it.
"""

import gzip
import io
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import soundfile

from sedzoo.audio import AmplitudeError, AudioDecodeError, EmptyAudioError, NonFiniteAudioError

RATE = 16000
TWO_HOURS = 2 * 3600 * RATE


@dataclass(frozen=True)
class Case:
    """One input.

    Args:
        name: str, the file's name.
        write: called with the path to write the file; None where there is none to write.
        outcome: "ok", "warns", or the class of the error.
        num_samples: int, what `load` returns at 16 kHz; None where it raises, or where only some
            of the ten seconds can be had.
    """

    name: str
    write: Callable[[str], None] | None
    outcome: str | type[Exception]
    num_samples: int | None = None

    @property
    def is_content(self):
        """Whether the bytes alone, without their path, have the same outcome."""
        return self.write is not None and self.name[:2] not in ("47", "48", "50")

    def make(self, folder):
        path = os.path.join(os.fspath(folder), self.name)
        if self.write is not None:
            self.write(path)
        return path


def tone(num_samples=10 * RATE, rate=RATE):
    """A steady sound that any codec keeps, float32 (S,)."""
    time_s = np.arange(num_samples) / rate
    return (0.4 * np.sin(2 * np.pi * 440 * time_s) + 0.1 * np.sin(2 * np.pi * 1870 * time_s)
            ).astype(np.float32)


def encoded(waveform, rate=RATE, **form):
    """The bytes of an audio file; `form` as for soundfile.write, 16-bit WAV where not said."""
    buffer = io.BytesIO()
    soundfile.write(buffer, waveform, rate, **{"format": "WAV", **form})
    return buffer.getvalue()


def chunk(name, body, size=None, order="<"):
    return name + struct.pack(order + "I", len(body) if size is None else size) + body


def wav(data=None, *, rate=RATE, channels=1, bits=16, align=None, size=None, before=b"",
        order="<"):
    """A 16-bit PCM WAV file with any of its header's fields made wrong."""
    if data is None:
        data = (tone() * 32767).astype(order + "i2").tobytes()
    align = channels * bits // 8 if align is None else align
    fields = struct.pack(order + "HHIIHH", 1, channels, rate, rate * align & 0xFFFFFFFF, align,
                         bits)
    body = (b"WAVE" + chunk(b"fmt ", fields, order=order) + before
            + chunk(b"data", data, size, order))
    return chunk({"<": b"RIFF", ">": b"RIFX"}[order], body, order=order)


def _damaged_floats(*values, subtype="FLOAT"):
    waveform = tone()
    waveform[5000:5000 + len(values)] = values
    return encoded(waveform, subtype=subtype)


def _bitflips():
    data = bytearray(encoded(tone(), format="FLAC"))
    for where in np.random.default_rng(45).integers(len(data) // 2, len(data), 20):
        data[where] ^= 0x10
    return bytes(data)


def _html():
    return b"<!DOCTYPE html><html><body>404 Not Found</body></html>" * 20


def _png():
    return b"\x89PNG\r\n\x1a\n" + np.random.default_rng(12).bytes(4000)


def _flac_half():
    data = encoded(tone(), format="FLAC")
    return data[:len(data) // 2]


def _two_hours(path):
    """Ten seconds of sound every ten minutes, silence between; takes little disk."""
    header = wav(b"", size=2 * TWO_HOURS)
    sound = (tone() * 32767).astype("<i2").tobytes()
    with open(path, "wb") as file:
        file.write(header)
        for start in range(0, TWO_HOURS, 600 * RATE):
            file.seek(len(header) + 2 * start)
            file.write(sound)
        file.truncate(len(header) + 2 * TWO_HOURS)


def _loop(path):
    os.symlink(os.path.basename(path), path)


def _file(name, content, outcome="ok", num_samples=None):
    """A case whose file holds the bytes that `content()` returns."""
    def write(path):
        with open(path, "wb") as file:
            file.write(content())
    return Case(name, write, outcome, 10 * RATE if outcome == "ok" and num_samples is None
                else num_samples)


_PCM3S = (tone(3 * RATE) * 32767).astype("<i2").tobytes()

CASES = [
    _file("01_empty_0_bytes.wav", lambda: b"", AudioDecodeError),
    _file("02_riff_12_bytes.wav", lambda: wav()[:12], AudioDecodeError),
    _file("03_header_cut_30_bytes.wav", lambda: wav()[:30], AudioDecodeError),
    _file("04_header_ok_zero_samples.wav", lambda: wav(b""), EmptyAudioError),
    _file("05_truncated_data_3s_of_10s.wav", lambda: wav(_PCM3S, size=320000), "warns", 3 * RATE),
    _file("06_truncated_odd_byte.wav", lambda: wav(_PCM3S + b"\1", size=320000), "warns", 3 * RATE),
    _file("07_one_sample.wav", lambda: wav(b"\0\x10"), "ok", 1),
    _file("08_100_samples.wav", lambda: wav(_PCM3S[:200]), "ok", 100),
    _file("09_text_named.wav", lambda: b"this is a text file\n" * 50, AudioDecodeError),
    _file("10_html_named.wav", _html, AudioDecodeError),
    _file("11_random_bytes.wav", lambda: np.random.default_rng(11).bytes(5000), AudioDecodeError),
    _file("12_png_named.wav", _png, AudioDecodeError),
    _file("13_nan_samples_f32.wav", lambda: _damaged_floats(*[np.nan] * 100), NonFiniteAudioError),
    _file("14_inf_samples_f32.wav", lambda: _damaged_floats(np.inf), NonFiniteAudioError),
    _file("15_huge_1e30_f32.wav", lambda: encoded(tone() * np.float32(1e30), subtype="FLOAT"),
          AmplitudeError),
    _file("16_denormal_1e-40_f32.wav",
          lambda: encoded(np.full(10 * RATE, 1e-40, np.float32), subtype="FLOAT")),
    _file("17_silence.wav", lambda: wav(bytes(320000))),
    _file("18_dc_full_scale.wav", lambda: wav(b"\xff\x7f" * 160000)),
    _file("19_8_channels.wav", lambda: encoded(np.stack([tone()] * 8, axis=1))),
    _file("20_stereo_antiphase.wav", lambda: encoded(np.stack([tone(), -tone()], axis=1),
                                                     subtype="FLOAT"), "warns", 10 * RATE),
    _file("21_192kHz.wav", lambda: encoded(tone(1920000, 192000), 192000)),
    _file("22_8kHz.wav", lambda: encoded(tone(80000, 8000), 8000)),
    _file("23_rate_0.wav", lambda: wav(rate=0), AudioDecodeError),
    _file("24_rate_1Hz.wav", lambda: wav(rate=1), AudioDecodeError),
    _file("25_rate_4294967295.wav", lambda: wav(rate=4294967295), AudioDecodeError),
    _file("26_channels_0.wav", lambda: wav(channels=0), AudioDecodeError),
    _file("27_block_align_wrong.wav", lambda: wav(align=3)),
    _file("28_bits_0.wav", lambda: wav(bits=0), AudioDecodeError),
    _file("29_datasize_0xFFFFFFFF_streamed.wav", lambda: wav(size=0xFFFFFFFF)),
    _file("30_datasize_0_streamed.wav", lambda: wav(size=0), "warns", 10 * RATE),
    _file("31_junk_and_odd_LIST_chunk.wav",
          lambda: wav(before=chunk(b"JUNK", bytes(28)) + chunk(b"LIST", b"INFOodd") + b"\0")),
    _file("32_pcm24.wav", lambda: encoded(tone(), subtype="PCM_24")),
    _file("33_pcm_u8.wav", lambda: encoded(tone(), subtype="PCM_U8")),
    _file("34_float64.wav", lambda: encoded(tone(), subtype="DOUBLE")),
    _file("35_mulaw.wav", lambda: encoded(tone(), subtype="ULAW")),
    # Whole ADPCM blocks come back.
    _file("36_ima_adpcm.wav", lambda: encoded(tone(), subtype="IMA_ADPCM"), "ok", 160686),
    _file("37_extensible.wav", lambda: encoded(tone(), format="WAVEX")),
    _file("38_rf64.wav", lambda: encoded(tone(), format="RF64")),
    _file("39_rifx_bigendian.wav", lambda: wav(order=">")),
    _file("40_flac_named.wav", lambda: encoded(tone(), format="FLAC")),
    _file("41_ogg_named.wav", lambda: encoded(tone(), format="OGG")),
    _file("42_mp3_named.wav", lambda: encoded(tone(), format="MP3")),
    _file("43_aiff_named.wav", lambda: encoded(tone(), format="AIFF")),
    _file("44_flac_truncated_half.flac", _flac_half, "warns"),
    _file("45_flac_bitflips.flac", _bitflips, "warns"),
    _file("46_gzipped.wav", lambda: gzip.compress(wav()), AudioDecodeError),
    Case("47_directory.wav", os.mkdir, AudioDecodeError),
    Case("48_symlink_loop.wav", _loop, AudioDecodeError),
    _file("49_unicod\xe9 \u540d\n newline.wav", lambda: wav()),
    Case("50_two_hours_16k_mono.wav", _two_hours, "ok", TWO_HOURS),
    _file("51_ok_10s.wav", lambda: wav()),
    Case("52_missing_file.wav", None, FileNotFoundError),
    Case("53_nul\0byte.wav", None, ValueError),
]
