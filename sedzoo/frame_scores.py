"""Frame probabilities of many clips, and when their frames happen."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sedzoo.frontend import Clock


@dataclass(frozen=True)
class FrameScores:
    """What a system says of every frame of every clip, before any decision.

    Args:
        labels: K distinct class names, in the order of the columns.
        values: Mapping of clip name -> float (T, K) in [0, 1]. Read clip by clip, so it may be
            lazy: numpy.load(..., mmap_mode="r"), or a Mapping of your own over files.
        times: Clock of the frames, or a Mapping of clip name -> float64 (T + 1,), seconds of the
            frames' edges, rising.

    Raises: ValueError naming the clip, where one is read that is not (T, K), not finite, or whose
        edges do not fit.
    """

    labels: tuple
    values: Mapping
    times: Clock | Mapping

    def __post_init__(self):
        object.__setattr__(self, "labels", tuple(self.labels))
        if not self.labels or len(set(self.labels)) != len(self.labels):
            raise ValueError("`labels` must be one or more distinct names. "
                             f"Received: labels={self.labels!r}")
        if not isinstance(self.values, Mapping):
            raise ValueError("`values` must be a Mapping of clip name -> scores. "
                             f"Received: {type(self.values).__name__}")
        if not isinstance(self.times, (Clock, Mapping)):
            raise ValueError("`times` must be a Clock, or a Mapping of clip name -> edges. "
                             f"Received: {type(self.times).__name__}")

    @cached_property
    def clips(self):
        """Names of the N clips, in the order of `values`."""
        return tuple(self.values)

    @cached_property
    def bounds(self):
        """Where each clip's frames begin when all clips stand in a row, int64 (N + 1,)."""
        return np.concatenate([[0], np.cumsum([len(self.values[clip]) for clip in self.clips],
                                              dtype=np.int64)])

    def __getitem__(self, clip):
        """The scores of a clip, float (T, K)."""
        return self.columns(clip, slice(None))

    def columns(self, clip, which):
        """Scores of a clip for a slice of the classes, float (T, k); others are not read."""
        scores = self.values[clip]
        if np.ndim(scores) != 2 or np.shape(scores)[1] != len(self.labels):
            raise ValueError(f"The scores of {clip!r} must have shape (frames, "
                             f"{len(self.labels)}). Received: shape {np.shape(scores)}")
        scores = np.asarray(scores[:, which])
        if scores.dtype.kind != "f":
            scores = scores.astype(np.float64)
        if not np.isfinite(scores).all():
            raise ValueError(f"The scores of {clip!r} must be finite.")
        return scores

    def stacked(self, which=slice(None)):
        """Scores of all clips in a row, float (sum of T, k), for a slice of the classes."""
        if not self.clips:
            return np.zeros((0, len(self.labels[which])))
        return np.concatenate([self.columns(clip, which) for clip in self.clips])

    def edges(self, clip):
        """Where the frames of a clip begin and the last one ends, seconds, float64 (T + 1,)."""
        num_frames = len(self.values[clip])
        if isinstance(self.times, Clock):
            return self.times.seconds(np.arange(num_frames + 1))
        if clip not in self.times:
            raise ValueError(f"`times` has no edges of the frames of {clip!r}")
        edges = np.asarray(self.times[clip], np.float64)
        if edges.shape != (num_frames + 1,) or not (np.diff(edges) > 0).all() or (
                not np.isfinite(edges).all()):
            raise ValueError(f"The edges of {clip!r} must be {num_frames + 1} finite, rising "
                             f"seconds. Received: shape {edges.shape}")
        return edges

    def decoded(self, decoder):
        """Events of every clip, dict of clip name -> list of Event.

        Args:
            decoder: events.Decoder.
        """
        return {clip: decoder.decode(self[clip], self.labels, _Edges(self.edges(clip)))
                for clip in self.clips}

    def select(self, clips):
        """The same scores of some of the clips, in that order."""
        return FrameScores(self.labels, {clip: self.values[clip] for clip in clips}, self.times)


class _Edges:
    """The clock of frames whose edges are known."""

    def __init__(self, edges):
        self._edges = edges

    def seconds(self, frame):
        return self._edges[frame]
