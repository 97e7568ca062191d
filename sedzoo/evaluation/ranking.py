"""Scores without thresholds: how well probabilities rank clips and classes."""

import math
from dataclasses import dataclass, field

import numpy as np
from scipy.special import ndtri

from sedzoo.evaluation.clip import (
    class_names,
    require_binary,
    require_probabilities,
    single_classes,
)
from sedzoo.evaluation.counts import Result

# Classes that are ranked at a time, and numbers that are compared at a time.
_CLASSES = 32
_NUMBERS = 1 << 18


@dataclass(frozen=True)
class RankingScores(Result):
    """How well each class ranks the clips: are those that have it ahead of those that have not.

    Args:
        average_precision: float in [0, 1], of several classes their mean (mAP).
        auc: float in [0, 1], area under the ROC curve, of several classes their mean.
        d_prime: float, see `d_prime`: of several classes, of their mean AUC, which is what Xu's
            thesis and PANNs print. Finite unless all classes are ranked perfectly.
        mean_d_prime: float, mean of the classes' d', the "balanced average d-prime" that YAMNet
            prints. Infinite as soon as one class is ranked perfectly.
        num_positive: int, pairs of clip and class that are tagged. num_clips: int.
        average: str, "macro", or "class" for one class alone.
        num_skipped: int, classes without positive clips: they have no average precision.
        num_skipped_auc: int, classes without positive or without negative clips: they have no AUC.
        per_class: dict of label -> RankingScores.
    """

    average_precision: float
    auc: float
    d_prime: float
    mean_d_prime: float
    num_positive: int
    num_clips: int
    average: str = "macro"
    num_skipped: int = 0
    num_skipped_auc: int = 0
    per_class: dict = field(default_factory=dict, repr=False)


def ranking_scores(targets, probabilities, *, labels=None):
    """Mean average precision, mean AUC and d' of clip probabilities.

    Equal to scikit-learn's average_precision_score and roc_auc_score averaged over the classes
    that have positive clips (for AUC: and negative ones), ties included. scikit-learn itself
    counts an average precision of 0 for a class without positive clips, and makes the mean AUC
    NaN for one class that has none.

    Args:
        targets: (N, K) of 0 and 1, N > 0. Clips whose tags are not known must be left out.
        probabilities: float (N, K), finite; only their order counts.
        labels: K names of the columns. Defaults to None: "0", "1", ...

    Returns: RankingScores; NaN where no class can be scored.
    Raises: ValueError for no clips, shapes that differ, or tags that are not 0 or 1.
    """
    targets, probabilities = _clips(targets, probabilities)
    labels = class_names(labels, targets.shape[1])
    num_clips, num_positive = len(targets), np.count_nonzero(targets, axis=0)    # (K,)
    precisions, areas = rank_clips(targets, probabilities)
    primes = d_prime(areas)
    per_class = {
        label: RankingScores(*(float(rates[k]) for rates in (precisions, areas, primes, primes)),
                             int(num_positive[k]), num_clips, "class")
        for k, label in enumerate(labels)}
    known = ~np.isnan(areas)
    auc = _mean(areas[known])
    return RankingScores(
        _mean(precisions[num_positive > 0]), auc, float(d_prime(auc)), _mean(primes[known]),
        int(num_positive.sum()), num_clips, num_skipped=int((num_positive == 0).sum()),
        num_skipped_auc=int((~known).sum()), per_class=per_class)


def rank_clips(targets, probabilities):
    """Average precision and AUC of each class.

    With n+(s) and n-(s) the positive and negative clips of probability s or more,
    AP = mean over positive clips of n+ / (n+ + n-) at their probability, and AUC is the share of
    pairs of a positive and a negative clip that stand in the right order, ties half.

    Args:
        targets: bool (N, K).
        probabilities: float (N, K), finite.
    Returns: float64 (K,), NaN without positive clips; float64 (K,), NaN without positive or
        without negative clips.
    """
    num_classes = targets.shape[1]
    rates = np.full((num_classes, 2), np.nan)
    for start in range(0, num_classes, _CLASSES):
        block = slice(start, start + _CLASSES)
        tags, scores = (np.ascontiguousarray(array[:, block].T)                  # (k, N)
                        for array in (targets, probabilities))
        for k in np.flatnonzero(tags.any(axis=1)):
            rates[start + k] = _rank(scores[k], scores[k, tags[k]])
    return rates[:, 0], rates[:, 1]


def _rank(scores, positive):
    """AP and AUC of the scores of N clips, of which P > 0 are positive.

    Positive clips are few, so values are sorted and looked up: no order of the clips is needed.
    """
    scores, positive = np.sort(scores), np.sort(positive)
    at_least, above = _ahead(scores, positive)                                   # (P,)
    positive_at_least, positive_above = _ahead(positive, positive)
    num_pairs = len(positive) * (len(scores) - len(positive))
    # Negative clips above count whole and tied ones half: the sum of both counts is twice that.
    wrong = (at_least + above - positive_at_least - positive_above).sum()
    auc = 1 - wrong / (2 * num_pairs) if num_pairs else math.nan
    return (positive_at_least / at_least).mean(), auc


def _ahead(scores, values):
    """How many of the sorted scores are at least, and how many above, each value."""
    return (len(scores) - np.searchsorted(scores, values),
            len(scores) - np.searchsorted(scores, values, side="right"))


