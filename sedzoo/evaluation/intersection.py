"""Intersection-based scores: does enough of each event overlap with detections, and the reverse.

Source: Bilen et al. 2020, https://arxiv.org/abs/1910.08440.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from sedzoo.evaluation.counts import Result, macro, precision_recall_f1, require_average
from sedzoo.evaluation.table import EventTable, spread, tables

# Overlaps count in microseconds: 7 of 10 frames are a share of 0.7, whatever the rounding says.
_DECIMALS = 6
_BLOCK = 1 << 19


@dataclass(frozen=True)
class IntersectionScores(Result):
    """How many events are covered, and how many detections are not by what they say they are.

    Args:
        f1, precision, recall: float in [0, 1]: hits against hits + false, and against reference.
        num_hits: int, reference events covered; num_reference: int, reference events;
            num_false: int, detections that overlap too little of their class.
        dtc, gtc, cttc: float, the criteria.
        average: "micro", "macro", or "class" for one class alone.
        num_skipped: int, classes left out of a macro average: neither events nor detections.
        labels: tuple of K class names.
        cross_triggers: int (K, K), false detections of the row's class that overlap enough of the
            column's.
        per_class: dict of label -> IntersectionScores.
    """

    f1: float
    precision: float
    recall: float
    num_hits: int
    num_reference: int
    num_false: int
    dtc: float
    gtc: float
    cttc: float
    average: str = "macro"
    num_skipped: int = 0
    labels: tuple = ()
    cross_triggers: np.ndarray = field(default=None, repr=False, compare=False)
    per_class: dict = field(default_factory=dict, repr=False)


def intersection_scores(reference, estimated, durations=None, *, dtc=0.5, gtc=0.5, cttc=0.3,
                        average="macro", labels=None):
    """F1 of events by overlap.

    With sums over all events of a class in a clip, a detection is relevant when at least `dtc` of
    it overlaps events of its class; an event is hit when relevant detections cover at least `gtc`
    of it. Other detections are false; one of which at least `cttc` overlaps another class is a
    cross trigger of that class too. F1 = 2 hits / (hits + false + events).

    Args:
        reference: dict of clip name -> iterable of Event; it says which clips are scored.
        estimated: dict of clip name -> iterable of Event; a clip that is missing had none.
        durations: dict of clip name -> seconds, or seconds of every clip, to check that every
            event begins before its clip ends; None for no check.
        dtc, gtc, cttc: floats in (0, 1], the criteria of detection tolerance, ground truth
            intersection and cross-trigger tolerance. Default to 0.5, 0.5, 0.3.
        average: "macro" or "micro". Defaults to "macro".
        labels: the scored classes; None for all that occur.

    Returns: IntersectionScores.
    Raises: ValueError for overlapping events of a class in a clip, or bad arguments.
    """
    require_average(average)
    require_criteria(dtc, gtc, cttc)
    wanted, found = tables(reference, estimated, labels)
    require_apart("reference", wanted)
    require_apart("estimated", found)
    if durations is not None:
        require_durations(durations, wanted, [found])
    labels, num_classes = wanted.labels, len(wanted.labels)
    num_hits, num_false = np.zeros((2, num_classes), np.int64)
    cross_triggers = np.zeros((num_classes, num_classes), np.int64)
    for k in range(num_classes):
        mine = found.label == k
        judged = judge(found.clip[mine], found.onset[mine], found.offset[mine], wanted, k,
                       (dtc, cttc))
        num_false[k] = mine.sum() - judged.relevant.sum()
        cross_triggers[k] = np.bincount(judged.crossed_label, minlength=num_classes)
        covered = np.bincount(judged.event, judged.seconds, len(wanted))
        num_hits[k] = reached(covered, gtc * (wanted.offset - wanted.onset))[
            wanted.label == k].sum()

    def scores(hits, false, events, **more):
        precision, recall, f1 = precision_recall_f1(hits, hits + false, events)
        return IntersectionScores(f1, precision, recall, int(hits), int(events), int(false), dtc,
                                  gtc, cttc, **more)

    per_class = {label: scores(num_hits[k], num_false[k], wanted.num_events[k], average="class")
                 for k, label in enumerate(labels)}
    totals = scores(num_hits.sum(), num_false.sum(), len(wanted), average="micro", labels=labels,
                    cross_triggers=cross_triggers, per_class=per_class)
    return totals if average == "micro" else _macro(totals)


def _macro(totals):
    rates = {}
    for rate in ("precision", "recall", "f1"):
        rates[rate], num_skipped = macro(getattr(one, rate) for one in totals.per_class.values())
    fields = {**vars(totals), **rates, "average": "macro", "num_skipped": num_skipped}
    return IntersectionScores(**fields)


@dataclass(frozen=True)
class Judged:
    """What becomes of n detections of a class.

    Args:
        relevant: bool (n,).
        which, event, seconds: (pairs,), relevant detections, the events of the class that they
            overlap, and for how long.
        crossed, crossed_label: int64 (crosses,), false detections, and the classes they trigger.
    """

    relevant: np.ndarray
    which: np.ndarray
    event: np.ndarray
    seconds: np.ndarray
    crossed: np.ndarray
    crossed_label: np.ndarray


def judge(clip, onset, offset, reference, label, criteria):
    """Judge detections of class number `label` against an EventTable.

    Args:
        clip: int64 (n,), onset, offset: float64 (n,), the detections.
        criteria: floats (dtc, cttc); cttc None for no cross triggers.
    Returns: Judged.
    """
    dtc, cttc = criteria
    lengths = offset - onset
    which, event, seconds = _overlaps(clip, onset, offset, reference,
                                      label if cttc is None else None)
    own = reference.label[event] == label
    relevant = reached(np.bincount(which[own], seconds[own], len(clip)), dtc * lengths)
    crossed, crossed_label = np.zeros((2, 0), np.int64)
    if cttc is not None:
        crossed, crossed_label = _crosses(which, reference.label[event], seconds,
                                          ~own & ~relevant[which], cttc * lengths)
    own &= relevant[which]
    return Judged(relevant, which[own], event[own], seconds[own], crossed, crossed_label)


def _crosses(which, label, seconds, false, wanted):
    """Detections and classes of which they overlap enough; pairs stand by detection and class."""
    which, label, seconds = which[false], label[false], seconds[false]
    if not len(which):
        return np.zeros((2, 0), np.int64)
    first = np.flatnonzero(np.append(True, (which[1:] != which[:-1]) | (label[1:] != label[:-1])))
    enough = reached(np.add.reduceat(seconds, first), wanted[which[first]])
    return which[first][enough], label[first][enough]


def _overlaps(clip, onset, offset, reference, label):
    """Detections, events of `label` (None: of all classes) that they overlap, seconds."""
    events = slice(None) if label is None else np.flatnonzero(reference.label == label)
    bounds = (reference.bounds if label is None
              else np.searchsorted(reference.clip[events], np.arange(len(reference.clips) + 1)))
    begins, ends = reference.onset[events], reference.offset[events]
    parts = [(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))]
    for start in range(0, len(clip), _BLOCK):           # bounds what stands in memory at a time
        part = slice(start, start + _BLOCK)
        which, event = spread(bounds[clip[part]], bounds[clip[part] + 1])
        seconds = (np.minimum(offset[part][which], ends[event])
                   - np.maximum(onset[part][which], begins[event]))
        real = np.flatnonzero(seconds > 0)
        event = event[real] if label is None else events[event[real]]
        parts.append((which[real] + start, event, seconds[real]))
    return tuple(np.concatenate(part) for part in zip(*parts, strict=True))


def reached(seconds, wanted):
    """Whether durations reach what is wanted, to the microsecond."""
    return np.round(seconds, _DECIMALS) >= np.round(wanted, _DECIMALS)


def require_criteria(dtc, gtc, cttc):
    for name, share in (("dtc", dtc), ("gtc", gtc), ("cttc", cttc)):
        if share is not None and not 0 < share <= 1:
            raise ValueError(f"`{name}` must lie in (0, 1]. Received: {name}={share!r}")


def require_apart(name, table: EventTable):
    """Raise ValueError where events of a class overlap: their seconds would count twice."""
    overlapping = table.overlapping()
    if len(overlapping):
        i = overlapping[0]
        raise ValueError(f"`{name}` has {len(overlapping)} events that overlap an earlier one of "
                         f"their class, such as {table.labels[table.label[i]]!r} at "
                         f"{table.onset[i]:g} s in {table.clips[table.clip[i]]!r}; merge them "
                         f"first (`merged`)")


def require_durations(durations, reference: EventTable, estimated=()):
    """Seconds of each clip, float64 (N,); every event must begin before its clip ends.

    Args:
        durations: dict of clip name -> seconds, or seconds of every clip.
        estimated: EventTables of the same clips.
    Raises: ValueError for a clip without duration, one that is not positive, or an event past it.
    """
    seconds = []
    for clip in reference.clips:
        duration_s = durations.get(clip) if isinstance(durations, Mapping) else durations
        if duration_s is None or not 0 < duration_s < math.inf:
            raise ValueError(f"`durations` must be positive seconds. Received: {duration_s!r} "
                             f"for {clip!r}")
        seconds.append(duration_s)
    seconds = np.array(seconds, np.float64)
    for table in (reference, *estimated):
        late = np.flatnonzero(table.onset >= seconds[table.clip])
        if len(late):
            i = late[0]
            raise ValueError(f"{len(late)} events begin after the end of their clip, such as "
                             f"{table.labels[table.label[i]]!r} at {table.onset[i]:g} s in "
                             f"{table.clips[table.clip[i]]!r} of {seconds[table.clip[i]]:g} s")
    return seconds


def merged(events):
    """Events with those of a class that overlap made one; the highest score stays.

    Args:
        events: dict of clip name -> iterable of Event.
    Returns: dict of clip name -> list of Event by onset.
    """
    result = {}
    for clip, of_clip in events.items():
        kept = {}
        for event in sorted(of_clip):
            row = kept.setdefault(event.label, [])
            if row and event.onset < row[-1].offset:
                last = row.pop()
                event = type(event)(last.onset, max(last.offset, event.offset), event.label,
                                    max(last.score, event.score))
            row.append(event)
        result[clip] = sorted(event for row in kept.values() for event in row)
    return result
