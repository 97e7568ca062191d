"""The search for thresholds and median lengths: every setting is tried, each class is on its own.

Source: Boes, Van hamme 2022: thresholds 0.1 to 0.9 and lengths 1 to 31, chosen on validation data
for each class and each metric; here the two are searched together.
"""

import numpy as np

from sedzoo.evaluation.counts import macro, ratio, require_average
from sedzoo.evaluation.table import EventTable
from sedzoo.evaluation.tuning.decisions import Decisions, require_open, require_same_clips
from sedzoo.evaluation.tuning.f1 import metric_named
from sedzoo.evaluation.tuning.median import MedianGrid, probabilities

THRESHOLDS = tuple(tenths / 10 for tenths in range(1, 10))
MEDIAN_FRAMES = tuple(range(1, 32, 2))
_BLOCK = 1 << 23            # frames that are looked at together; some 20 bytes each
_UNTUNED = 0.5


def tune(scores, reference, durations=None, metric="segment_f1", *, split, oracle=False,
         thresholds=THRESHOLDS, median_frames=None, per_class=True, average="micro", **parameters):
    """Choose thresholds and median lengths by which a system's events have the highest F1.

    Of equally good settings the lowest threshold is taken, then the shortest length. A class
    without reference gets the threshold nearest to 0.5 and the shortest length, unless they are
    shared, and is listed. Each class's own best gives the highest macro F1, and a micro F1
    that is close to the highest.

    Args:
        scores: FrameScores in [0, 1].
        reference: dict of clip name -> iterable of Event, of the same clips; for "clip_f1" of
            Event or str, tags.
        durations: dict of clip name -> seconds, or seconds of every clip: segments past a clip's
            end are not scored. Defaults to None: all are. Other metrics do not need them.
        metric: "segment_f1", "event_f1", "clip_f1" (a class is in a clip when it has an event
            there; scores of one frame a clip may be those of a clip head) or "intersection_f1".
            Defaults to "segment_f1".
        split: str, which data these are; one named test, evaluation or public is refused.
        oracle: bool, choose on such data all the same; the result says so. Defaults to False.
        thresholds: floats in [0, 1]. Defaults to 0.1, 0.2, ..., 0.9. None tries all there are,
            halfway between neighbouring scores, for "clip_f1" without median.
        median_frames: odd ints. Defaults to 1, 3, ..., 31, for "clip_f1" to 1 alone.
        per_class: bool, each class its own, or one of each for all. Defaults to True.
        average: "micro" or "macro", what is reported, and maximised where all share one.
        **parameters: of the metric, such as segment_s, collar_s, offset_share, dtc, gtc.

    Returns: Decisions.
    Raises: ValueError naming what is wrong: an evaluation set, an unknown metric or parameter,
        values out of range, clips without scores or reference, scores that are not finite, a
        class that `scores` does not have, or no reference at all.
    """
    require_open(split, oracle)
    require_average(average)
    metric = metric_named(metric)
    parameters = metric.completed(parameters)
    if median_frames is None:
        median_frames = (1,) if metric.name == "clip_f1" else MEDIAN_FRAMES
    median_frames = _lengths(median_frames)
    require_same_clips(scores, reference)
    wanted = EventTable.of(metric.events(reference), scores.clips, scores.labels, "reference")

    if thresholds is None:
        if metric.name != "clip_f1" or median_frames != (1,) or not (per_class
                                                                    or average == "micro"):
            raise ValueError('`thresholds` may be None for "clip_f1" without median, for each '
                             'class or one for all of highest micro F1.')
        chosen = _try_all(scores, wanted, per_class)
    else:
        thresholds = _levels(thresholds)
        counts = _count(scores, wanted, thresholds, median_frames,
                        lambda table: metric.counter(table, durations, **parameters))
        chosen = _choose(metric, counts, thresholds, median_frames, per_class, average)
    thresholds_of, lengths_of, counts = chosen
    f1 = metric.f1(*counts)
    hits, estimated, num_reference = counts.sum(axis=1)
    if not num_reference:
        raise ValueError("`reference` has nothing in it, so there is nothing to choose by.")
    return Decisions(
        labels=scores.labels, thresholds=thresholds_of.tolist(), median_frames=lengths_of.tolist(),
        metric=metric.name, parameters=parameters, average=average, shared=not per_class,
        value=ratio(2 * hits, estimated + num_reference) if average == "micro" else macro(f1)[0],
        per_class={label: float(value) for label, value, there
                   in zip(scores.labels, f1, counts[2], strict=True) if there},
        untuned=[label for label, there in zip(scores.labels, counts[2], strict=True)
                 if not there],
        split=split, oracle=bool(oracle), num_clips=len(scores.clips),
        searched={"thresholds": None if thresholds is None else list(thresholds),
                  "median_frames": list(median_frames)})


