"""Clip-level decisions and scores: which sounds are in a clip."""

import dataclasses
from dataclasses import dataclass, field

import numpy as np

from sedzoo.evaluation.counts import Result, macro, precision_recall_f1, require_average

# Where a class has no positive clip to learn a threshold from: the paper's fixed one.
_FIXED = 0.3


@dataclass(frozen=True)
class ClipScores(Result):
    """How well decisions agree with tags.

    Args:
        f1, precision, recall: float in [0, 1], NaN where they are rates of nothing.
        num_hits, num_estimated, num_reference: int, pairs of clip and class that are in both,
            decided, tagged.
        num_clips: int.
        average: str, "micro": pairs of all classes are counted together; "macro": means over
            classes; "class": one class alone.
        num_skipped: int, classes without positive clips, which a macro average leaves out.
        per_class: dict of label -> ClipScores.
    """

    f1: float
    precision: float
    recall: float
    num_hits: int
    num_estimated: int
    num_reference: int
    num_clips: int
    average: str = "micro"
    num_skipped: int = 0
    per_class: dict = field(default_factory=dict, repr=False)


def decide(probabilities, thresholds=_FIXED, *, at_least_one=True):
    """Probabilities -> which classes are in each clip.

    Args:
        probabilities: float (N, K) in [0, 1].
        thresholds: float or K floats; a class is there when its probability is above.
            Defaults to 0.3.
        at_least_one: bool, give a clip without any class above its threshold the most probable
            one. Defaults to True.

    Returns: bool (N, K).
    Raises: ValueError for probabilities that are not finite or not (N, K).
    Source: Xu et al. 2018, https://arxiv.org/abs/1710.00343, rule of the released code.
    """
    probabilities = require_probabilities(probabilities)
    thresholds = np.asarray(thresholds)
    num_classes = probabilities.shape[1]
    if thresholds.shape not in ((), (num_classes,)):
        raise ValueError(f"`thresholds` must be one number or one for each of {num_classes} "
                         f"classes. Received: shape {thresholds.shape}")
    # In the precision of the probabilities, so that 0.3 is not above a threshold of 0.3.
    decisions = probabilities > thresholds.astype(probabilities.dtype)
    if at_least_one and num_classes:
        silent = np.flatnonzero(~decisions.any(axis=1))
        decisions[silent, probabilities[silent].argmax(axis=1)] = True
    return decisions


def best_thresholds(targets, probabilities, step=0.01):
    """Each class's threshold of highest F1, for `decide`; the "auto" mode of Xu et al. 2018.

    Searched on the grid 0, step, ..., 1; of equally good ones the lowest. A class without
    positive clips gets 0.3, for it has nothing to choose by.

    Args:
        targets: (N, K) of 0 and 1, never those that are reported on.
        probabilities: float (N, K) in [0, 1].
        step: float in (0, 1]. Defaults to 0.01.

    Returns: float64 (K,).
    Raises: ValueError for shapes that differ, tags that are not 0 or 1, or a step out of range.
    """
    probabilities = require_probabilities(probabilities)
    targets = require_binary("targets", targets, probabilities.shape)
    if not 0 < step <= 1:
        raise ValueError(f"`step` must lie in (0, 1]. Received: step={step!r}")
    num_steps = round(1 / step)
    num_reference = targets.sum(axis=0)                                         # (K,)
    best = np.full(len(num_reference), -1.0)
    thresholds = np.full(len(num_reference), _FIXED)
    for threshold in np.arange(num_steps + 1) / num_steps:
        decisions = probabilities > probabilities.dtype.type(threshold)
        num_hits = (decisions & targets).sum(axis=0)
        f1 = 2 * num_hits / np.maximum(1, decisions.sum(axis=0) + num_reference)
        better = (f1 > best) & (num_reference > 0)
        best[better], thresholds[better] = f1[better], threshold
    return thresholds


def best_threshold(targets, probabilities):
    """The one threshold of all classes with the highest micro F1, for `decide`.

    Exact: every probability that occurs is tried, and 0. Of equally good ones the lowest; halfway
    to the next probability, so that rounding decides nothing.

    Args, Raises: as best_thresholds.
    Returns: float in [0, 1).
    Source: Boes & Van hamme 2019, https://doi.org/10.1145/3343031.3350873, section 4.
    """
    probabilities = require_probabilities(probabilities)
    targets = require_binary("targets", targets, probabilities.shape)
    values, number = np.unique(probabilities.astype(np.float64), return_inverse=True)
    if not len(values):
        raise ValueError("`probabilities` must hold at least one. Received: none")
    number = number.reshape(-1)
    there = np.bincount(number, minlength=len(values))
    hits = np.bincount(number, targets.reshape(-1), minlength=len(values))
    # Row i: everything of value i and more is decided.
    num_decided = np.cumsum(there[::-1])[::-1]
    num_hits = np.cumsum(hits[::-1])[::-1]
    first = int(values[0] == 0)         # which is above no threshold
    f1 = (2 * num_hits / (num_decided + targets.sum()))[first:]
    if not len(f1):
        return 0.0
    best = first + int(np.argmax(f1))
    low, high = values[best - 1] if best else 0.0, values[best]
    middle = (low + high) / 2
    # Between neighbours of their type there is no middle: it would be either.
    return float(middle if probabilities.dtype.type(middle) < high else low)


