"""Clip-level decisions and scores: which sounds are in a clip."""

from dataclasses import dataclass

import numpy as np

from sedzoo.evaluation.counts import Result, precision_recall_f1, require_micro

# Where a class has no positive clip to learn a threshold from: the paper's fixed one.
_FIXED = 0.3


@dataclass(frozen=True)
class ClipScores(Result):
    """How well decisions agree with tags, over all (clip, class) pairs.

    Args:
        f1, precision, recall: float in [0, 1], NaN where they are rates of nothing.
        num_hits, num_estimated, num_reference: int, pairs that are in both, decided, tagged.
        num_clips: int.
        average: str, "micro": pairs of all classes are counted together.
    """

    f1: float
    precision: float
    recall: float
    num_hits: int
    num_estimated: int
    num_reference: int
    num_clips: int
    average: str = "micro"


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
    probabilities = _probabilities(probabilities)
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
    probabilities = _probabilities(probabilities)
    targets = _decisions("targets", targets, probabilities.shape)
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


def clip_scores(targets, decisions, *, average="micro"):
    """Precision, recall and F1 over all (clip, class) pairs.

    Args:
        targets: (N, K) of 0 and 1. Clips whose tags are not known (NaN) must be left out.
        decisions: bool (N, K), such as `decide` makes.
        average: "micro", the only one of the papers 004 and 000.

    Returns: ClipScores.
    Raises: ValueError for shapes that differ or entries that are not 0 or 1.
    """
    require_micro(average)
    targets = _decisions("targets", targets, np.shape(decisions))
    decisions = _decisions("decisions", decisions, targets.shape)
    num_hits, num_estimated, num_reference = (
        int(pairs.sum()) for pairs in (targets & decisions, decisions, targets))
    precision, recall, f1 = precision_recall_f1(num_hits, num_estimated, num_reference)
    return ClipScores(f1, precision, recall, num_hits, num_estimated, num_reference,
                      num_clips=len(targets))


def accuracy(targets, probabilities):
    """Share of clips whose one class is the most probable one.

    Args:
        targets: (N, K) with a single 1 in each row.
        probabilities: float (N, K).

    Returns: float in [0, 1].
    Raises: ValueError for no clips at all, or a clip with no class or several.
    """
    probabilities = _probabilities(probabilities)
    targets = _decisions("targets", targets, probabilities.shape)
    if not len(targets) or (targets.sum(axis=1) != 1).any():
        raise ValueError("`targets` must have exactly one class in each of one or more clips. "
                         f"Received: {np.unique(targets.sum(axis=1))} classes in "
                         f"{len(targets)} clips")
    return float((targets.argmax(axis=1) == probabilities.argmax(axis=1)).mean())


def _probabilities(probabilities):
    probabilities = np.asarray(probabilities)
    if probabilities.dtype.kind != "f":
        probabilities = probabilities.astype(np.float64)
    if probabilities.ndim != 2:
        raise ValueError("`probabilities` must have shape (clips, classes). "
                         f"Received: shape {probabilities.shape}")
    if not np.isfinite(probabilities).all():
        raise ValueError("`probabilities` must be finite.")
    return probabilities


def _decisions(name, decisions, shape):
    """Entries of 0 and 1 -> bool (N, K)."""
    decisions = np.asarray(decisions)
    if decisions.ndim != 2 or decisions.shape != shape:
        raise ValueError(f"`{name}` must have shape (clips, classes), here {shape}. "
                         f"Received: shape {decisions.shape}")
    if not np.isin(decisions, (0, 1)).all():
        raise ValueError(f"`{name}` must be 0 or 1 everywhere; leave out clips without tags.")
    return decisions.astype(bool)
