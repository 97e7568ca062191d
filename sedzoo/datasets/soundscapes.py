"""Scenes with exact strong labels, composed from isolated sounds over a background."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from sedzoo import audio
from sedzoo.datasets import synthesis
from sedzoo.datasets.manifest import Clip, Manifest
from sedzoo.datasets.sources import Isolated, Procedural, loop
from sedzoo.events import Event
from sedzoo.labels import read_events, write_events

_FADE_S = 0.005       # on sounds placed whole: no click where they were cut from their clip
_LONG_FADE_S = 0.05   # on sounds that go on, at ends that lie inside the scene, and at loop seams
_PLACES = 10          # onsets tried for one sound
_SOUNDS = 5           # sounds tried for one event
_PEAK = 0.98


@dataclass(frozen=True, kw_only=True)
class SceneSpec:
    """What scenes are like; every pair is a range drawn from, ends included.

    Args:
        duration_s: float > 0, seconds.
        sample_rate: int > 0, Hz (the frontend's).
        num_events: pair of int >= 0. Fewer are placed where the other rules leave no room.
        snr_db: pair of float, dB: mean power of an event over mean power of the background.
        max_polyphony: int >= 1, events at any one time.
        same_class_gap_s: float >= 0, silence of a class between two of its events.
        long_s: pair of float > 0, seconds that a sound that goes on is cut or looped to; it may
            start before the scene or end after it. Sounds that end by themselves are placed whole.
        background_dbfs: pair of float, root mean square of the background: the scene's gain.
        noise_slope: pair of float, colour of the background where the source has no clips for it:
            power falls as 1 / f^slope, 1 pink, 2 brown.
    Raises: ValueError naming the argument, what it must be, and what came.
    """

    duration_s: float = 10.0
    sample_rate: int = 16000
    num_events: tuple[int, int] = (1, 6)
    snr_db: tuple[float, float] = (6.0, 30.0)
    max_polyphony: int = 2
    same_class_gap_s: float = 0.25
    long_s: tuple[float, float] = (2.0, 8.0)
    background_dbfs: tuple[float, float] = (-50.0, -30.0)
    noise_slope: tuple[float, float] = (1.0, 2.0)

    def __post_init__(self):
        for key in ("num_events", "snr_db", "long_s", "background_dbfs", "noise_slope"):
            pair = getattr(self, key)
            if not (isinstance(pair, (tuple, list)) and len(pair) == 2 and pair[0] <= pair[1]):
                raise ValueError(f"`{key}` must be a pair, the lower first. "
                                 f"Received: {key}={pair!r}")
            object.__setattr__(self, key, tuple(pair))
        for key, least in (("max_polyphony", 1), ("sample_rate", 1), ("same_class_gap_s", 0)):
            if not getattr(self, key) >= least:
                raise ValueError(f"`{key}` must be at least {least}. "
                                 f"Received: {key}={getattr(self, key)!r}")
        if not (all(isinstance(n, int) for n in self.num_events) and self.num_events[0] >= 0):
            raise ValueError("`num_events` must be a pair of int >= 0. "
                             f"Received: num_events={self.num_events!r}")
        if not (self.duration_s > 0 and self.long_s[0] > 0):
            raise ValueError("`duration_s` and `long_s` must be positive. Received: duration_s="
                             f"{self.duration_s!r}, long_s={self.long_s!r}")

    @property
    def num_samples(self):
        return round(self.duration_s * self.sample_rate)


@dataclass(frozen=True)
class Scene:
    """A composed scene; `waveform - background` is its events alone, in exact silence elsewhere.

    Args:
        waveform: float32 (S,), magnitude at most 0.98.
        events: tuple of Event, by onset.
        background: float32 (S,), as it is in the waveform.
        snr_db: tuple of float, drawn for each of `events`.
    """

    waveform: np.ndarray
    events: tuple[Event, ...]
    background: np.ndarray
    snr_db: tuple[float, ...]


def material(spec, source, report=None):
    """The sounds of `source` at the scenes' rate, to be decoded once and used for many calls.

    Args:
        source: Manifest of isolated clips, None for the procedural sounds, or what this returned.
        report: path for the list of the source's missing files, or None.
    Raises: ValueError when `source` was made for another rate; as `Isolated`.
    """
    if source is None:
        return Procedural(spec.sample_rate)
    if isinstance(source, Manifest):
        return Isolated(source, spec.sample_rate, report=report)
    if source.sample_rate != spec.sample_rate:
        raise ValueError(f"`source` holds sounds at {source.sample_rate} Hz; the scenes are at "
                         f"{spec.sample_rate} Hz.")
    return source


def compose(spec, source, num_scenes, seed):
    """Scenes one after another, as (waveform float32 (S,), list of Event by onset).

    Scene i depends on the spec, the source, the seed and i alone, not on how many are made.

    Args:
        spec: SceneSpec.
        source: Manifest of isolated clips (nothing outside it is used: pass the folds that may be),
            None for the procedural sounds, or `material(...)` of either.
        num_scenes: int >= 0.
        seed: int >= 0.
    Raises: ValueError for a bad seed or source; audio.AudioError for a file that cannot be read.
    """
    if not (isinstance(seed, (int, np.integer)) and seed >= 0):
        raise ValueError(f"`seed` must be an int >= 0. Received: seed={seed!r}")
    sounds = material(spec, source)
    scenes = (render(spec, sounds, seed, index) for index in range(num_scenes))
    return ((scene.waveform, list(scene.events)) for scene in scenes)


def render(spec, sounds, seed, index):
    """Scene number `index` of this seed with its background apart, as a Scene.

    Args:
        sounds: what `material` returned. Otherwise as `compose`.
    """
    rng = np.random.default_rng(np.random.SeedSequence(int(seed), spawn_key=(index,)))
    background = _background(spec, sounds, rng)
    ground = _power(background)
    waveform, placed = background.copy(), []
    for _ in range(rng.integers(*spec.num_events, endpoint=True)):
        event = _place(spec, sounds, placed, rng)
        if event is None:
            continue
        start, sound, label = event
        snr_db = rng.uniform(*spec.snr_db)
        gain = np.sqrt(ground * 10 ** (snr_db / 10) / _power(sound))
        waveform[start:start + len(sound)] += np.float32(gain) * sound
        placed.append((start, start + len(sound), label, float(snr_db)))
    # One gain for the whole scene: nothing clips, and what is louder than what stays as drawn.
    scale = np.float32(min(1.0, _PEAK / np.abs(waveform).max()))
    events = [Event(start / spec.sample_rate, stop / spec.sample_rate, label)
              for start, stop, label, _ in sorted(placed)]
    return Scene(waveform * scale, tuple(events), background * scale,
                 tuple(snr_db for *_, snr_db in sorted(placed)))


def write(directory, spec, source, num_scenes, seed, *, name="soundscapes"):
    """Compose scenes into files, as a strongly labelled Manifest.

    Leaves `audio/00000.flac`... (16 bits), `strong.tsv` (DESED's format), `made.json`, and
    `missing_files.tsv` where files of the source were not there. Scenes that an earlier call with
    the same arguments left there are taken as they are.

    Args:
        directory: path, made if need be.
        name: str, the Manifest's. Otherwise as `compose`.
    """
    directory = Path(directory)
    (directory / "audio").mkdir(parents=True, exist_ok=True)
    sounds = material(spec, source, directory / "missing_files.tsv")
    made = {"spec": asdict(spec), "source": sounds.key, "num_scenes": num_scenes, "seed": seed}
    if _read_json(directory / "made.json") != json.loads(json.dumps(made)):
        _write_files(directory, spec, sounds, num_scenes, seed)
        (directory / "made.json").write_text(json.dumps(made), encoding="utf-8")
    clips = []
    for file, events in read_events(directory / "strong.tsv").items():
        heard = {event.label for event in events}
        clips.append(Clip(file, str(directory / "audio" / file),
                          tuple(k for k in sounds.labels if k in heard), tuple(events)))
    return Manifest(name, sounds.labels, tuple(clips), sounds.mids, sounds.attribution)


def _read_json(path):
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def _write_files(directory, spec, sounds, num_scenes, seed):
    (directory / "made.json").unlink(missing_ok=True)
    scenes = {}
    for index, (waveform, events) in enumerate(compose(spec, sounds, num_scenes, seed)):
        file = directory / "audio" / f"{index:05d}.flac"
        audio.save(file, waveform, spec.sample_rate)
        scenes[file.name] = events
    write_events(directory / "strong.tsv", scenes)


def _place(spec, sounds, placed, rng):
    """A sound and where it fits among those placed: (start, float32 (n,), label), or None."""
    for _ in range(_SOUNDS):
        label = sounds.drawable[rng.integers(len(sounds.drawable))]
        sound, goes_on = sounds.draw(label, rng)
        length = round(rng.uniform(*spec.long_s) * spec.sample_rate) if goes_on else len(sound)
        for _ in range(_PLACES):
            room = spec.num_samples - length
            start = int(rng.integers(-(length // 2), max(1, room + length // 2)) if goes_on
                        else rng.integers(0, max(1, room + 1)))
            first, stop = max(0, start), min(start + length, spec.num_samples)
            if _fits(spec, placed, first, stop, label):
                return first, _cut(spec, sound, (start, first, stop), goes_on, rng), label
    return None


def _fits(spec, placed, start, stop, label):
    gap = round(spec.same_class_gap_s * spec.sample_rate)
    if any(label == other and start < b + gap and a < stop + gap for a, b, other, _ in placed):
        return False
    beside = [(a, b) for a, b, *_ in placed if a < stop and start < b]
    # Polyphony only ever rises where an event begins.
    begins = [start, *(a for a, _ in beside if a > start)]
    return all(sum(a <= t < b for a, b in beside) < spec.max_polyphony for t in begins)


def _cut(spec, sound, extent, goes_on, rng):
    """The part of the sound inside the scene, with fades at the ends it has there."""
    start, first, stop = extent
    if goes_on:
        sound = loop(sound, stop - start, round(_LONG_FADE_S * spec.sample_rate), rng)
    fade_s = _LONG_FADE_S if goes_on else _FADE_S
    fade = min(round(fade_s * spec.sample_rate), (stop - first) // 2)
    part = sound[first - start:stop - start].copy()
    ramp = (np.arange(fade, dtype=np.float32) + 1) / (fade + 1)
    if start >= 0:
        part[:fade] *= ramp
    if stop < spec.num_samples or not goes_on:
        part[len(part) - fade:] *= ramp[::-1]
    return part


def _background(spec, sounds, rng):
    """float32 (S,) at a level drawn from the spec."""
    if len(sounds.backgrounds):
        clip = sounds.backgrounds[rng.integers(len(sounds.backgrounds))]
        ground = loop(clip, spec.num_samples, round(0.5 * spec.sample_rate), rng)
    else:
        ground = synthesis.noise(rng, spec.num_samples, spec.sample_rate,
                                 rng.uniform(*spec.noise_slope))
    level = 10 ** (rng.uniform(*spec.background_dbfs) / 20)
    return (ground * (level / np.sqrt(_power(ground)))).astype(np.float32)


def _power(waveform):
    # A floor, so that a gain is defined where a part cut from a long sound happens to be silent.
    return max(float(np.vdot(waveform, waveform)) / len(waveform), 1e-12)
