"""Segment-based scores: are the right classes on in each second."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from sedzoo.evaluation.counts import DetectionScores, require_average
from sedzoo.evaluation.table import EventTable, tables

_BLOCK = 1 << 19                            # events


@dataclass(frozen=True, kw_only=True)
class SegmentScores(DetectionScores):
    """How well estimated events agree with reference events, segment by segment.

    A segment is on for a class when any part of an event touches it: events of a class that
    overlap are one activity. What is counted are pairs of a segment and a class that is on. With
    FN and FP the misses and false alarms of a segment over its classes, it has S = min(FN, FP)
    substitutions, D = max(0, FN - FP) deletions and I = max(0, FP - FN) insertions.

    Args:
        num_segments: int. segment_s: float, seconds.
        and those of DetectionScores.

    Source: Mesaros, Heittola, Virtanen 2016, https://doi.org/10.3390/app6060162.
    """

    num_segments: int
    segment_s: float


def segment_scores(reference, estimated, durations=None, *, segment_s=1.0, average="micro",
                   labels=None):
    """F1 and error rate of events in segments of fixed length.

    An event from onset to offset touches the segments floor(onset / segment_s) to
    ceil(offset / segment_s) - 1, as these divisions round: 0.7 / 0.1 is below 7. A clip has
    ceil(duration / segment_s) segments, the last one whole; what lies past it is not scored.

    Equal to sed_eval's overall and class-wise metrics, except where those divide by nothing. F1
    is 0 when nothing was detected, or nothing was there to detect, and macro F1 counts it; there
    it is NaN and left out. The error rate without reference is infinite, or NaN without insertions
    either, and left out of the macro average; there it is 4.5e15 for each insertion, or 0, and
    averaged. A clip without any event, which sed_eval cannot score without a duration, has no
    segments then.

    Args:
        reference: dict of clip name -> iterable of Event; it says which clips are scored.
        estimated: dict of clip name -> iterable of Event; a clip that is missing had none.
        durations: dict of clip name -> seconds, or seconds of every clip. Defaults to None: each
            clip ends with the last event of reference and estimate.
        segment_s: float > 0, seconds. Defaults to 1.
        average: "micro" or "macro". Defaults to "micro".
        labels: the scored classes; None for all that occur.

    Returns: SegmentScores.
    Raises: ValueError for an estimated clip without reference, a class not in `labels`, a clip
        without duration, or a duration or segment length that is not positive and finite.
    """
    require_average(average)
    wanted, found = tables(reference, estimated, labels)
    num_segments = count_segments(wanted, found, durations, segment_s)
    counts, num_substitutions = _tally(wanted, found, num_segments, segment_s)
    return SegmentScores.of_classes(wanted.labels, counts, num_substitutions, average,
                                    num_segments=int(num_segments.sum()),
                                    segment_s=float(segment_s))


def segment_counts(reference: EventTable, estimated: EventTable, num_segments, segment_s):
    """Segments in which each class is on in both tables, in the estimate, in the reference.

    Args:
        reference, estimated: EventTables of the same N clips and K classes.
        num_segments: int64 (N,), see `count_segments`; what lies past them is cut off.
        segment_s: float > 0, seconds.
    Returns: hits, estimated, reference, int64 (K,) each.
    """
    return tuple(_tally(reference, estimated, num_segments, segment_s)[0])


def count_segments(reference: EventTable, estimated: EventTable, durations, segment_s):
    """How many segments each clip has.

    Args:
        reference, estimated: EventTables of the same N clips.
        durations, segment_s: as for `segment_scores`.
    Returns: int64 (N,).
    Raises: ValueError for a clip without duration, a duration or `segment_s` that is not positive
        and finite, or so many segments that counts would not be exact.
    """
    if not 0 < segment_s < math.inf:
        raise ValueError("`segment_s` must be positive and finite. "
                         f"Received: segment_s={segment_s!r}")
    seconds = np.zeros(len(reference.clips))
    if durations is None:
        for table in (reference, estimated):
            np.maximum.at(seconds, table.clip, table.offset)
    else:
        for n, clip in enumerate(reference.clips):
            duration_s = durations.get(clip) if isinstance(durations, Mapping) else durations
            if duration_s is None or not 0 < duration_s < math.inf:
                raise ValueError(f"`durations` must be positive seconds. Received: {duration_s!r} "
                                 f"for {clip!r}")
            seconds[n] = duration_s
    if seconds.sum() > 2.0**52 * segment_s:
        raise ValueError("`segment_s` must be long enough to count segments. Received: "
                         f"segment_s={segment_s!r} for {seconds.sum():g} s of clips")
    return np.ceil(seconds / segment_s).astype(np.int64)


def _tally(reference, estimated, num_segments, segment_s):
    """Hits, estimated, reference, int64 (3, K), and the number of substitutions."""
    counts, num_substitutions = np.zeros((3, len(reference.labels)), np.int64), 0
    # Blocks of clips bound what stands in memory.
    num_events = reference.bounds + estimated.bounds
    starts = np.searchsorted(num_events, np.arange(0, num_events[-1], _BLOCK))
    for first, last in pairwise([*np.unique(starts), len(reference.clips)]):
        active = _activity([(table, slice(*table.bounds[[first, last]]))
                            for table in (reference, estimated)], num_segments, segment_s)
        counts += _counts(*active, counts.shape[1])
        num_substitutions += _substitutions(*active, counts.shape[1])
    return counts, num_substitutions


def _activity(parts, num_segments, segment_s):
    """Runs of segments in which a class of a clip is on in reference or estimate.

    Args:
        parts: table and slice of its events, of the reference and of the estimate.
    Returns: row, clip * K + class, start and stop segment, int64 (runs,); whether the class is on
        in the reference and in the estimate, bool (runs, 2).
    """
    intervals = []
    for (table, events), change in zip(parts, ((1, 0), (0, 1)), strict=True):
        end = num_segments[table.clip[events]]
        start = np.minimum(np.floor(table.onset[events] / segment_s), end).astype(np.int64)
        stop = np.minimum(np.ceil(table.offset[events] / segment_s), end).astype(np.int64)
        intervals.append((table.group[events], start, stop, np.tile(change, (len(end), 1))))
    *runs, levels = _sweep(*map(np.concatenate, zip(*intervals, strict=True)))
    return *runs, levels > 0


def _sweep(row, start, stop, change):
    """Sums of intervals, as runs of constant sums.

    Args:
        row, start, stop: int64 (n,), intervals of integers [start, stop) in rows.
        change: int64 (n, 2), what each interval adds to its row.
    Returns: row, start, stop, int64 (runs,), and sums, int64 (runs, 2), where they are not 0.
    """
    row, time = np.tile(row, 2), np.concatenate([start, stop])
    order = np.lexsort((time, row))
    row, time = row[order], time[order]
    sums = np.cumsum(np.concatenate([change, -change])[order], axis=0)
    # At a row's last change, where the next time is another row's, the sums are 0 again.
    until = np.append(time[1:], 0)
    runs = np.flatnonzero((until > time) & sums.any(axis=1))
    return row[runs], time[runs], until[runs], sums[runs]


def _counts(row, start, stop, active, num_classes):
    """Segments of each class that are on in both, in the estimate, in the reference, (3, K)."""
    wanted, found = active.T
    return np.array([
        np.bincount(row % num_classes, (stop - start) * on, num_classes)
        for on in (wanted & found, found, wanted)]).astype(np.int64)


def _substitutions(row, start, stop, active, num_classes):
    """Sum over segments of the smaller of misses and false alarms."""
    wrong = active[:, 0] != active[:, 1]
    _, start, stop, errors = _sweep(row[wrong] // num_classes, start[wrong], stop[wrong],
                                    active[wrong].astype(np.int64))
    return ((stop - start) * errors.min(axis=1)).sum()
