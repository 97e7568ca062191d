"""Metrics of clip probabilities by name: of a system, and of each class."""

import numpy as np

from sedzoo.evaluation.clip import accuracy, require_probabilities, single_classes
from sedzoo.evaluation.ranking import lwlrap_scores, map_at_3, ranking_scores, reciprocal_ranks
from sedzoo.nearest import nearest

_SCORES = {"average_precision": ranking_scores, "auc": ranking_scores, "d_prime": ranking_scores,
           "lwlrap": lwlrap_scores}
_SINGLE = {"map_at_3": map_at_3, "accuracy": accuracy}      # of clips with one class
CLIP_METRICS = (*_SCORES, *_SINGLE)


def clip_metric(name, targets, probabilities):
    """One number of a system: a metric of CLIP_METRICS, classes averaged as is usual for it.

    Args:
        name: str, of CLIP_METRICS.
        targets: (N, K) of 0 and 1; probabilities: float (N, K).
    Returns: float.
    Raises: ValueError for another name, with the nearest, and as the metric itself.
    """
    _require(name)
    if name in _SCORES:
        return float(getattr(_SCORES[name](targets, probabilities), name))
    return float(_SINGLE[name](targets, probabilities))


def class_metric(name, targets, probabilities):
    """The same metric of each class alone, float64 (K,), NaN where a class cannot be scored.

    Of "map_at_3" and "accuracy" a class's value is the mean over its own clips.

    Args, Raises: as clip_metric.
    """
    _require(name)
    if name in _SCORES:
        scores = _SCORES[name](targets, probabilities)
        return np.array([getattr(each, name) for each in scores.per_class.values()])
    probabilities = require_probabilities(probabilities)
    num_classes = probabilities.shape[1]
    classes = single_classes(targets, probabilities.shape)                      # (N,)
    values = (reciprocal_ranks(targets, probabilities) if name == "map_at_3"
              else probabilities.argmax(axis=1) == classes)
    counts = np.bincount(classes, minlength=num_classes)
    sums = np.bincount(classes, values, minlength=num_classes)
    return np.divide(sums, counts, out=np.full(len(counts), np.nan), where=counts > 0)


def _require(name):
    if name not in CLIP_METRICS:
        raise ValueError(f"No metric of clips named {name!r}." + nearest(name, CLIP_METRICS))
