"""The polyphonic sound detection score, exactly over all thresholds or at given ones.

Source: Bilen et al. 2020, https://arxiv.org/abs/1910.08440; all thresholds at once: Ebbers et al.
2022, https://arxiv.org/abs/2201.13148.
"""

import math
from dataclasses import dataclass, field

import numpy as np

from sedzoo.evaluation.counts import Result
from sedzoo.evaluation.detections import Detections, Timeline, num_changes
from sedzoo.evaluation.intersection import (
    judge,
    reached,
    require_apart,
    require_criteria,
    require_durations,
)
from sedzoo.evaluation.staircase import mean_roc, roc, staircase_area
from sedzoo.evaluation.table import EventTable

_HOUR_S = 3600.0
_BLOCK = 1 << 24                            # scores in memory at a time


@dataclass(frozen=True)
class Setting:
    """What a PSDS forgives.

    Args:
        name: str.
        dtc: share of a detection that must overlap events of its class; gtc: share of an event
            that such detections must cover; cttc: share of a false detection that overlaps another
            class and makes it a cross trigger, None where `alpha_ct` is 0.
        alpha_ct: weight >= 0 of cross triggers in the effective rate of false alarms.
        alpha_st: weight >= 0 of the standard deviation over classes.
        max_efpr: effective false alarms an hour at which the curve ends.
    """

    name: str
    dtc: float
    gtc: float
    cttc: float | None = None
    alpha_ct: float = 0.0
    alpha_st: float = 1.0
    max_efpr: float = 100.0

    def __post_init__(self):
        require_criteria(self.dtc, self.gtc, self.cttc)
        for key in ("alpha_ct", "alpha_st"):
            if not 0 <= getattr(self, key) < math.inf:
                raise ValueError(f"`{key}` must be >= 0. Received: {key}={getattr(self, key)!r}")
        if not 0 < self.max_efpr < math.inf:
            raise ValueError("`max_efpr` must be positive and finite. "
                             f"Received: max_efpr={self.max_efpr!r}")
        if (self.alpha_ct > 0) != (self.cttc is not None):
            raise ValueError("`cttc` is needed where `alpha_ct` is above 0, and only there. "
                             f"Received: cttc={self.cttc!r}, alpha_ct={self.alpha_ct!r}")


# Of Boes & Van hamme 2022, https://doi.org/10.1109/TASLP.2022.3202123, and DCASE 2021 task 4.
PSDS1 = Setting("PSDS1", dtc=0.7, gtc=0.7)
PSDS2 = Setting("PSDS2", dtc=0.1, gtc=0.1, cttc=0.3, alpha_ct=0.5)
# The operating points of paper tables: 0.01, 0.03, ..., 0.99.
THRESHOLDS_50 = tuple((2 * i + 1) / 100 for i in range(50))


@dataclass(frozen=True)
class Psds(Result):
    """A PSDS and the curves it is the area of.

    Args:
        value: float in [0, 1], area under the effective curve up to max_efpr, over max_efpr.
        setting: Setting.
        num_thresholds: int, how many operating points; None for all there are.
        num_classes, num_skipped: int, classes in the score, and those without an event, for which
            no rate can be told: they are left out.
        efpr, etpr: float (P,), the effective curve, a staircase: etpr[i] holds from efpr[i] on.
        per_class: dict of label -> staircase.ClassRoc.
    """

    value: float
    setting: Setting
    num_thresholds: int | None
    num_classes: int
    num_skipped: int
    efpr: np.ndarray = field(repr=False, compare=False)
    etpr: np.ndarray = field(repr=False, compare=False)
    per_class: dict = field(repr=False, compare=False)


