"""Segment-based scores: are the right classes on in each second."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sedzoo.evaluation.counts import Result, precision_recall_f1, ratio, require_micro


@dataclass(frozen=True)
class SegmentScores(Result):
    """How well estimated events agree with reference events, segment by segment.

    A segment is on for a class when any part of an event touches it. With FN and FP the misses
    and false alarms of a segment over its classes, S = min(FN, FP) substitutions,
    D = max(0, FN - FP) deletions, I = max(0, FP - FN) insertions.

    Args:
        f1, precision, recall: float in [0, 1], NaN where they are rates of nothing.
        error_rate: float >= 0, (S + D + I) / num_reference, infinite where there is no reference.
        substitution_rate, deletion_rate, insertion_rate: float, its three parts.
        num_hits, num_estimated, num_reference: int, active (segment, class) pairs in both, in the
            estimate, in the reference.
        num_segments: int. segment_s: float, seconds.
        average: str, "micro": pairs of all classes are counted together.

    Source: Mesaros, Heittola, Virtanen 2016, https://doi.org/10.3390/app6060162.
    """

    f1: float
    precision: float
    recall: float
    error_rate: float
    substitution_rate: float
    deletion_rate: float
    insertion_rate: float
    num_hits: int
    num_estimated: int
    num_reference: int
    num_segments: int
    segment_s: float
    average: str = "micro"


def segment_scores(reference, estimated, durations=None, *, segment_s=1.0, average="micro"):
    """F1 and error rate of events in segments of fixed length, all classes together.

    Equal to sed_eval's overall segment-based metrics, except where they divide by nothing: F1 is
    0 when nothing was detected (there NaN), and the error rate is infinite, or NaN without
    insertions either, when there is no reference (there insertions times 4.5e15, or 0).

    Args:
        reference: dict of file name -> iterable of Event; it says which clips are scored.
        estimated: dict of file name -> iterable of Event; a clip that is missing had none.
        durations: dict of file name -> seconds, or seconds of every clip; what lies past a clip's
            end is not scored. Defaults to None: each clip ends with its last event.
        segment_s: float > 0, seconds. Defaults to 1.
        average: "micro".

    Returns: SegmentScores.
    Raises: ValueError for an estimated clip without reference, a clip without duration, or
        a duration or segment length that is not positive and finite.
    """
    require_micro(average)
    if not 0 < segment_s < math.inf:
        raise ValueError("`segment_s` must be positive and finite. "
                         f"Received: segment_s={segment_s!r}")
    unknown = [name for name in estimated if name not in reference]
    if unknown:
        raise ValueError(f"`estimated` has {len(unknown)} clips that `reference` has not, "
                         f"such as {unknown[0]!r}")
    totals = np.zeros(7, np.int64)
    for name, wanted in reference.items():
        wanted, found = list(wanted), list(estimated.get(name, ()))
        totals += _count(wanted, found, _num_segments(name, wanted + found, durations, segment_s),
                         segment_s)
    num_hits, num_estimated, num_reference, *errors, num_segments = (int(n) for n in totals)
    precision, recall, f1 = precision_recall_f1(num_hits, num_estimated, num_reference)
    return SegmentScores(
        f1, precision, recall, ratio(sum(errors), num_reference),
        *(ratio(error, num_reference) for error in errors),
        num_hits=num_hits, num_estimated=num_estimated, num_reference=num_reference,
        num_segments=num_segments, segment_s=float(segment_s))


def _num_segments(name, events, durations, segment_s):
    if durations is None:
        duration_s = max((event.offset for event in events), default=0.0)
    else:
        duration_s = durations.get(name) if isinstance(durations, Mapping) else durations
        if duration_s is None or not 0 < duration_s < math.inf:
            raise ValueError(f"`durations` must be positive seconds. Received: {duration_s!r} "
                             f"for {name!r}")
    return math.ceil(duration_s / segment_s)


def activity(events, labels, num_segments, segment_s):
    """Events -> which classes are on in which segments, bool (num_segments, K).

    Args:
        events: iterable of Event.
        labels: K class names, among them those of all events.
        num_segments: int; what lies past the last one is cut off.
        segment_s: float, seconds.
    """
    index = {label: k for k, label in enumerate(labels)}
    active = np.zeros((num_segments, len(index)), bool)
    for event in events:
        start, stop = math.floor(event.onset / segment_s), math.ceil(event.offset / segment_s)
        active[start:stop, index[event.label]] = True
    return active


def _count(reference, estimated, num_segments, segment_s):
    """Hits, estimated, reference, S, D, I and segments of one clip, int64 (7,)."""
    labels = sorted({event.label for event in reference + estimated})
    wanted = activity(reference, labels, num_segments, segment_s)               # (T, K)
    found = activity(estimated, labels, num_segments, segment_s)
    missed = (wanted & ~found).sum(axis=1)                                      # (T,)
    false = (found & ~wanted).sum(axis=1)
    return np.array([(wanted & found).sum(), found.sum(), wanted.sum(),
                     np.minimum(missed, false).sum(), np.maximum(0, missed - false).sum(),
                     np.maximum(0, false - missed).sum(), num_segments])