def clip_scores(targets, decisions, *, average="micro", labels=None):
    """Precision, recall and F1 of decisions on clips.

    Equal to scikit-learn's precision_recall_fscore_support with zero_division=nan, for "macro"
    over the classes that have positive clips: F1 of a class that was tagged and never decided is
    0 and counts, its precision is NaN and does not. Macro F1 is the mean of the classes' F1, not
    the F1 of mean precision and mean recall.

    Args:
        targets: (N, K) of 0 and 1. Clips whose tags are not known (NaN) must be left out.
        decisions: bool (N, K), such as `decide` makes.
        average: "micro" or "macro". Defaults to "micro".
        labels: K names of the columns. Defaults to None: "0", "1", ...

    Returns: ClipScores.
    Raises: ValueError for shapes that differ, entries that are not 0 or 1, or bad labels.
    """
    require_average(average)
    targets = require_binary("targets", targets, np.shape(decisions))
    decisions = require_binary("decisions", decisions, targets.shape)
    counts = np.array([np.count_nonzero(pairs, axis=0)
                       for pairs in (targets & decisions, decisions, targets)])  # (3, K)
    labels = class_names(labels, targets.shape[1])
    per_class = {label: _of_counts(counts[:, k], len(targets), "class")
                 for k, label in enumerate(labels)}
    pooled = _of_counts(counts.sum(axis=1), len(targets), "micro", per_class=per_class)
    if average == "micro":
        return pooled
    positive = [one for one in per_class.values() if one.num_reference]
    rates = {rate: macro(getattr(one, rate) for one in positive)[0]
             for rate in ("f1", "precision", "recall")}
    return dataclasses.replace(pooled, average="macro",
                               num_skipped=len(per_class) - len(positive), **rates)


def _of_counts(counts, num_clips, average, **more):
    num_hits, num_estimated, num_reference = (int(count) for count in counts)
    precision, recall, f1 = precision_recall_f1(num_hits, num_estimated, num_reference)
    return ClipScores(f1, precision, recall, num_hits, num_estimated, num_reference, num_clips,
                      average, **more)


def accuracy(targets, probabilities):
    """Share of clips whose one class is the most probable one, of equal ones the first.

    Args:
        targets: (N, K) with a single 1 in each row.
        probabilities: float (N, K).

    Returns: float in [0, 1].
    Raises: ValueError for no clips at all, or a clip with no class or several.
    """
    probabilities = require_probabilities(probabilities)
    classes = single_classes(targets, probabilities.shape)
    return float((classes == probabilities.argmax(axis=1)).mean())


def require_probabilities(probabilities):
    """Finite numbers -> float (N, K)."""
    probabilities = np.asarray(probabilities)
    if probabilities.dtype.kind != "f":
        probabilities = probabilities.astype(np.float64)
    if probabilities.ndim != 2:
        raise ValueError("`probabilities` must have shape (clips, classes). "
                         f"Received: shape {probabilities.shape}")
    if not np.isfinite(probabilities).all():
        raise ValueError("`probabilities` must be finite.")
    return probabilities


def require_binary(name, values, shape):
    """Entries of 0 and 1 -> bool (N, K)."""
    values = np.asarray(values)
    if values.ndim != 2 or values.shape != shape:
        raise ValueError(f"`{name}` must have shape (clips, classes), here {shape}. "
                         f"Received: shape {values.shape}")
    if values.dtype != bool and not ((values == 0) | (values == 1)).all():
        raise ValueError(f"`{name}` must be 0 or 1 everywhere; leave out clips without tags.")
    return values.astype(bool)


def single_classes(targets, shape):
    """Tags with a single 1 in each of N > 0 rows -> which class that is, int64 (N,)."""
    targets = require_binary("targets", targets, shape)
    num_tags = np.count_nonzero(targets, axis=1)
    if not len(targets) or (num_tags != 1).any():
        raise ValueError("`targets` must have exactly one class in each of one or more clips. "
                         f"Received: {np.unique(num_tags)} classes in {len(targets)} clips")
    return targets.argmax(axis=1)


def class_names(labels, num_classes):
    """Names of K columns, or "0", "1", ... where there are none -> tuple of K."""
    if labels is None:
        return tuple(str(k) for k in range(num_classes))
    labels = tuple(labels)
    if len(labels) != num_classes or len(set(labels)) != num_classes:
        raise ValueError(f"`labels` must be {num_classes} distinct names, one for each class. "
                         f"Received: {len(labels)} names, {len(set(labels))} distinct")
    return labels