def psds(scores, reference, durations, setting=PSDS1, *, thresholds=None):
    """PSDS of frame scores.

    For each class and threshold, with the criteria of `intersection_scores`: the true positive
    rate, and per hour eFPR = false / seconds + alpha_ct * mean over other classes of cross
    triggers / seconds of the other class. Each class's curve keeps the best rate reached at each
    eFPR or below; eTPR = max(0, mean - alpha_st * standard deviation) over the classes.

    Args:
        scores: FrameScores; a frame is detected when its score is above the threshold.
        reference: dict of clip name -> iterable of Event, of the classes and clips of `scores`; a
            clip without events has an empty one.
        durations: dict of clip name -> seconds, or seconds of every clip.
        setting: Setting. Defaults to PSDS1.
        thresholds: floats, the operating points, such as THRESHOLDS_50; None for all.

    Returns: Psds.
    Raises: ValueError for clips without scores or reference, classes without scores, events of a
        class that overlap in a clip, missing durations, events past the end of their clip, scores
        that are not finite. Frames past the end count as all others.
    """
    unknown = [clip for clip in scores.clips if clip not in reference]
    if unknown:
        raise ValueError(f"`reference` lacks {len(unknown)} clips of `scores`, such as "
                         f"{unknown[0]!r}; a clip without events needs an empty list")
    wanted = EventTable.of(reference, scores.clips, scores.labels, "reference")
    if thresholds is not None:
        thresholds = _require_thresholds(thresholds)
    timeline = Timeline(scores)
    scorer = _Scorer(wanted, require_durations(durations, wanted), setting)
    per_class = {}
    block = max(1, _BLOCK // max(1, len(timeline.clip)))
    for start in range(0, len(scores.labels), block):
        columns = scores.stacked(slice(start, start + block))
        for k, label in enumerate(scores.labels[start:start + block], start):
            if scorer.has_events[k]:
                laid = timeline.laid(_ranks(columns[:, k - start], thresholds))
                per_class[label] = scorer.curve(k, *scorer.of_scores(k, timeline, laid))
    return scorer.result(per_class, thresholds)


def psds_of_points(points, reference, durations, setting=PSDS1, *, labels=None):
    """PSDS of a system of which only detections at some operating points are known.

    Args:
        points: list of dicts of clip name -> iterable of Event, one for each operating point, in
            any order.
        reference, durations, setting: as for `psds`; the reference says which clips there are.
        labels: the scored classes; None for those of the reference.

    Returns: Psds; `threshold` in its curves is the number of an operating point.
    Raises: ValueError as `psds`; and for detections of a class that overlap in a clip.
    """
    reference = {clip: list(events) for clip, events in reference.items()}
    if labels is None:
        labels = sorted({event.label for events in reference.values() for event in events})
    wanted = EventTable.of(reference, tuple(reference), labels, "reference")
    found = [EventTable.of(point, wanted.clips, labels, f"points[{i}]")
             for i, point in enumerate(points)]
    for i, table in enumerate(found):
        require_apart(f"points[{i}]", table)
    if not found:
        raise ValueError("`points` must hold at least one operating point.")
    scorer = _Scorer(wanted, require_durations(durations, wanted, found), setting)
    per_class = {label: scorer.curve(k, *scorer.of_detections(k, _alive(found, k)))
                 for k, label in enumerate(labels) if scorer.has_events[k]}
    return scorer.result(per_class, found)


def _require_thresholds(thresholds):
    thresholds = np.unique(np.asarray(thresholds, np.float64))
    if thresholds.ndim != 1 or not len(thresholds) or not np.isfinite(thresholds).all():
        raise ValueError("`thresholds` must be one or more finite numbers. "
                         f"Received: thresholds={thresholds!r}")
    return thresholds


def _ranks(scores, thresholds):
    """Scores (L,), or how many of the thresholds each is above."""
    if thresholds is None:
        return scores
    return np.searchsorted(thresholds.astype(scores.dtype), scores).astype(np.int32)


def _alive(tables, label):
    """Detections of a class at every operating point, each there at its own alone."""
    parts = [(np.flatnonzero(table.label == label), table) for table in tables]
    clip, onset, offset = (np.concatenate([getattr(table, key)[mine] for mine, table in parts])
                           for key in ("clip", "onset", "offset"))
    point = np.repeat(np.arange(len(parts)), [len(mine) for mine, _ in parts])
    order = np.argsort(clip, kind="stable")
    return Detections(clip[order], onset[order], offset[order], point[order], point[order] + 1)


class _Scorer:
    """From detections of a class to its curve.

    What a change at threshold v brings is (v, change): counts just below v differ by it from those
    above.
    """

    def __init__(self, reference, seconds, setting):
        require_apart("reference", reference)
        self.reference, self.setting = reference, setting
        self.has_events = reference.num_events > 0
        self.needed = setting.gtc * (reference.offset - reference.onset)
        self.false_rate = _HOUR_S / seconds.sum() if len(seconds) else math.nan
        num_others = max(1, self.has_events.sum() - 1)
        self.cross_rate = np.divide(setting.alpha_ct * _HOUR_S / num_others, reference.seconds,
                                    out=np.zeros(len(self.has_events)), where=self.has_events)

    def of_scores(self, k, timeline, laid):
        """Changes of eFPR and of hits of class `k`, from its scores at all thresholds."""
        change = num_changes(laid)
        turns = np.flatnonzero(change)
        # Only detections that can overlap an event need to be looked at one by one.
        here = self.reference.label == k if self.setting.cttc is None else slice(None)
        clips = np.zeros(len(self.reference.clips), bool)
        clips[self.reference.clip[here]] = True
        found = timeline.detections(laid, clips)
        judged = self._judge(k, found)
        return self._changes(found, judged, (laid[turns], change[turns] * self.false_rate))

    def of_detections(self, k, found):
        """The same from detections that are there at one operating point each."""
        ends = np.concatenate([found.high, found.low])
        rates = np.repeat([self.false_rate, -self.false_rate], len(found))
        return self._changes(found, self._judge(k, found), (ends, rates))

    def _judge(self, k, found):
        return judge(found.clip, found.onset, found.offset, self.reference, k,
                     (self.setting.dtc, self.setting.cttc))

    def _changes(self, found, judged, detected):
        """Rates of all detections, less the relevant ones, plus cross triggers; and hits."""
        relevant, crossed = np.flatnonzero(judged.relevant), judged.crossed
        rate = np.concatenate([np.full(len(relevant), -self.false_rate),
                               self.cross_rate[judged.crossed_label]])
        which = np.concatenate([relevant, crossed])
        false = (np.concatenate([detected[0], found.high[which], found.low[which]]),
                 np.concatenate([detected[1], rate, -rate]))
        return false, self._hits(judged.event, judged.seconds, found.low[judged.which],
                                 found.high[judged.which])

    def _hits(self, event, seconds, low, high):
        """Where events begin and cease to be hit, from stretches of them covered in [low, high)."""
        event, seconds = np.tile(event, 2), np.concatenate([seconds, -seconds])
        at = np.concatenate([high, low])
        order = np.lexsort((-at, event))
        event, seconds, at = event[order], seconds[order], at[order]
        last = np.append((event[1:] != event[:-1]) | (at[1:] != at[:-1]), True)[:len(event)]
        covered = np.cumsum(seconds)[last]              # ends at 0 for each event, like it began
        event, at = event[last], at[last]
        hit = reached(covered, self.needed[event]).astype(np.int8)
        before = np.append(0, np.where(event[1:] == event[:-1], hit[:-1], 0))[:len(event)]
        return at, hit - before

    def curve(self, k, false, hits):
        return roc(false, hits, self.reference.num_events[k], self.setting.max_efpr)

    def result(self, per_class, points):
        efpr, etpr = mean_roc(per_class.values(), self.setting.alpha_st)
        return Psds(staircase_area(efpr, etpr, self.setting.max_efpr), self.setting,
                    None if points is None else len(points), len(per_class),
                    len(self.has_events) - len(per_class), efpr, etpr, per_class)

