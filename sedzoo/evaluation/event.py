"""Event-based scores: is each event found, from when to when."""

import math
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import (
    connected_components,
    maximum_bipartite_matching,
    min_weight_full_bipartite_matching,
)

from sedzoo.evaluation.counts import DetectionScores, require_average
from sedzoo.evaluation.table import EventTable, spread, tables

_BLOCK = 2000                               # pairs


@dataclass(frozen=True, kw_only=True)
class EventScores(DetectionScores):
    """How many events are found with the right class, onset and offset.

    Args:
        collar_s: float, seconds; offset_share: float, of the reference event's length, or None
            where offsets were not compared.
        and those of DetectionScores; what is counted are events.

    Source: Mesaros, Heittola, Virtanen 2016, https://doi.org/10.3390/app6060162.
    """

    collar_s: float
    offset_share: float | None


def event_scores(reference, estimated, *, collar_s=0.2, offset_share=0.2, average="micro",
                 labels=None):
    """F1 and error rate of events.

    An estimated event matches a reference event when the onsets differ by at most the collar, and
    the offsets by at most the larger of the collar and a share of the reference's length. A match
    of one class is a hit, of two classes a substitution. Each event is used once; of all ways to
    pair them those with most hits count, and of these the one with most substitutions. Events of
    a class that overlap each count.

    Equal to sed_eval's overall and class-wise metrics with optimal matching, except:
    sed_eval takes one of the pairings with most hits and of the substitutions whatever comes
    first in its lists, so it may find fewer, and count a deletion and an insertion for each.
    F1 is 0 when nothing was detected, or nothing was there to detect, and macro F1 counts it;
    there it is NaN and left out. The error rate without reference is infinite, or NaN without
    insertions either, and left out of the macro average; there it is 4.5e15 for each insertion,
    or 0, and averaged.

    Args:
        reference: dict of clip name -> iterable of Event; it says which clips are scored.
        estimated: dict of clip name -> iterable of Event; a clip that is missing had none.
        collar_s: float >= 0, seconds. Defaults to 0.2.
        offset_share: float >= 0, or None: onsets alone are compared. Defaults to 0.2.
        average: "micro" or "macro". Defaults to "micro".
        labels: the scored classes; None for all that occur.

    Returns: EventScores.
    Raises: ValueError for an estimated clip without reference, a class not in `labels`, or a
        collar or share that is negative or not finite.
    """
    require_average(average)
    wanted, found = tables(reference, estimated, labels)
    pairs = _close(wanted, found, "clip", collar_s, offset_share)
    same = wanted.label[pairs[0]] == found.label[pairs[1]]
    partner = _partners(*pairs[:, same], wanted, found)
    counts = np.array([_hits(partner, wanted), found.num_events, wanted.num_events])
    return EventScores.of_classes(
        wanted.labels, counts, _substitutions(*pairs, same, partner, len(found)), average,
        collar_s=float(collar_s),
        offset_share=None if offset_share is None else float(offset_share))


def event_hits(reference: EventTable, estimated: EventTable, collar_s, offset_share):
    """Hits of each class in the pairing that has most, int64 (K,).

    Args:
        reference, estimated: EventTables of the same clips and classes.
        collar_s, offset_share: as for `event_scores`.
    """
    return _hits(event_partners(reference, estimated, collar_s, offset_share), reference)


def event_partners(reference: EventTable, estimated: EventTable, collar_s, offset_share):
    """The estimated event that hits each reference event, or -1, int64 (n,).

    Args: as event_hits.
    """
    pairs = _close(reference, estimated, "group", collar_s, offset_share)
    return _partners(*pairs, reference, estimated)


