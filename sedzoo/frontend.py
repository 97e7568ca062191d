"""Feature recipes, and the only arithmetic between seconds, samples and frames."""

import dataclasses
import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from sedzoo.nearest import check_keys, nearest


@dataclass(frozen=True)
class Clock:
    """When the frames of a model happen: frame i covers [i, i + 1) hops.

    Seconds come from the frame's index times an exact ratio, never from a running sum,
    so that they do not drift over hours.

    Args:
        hop_samples: int > 0, samples from one frame to the next.
        sample_rate: int > 0, Hz.
    """

    hop_samples: int
    sample_rate: int

    @property
    def hop_s(self):
        return self.hop_samples / self.sample_rate

    def seconds(self, frame):
        """Where frame number `frame` (int or array, ends included) begins, in seconds."""
        return np.asarray(frame, np.int64) * self.hop_samples / self.sample_rate

    def frame(self, seconds):
        """The frame edge nearest to `seconds` (float or array), as int64."""
        return np.floor(np.asarray(seconds) * self.sample_rate / self.hop_samples + 0.5).astype(
            np.int64)

    def centres(self, num_frames):
        """Centre of each of `num_frames` frames in seconds, float64 (T,)."""
        return (np.arange(num_frames) + 0.5) * self.hop_samples / self.sample_rate


@dataclass(frozen=True, kw_only=True)
class Frontend:
    """How a waveform becomes features: a frozen recipe that travels with every model.

    features = log_scale * ln(max(log_gain * mel, log_floor) + log_offset),
    mel = |STFT|^power @ triangles; then, where asked, cepstrum and deltas.

    Args:
        sample_rate: int, Hz.
        window_samples, hop_samples, fft_samples: int, samples; the window is zero-padded to
            the length of the FFT.
        window: "hann" or "hamming"; `periodic` False makes it symmetric.
        unit_energy: divide the window by the root of its summed squares.
        center: frame i is centred on sample i * hop, with zeros around the clip; otherwise
            frame i starts there and only whole windows count.
        power: 1 magnitude, 2 power.
        num_bands, fmin_hz, fmax_hz: the mel triangles.
        mel_scale: "slaney" or "htk"; area_norm: triangles of unit area (librosa's norm="slaney").
        triangles: "hz" (librosa) or "mel" (VGGish): the axis on which the sides are straight.
        num_coefficients: int for MFCC (orthonormal DCT-II), None for log-mel; num_deltas: how many
            times derivatives (Savitzky-Golay, nine frames) are appended.
        trim_db: float > 0, cut away what is more than so many decibels below the loudest frame at
            both ends of a clip, before anything else; None to keep it. Only where clips of a data
            set are read (preparation.trimmed): exports hear a waveform as it comes.
        peak_normalise: divide each waveform by its largest magnitude.
        clip_frames: frames to which training clips are cut or padded.
        pad: what is appended to a short clip: "features", zeros among the finished features
            (loud: log-mels are mostly negative), or "silence", what silence would give.
        normalise: "band", "global" or None, the z-score over the training set; normalise_padding
            says whether padded frames are counted in it.

    Raises: ValueError naming the argument, what it must be, and what came.
    """

    name: str = "custom"
    sample_rate: int = 16000
    window_samples: int = 1024
    hop_samples: int = 664
    fft_samples: int = 1024
    window: str = "hann"
    periodic: bool = True
    unit_energy: bool = False
    center: bool = False
    power: int = 2
    num_bands: int = 64
    fmin_hz: float = 0.0
    fmax_hz: float = 8000.0
    mel_scale: str = "slaney"
    area_norm: bool = True
    triangles: str = "hz"
    log_gain: float = 1.0
    log_offset: float = 0.0
    log_floor: float = 0.0
    log_scale: float = 1.0
    num_coefficients: int | None = None
    num_deltas: int = 0
    trim_db: float | None = None
    peak_normalise: bool = False
    clip_frames: int = 240
    pad: str = "silence"
    normalise: str | None = "band"
    normalise_padding: bool = True

    def __post_init__(self):
        for key in ("sample_rate", "window_samples", "hop_samples", "fft_samples", "num_bands",
                    "clip_frames"):
            self._require(key, isinstance(getattr(self, key), int) and getattr(self, key) > 0,
                          "a positive int")
        self._require("fft_samples", self.fft_samples >= self.window_samples,
                      f"at least window_samples={self.window_samples}")
        self._require("window", self.window in ("hann", "hamming"), '"hann" or "hamming"')
        self._require("power", self.power in (1, 2), "1 or 2")
        self._require("fmax_hz", self.fmin_hz < self.fmax_hz <= self.sample_rate / 2,
                      f"above fmin_hz={self.fmin_hz} and at most half of sample_rate="
                      f"{self.sample_rate}")
        self._require("mel_scale", self.mel_scale in ("slaney", "htk"), '"slaney" or "htk"')
        self._require("triangles", self.triangles in ("hz", "mel"), '"hz" or "mel"')
        self._require("pad", self.pad in ("features", "silence"), '"features" or "silence"')
        self._require("normalise", self.normalise in ("band", "global", None),
                      '"band", "global" or None')
        self._require("trim_db", self.trim_db is None or 0 < self.trim_db < math.inf,
                      "a number > 0, in decibels, or None")
        self._require("log_offset", self.log_offset > 0 or self.log_floor > 0,
                      "positive when log_floor is not, or silence has no logarithm")

    def _require(self, key, holds, what):
        if not holds:
            raise ValueError(f"`{key}` must be {what}. Received: {key}={getattr(self, key)!r}")

    # -- the clock ---------------------------------------------------------------------------

    def clock(self, time_stride=1):
        """The clock of a model that makes one frame out of `time_stride` feature frames."""
        return Clock(self.hop_samples * time_stride, self.sample_rate)

    def num_samples(self, seconds):
        """Samples in `seconds` (exact for decimal fractions), as int."""
        return round(Fraction(str(seconds)) * self.sample_rate)

    def num_frames(self, num_samples):
        """Feature frames of `num_samples` samples; fewer than a window count as one frame."""
        if self.center:
            return 1 + num_samples // self.hop_samples
        return 1 + max(0, num_samples - self.window_samples) // self.hop_samples

    def samples_for(self, num_frames):
        """The fewest samples that give `num_frames` frames."""
        reach = 0 if self.center else self.window_samples
        return reach + (num_frames - 1) * self.hop_samples

    @property
    def clip_s(self):
        """Seconds of a training clip: the length of clip_frames hops."""
        return self.clip_frames * self.hop_samples / self.sample_rate

    # -- what the features are ---------------------------------------------------------------

    @property
    def num_features(self):
        """Width of a feature frame, F."""
        return (self.num_coefficients or self.num_bands) * (1 + self.num_deltas)

    @property
    def silence(self):
        """The log-mel value of digital silence."""
        return self.log_scale * math.log(max(0.0, self.log_floor) + self.log_offset)

    def to_dict(self):
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, fields):
        """The inverse of to_dict; an unknown key is answered with the nearest one."""
        check_keys(fields, [field.name for field in dataclasses.fields(cls)], "frontend")
        return cls(**fields)

    @classmethod
    def preset(cls, name):
        """A paper's recipe by name; `PRESETS` holds them all."""
        if name not in PRESETS:
            raise ValueError(f"No frontend named {name!r}." + nearest(name, sorted(PRESETS)))
        return PRESETS[name]


