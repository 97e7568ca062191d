"""What compare_av.py learns from: scenes that are heard, and simulated embeddings of what is seen.

Every class is of one kind: a *twin* has a sister that makes the very same sounds and looks
different, a *visible* one is seen where it sounds, a *hidden* one never is.
"""

from dataclasses import dataclass, replace

import numpy as np

from sedzoo import embeddings
from sedzoo.datasets import soundscapes
from sedzoo.datasets.manifest import Manifest
from sedzoo.embeddings.extractors import Patches
from sedzoo.embeddings.streams import align

SEGMENT_S, NUM_SEGMENTS = 0.96, 10
# Sounds made by formula, each the sound of these classes.
TWINS = {"Bark": ("Bark, large dog", "Bark, small dog"),
         "Car horn": ("Car horn, car", "Car horn, lorry"),
         "Engine": ("Engine, bus", "Engine, tractor"),
         "Siren": ("Siren, police car", "Siren, fire engine")}
VISIBLE = ("Clock tick", "Footsteps", "Telephone")
HIDDEN = ("Alarm bell", "Bird chirp", "Rain")
KINDS = {"twins": sum(TWINS.values(), ()), "visible": VISIBLE, "hidden": HIDDEN}
LABELS = sum(KINDS.values(), ())
SEEN = KINDS["twins"] + VISIBLE
SPEC = soundscapes.SceneSpec(sample_rate=16000, num_events=(1, 3), snr_db=(0.0, 20.0),
                             long_s=(1.0, 5.0))


@dataclass(frozen=True)
class View:
    """How the picture follows the sound; an embedding is the sum of what is in the picture.

    Args:
        size: int, numbers of an embedding. An object's look is normal, of deviation 1 in each.
        instance: float, deviation of one object's look from that of its class.
        ground, noise: float, deviations of what is the same in all stills of a scene, and of what
            is new in each.
        shown: float, probability that an object that sounds is in the picture at all; hid: that it
            is covered, in each still.
        lag_s: float, seconds; it comes and goes up to so much before or after its sound, either.
        num_silent: float, mean number of objects that are seen and not heard, of any class that can
            be seen or of `num_others` that are no class; silent_s: how long.
    """

    size: int = 64
    instance: float = 0.5
    ground: float = 0.5
    noise: float = 1.0
    shown: float = 0.85
    hid: float = 0.2
    lag_s: float = 0.3
    num_silent: float = 0.5
    num_others: int = 4
    silent_s: tuple[float, float] = (1.0, 5.0)


class PooledPatches:
    """An extractor: means and deviations over the 0.96 s of VGGish's log-mel, (T, 128)."""

    name = "pooled patches"
    sample_rate, hop_s = 16000, SEGMENT_S

    def __init__(self):
        self._patches = Patches("vggish")

    def __call__(self, waveform):
        patches = self._patches(waveform)                                   # (T, 96, 64)
        return np.concatenate([patches.mean(axis=1), patches.std(axis=1)], axis=1)

    def to_dict(self):
        return {"name": self.name, "patches": self._patches.to_dict()}


def scenes(directory, num_scenes, seed):
    """Scenes of the ten procedural sounds, as a Manifest of LABELS."""
    return with_twins(soundscapes.write(directory, SPEC, None, num_scenes, seed,
                                        name=directory.name), seed)


def with_twins(manifest, seed):
    """The sounds of TWINS given to one or the other class, event by event, by a coin."""
    draw = np.random.default_rng((seed, 1))
    clips = []
    for clip in manifest.clips:
        events = tuple(replace(event, label=TWINS[event.label][draw.integers(2)])
                       if event.label in TWINS else event for event in clip.events)
        heard = {event.label for event in events}
        labels = tuple(label for label in LABELS if label in heard)
        clips.append(replace(clip, labels=labels, events=events))
    return Manifest(manifest.name, LABELS, tuple(clips), attribution=manifest.attribution)


def still_times():
    """The middle of every segment, seconds (T,): where stills are taken, as in the paper."""
    return SEGMENT_S * (np.arange(NUM_SEGMENTS) + 0.5)


def inside(onset, offset):
    """Segments whose middle lies in this interval, bool (T,)."""
    return (onset <= still_times()) & (still_times() < offset)


def watch(manifest, view, seed):
    """What is seen of these scenes.

    Returns: embeddings, float32 (N, T, size), and which stills show what of the sounding objects,
        bool (N, T, K).
    """
    looks = np.random.default_rng(20191021).normal(0, 1, (len(SEEN) + view.num_others, view.size))
    stills = np.empty((len(manifest), NUM_SEGMENTS, view.size), np.float32)
    shows = np.zeros((len(manifest), NUM_SEGMENTS, len(LABELS)), bool)
    for i, clip in enumerate(manifest.clips):
        draw = np.random.default_rng((seed, 2, i))
        x = draw.normal(0, view.ground, view.size) + draw.normal(
            0, view.noise, (NUM_SEGMENTS, view.size))                       # (T, size)
        sounding = list(_sounding(clip, view, draw))
        for number, there in (*sounding, *_silent(view, draw, len(looks))):
            x += there[:, None] * (looks[number] + draw.normal(0, view.instance, view.size))
        for number, there in sounding:
            shows[i, there, LABELS.index(SEEN[number])] = True
        stills[i] = x
    return stills, shows


def _sounding(clip, view, draw):
    """Number of each sounding object that is shown, and its stills, bool (T,)."""
    for event in clip.events:
        early, late = draw.uniform(-view.lag_s, view.lag_s, 2)
        there = inside(event.onset + early, event.offset + late) & (
            draw.random(NUM_SEGMENTS) >= view.hid)
        if draw.random() < view.shown and event.label in SEEN:
            yield SEEN.index(event.label), there


def _silent(view, draw, num_looks):
    """The same of objects that make no sound."""
    for _ in range(draw.poisson(view.num_silent)):
        length_s = draw.uniform(*view.silent_s)
        onset = draw.uniform(-length_s / 2, SEGMENT_S * NUM_SEGMENTS - length_s / 2)
        yield int(draw.integers(num_looks)), inside(onset, onset + length_s)


def embedded(manifests, view, cache):
    """Dict of part -> Streams of "audio" and "video", each number on the scale of "train"; and dict
    of part -> shows (N, T, K)."""
    heard = {part: embeddings.extract(manifest, PooledPatches(), cache)
             for part, manifest in manifests.items()}
    seen = {part: watch(manifest, view, seed)
            for seed, (part, manifest) in enumerate(manifests.items())}
    sets = {}
    for part, audio in heard.items():
        sounds, stills = (np.asarray(audio.values), seen[part][0].reshape(-1, view.size))
        of_train = np.asarray(heard["train"].values), seen["train"][0].reshape(-1, view.size)
        sounds, stills = (((x - every.mean(axis=0)) / every.std(axis=0)).astype(np.float32)
                          for x, every in zip((sounds, stills), of_train, strict=True))
        audio = replace(audio, values=sounds)
        sets[part] = align(audio=audio, video=replace(audio, values=stills, extractor={}))
    return sets, {part: shows for part, (_, shows) in seen.items()}
