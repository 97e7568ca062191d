"""Systems against each other: paired t-tests over classes between all pairs of them."""

import itertools
import warnings
from dataclasses import dataclass

import numpy as np

from sedzoo.evaluation import class_metric, clip_metric, holm, t_test
from sedzoo.evaluation.counts import Result


@dataclass(frozen=True)
class PairedTests(Result):
    """How S systems score, and which of them differ.

    Args:
        metric: str, of evaluation.CLIP_METRICS; one_sided: bool.
        names: tuple of S names; labels: tuple of K class names.
        scores: float64 (S,), each system's own, the mean over its runs; num_runs: int64 (S,).
        class_scores: float64 (S, K), likewise of each class, NaN where it cannot be scored.
        differences, statistics, p_values: float64 (S, S), of row minus column: mean over classes,
            Student's t, and p, see evaluation.t_test; NaN on the diagonal.
        corrected: float64 (S, S), the p-values after Holm's correction for all S (S - 1) / 2.
        num_classes: int64 (S, S), classes that both can score.
    """

    metric: str
    one_sided: bool
    names: tuple[str, ...]
    labels: tuple[str, ...]
    scores: np.ndarray
    num_runs: np.ndarray
    class_scores: np.ndarray
    differences: np.ndarray
    statistics: np.ndarray
    p_values: np.ndarray
    corrected: np.ndarray
    num_classes: np.ndarray

    def pairs(self):
        """Every pair once: (index of the first, index of the second)."""
        return list(itertools.combinations(range(len(self.names)), 2))


def compare(systems, metric="average_precision", *, one_sided=False):
    """Paired t-tests over classes between all pairs of systems.

    A class's score of a system is its mean over the system's runs, which differ by their seeds,
    or by the fold that they answer for; then each fold is one system's as well as the other's.

    Args:
        systems: dict of name -> list of Answers, one a run; two systems or more, all of the same
            classes and the same clips.
        metric: str, of evaluation.CLIP_METRICS.
        one_sided: bool, p is for the one that scores more to be no better: half the two-sided one,
            as in the tables of Xu 2018.
    Returns: PairedTests.
    Raises: ValueError for less than two systems, classes, clips or tags that differ, or an
        unknown metric.
    """
    names = tuple(systems)
    if len(names) < 2:
        raise ValueError(f"`systems` must be two or more. Received: {len(names)}")
    _require_same(systems)
    scores, class_scores = (
        np.array([_mean([score(metric, run.targets, run.probabilities) for run in runs])
                  for runs in systems.values()]) for score in (clip_metric, class_metric))
    tests = _tests(class_scores, one_sided)
    return PairedTests(
        metric=metric, one_sided=one_sided, names=names,
        labels=next(iter(systems.values()))[0].labels, scores=scores, class_scores=class_scores,
        num_runs=np.array([len(runs) for runs in systems.values()]), **tests)


def _tests(class_scores, one_sided):
    """The matrices of PairedTests."""
    num_systems = len(class_scores)
    square = (num_systems, num_systems)
    found = {key: np.full(square, np.nan)
             for key in ("differences", "statistics", "p_values", "corrected")}
    found["num_classes"] = np.zeros(square, np.int64)
    for i, j in itertools.permutations(range(num_systems), 2):
        test = t_test(class_scores[i], class_scores[j])
        found["differences"][i, j] = test.difference
        found["statistics"][i, j] = test.statistic
        found["p_values"][i, j] = test.p_value / (2 if one_sided else 1)
        found["num_classes"][i, j] = test.num_pairs
    above = np.triu_indices(num_systems, 1)
    found["corrected"][above] = found["corrected"].T[above] = holm(found["p_values"][above])
    return found


def _mean(values):
    """Mean over runs of what can be scored; NaN where no run can."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Mean of empty slice", RuntimeWarning)
        return np.nanmean(values, axis=0)


def _require_same(systems):
    """Raises ValueError unless all systems answered for the same clips, with the same truth."""
    (first, runs), *_ = systems.items()
    truth, ours = {}, None
    for name, others in systems.items():
        for run in others:
            if run.labels != runs[0].labels:
                raise ValueError("Systems must have the same classes in the same order. Received: "
                                 f"{first} {list(runs[0].labels)}, {name} {list(run.labels)}")
            clips, tags = _ordered(run)
            if truth.setdefault(clips, tags) != tags:
                raise ValueError(f"Systems must be judged by the same tags. Received: {name} has "
                                 f"other ones than {first} for clips of the same names")
        theirs = {_ordered(run)[0] for run in others}
        ours = theirs if ours is None else ours
        if theirs != ours:
            raise ValueError("Systems must answer for the same clips. Received: "
                             f"{_differing(first, ours, name, theirs)}")


def _ordered(run):
    """The clips of a run, by name, and their tags in that order."""
    order = np.argsort(run.names)
    return tuple(run.names[order].tolist()), run.targets[order].tobytes()


def _differing(first, ours, second, theirs):
    mine, yours = (set().union(*parts) for parts in (ours, theirs))
    strange = sorted(mine ^ yours)
    text = f"{first} for {len(mine)}, {second} for {len(yours)}"
    if strange:
        return f"{text}; only one of them has {strange[0]!r}"
    return f"{text}, the same ones, but in other parts"
