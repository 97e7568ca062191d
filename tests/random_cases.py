"""Clips to score, from a seed alone: the same for sedzoo and for the programs it is compared with.

Uniform numbers and exact arithmetic only, no exponentials and no long sums, so that every machine
makes the same bits; a `digest` tells where one does not.
"""

import hashlib
from dataclasses import dataclass, replace

import numpy as np

from sedzoo.evaluation.psd_roc import PSDS1, PSDS2, Setting
from sedzoo.events import Event
from sedzoo.frame_scores import FrameScores


@dataclass(frozen=True)
class Case:
    """Scores and what they are compared with.

    Args:
        labels: tuple of K names. clips: tuple of N names.
        durations: float64 (N,), seconds.
        edges: list of N float64 (T + 1,), seconds of the frames' edges.
        scores: list of N float64 (T, K).
        events: float64 (n, 4), clip number, class number, onset and offset of the true events.
    """

    labels: tuple
    clips: tuple
    durations: np.ndarray
    edges: list
    scores: list
    events: np.ndarray

    @property
    def frame_scores(self):
        return FrameScores(self.labels, dict(zip(self.clips, self.scores, strict=True)),
                           dict(zip(self.clips, self.edges, strict=True)))

    @property
    def reference(self):
        return self.named(self.events)

    @property
    def seconds(self):
        """Dict of clip name -> seconds."""
        return dict(zip(self.clips, self.durations.tolist(), strict=True))

    @property
    def digest(self):
        parts = (self.durations, *self.edges, *self.scores, self.events)
        return hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()[:16]

    def named(self, events):
        """Rows like `events` -> dict of clip name -> list of Event, with every clip."""
        named = {clip: [] for clip in self.clips}
        for clip, label, onset, offset in events.tolist():
            named[self.clips[int(clip)]].append(Event(onset, offset, self.labels[int(label)]))
        return named

    def rows(self, named):
        """The inverse of `named`, sorted."""
        rows = [(n, self.labels.index(event.label), event.onset, event.offset)
                for n, clip in enumerate(self.clips) for event in named.get(clip, ())]
        return np.array(sorted(rows), np.float64).reshape(-1, 4)

    def detections(self, threshold):
        """The longest runs of scores above a threshold, rows like `events`."""
        rows = [np.zeros((0, 4))]
        for n, (scores, edges) in enumerate(zip(self.scores, self.edges, strict=True)):
            active = np.pad(scores > threshold, ((1, 1), (0, 0))).astype(np.int8)
            label, frame = np.nonzero(np.diff(active, axis=0).T)        # rise, fall, rise ...
            rows.append(np.stack([np.full(len(frame) // 2, n), label[::2], edges[frame[::2]],
                                  edges[frame[1::2]]], axis=1))
        return np.concatenate(rows)


def small(seed):
    """2-8 clips of 10-80 frames, 2-6 classes.

    Half of the cases have events on the frames' edges, where shares such as 7 of 10 frames meet a
    criterion exactly; in four of ten, scores are steps of 0.05 with many ties. Some clips are
    empty, and some last longer than their frames; each class has an event somewhere.
    """
    random = np.random.default_rng(seed)
    num_clips, num_classes = int(random.integers(2, 9)), int(random.integers(2, 7))
    on_grid, ties = bool(random.random() < 0.5), bool(random.random() < 0.4)
    hop_s = (0.1, 0.064, 0.15625)[random.integers(3)]
    edges, rows = [], []
    for n in range(num_clips):
        num_frames = int(random.integers(10, 81))
        edges.append(np.arange(num_frames + 1) * hop_s)
        if not on_grid:
            edges[n][1:] += 0.3 * hop_s * random.random(num_frames)         # rising, not even
        for k in np.flatnonzero((random.random(num_classes) < 0.5) & (random.random() < 0.85)):
            rows += ((n, k, *times) for times in _events(random, edges[n], on_grid))
    for k in range(num_classes):
        if not any(row[1] == k for row in rows):
            n = int(random.integers(num_clips))
            rows += ((n, k, *times) for times in _events(random, edges[n], on_grid))
    events = np.array(sorted(rows), np.float64)
    longer = (random.random(num_clips) < 0.3) * random.random(num_clips)
    durations = np.array([edge[-1] for edge in edges]) + longer
    scores = _scores(random, num_classes, edges, events)
    if ties:
        scores = [np.round(20 * of_clip) / 20 for of_clip in scores]
    return Case(tuple("abcdef"[:num_classes]), tuple(f"clip {n}" for n in range(num_clips)),
                durations, edges, scores, events)


def _events(random, edges, on_grid):
    """Events of a class in a clip, apart from each other, list of (onset, offset)."""
    num_times = 2 * int(random.integers(1, 4))
    times = (edges[random.permutation(len(edges))[:num_times]] if on_grid
             else edges[-1] * random.random(num_times))
    return np.sort(times).reshape(-1, 2).tolist()


# The operating points of small cases, which meet tied scores.
THRESHOLDS = tuple(i / 20 for i in range(20))


def large(seed, num_clips=1168, num_classes=10, num_frames=64, duration_s=10.0):
    """As many clips, classes and events as DESED's validation set has."""
    random = np.random.default_rng(seed)
    rows = []
    for n in range(num_clips):
        for k in random.permutation(num_classes)[:int(random.integers(0, 4))]:
            times = np.sort(duration_s * random.random(2 * int(random.integers(1, 5))))
            rows += ((n, k, *pair) for pair in times.reshape(-1, 2).tolist())
    return around(seed, [f"clip {n}" for n in range(num_clips)],
                  [f"class {k}" for k in range(num_classes)], np.array(sorted(rows)), num_frames,
                  duration_s)


def around(seed, clips, labels, events, num_frames, duration_s=10.0):
    """Scores such as a system gives to clips of equal length with these events (rows)."""
    edges = [np.arange(num_frames + 1) * duration_s / num_frames] * len(clips)
    scores = _scores(np.random.default_rng([seed, 1]), len(labels), edges, events)
    return Case(tuple(labels), tuple(clips), np.full(len(clips), float(duration_s)), edges, scores,
                events)


def settings(seed):
    """Settings of a PSDS for the clips of `small`, by name: PSDS1, PSDS2, one of drawn criteria.

    A false alarm in so few seconds is one of hundreds an hour, so the curves go on to 2000.
    """
    random = np.random.default_rng([seed, 2])
    shares = (0.1, 0.25, 0.3, 0.5, 0.7, 0.9, 1.0)
    dtc, gtc, cttc = (shares[i] for i in random.integers(len(shares), size=3))
    drawn = Setting("drawn", dtc, gtc, cttc, alpha_ct=(0.25, 0.5, 1.0)[random.integers(3)],
                    alpha_st=(0.0, 0.5, 1.0)[random.integers(3)],
                    max_efpr=(500.0, 1000.0, 3000.0)[random.integers(3)])
    return {"PSDS1": replace(PSDS1, max_efpr=2000.0), "PSDS2": replace(PSDS2, max_efpr=2000.0),
            "drawn": drawn}


def _scores(random, num_classes, edges, events):
    skill = draw_skill(random, num_classes)
    first = np.searchsorted(events[:, 0], np.arange(len(edges) + 1))
    return [clip_scores(random, edge, events[first[n]:first[n + 1]], skill)
            for n, edge in enumerate(edges)]


def draw_skill(random, num_classes):
    """How well a system knows each class, float64 (K,)."""
    return 0.5 + 0.5 * random.random(num_classes)


def clip_scores(random, edges, events, skill):
    """Bumps over most events of a clip and over nothing, on smooth noise, float64 (T, K)."""
    num_frames, num_classes = len(edges) - 1, len(skill)
    noise = _smooth(_smooth(random.random((num_frames, num_classes))))
    bumps = np.zeros((num_frames, num_classes))
    errors = random.random((len(events), 3))
    for (_, k, *times), error in zip(events, errors, strict=True):
        k = int(k)
        times = times + (1 - skill[k]) * 1.5 * (error[:2] - 0.5)
        _add_bump(bumps[:, k], edges, times, skill[k] * (1 - error[2] * error[2]))
    for k in np.flatnonzero(random.random(num_classes) < 0.15):              # false alarms
        times = np.sort(edges[-1] * random.random(2))
        _add_bump(bumps[:, k], edges, times, (1.2 - skill[k]) * random.random())
    noise = noise * noise
    return np.clip(0.3 * noise * noise + bumps * (0.7 + 0.6 * noise), 0, 1)


def _smooth(values):
    padded = np.concatenate([values[:1], values, values[-1:]])
    return (padded[:-2] + padded[1:-1] * 2 + padded[2:]) / 4


def _add_bump(column, edges, times, height):
    """Add a trapezoid with slopes of 0.4 s."""
    centres = (edges[:-1] + edges[1:]) / 2
    rise = np.clip((centres - times[0]) / 0.4 + 0.5, 0, 1)
    fall = np.clip((times[1] - centres) / 0.4 + 0.5, 0, 1)
    column += height * np.minimum(rise, fall)
