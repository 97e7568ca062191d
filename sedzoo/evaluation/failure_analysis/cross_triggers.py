"""What is there where a class is detected falsely."""

from dataclasses import dataclass

import numpy as np

from sedzoo.evaluation.counts import Result
from sedzoo.evaluation.failure_analysis.error_types import crosstab
from sedzoo.evaluation.failure_analysis.overlap import apart, overlaps
from sedzoo.evaluation.intersection import reached


@dataclass(frozen=True)
class CrossTriggers(Result):
    """False detections by class, and by the classes that they overlap.

    Args:
        labels: tuple of K names.
        counts: int64 (K, K), false detections of the row's class that overlap enough of the
            column's; one may overlap several. On the diagonal, of its own class: enough for this
            count, but too little for what made it false.
        background: int64 (K,), those that overlap enough of no class.
        num_false: int64 (K,), all of them.
        cttc: float, the share that is enough.
    """

    labels: tuple
    counts: np.ndarray
    background: np.ndarray
    num_false: np.ndarray
    cttc: float


def cross_triggers(reference, estimated, false, cttc=0.3):
    """Confusion of false detections with what is there.

    A detection overlaps enough of a class when at least `cttc` of it does; seconds in which
    several events of that class overlap count once.

    Args:
        reference, estimated: EventTables of the same clips and labels.
        false: bool (m,), which detections are looked at.
        cttc: float in (0, 1]. Defaults to 0.3.

    Returns: CrossTriggers.
    Raises: ValueError for a share out of range.
    """
    if not 0 < cttc <= 1:
        raise ValueError(f"`cttc` must lie in (0, 1]. Received: cttc={cttc!r}")
    num_classes = len(reference.labels)
    r, e, seconds = overlaps(apart(reference), estimated)
    r, e, seconds = r[false[e]], e[false[e]], seconds[false[e]]
    cell, place = np.unique(e * num_classes + reference.label[r], return_inverse=True)
    which, column = np.divmod(cell, max(1, num_classes))
    shared = np.bincount(place, seconds, len(cell))
    enough = reached(shared, cttc * (estimated.offset - estimated.onset)[which])
    which, column = which[enough], column[enough]
    background = false.copy()
    background[which] = False
    counts = crosstab(estimated.label[which], column, (num_classes, num_classes))
    of_nothing, of_all = (np.bincount(estimated.label[kind], minlength=num_classes)
                          for kind in (background, false))
    return CrossTriggers(reference.labels, counts, of_nothing, of_all, float(cttc))
