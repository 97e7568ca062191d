"""Decisions of all clips and classes at once, at many thresholds and median lengths.

The events are those of events.Decoder, which goes clip by clip and class by class; here one pass
over an array finds all of them, so that a search over hundreds of settings takes seconds.
"""

import numpy as np

from sedzoo.evaluation.table import EventTable, spread


class MedianGrid:
    """Events of every threshold and median length, for some of the classes.

    The frames of all clips stand in one row, by clip, then class, each stretch with its ends
    mirrored as scipy's "reflect" does (c b a | a b c d | d c b). A score is kept as the number of
    thresholds below it. The median of decisions is a majority: the difference of a running count
    at the two ends of the window.

    Args:
        scores: FrameScores.
        which: slice of its classes, k of them.
        thresholds: P rising floats; a frame is on when its score is above.
        median_frames: M odd ints.

    Raises: ValueError naming the clip, for scores that are not finite, or not in [0, 1].
    """

    def __init__(self, scores, which, thresholds, median_frames):
        self.clips, self.labels = scores.clips, scores.labels[which]
        self.num_thresholds, self.median_frames = len(thresholds), tuple(median_frames)
        longest = max(self.median_frames)
        self._count_type = np.min_scalar_type(longest)
        margin = max(1, longest // 2)                       # one keeps runs of neighbours apart
        num_frames = np.diff(scores.bounds)                                           # (N,)
        per_row = np.repeat(num_frames, len(self.labels))                             # (N k,)
        ends = np.cumsum(per_row + 2 * margin)
        self._row = np.repeat(np.arange(len(per_row), dtype=np.int32), per_row + 2 * margin)
        first = ends - margin - per_row
        # Edge of the frame at place p of row r: edges[p + shift[r]].
        at = np.concatenate([[0], np.cumsum(num_frames + 1)])[:-1]
        self._shift = np.repeat(at, len(self.labels)) - first
        self._is_frame = np.zeros(len(self._row), bool)
        self._is_frame[spread(first, first + per_row)[1]] = True
        self._edges, self._ranks = _read(scores, which, np.asarray(thresholds), margin)

    def tables(self):
        """(index of the threshold, index of the length, EventTable) of each of the P M settings."""
        for i in range(self.num_thresholds):
            on = self._ranks > i
            # It may wrap: a difference of unsigned counts is right where it fits their type.
            count = np.zeros(len(on) + 1, self._count_type)
            np.cumsum(on, dtype=self._count_type, out=count[1:])
            for j, length in enumerate(self.median_frames):
                yield i, j, self._table(self._majority(on, count, length))

    def _majority(self, on, count, length):
        active = on & self._is_frame
        if length > 1:
            inside = count[length:] - count[:-length]
            active[length // 2:len(on) - length // 2] = inside > length // 2
            active &= self._is_frame
        return active

    def _table(self, active):
        flips = 1 + np.flatnonzero(active[1:] != active[:-1])
        start, stop = flips[::2], flips[1::2]
        row = self._row[start].astype(np.int64)
        shift = self._shift[row]
        clip, label = np.divmod(row, len(self.labels))
        return EventTable(self.clips, self.labels, clip, label, self._edges[start + shift],
                          self._edges[stop + shift])


def _read(scores, which, thresholds, margin):
    """Edges of the frames of all clips, float64, and the mirrored row of ranks."""
    rank_type = np.min_scalar_type(len(thresholds))
    num_classes = len(scores.labels[which])
    edges, ranks = [np.zeros(0)], [np.zeros(0, rank_type)]
    for clip in scores.clips:
        columns = probabilities(scores, clip, which)                                  # (T, k)
        # In the precision of the scores: a score of 0.3 is not above a threshold of 0.3.
        rank = np.searchsorted(thresholds.astype(columns.dtype), columns).astype(rank_type)
        edges.append(scores.edges(clip))
        ranks.append(rank[_mirrored(len(rank), margin)].T.ravel() if len(rank)
                     else np.zeros(2 * margin * num_classes, rank_type))
    return np.concatenate(edges), np.concatenate(ranks)


def _mirrored(num_frames, margin):
    """Which frame stands at each place of a stretch with mirrored ends, int64 (T + 2 margin,)."""
    place = np.arange(-margin, num_frames + margin) % (2 * num_frames)
    return np.minimum(place, 2 * num_frames - 1 - place)


def probabilities(scores, clip, which=slice(None)):
    """Scores of a clip for a slice of the classes, float (T, k), checked to lie in [0, 1]."""
    columns = scores.columns(clip, which)
    if columns.size and not (columns.min() >= 0 and columns.max() <= 1):
        raise ValueError(f"The scores of {clip!r} must lie in [0, 1]. "
                         f"Received: {columns.min():g} to {columns.max():g}")
    return columns
