"""Staircases of hits against false alarms."""

import math
from dataclasses import dataclass, field

import numpy as np

from sedzoo.evaluation.counts import Result

_BLOCK = 1 << 22


@dataclass(frozen=True)
class ClassRoc(Result):
    """The curve of one class, a staircase: tpr[i] is reached at efpr[i] and holds from there on.

    Args:
        value: float in [0, 1], mean height up to the largest eFPR.
        num_events: int.
        efpr, tpr: float (P,), rising; the first efpr is 0.
        threshold: (P,), each point is reached when the threshold falls below; infinite where
            nothing is detected.
    """

    value: float
    num_events: int
    efpr: np.ndarray = field(repr=False, compare=False)
    tpr: np.ndarray = field(repr=False, compare=False)
    threshold: np.ndarray = field(repr=False, compare=False)


def roc(false, hits, num_events, max_efpr):
    """Curve of a class from changes as the threshold falls.

    Args:
        false, hits: pairs of arrays (at, change): counts just below `at` differ by `change` from
            those above; the counts at an infinite threshold are 0.
        num_events: int > 0.
        max_efpr: float, what lies beyond is cut off.
    Returns: ClassRoc of the best points: each higher than all that cost less.
    """
    at, rates, num_hits = _accumulate(false, hits)
    kept = rates <= max_efpr * (1 + 1e-12)
    at, rates, num_hits = (np.append(start, values[kept]) for start, values in
                           ((math.inf, at), (0.0, rates), (0, num_hits)))
    rates = np.maximum(rates, 0)                # sums of rates that cancel leave a trace
    order = np.lexsort((-num_hits, rates))
    at, rates, num_hits = at[order], rates[order], num_hits[order]
    best = np.maximum.accumulate(num_hits)
    higher = np.append(True, best[1:] > best[:-1])
    efpr, tpr = rates[higher], num_hits[higher] / num_events
    return ClassRoc(staircase_area(efpr, tpr, max_efpr), int(num_events), efpr, tpr, at[higher])


def _accumulate(false, hits):
    """Thresholds at which something changes, falling; eFPR and hits just below each."""
    at = np.concatenate([false[0], hits[0]])
    order = np.argsort(-at, kind="stable")
    at = at[order]
    last = np.append(at[1:] != at[:-1], True)[:len(at)]
    rates = np.cumsum(np.append(false[1], np.zeros(len(hits[1])))[order])[last]
    num_hits = np.cumsum(np.append(np.zeros(len(false[1]), np.int64), hits[1])[order])[last]
    return at[last], rates, num_hits


def mean_roc(curves, alpha_st):
    """Effective curve of several classes: mean less `alpha_st` standard deviations, at least 0.

    Args:
        curves: iterable of ClassRoc.
    Returns: float (P,), (P,): eFPR and eTPR; empty without curves.
    """
    curves = list(curves)
    if not curves:
        return np.zeros(0), np.zeros(0)
    efpr = np.unique(np.concatenate([curve.efpr for curve in curves]))
    etpr = np.empty_like(efpr)
    rows = max(1, _BLOCK // len(curves))
    for start in range(0, len(efpr), rows):
        part = slice(start, start + rows)
        heights = np.stack([curve.tpr[np.searchsorted(curve.efpr, efpr[part], "right") - 1]
                            for curve in curves])                           # (K, points)
        etpr[part] = heights.mean(axis=0) - alpha_st * heights.std(axis=0)
    return efpr, np.maximum(etpr, 0)


def staircase_area(x, heights, stop):
    """Mean height from 0 to `stop` of a staircase that steps to heights[i] at x[i]; NaN if empty.
    """
    if not len(x):
        return math.nan
    inside = x <= stop
    return float(np.diff(np.append(x[inside], stop)) @ heights[inside] / stop)
