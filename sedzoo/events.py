"""Sound events, and the two ways between them and frame targets."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, order=True)
class Event:
    """A sound that starts and stops.

    Args:
        onset, offset: float, seconds from the start of the clip, onset < offset.
        label: str, the class's display name.
        score: float in [0, 1], mean frame probability; 1 for a label made by hand.
    """

    onset: float
    offset: float
    label: str
    score: float = 1.0

    def __post_init__(self):
        # Written so that NaN fails too.
        if not 0 <= self.onset < self.offset < float("inf"):
            raise ValueError("An event needs 0 <= onset < offset, finite. "
                             f"Received: onset={self.onset!r}, offset={self.offset!r}, "
                             f"label={self.label!r}")

    @property
    def duration_s(self):
        return self.offset - self.onset


def encode(events, labels, clock, num_frames):
    """Events -> frame targets, float32 (num_frames, K) of 0 and 1.

    A frame is on when its centre lies inside the event; an event shorter than a frame keeps the
    one it starts in. What lies past the last frame is cut off. `decode` is the inverse.

    Args:
        events: iterable of Event.
        labels: sequence of class names in class order.
        clock: frontend.Clock of the frames.
        num_frames: int, T.
    Raises: ValueError for a label that is not among `labels`.
    """
    index = {label: k for k, label in enumerate(labels)}
    targets = np.zeros((num_frames, len(labels)), np.float32)
    for event in events:
        if event.label not in index:
            raise ValueError(f"Event label {event.label!r} is not among the classes {list(labels)}")
        start, stop = int(clock.frame(event.onset)), int(clock.frame(event.offset))
        if stop <= start:
            start = int(event.onset / clock.hop_s)
            stop = start + 1
        targets[start:stop, index[event.label]] = 1
    return targets


@dataclass(frozen=True)
class Decoder:
    """Frame probabilities -> events: threshold, median, fill gaps, drop short runs, in this order.

    Args:
        thresholds: float or K floats in [0, 1]; a frame is on when its probability is above.
        median_frames: odd int or K of them, length of the median filter on the decisions
            (clip mirrored at its ends); 1 is none.
        max_gap_frames: int >= 0, silences up to this long inside a class are filled.
        min_frames: int >= 1, shorter runs are dropped.

    Source: thresholds, gaps and short runs as in Xu et al. 2018 (released code: 0.3, gaps of at
        most 9 frames, runs of at most 10 dropped, see `Decoder.xu2018icassp`); per-class medians
        as in Boes & Van hamme 2022.
    """

    thresholds: float | tuple = 0.5
    median_frames: int | tuple = 1
    max_gap_frames: int = 0
    min_frames: int = 1

    @classmethod
    def xu2018icassp(cls):
        return cls(thresholds=0.3, max_gap_frames=9, min_frames=11)

    def __post_init__(self):
        if np.any(np.asarray(self.median_frames) < 1) or np.any(np.asarray(self.median_frames) % 2
                                                                == 0):
            raise ValueError("`median_frames` must be odd and positive. "
                             f"Received: median_frames={self.median_frames!r}")
        if not np.all((np.asarray(self.thresholds) >= 0) & (np.asarray(self.thresholds) <= 1)):
            raise ValueError("`thresholds` must lie in [0, 1]. "
                             f"Received: thresholds={self.thresholds!r}")
        if self.max_gap_frames < 0 or self.min_frames < 1:
            raise ValueError("`max_gap_frames` must be >= 0 and `min_frames` >= 1. Received: "
                             f"max_gap_frames={self.max_gap_frames}, min_frames={self.min_frames}")

    def activity(self, scores):
        """Probabilities (T, K) -> decisions, bool (T, K)."""
        scores = np.asarray(scores)
        if scores.dtype.kind != "f":
            scores = scores.astype(np.float32)             # 0.5 is no threshold in integers
        num_classes = scores.shape[1]
        # In the precision of the scores, so that a score of 0.3 is not above a threshold of 0.3.
        active = scores > self._per_class("thresholds", num_classes).astype(scores.dtype)
        lengths = self._per_class("median_frames", num_classes)
        for k in np.flatnonzero(lengths > 1):
            active[:, k] = _median(active[:, k], int(lengths[k]))
        if self.max_gap_frames or self.min_frames > 1:
            for k in range(num_classes):
                active[:, k] = self._tidy(active[:, k])
        return active

    def _per_class(self, key, num_classes):
        value = np.asarray(getattr(self, key))
        if value.shape not in ((), (num_classes,)):
            raise ValueError(f"`{key}` must be one number or one for each of {num_classes} "
                             f"classes. Received: {key}={getattr(self, key)!r}")
        return np.broadcast_to(value, (num_classes,))

    def _tidy(self, active):
        for start, stop in runs(~active):
            if stop - start <= self.max_gap_frames and start > 0 and stop < len(active):
                active[start:stop] = True
        for start, stop in runs(active):
            if stop - start < self.min_frames:
                active[start:stop] = False
        return active

    def decode(self, scores, labels, clock):
        """Probabilities (T, K) -> list of Event, by onset, then offset, then class order.

        Args:
            scores: float array (T, K) in [0, 1].
            labels: K class names.
            clock: frontend.Clock of the frames.
        Raises: ValueError when `scores` is not (T, K) for these labels, or not finite.
        """
        scores = np.asarray(scores)
        if scores.ndim != 2 or scores.shape[1] != len(labels):
            raise ValueError(f"`scores` must have shape (frames, {len(labels)}). "
                             f"Received: shape {scores.shape}")
        if not np.isfinite(scores).all():
            raise ValueError("`scores` must be finite.")
        active = self.activity(scores)
        events = []
        for k, label in enumerate(labels):
            for start, stop in runs(active[:, k]):
                events.append(Event(float(clock.seconds(start)), float(clock.seconds(stop)), label,
                                    float(scores[start:stop, k].mean())))
        return sorted(events, key=lambda event: (event.onset, event.offset))  # stable: by class


def _median(active, length):
    """Median of decisions (T,), the clip mirrored at its ends: a majority, by a running count.

    Not scipy's median_filter, which reads beyond its memory where the filter is many times as long
    as the clip.
    """
    num_frames, half = len(active), length // 2
    place = np.arange(-half, num_frames + half) % max(1, 2 * num_frames)
    mirrored = active[np.minimum(place, 2 * num_frames - 1 - place)] if num_frames else active
    count = np.concatenate([[0], np.cumsum(mirrored)])
    return count[length:] - count[:-length] > half


def runs(active):
    """The runs of True in a bool (T,), as a list of (start, stop), stop exclusive."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], active.astype(np.int8), [0]])))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]
