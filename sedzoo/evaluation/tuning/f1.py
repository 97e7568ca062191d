"""The F1 scores by name: what decisions are tuned for."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from sedzoo.evaluation.clip import clip_scores
from sedzoo.evaluation.event import event_hits, event_scores
from sedzoo.evaluation.intersection import intersection_scores, judge, reached, require_apart
from sedzoo.evaluation.segment import count_segments, segment_counts, segment_scores
from sedzoo.evaluation.table import tables
from sedzoo.events import Event
from sedzoo.nearest import check_keys, nearest


@dataclass(frozen=True)
class Metric:
    """An F1 score, as a full result and as counts for searching.

    Args:
        name: str.
        parameters: dict of its parameters and their defaults.
        score: function(reference, estimated, durations, *, average, labels, **parameters) ->
            Result, of dicts of clip name -> Events.
        counter: function(reference EventTable, durations, **parameters) -> function(estimated
            EventTable) -> hits, estimated and reference, int64 (K,) each.
        skips_absent: bool, whether a macro average leaves out a class without reference that was
            detected all the same; elsewhere its F1 is 0.
    """

    name: str
    parameters: dict
    score: Callable = field(repr=False)
    counter: Callable = field(repr=False)
    skips_absent: bool = False

    def completed(self, parameters):
        """All parameters, defaults where `parameters` has none.

        Raises: ValueError for an unknown one, or one that the score refuses.
        """
        check_keys(parameters, list(self.parameters), f"the parameters of {self.name!r}")
        parameters = {**self.parameters, **parameters}
        self.score({}, {}, None, average="micro", labels=(), **parameters)
        return parameters

    def events(self, reference):
        """The reference as Events; for "clip_f1" it may hold tags."""
        if self.name != "clip_f1":
            return reference
        return {clip: [Event(0.0, 1.0, entry) if isinstance(entry, str) else entry
                       for entry in of_clip] for clip, of_clip in reference.items()}

    def f1(self, hits, estimated, reference):
        """F1 of counts, arrays that broadcast; NaN where a macro average leaves it out."""
        counted = (reference > 0) | ((estimated > 0) & (not self.skips_absent))
        return np.where(counted, 2 * hits / np.maximum(1, estimated + reference), np.nan)


def metric_named(name):
    """The Metric of that name; an unknown one is answered with the nearest."""
    if name not in METRICS:
        raise ValueError(f"Unknown `metric`. Received: metric={name!r}."
                         + nearest(name, list(METRICS)))
    return METRICS[name]


def _count_segments(reference, durations, segment_s):
    if durations is not None:
        num_segments = count_segments(reference, reference, durations, segment_s)

    def count(estimated):
        return segment_counts(
            reference, estimated, segment_s=segment_s, num_segments=num_segments
            if durations is not None else count_segments(reference, estimated, None, segment_s))

    return count


def _count_events(reference, durations, collar_s, offset_share):
    def count(estimated):
        hits = event_hits(reference, estimated, collar_s, offset_share)
        return hits, estimated.num_events, reference.num_events

    return count


def _count_clips(reference, durations):
    def tags(table):
        present = np.zeros((len(table.clips), len(table.labels)), bool)
        present[table.clip, table.label] = True
        return present

    wanted = tags(reference)

    def count(estimated):
        found = tags(estimated)
        return tuple(pairs.sum(axis=0) for pairs in (wanted & found, found, wanted))

    return count


def _count_intersections(reference, durations, dtc, gtc):
    require_apart("reference", reference)
    wanted = gtc * (reference.offset - reference.onset)

    def count(estimated):
        hits, false = np.zeros((2, len(reference.labels)), np.int64)
        for k in range(len(reference.labels)):
            mine = estimated.label == k
            judged = judge(estimated.clip[mine], estimated.onset[mine], estimated.offset[mine],
                           reference, k, (dtc, None))
            false[k] = np.count_nonzero(~judged.relevant)
            covered = np.bincount(judged.event, judged.seconds, len(reference))
            hits[k] = reached(covered, wanted)[reference.label == k].sum()
        return hits, hits + false, reference.num_events

    return count


def _score_events(reference, estimated, durations, **options):
    return event_scores(reference, estimated, **options)


def _score_clips(reference, estimated, durations, *, average, labels):
    wanted, found = tables(reference, estimated, labels)
    decisions = np.zeros((2, len(wanted.clips), len(labels)), bool)
    for n, table in enumerate((wanted, found)):
        decisions[n, table.clip, table.label] = True
    return clip_scores(*decisions, average=average, labels=labels)


def _score_intersections(reference, estimated, durations, **options):
    # Durations would only be checked; what lies past a clip's end is scored here.
    return intersection_scores(reference, estimated, **options)


METRICS = {metric.name: metric for metric in (
    Metric("segment_f1", {"segment_s": 1.0}, segment_scores, _count_segments),
    Metric("event_f1", {"collar_s": 0.2, "offset_share": 0.2}, _score_events, _count_events),
    Metric("clip_f1", {}, _score_clips, _count_clips, skips_absent=True),
    Metric("intersection_f1", {"dtc": 0.5, "gtc": 0.5}, _score_intersections,
           _count_intersections))}
