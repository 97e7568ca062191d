"""Results by how long events last: short ones, as a rule, are missed."""

import math
from dataclasses import dataclass

import numpy as np

from sedzoo.evaluation.counts import Result, ratio
from sedzoo.evaluation.failure_analysis.error_types import (
    ESTIMATED_TYPES,
    HIT,
    REFERENCE_TYPES,
    crosstab,
)

# Seconds, between bins of durations.
DURATIONS_S = (0.25, 0.5, 1, 2, 5)
_DECIMALS = 6


@dataclass(frozen=True)
class DurationBin(Result):
    """What became of events that last from `from_s` up to, but not, `to_s` seconds.

    Args:
        num_reference, num_estimated: int, reference events and detections of this duration.
        recall, precision: float, hits among either; NaN where there are none.
        reference, estimated: dict of category -> int, the events of either in each.
    """

    from_s: float
    to_s: float
    num_reference: int
    num_estimated: int
    recall: float
    precision: float
    reference: dict
    estimated: dict


def by_duration(reference, estimated, types, bins=DURATIONS_S):
    """What became of events by how long they last; a detection goes by its own duration.

    Args:
        reference, estimated: EventTables of the same clips and labels.
        types: ErrorTypes of their events.
        bins: seconds > 0, rising, between the bins, of which the first begins at 0 and the last
            is open; or an int, how many bins with about as many reference events each (fewer
            where many last equally long). Defaults to 0.25, 0.5, 1, 2 and 5 s.

    Returns: list of DurationBin; every event is in one.
    Raises: ValueError for bins that are not that.
    """
    lengths = [np.round(table.offset - table.onset, _DECIMALS) for table in (reference, estimated)]
    edges = _edges(bins, lengths[0])
    counts = [crosstab(np.searchsorted(edges, length, side="right"), kinds,
                       (len(edges) + 1, len(REFERENCE_TYPES)))
              for length, kinds in zip(lengths, (types.reference, types.estimated), strict=True)]
    bounds = [0.0, *edges.tolist(), math.inf]
    return [_bin(*row) for row in zip(bounds[:-1], bounds[1:], *counts, strict=True)]


def _bin(from_s, to_s, wanted, found):
    num_reference, num_estimated = int(wanted.sum()), int(found.sum())
    return DurationBin(from_s, to_s, num_reference, num_estimated,
                       ratio(wanted[HIT], num_reference), ratio(found[HIT], num_estimated),
                       dict(zip(REFERENCE_TYPES, wanted.tolist(), strict=True)),
                       dict(zip(ESTIMATED_TYPES, found.tolist(), strict=True)))


def _edges(bins, lengths):
    if isinstance(bins, (int, np.integer)):
        if bins < 1:
            raise ValueError(f"`bins` must be >= 1. Received: bins={bins!r}")
        if not len(lengths):
            return np.zeros(0)
        # Only durations that occur, but for the shortest: no bin is empty.
        return np.setdiff1d(np.quantile(lengths, np.arange(1, bins) / bins, method="higher"),
                            lengths.min())
    edges = np.asarray(bins, np.float64)
    if edges.ndim != 1 or not np.isfinite(edges).all() or not (
            np.diff(edges, prepend=0) > 0).all():
        raise ValueError(f"`bins` must be rising, finite seconds > 0. Received: bins={bins!r}")
    return edges
