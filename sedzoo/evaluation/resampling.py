"""Metrics of resampled clips: what bootstrap and permutation tests call again and again.

Two kinds of systems. `Summed`: what each clip adds to some sums, and a metric of the sums; a
thousand resamples are one matrix product. `Sampled`: any metric of any clips, called every time.
With the same seed both see the same resamples.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

# How many (round, clip) pairs stand in memory at a time.
_BLOCK = 1 << 22


@dataclass(frozen=True)
class Summed:
    """One or two systems whose metric is a function of sums over clips, as F1 is of counts.

    Args:
        metric: function of sums (R, ...) -> float (R,), such as `micro_f1`.
        counts: finite (systems, N, ...), what each of N > 0 clips adds for each system, such as
            hits, detections and references by class.

    Raises: ValueError for counts that are not that.
    """

    metric: Callable
    counts: np.ndarray

    def __post_init__(self):
        counts = np.asarray(self.counts, np.float64)
        if counts.ndim < 2 or counts.shape[0] not in (1, 2) or not counts.shape[1]:
            raise ValueError("`counts` must have shape (1 or 2 systems, one or more clips, ...). "
                             f"Received: shape {counts.shape}")
        if not np.isfinite(counts).all():
            raise ValueError("`counts` must be finite.")
        object.__setattr__(self, "counts", counts)

    @property
    def num_systems(self):
        return self.counts.shape[0]

    @property
    def num_clips(self):
        return self.counts.shape[1]

    def of_all(self):
        """The metric of each system over all clips, float64 (systems,)."""
        return self._metric(self.counts.sum(axis=1))

    def resampled(self, rng, num_rounds):
        """The metric of `num_rounds` draws of N clips, float64 (num_rounds, systems)."""
        size = num_rounds * self.num_clips
        places = _draws(rng, num_rounds, self.num_clips)
        places += self.num_clips * np.arange(num_rounds)[:, None]
        weights = np.bincount(places.ravel(), minlength=size).reshape(num_rounds, -1)
        return np.stack([self._metric(_times(weights, counts)) for counts in self.counts], axis=1)

    def swapped(self, rng, num_rounds):
        """The metric with each clip's outputs swapped or not, float64 (num_rounds, 2)."""
        first, second = self.counts
        moved = _times(_swaps(rng, num_rounds, self.num_clips), second - first)
        return np.stack([self._metric(first.sum(axis=0) + moved),
                         self._metric(second.sum(axis=0) - moved)], axis=1)

    def _metric(self, sums):
        values = np.asarray(self.metric(sums), np.float64)
        if values.shape != sums.shape[:1]:
            raise ValueError("`metric` must give one number for each of the first axis: "
                             f"{sums.shape[:1]}. Received: shape {values.shape}")
        return values


@dataclass(frozen=True)
class Sampled:
    """One or two systems with any metric, as average precision or PSDS are.

    Args:
        metric: function of clips (n,) and systems (n,), both int64 -> float: the metric of the
            clips of these numbers (some twice, some not at all), each with the output of the
            system 0 or 1, such as
            `lambda clips, systems: mean_ap(targets[clips], outputs[systems, clips])`.
        num_clips: int > 0, N. num_systems: 1 or 2. Defaults to 2.

    Raises: ValueError for numbers out of range.
    """

    metric: Callable
    num_clips: int
    num_systems: int = 2

    def __post_init__(self):
        if self.num_clips < 1 or self.num_systems not in (1, 2):
            raise ValueError("`num_clips` must be >= 1 and `num_systems` 1 or 2. Received: "
                             f"num_clips={self.num_clips!r}, num_systems={self.num_systems!r}")

    def of_all(self):
        """As of `Summed`."""
        return self._each(np.arange(self.num_clips))

    def resampled(self, rng, num_rounds):
        """As of `Summed`."""
        return np.stack([self._each(clips)
                         for clips in _draws(rng, num_rounds, self.num_clips)])

    def swapped(self, rng, num_rounds):
        """As of `Summed`."""
        clips = np.arange(self.num_clips)
        return np.array([[self.metric(clips, swap), self.metric(clips, 1 - swap)]
                         for swap in _swaps(rng, num_rounds, self.num_clips)], np.float64)

    def _each(self, clips):
        return np.array([self.metric(clips, np.full_like(clips, system))
                         for system in range(self.num_systems)], np.float64)


def micro_f1(sums):
    """F1 of counts pooled over classes.

    Args:
        sums: (R, ..., 3), hits, detections and references, by class or not.
    Returns: float64 (R,), NaN where there are neither detections nor references.
    """
    return _f1(sums.reshape(len(sums), -1, 3).sum(axis=1))


def macro_f1(sums):
    """Mean over classes of F1; classes without detections and references are left out.

    Args:
        sums: (R, K, 3), hits, detections and references.
    Returns: float64 (R,), NaN where no class is left.
    """
    f1 = _f1(sums)                                                             # (R, K)
    num_known = np.isfinite(f1).sum(axis=1)
    return _ratio(np.nansum(f1, axis=1), num_known)


def rounds_of(kind, num_clips, num_rounds, seed):
    """`resampled` or `swapped` of `num_rounds` rounds, as many at a time as memory should hold."""
    rng = np.random.default_rng(seed)
    step = max(1, _BLOCK // num_clips)
    return np.concatenate([kind(rng, min(step, num_rounds - start))
                           for start in range(0, num_rounds, step)])


def require_systems(systems, num_systems):
    if not isinstance(systems, (Summed, Sampled)):
        raise ValueError("`systems` must be Summed or Sampled. "
                         f"Received: {type(systems).__name__}")
    if systems.num_systems != num_systems:
        raise ValueError(f"`systems` must be of {num_systems} here. "
                         f"Received: {systems.num_systems}")


def _draws(rng, num_rounds, num_clips):
    return rng.integers(num_clips, size=(num_rounds, num_clips))


def _swaps(rng, num_rounds, num_clips):
    return rng.integers(2, size=(num_rounds, num_clips))


def _times(weights, counts):
    """Weights (R, N), counts (N, ...) -> sums (R, ...); whole counts stay exact."""
    sums = weights.astype(np.float64) @ counts.reshape(len(counts), -1)
    return sums.reshape(len(weights), *counts.shape[1:])


def _f1(sums):
    hits, estimated, reference = np.moveaxis(np.asarray(sums, np.float64), -1, 0)
    return _ratio(2 * hits, estimated + reference)


def _ratio(part, whole):
    return np.divide(part, whole, where=whole != 0, out=np.full(whole.shape, np.nan))