_XU2018 = Frontend(
    # Released code of the gated CRNN: scipy's spectrogram (magnitude, unit-energy window).
    name="xu2018icassp-logmel", sample_rate=16000, window_samples=1024, fft_samples=1024,
    hop_samples=664, window="hamming", periodic=False, unit_energy=True, power=1,
    num_bands=64, fmax_hz=8000.0, log_offset=1e-8, clip_frames=240, pad="features")

PRESETS = {preset.name: preset for preset in (
    _XU2018,
    # The paper's MFCC stream was not released; geometry from a checkpoint's name (40, two deltas).
    dataclasses.replace(_XU2018, name="xu2018icassp-mfcc", num_coefficients=40, num_deltas=2),
    # DCASE 2017 baseline system, MLP: 40 ms windows every 20 ms.
    Frontend(name="dcase2017-mlp", sample_rate=44100, window_samples=1764, fft_samples=2048,
             hop_samples=882, window="hamming", center=True, power=1, num_bands=40,
             fmax_hz=22050.0, log_offset=float(np.finfo(float).eps), clip_frames=501,
             normalise="global"),
    # M&mnet: ln(1 + 10^4 S), padded frames left out of the statistics.
    Frontend(name="chou2018", sample_rate=44100, window_samples=2048, fft_samples=2048,
             hop_samples=492, center=True, num_bands=128, fmax_hz=22050.0, log_gain=1e4,
             log_offset=1.0, clip_frames=896, normalise_padding=False),
    # VGGish (multi-level attention, audiovisual transformers): ten patches of 96 frames in 10 s.
    Frontend(name="vggish", sample_rate=16000, window_samples=400, fft_samples=512,
             hop_samples=160, power=1, num_bands=64, fmin_hz=125.0, fmax_hz=7500.0,
             mel_scale="htk", area_norm=False, triangles="mel", log_offset=0.01,
             clip_frames=960, normalise=None),
    # Multi-encoder transformers: decibels of the magnitude, waveforms at full scale.
    Frontend(name="boes2022", sample_rate=16000, window_samples=1024, fft_samples=1024,
             hop_samples=313, center=True, power=1, num_bands=64, fmax_hz=8000.0,
             area_norm=False, log_floor=1e-5, log_scale=20 / math.log(10), peak_normalise=True,
             clip_frames=512),
)}