def tune_and_score(validation, test, metric="segment_f1", *, split="validation", **options):
    """Choose on one set, and score on another that had no part in it.

    Args:
        validation, test: tuples of the first arguments of `tune`: scores, reference and, where
            they are needed, durations.
        metric, split, **options: as `tune`; `split` names the first set.

    Returns: Decisions; the full result of the metric on `test`.
    Raises: ValueError for clips that are in both; as `tune`.
    """
    both = set(validation[0].clips) & set(test[0].clips)
    if both:
        raise ValueError(f"`test` shares {len(both)} clips with `validation`, such as "
                         f"{min(both)!r}: it would be scored by what it has decided.")
    decisions = tune(*validation, metric=metric, split=split, **options)
    return decisions, decisions.score(*test)


def _levels(thresholds):
    levels = np.unique(np.asarray(thresholds, np.float64))
    if not len(levels) or not ((levels >= 0) & (levels <= 1)).all():
        raise ValueError("`thresholds` must be one or more numbers in [0, 1]. "
                         f"Received: thresholds={thresholds!r}")
    return tuple(levels.tolist())


def _lengths(median_frames):
    lengths = np.unique(np.asarray(median_frames))
    if not len(lengths) or lengths.dtype.kind not in "iu" or (lengths < 1).any() or not (
            lengths % 2).all():
        raise ValueError("`median_frames` must be one or more odd, positive ints. "
                         f"Received: median_frames={median_frames!r}")
    return tuple(lengths.tolist())


def _count(scores, wanted, thresholds, median_frames, counter):
    """Hits, estimated and reference at every setting, int64 (3, P M, K)."""
    counts = np.zeros((3, len(thresholds), len(median_frames), len(scores.labels)), np.int64)
    per_class = int(scores.bounds[-1]) + len(scores.clips) * max(2, max(median_frames))
    step = max(1, _BLOCK // max(1, per_class))
    for start in range(0, len(scores.labels), step):
        which = slice(start, start + step)
        count = counter(_part(wanted, which))
        for i, j, found in MedianGrid(scores, which, thresholds, median_frames).tables():
            counts[:, i, j, which] = count(found)
    return counts.reshape(3, -1, len(scores.labels))


def _part(table, which):
    """The same table of some of its classes."""
    labels = table.labels[which]
    mine = (table.label >= which.start) & (table.label < which.stop)
    return EventTable(table.clips, labels, table.clip[mine], table.label[mine] - which.start,
                      table.onset[mine], table.offset[mine])


def _choose(metric, counts, thresholds, median_frames, per_class, average):
    """Threshold and length of each class, (K,), and the counts with them, int64 (3, K)."""
    if per_class:
        f1 = metric.f1(*counts)                                                       # (P M, K)
        untuned = len(median_frames) * np.abs(np.array(thresholds) - _UNTUNED).argmin()
        best = np.where(counts[2, 0] > 0, np.nan_to_num(f1).argmax(axis=0), untuned)
    else:
        f1 = (metric.f1(*counts.sum(axis=2)) if average == "micro"                    # (P M,)
              else [macro(of_setting)[0] for of_setting in metric.f1(*counts)])
        best = np.full(counts.shape[2], np.nan_to_num(f1).argmax())
    i, j = np.divmod(best, len(median_frames))
    return (np.array(thresholds)[i], np.array(median_frames)[j],
            counts[:, best, np.arange(len(best))])


def _try_all(scores, wanted, per_class):
    """As `_choose`, over all thresholds of "clip_f1"."""
    num_clips, num_classes = len(scores.clips), len(scores.labels)
    present = np.zeros((num_clips, num_classes), bool)
    present[wanted.clip, wanted.label] = True
    largest = [probabilities(scores, clip).max(axis=0, initial=0) for clip in scores.clips]
    if len({row.dtype for row in largest}) > 1:
        raise ValueError("`scores` must be of one precision for thresholds between them.")
    largest = np.reshape(largest, present.shape)                                      # (N, K)
    if per_class:
        thresholds = np.array([_best_of_all(*columns) for columns
                               in zip(largest.T, present.T, strict=True)])
    else:
        thresholds = np.full(num_classes, _best_of_all(largest.ravel(), present.ravel()))
    found = largest > thresholds.astype(largest.dtype)
    counts = np.array([pairs.sum(axis=0) for pairs in (present & found, found, present)])
    return thresholds, np.ones(num_classes, np.int64), counts


def _best_of_all(largest, present):
    """The threshold of highest F1 for scores (n,), halfway between two of them."""
    if not present.any():
        return _UNTUNED
    lower = np.unique(np.append(largest, largest.dtype.type(0)))
    upper = np.append(lower[1:], lower[-1])
    middle = lower + (upper - lower) / 2
    middle = np.where(middle < upper, middle, lower)           # of neighbours there is no middle
    num_estimated, num_hits = (len(of) - np.searchsorted(np.sort(of), lower, side="right")
                               for of in (largest, largest[present]))
    return float(middle[(2 * num_hits / (num_estimated + present.sum())).argmax()])
