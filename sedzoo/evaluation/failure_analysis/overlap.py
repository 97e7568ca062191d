"""Which events of a clip overlap, of whatever classes, and for how long."""

import numpy as np

from sedzoo.evaluation.table import EventTable, spread

# Touching is no overlap, whatever the rounding says.
_LEAST_S = 5e-7


def overlaps(reference, estimated):
    """Pairs of a reference event and a detection that overlap.

    Args:
        reference, estimated: EventTables of the same clips.
    Returns: int64 (pairs,) of the reference, int64 (pairs,) of the estimate, float64 (pairs,)
        seconds that they share.
    """
    begins, ends, onset, offset, num_times = _ranks(reference, estimated)
    # In the order of clip and onset, the events that end after a detection begins are all from
    # some place on, and those that begin before it ends all up to another; between them stand a
    # few more, shorter than one before them.
    order = np.lexsort((reference.onset, reference.clip))
    clip = reference.clip[order] * num_times
    latest = np.maximum.accumulate(clip + ends[order])
    clip_of_estimated = estimated.clip * num_times
    start = np.searchsorted(latest, clip_of_estimated + onset, side="right")
    stop = np.searchsorted(clip + begins[order], clip_of_estimated + offset)
    e, place = spread(start, np.maximum(start, stop))
    r = order[place]
    seconds = (np.minimum(reference.offset[r], estimated.offset[e])
               - np.maximum(reference.onset[r], estimated.onset[e]))
    real = seconds > _LEAST_S
    return r[real], e[real], seconds[real]


def apart(table):
    """The table with what each event shares with earlier ones of its class and clip cut off.

    Its events cover the same seconds, each once; one that is wholly covered lasts 0 s.
    """
    times, rank = np.unique(table.offset, return_inverse=True)
    latest = np.maximum.accumulate(table.group * len(times) + rank)
    onset = table.onset.copy()
    if len(table):
        before = times[latest[:-1] - table.group[:-1] * len(times)]
        onset[1:] = np.where(table.group[1:] == table.group[:-1], np.maximum(onset[1:], before),
                             onset[1:])
    return EventTable(table.clips, table.labels, table.clip, table.label, onset,
                      np.maximum(onset, table.offset))


def _ranks(reference, estimated):
    """Onsets and offsets of both by rank among all times, int64, and how many times there are."""
    times = (reference.onset, reference.offset, estimated.onset, estimated.offset)
    ranks = np.unique(np.concatenate(times), return_inverse=True)[1]
    return *np.split(ranks, np.cumsum([len(part) for part in times[:-1]])), len(ranks)
