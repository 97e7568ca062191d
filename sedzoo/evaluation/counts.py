"""From counts of hits and errors to rates, and results that can be written down."""

import dataclasses
import math


class Result:
    """What every result of an evaluation can do; a parent of frozen dataclasses."""

    def to_dict(self):
        """The fields by name; what is not finite is None, which JSON can hold."""
        return {key: None if isinstance(value, float) and not math.isfinite(value) else value
                for key, value in dataclasses.asdict(self).items()}


def ratio(part, whole):
    """part / whole; NaN for 0 / 0 and infinite for what is only over 0."""
    if whole:
        return float(part) / float(whole)
    return math.inf if part else math.nan


def precision_recall_f1(num_hits, num_estimated, num_reference):
    """Precision, recall and F1 of counts.

    A rate of nothing is NaN: precision where nothing was detected, recall where there was nothing
    to detect. F1 = 2 hits / (estimated + reference) is NaN only where both hold; sed_eval's is
    NaN where either does, scikit-learn's never.
    """
    return (ratio(num_hits, num_estimated), ratio(num_hits, num_reference),
            ratio(2 * num_hits, num_estimated + num_reference))


def require_micro(average):
    if average != "micro":
        raise ValueError(f'`average` must be "micro". Received: average={average!r}')
