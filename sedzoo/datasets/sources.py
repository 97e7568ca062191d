"""What scenes are made of: the sounds of isolated clips, or the built-in procedural ones."""

import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from sedzoo import audio
from sedzoo.datasets import synthesis
from sedzoo.datasets.extents import find_extents

# A class of which this share of clips is filled to this degree with sound is one that goes on
# (rain, an engine). On ESC-10 dogs, roosters, sneezes and babies stay below it, the others above.
_FILLED = 0.8
_SUSTAINED_SHARE = 0.4
_MIN_LONG_S = 0.5


class Procedural:
    """The built-in sounds of `synthesis`, made afresh at every draw.

    Args:
        sample_rate: int >= 8000, Hz.
    Raises: ValueError for a lower rate.
    """

    name = key = "procedural"
    labels = synthesis.LABELS
    mids = ()
    attribution = "Procedural sounds of sedzoo, no recordings."
    backgrounds = ()
    drawable = labels

    def __init__(self, sample_rate):
        if not sample_rate >= 8000:
            raise ValueError("`sample_rate` must be at least 8000 Hz for the procedural sounds. "
                             f"Received: sample_rate={sample_rate!r}")
        self.sample_rate = sample_rate

    def draw(self, label, rng):
        """A sound of this class: (float32 (S,), whether it goes on)."""
        return synthesis.SOUNDS[label](rng, self.sample_rate)


class Isolated:
    """The sounds in a Manifest of isolated clips, decoded once and held in memory.

    Each clip is trimmed to what is heard in it (`find_extents`). In a class of sounds that go on
    (`Manifest.sustained`; where that is None, a class of which 40 % of the clips are filled to 80 %
    with sound) a clip gives one long sound; in the others every burst is a sound of its own. Clips
    that are labelled with no class, labels (), are backgrounds.

    Args:
        manifest: Manifest whose clips have one label, or none for backgrounds; missing files are
            skipped. Only its own clips are ever used: pass the folds that may be.
        sample_rate: int > 0, Hz.
        report: path for the list of missing files, or None.
    Raises: ValueError for a clip of several or unknown labels, or when nothing is heard in any
        clip; FileNotFoundError when no file is there; audio.AudioError naming a file that cannot
        be read.
    """

    def __init__(self, manifest, sample_rate, *, report=None):
        for clip in manifest.clips:
            if clip.labels is None or len(clip.labels) > 1:
                raise ValueError("An isolated clip has one label, or () for a background. "
                                 f"Received: {clip.name!r} with labels={clip.labels!r}")
        self.name, self.labels, self.mids = manifest.name, manifest.labels, manifest.mids
        self.attribution, self.sample_rate = manifest.attribution, sample_rate
        clips = manifest.present(report).clips
        self.key = [manifest.name, *(clip.name for clip in clips)]   # which sounds these are
        # Decoding and resampling leave the interpreter's lock: threads use the other cores.
        with ThreadPoolExecutor() as pool:
            waveforms = list(pool.map(lambda clip: audio.load(clip.path, sample_rate), clips))
        self.backgrounds = [waveform for clip, waveform in zip(clips, waveforms, strict=True)
                            if clip.labels == () and np.any(waveform)]
        self._sounds, self.sustained = {}, set()
        for label in self.labels:
            mine = [(clip, waveform) for clip, waveform in zip(clips, waveforms, strict=True)
                    if clip.labels == (label,)]
            self._add(label, mine, manifest.sustained)
        self.drawable = tuple(label for label in self.labels if self._sounds[label])
        if not self.drawable:
            raise ValueError(f"No sound is heard in any clip of {manifest.name!r}.")

    def _add(self, label, clips, sustained):
        heard = []
        for clip, waveform in clips:
            extents = find_extents(waveform, self.sample_rate)
            if extents:
                heard.append((waveform, extents))
            else:
                warnings.warn(f"{clip.path} is silent and left out.", stacklevel=4)
        if sustained is not None:
            goes_on = label in sustained
        else:
            filled = [sum(stop - start for start, stop in extents) >= _FILLED * len(waveform)
                      for waveform, extents in heard]
            goes_on = bool(filled) and np.mean(filled) >= _SUSTAINED_SHARE
        if goes_on:
            self.sustained.add(label)
            spans = [(waveform, [(extents[0][0], extents[-1][1])]) for waveform, extents in heard]
            least = _MIN_LONG_S * self.sample_rate
            heard = [(waveform, span) for waveform, span in spans
                     if span[0][1] - span[0][0] >= least] or spans
        # Copies, or the silence around them would stay in memory.
        self._sounds[label] = [[waveform[start:stop].copy() for start, stop in extents]
                               for waveform, extents in heard]

    def draw(self, label, rng):
        """A sound of this class: (float32 (S,), whether it goes on); clips have equal chances."""
        bursts = self._sounds[label][rng.integers(len(self._sounds[label]))]
        return bursts[rng.integers(len(bursts))], label in self.sustained


def loop(sound, length, seam, rng):
    """`length` samples of a sound from a random place, repeated with crossfades of equal power.

    Args:
        sound: float32 (S,).
        length: int > 0, samples.
        seam: int >= 0, samples of each crossfade, at most half of the sound.
    """
    if length <= len(sound):
        start = rng.integers(len(sound) - length + 1)
        return sound[start:start + length]
    seam = min(seam, len(sound) // 2)
    rise = np.sqrt((np.arange(seam, dtype=np.float32) + 0.5) / max(seam, 1))
    round_trip = sound[:len(sound) - seam].copy()     # its end runs into its own beginning
    round_trip[:seam] = sound[:seam] * rise + sound[len(sound) - seam:] * rise[::-1]
    return np.take(round_trip, np.arange(length) + rng.integers(len(round_trip)), mode="wrap")
