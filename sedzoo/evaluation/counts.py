"""From counts of hits and errors to rates, and results that can be written down."""

import dataclasses
import math

import numpy as np

AVERAGES = ("micro", "macro")


class Result:
    """What every result of an evaluation can do; a parent of frozen dataclasses."""

    def to_dict(self):
        """The fields by name, results inside too; what is not finite is None, as JSON needs."""
        return _plain(dataclasses.asdict(self))


def _plain(value):
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value


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


def macro(rates):
    """Mean over classes of the rates that are numbers; NaN where none is.

    Args:
        rates: iterable of K floats; one that is not finite is a class that cannot be scored.
    Returns: float, the mean; int, how many classes are not in it.
    """
    rates = np.array(list(rates), np.float64)
    known = np.isfinite(rates)
    return (float(rates[known].mean()) if known.any() else math.nan), int((~known).sum())


@dataclasses.dataclass(frozen=True, kw_only=True)
class DetectionScores(Result):
    """F1 and error rate of detections; a parent of segment-based and event-based scores.

    Some misses and false detections are pairs that differ in class alone: S substitutions. The
    other misses are D = reference - hits - S deletions, the other false detections
    I = estimated - hits - S insertions.

    Args:
        f1, precision, recall: float in [0, 1], NaN where they are rates of nothing.
        error_rate: float >= 0, (S + D + I) / num_reference; where there is no reference infinite,
            or NaN without insertions too.
        substitution_rate, deletion_rate, insertion_rate: float, its three parts.
        num_hits, num_estimated, num_reference, num_substitutions, num_deletions, num_insertions:
            int.
        average: "micro": classes are counted together; "class": one class alone, which has no
            substitutions; "macro": rates are means over classes each counted alone, without those
            that are not finite, and counts are sums.
        num_skipped: int, classes that macro F1 leaves out: neither in reference nor in estimate.
        per_class: dict of label -> the same scores of that class alone.
    """

    f1: float
    precision: float
    recall: float
    error_rate: float
    substitution_rate: float
    deletion_rate: float
    insertion_rate: float
    num_hits: int
    num_estimated: int
    num_reference: int
    num_substitutions: int
    num_deletions: int
    num_insertions: int
    average: str = "micro"
    num_skipped: int = 0
    per_class: dict = dataclasses.field(default_factory=dict, repr=False)

    @classmethod
    def of_counts(cls, counts, num_substitutions, **more):
        """Scores of hits, estimated and reference, three ints; `more` are the other fields."""
        num_hits, num_estimated, num_reference = (int(count) for count in counts)
        precision, recall, f1 = precision_recall_f1(num_hits, num_estimated, num_reference)
        errors = {"substitution": int(num_substitutions),
                  "deletion": num_reference - num_hits - int(num_substitutions),
                  "insertion": num_estimated - num_hits - int(num_substitutions)}
        return cls(f1=f1, precision=precision, recall=recall,
                   error_rate=ratio(sum(errors.values()), num_reference),
                   **{f"{name}_rate": ratio(error, num_reference)
                      for name, error in errors.items()},
                   **{f"num_{name}s": error for name, error in errors.items()},
                   num_hits=num_hits, num_estimated=num_estimated, num_reference=num_reference,
                   **more)

    @classmethod
    def of_classes(cls, labels, counts, num_substitutions, average, **more):
        """Scores of hits, estimated and reference of each class, int64 (3, K)."""
        per_class = {label: cls.of_counts(counts[:, k], 0, average="class", **more)
                     for k, label in enumerate(labels)}
        if average == "micro":
            return cls.of_counts(counts.sum(axis=1), num_substitutions, per_class=per_class, **more)
        pooled = cls.of_counts(counts.sum(axis=1), 0, average=average, per_class=per_class, **more)
        rates = {name: macro(getattr(scores, name) for scores in per_class.values())
                 for name in ("precision", "recall", "f1", "error_rate", "substitution_rate",
                              "deletion_rate", "insertion_rate")}
        return dataclasses.replace(pooled, num_skipped=rates["f1"][1],
                                   **{name: mean for name, (mean, _) in rates.items()})


def require_average(average):
    if average not in AVERAGES:
        raise ValueError(f"`average` must be one of {AVERAGES}. Received: average={average!r}")