def d_prime(auc):
    """Distance of two normal distributions of unit variance that AUC tells apart.

    d' = sqrt(2) Phi^-1(AUC): 0 for chance, infinite for an AUC of 1.

    Args:
        auc: float or array in [0, 1]; NaN stays NaN.

    Returns: float64 of that shape.
    Raises: ValueError for an AUC out of range.
    Source: Hershey et al. 2017, https://arxiv.org/abs/1609.09430.
    """
    if (np.less(auc, 0) | np.greater(auc, 1)).any():
        raise ValueError(f"`auc` must lie in [0, 1]. Received: auc={auc!r}")
    return math.sqrt(2) * ndtri(auc)


def map_at_3(targets, probabilities):
    """Mean average precision of three guesses, for clips of one class (FSDKaggle2018).

    Mean of 1, 1/2 or 1/3 for clips whose class is the first, second or third most probable one,
    and of 0 for others. Of equally probable classes the first column is the first guess.

    Args:
        targets: (N, K) with a single 1 in each row.
        probabilities: float (N, K), finite.

    Returns: float in [0, 1].
    Raises: ValueError for no clips at all, or a clip with no class or several.
    Source: Fonseca et al. 2018, https://arxiv.org/abs/1807.09902.
    """
    return float(reciprocal_ranks(targets, probabilities).mean())


def reciprocal_ranks(targets, probabilities, num_guesses=3):
    """1, 1/2, 1/3, ... for each clip whose class is that guess, 0 beyond the last: float64 (N,).

    Args, Raises: as map_at_3.
    """
    probabilities = require_probabilities(probabilities)
    classes = single_classes(targets, probabilities.shape)[:, None]              # (N, 1)
    own = np.take_along_axis(probabilities, classes, axis=1)
    earlier = np.arange(probabilities.shape[1]) < classes                        # (N, K)
    rank = 1 + np.count_nonzero((probabilities > own) | (earlier & (probabilities == own)), axis=1)
    return np.where(rank <= num_guesses, 1 / rank, 0)


@dataclass(frozen=True)
class LwlrapScores(Result):
    """How well each clip ranks the classes: are those that it has ahead of those it has not.

    Args:
        lwlrap: float in [0, 1], mean precision at the tags: of all, or of one class.
        weight: float in [0, 1], share of the tags that are the class's; overall 1.
        num_positive: int, tags. num_clips: int.
        average: str, "micro": every tag counts the same; "class": one class alone.
        num_skipped: int, classes without tags: they have weight 0.
        per_class: dict of label -> LwlrapScores; overall = sum of weight * lwlrap.
    """

    lwlrap: float
    weight: float
    num_positive: int
    num_clips: int
    average: str = "micro"
    num_skipped: int = 0
    per_class: dict = field(default_factory=dict, repr=False)


def lwlrap_scores(targets, probabilities, *, labels=None):
    """Label-weighted label-ranking average precision (DCASE 2019 Task 2).

    The precision at a tag is the share of tags among the clip's classes that are at least as
    probable. Equal to scikit-learn's label_ranking_average_precision_score weighted by the
    number of tags of each clip; the challenge's code differs in that it breaks ties in the order
    its sort happens to give. Clips without tags have no weight.

    Args:
        targets: (N, K) of 0 and 1, N > 0.
        probabilities: float (N, K), finite; only their order within a clip counts.
        labels: K names of the columns. Defaults to None: "0", "1", ...

    Returns: LwlrapScores; NaN where there are no tags.
    Raises: ValueError for no clips, shapes that differ, or tags that are not 0 or 1.
    Source: Fonseca et al. 2019, https://arxiv.org/abs/1906.02975.
    """
    targets, probabilities = _clips(targets, probabilities)
    num_clips, num_classes = targets.shape
    labels = class_names(labels, num_classes)
    precision, label = _precision_at_tags(targets, probabilities)
    num_positive = np.bincount(label, minlength=num_classes)                     # (K,)
    sums = np.bincount(label, precision, minlength=num_classes)
    per_class = {}
    for name, total, count in zip(labels, sums.tolist(), num_positive.tolist(), strict=True):
        per_class[name] = LwlrapScores(total / count if count else math.nan,
                                       count / max(1, len(label)), count, num_clips, "class")
    return LwlrapScores(_mean(precision), 1.0, len(label), num_clips,
                        num_skipped=int((num_positive == 0).sum()), per_class=per_class)


def _precision_at_tags(targets, probabilities):
    """Precision at each tag, float64 (tags,), and the tag's class, int64 (tags,)."""
    clip, label = np.nonzero(targets)
    precision = np.empty(len(clip))
    step = max(1, _NUMBERS // max(1, targets.shape[1]))
    for start in range(0, len(clip), step):
        rows, columns = clip[start:start + step], label[start:start + step]
        at_least = probabilities[rows] >= probabilities[rows, columns][:, None]  # (tags, K)
        hits = np.count_nonzero(at_least & targets[rows], axis=1)
        precision[start:start + step] = hits / np.count_nonzero(at_least, axis=1)
    return precision, label


def _clips(targets, probabilities):
    probabilities = require_probabilities(probabilities)
    targets = require_binary("targets", targets, probabilities.shape)
    if not len(targets):
        raise ValueError("`targets` must have one or more clips. "
                         f"Received: shape {targets.shape}")
    return targets, probabilities


def _mean(values):
    """Mean; NaN of nothing, and of -inf with inf."""
    with np.errstate(invalid="ignore"):
        return float(np.mean(values)) if len(values) else math.nan