def _close(reference, estimated, within, collar_s, offset_share):
    """Pairs of events that match but for the class, within the same clip or the same group.

    Returns: indices in reference and estimate, int64 (2, pairs).
    """
    for name, value in (("collar_s", collar_s), ("offset_share", offset_share or 0)):
        if not 0 <= value < math.inf:
            raise ValueError(f"`{name}` must be finite and >= 0. Received: {name}={value!r}")
    left, right = _near(reference.onset, getattr(reference, within), estimated.onset,
                        getattr(estimated, within), collar_s)
    matching = np.abs(reference.onset[left] - estimated.onset[right]) <= collar_s
    if offset_share is not None:
        reach = np.maximum(collar_s, offset_share * (reference.offset - reference.onset))
        matching &= np.abs(reference.offset[left] - estimated.offset[right]) <= reach[left]
    return np.stack([left[matching], right[matching]])


def _near(time, row, other_time, other_row, collar_s):
    """Pairs of times in the same row that are a collar apart or less, or hardly more."""
    wide = collar_s + 4 * np.spacing(np.max(time, initial=collar_s))
    times, rank = np.unique(np.concatenate([other_time, time - wide, time + wide]),
                            return_inverse=True)
    # Whole numbers stand for row and time, so that one search finds all windows.
    key = np.concatenate([other_row, row, row]) * len(times) + rank
    others, low, high = np.split(key, [len(other_time), len(other_time) + len(time)])
    order = np.argsort(others, kind="stable")
    left, place = spread(np.searchsorted(others[order], low),
                         np.searchsorted(others[order], high, side="right"))
    return left, order[place]


def _partners(left, right, reference, estimated):
    """The largest matching of pairs: for each reference event its partner or -1, int64 (n,)."""
    if not len(left):
        return np.full(len(reference), -1)
    graph = csr_array((np.ones(len(left), np.int8), (left, right)),
                      shape=(len(reference), len(estimated)))
    return maximum_bipartite_matching(graph, perm_type="column").astype(np.int64)


def _hits(partner, reference):
    return np.bincount(reference.label[partner >= 0], minlength=len(reference.labels))


def _substitutions(left, right, same, partner, num_estimated):
    """Most pairs of two classes that a matching can have besides most pairs of one class.

    Args:
        left, right: int64 (pairs,); same: bool (pairs,), whether both are of one class.
        partner: int64 (n,), a matching with most pairs of one class.
    """
    num_reference = len(partner)
    size = num_reference + num_estimated
    free = np.ones(size, bool)
    free[:num_reference] = partner < 0
    free[num_reference + partner[partner >= 0]] = False
    graph = csr_array((np.ones(len(left), np.int8), (left, num_reference + right)), (size, size))
    num_parts, part = connected_components(graph, directed=False)
    # In a part with no event left over on one side, a pair of two classes would cost a hit.
    open_sides = [np.bincount(part[side][free[side]], minlength=num_parts) > 0
                  for side in (slice(num_reference), slice(num_reference, None))]
    contested = np.flatnonzero(np.logical_and(*open_sides)[part[left]])
    contested = contested[np.argsort(part[left[contested]], kind="stable")]
    # Parts are matched a block at a time: the time for one grows with the square of its size.
    starts = np.flatnonzero(np.diff(part[left[contested]], prepend=-1))
    cuts = starts[np.searchsorted(starts, np.arange(_BLOCK, starts.max(initial=0), _BLOCK))]
    return sum(_most_substitutions(left[block], right[block], same[block])
               for block in np.split(contested, cuts))


def _most_substitutions(left, right, same):
    if not len(left):
        return 0
    (rows, row), (columns, column) = (np.unique(side, return_inverse=True)
                                      for side in (left, right))
    # Each reference event may stay alone, which costs 4. A hit saves 3, more than the 2 that its
    # two events can save apart, so a cheapest matching has most hits first.
    costs = np.concatenate([np.where(same, 1.0, 3.0), np.full(len(rows), 4.0)])
    alone = np.arange(len(rows))
    graph = csr_array((costs, (np.append(row, alone), np.append(column, len(columns) + alone))))
    return int((graph[min_weight_full_bipartite_matching(graph)] == 3).sum())
