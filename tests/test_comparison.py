"""Paired t-tests between any number of systems: against scipy, and by hand."""

import math

import numpy as np
import pytest
from scipy.stats import ttest_rel

from sedzoo.answers import Answers
from sedzoo.comparison import compare
from sedzoo.evaluation import class_metric, clip_metric

LABELS = tuple("abcdefg")
NAMES = np.array([f"{i}.wav" for i in range(70)])
TARGETS = np.eye(7, dtype=np.uint8)[np.arange(70) % 7]


def system(skill, seed, rows=slice(None), labels=LABELS):
    """Random answers that are right the more often the more skill."""
    said = np.random.default_rng(seed).random(TARGETS.shape) + skill * TARGETS
    return Answers(NAMES[rows], labels, TARGETS[rows], (said / 3).astype(np.float32)[rows])


def three():
    return {"poor": [system(0.1, 1)], "fair": [system(0.4, 2)], "good": [system(0.5, 3)]}


@pytest.mark.parametrize("metric", ["average_precision", "auc", "map_at_3", "lwlrap", "accuracy"])
@pytest.mark.parametrize("one_sided", [False, True])
def test_every_pair_has_the_p_of_scipy(metric, one_sided):
    result = compare(three(), metric, one_sided=one_sided)
    classes = [class_metric(metric, runs[0].targets, runs[0].probabilities)
               for runs in three().values()]
    for i, j in [(0, 1), (0, 2), (1, 2), (2, 0)]:
        better = "greater" if np.mean(classes[i]) > np.mean(classes[j]) else "less"
        test = ttest_rel(classes[i], classes[j], alternative=better if one_sided else "two-sided")
        assert result.p_values[i, j] == pytest.approx(test.pvalue, rel=1e-9)
        assert result.statistics[i, j] == pytest.approx(test.statistic, rel=1e-9)
        assert result.differences[i, j] == pytest.approx(np.mean(classes[i] - classes[j]))
    assert np.isnan(np.diag(result.p_values)).all() and (result.num_classes[0, 1:] == 7).all()
    for name, score in zip(result.names, result.scores, strict=True):
        run, = three()[name]
        assert score == clip_metric(metric, run.targets, run.probabilities)


def test_a_matrix_by_hand():
    """Accuracies of three classes: differences 1/2, 1/2, 0 have t = 2, and 1/2, 1/2, 1 have t = 4;
    of three p-values the smallest is tripled, the next doubled, the largest stays."""
    targets = np.eye(3, dtype=np.uint8)[[0, 0, 1, 1, 2, 2]]

    def right(*rows):
        said = np.full((6, 3), 0.1)
        said[np.arange(6), [np.argmax(targets[i]) if i in rows else (i // 2 + 1) % 3
                            for i in range(6)]] = 0.8
        return [Answers(NAMES[:6], tuple("xyz"), targets, said)]

    result = compare({"all": right(*range(6)), "most": right(0, 2, 4, 5), "none": right()},
                     "accuracy")
    np.testing.assert_allclose(result.scores, [1, 4 / 6, 0])
    np.testing.assert_allclose(result.class_scores, [[1, 1, 1], [0.5, 0.5, 1], [0, 0, 0]])
    # Student's t with two degrees of freedom: P(T > t) = 1/2 - t / (2 sqrt(2 + t^2)).
    p, q = (1 - t / math.sqrt(2 + t * t) for t in (2, 4))
    np.testing.assert_allclose(result.p_values, [[np.nan, p, 0], [p, np.nan, q], [0, q, np.nan]],
                               atol=1e-12)
    np.testing.assert_allclose(result.corrected, [
        [np.nan, p, 0], [p, np.nan, 2 * q], [0, 2 * q, np.nan]], atol=1e-12)
    np.testing.assert_allclose(result.statistics[:2], [[np.nan, 2, math.inf], [-2, np.nan, 4]])
    assert result.pairs() == [(0, 1), (0, 2), (1, 2)]


def test_runs_of_a_system_are_averaged_class_by_class():
    seeds = [system(0.4, seed) for seed in range(3)]
    result = compare({"one": [system(0.2, 9)], "three": seeds})
    classes = [class_metric("average_precision", run.targets, run.probabilities) for run in seeds]
    np.testing.assert_allclose(result.class_scores[1], np.mean(classes, axis=0))
    assert result.scores[1] == pytest.approx(np.mean(classes))
    assert result.num_runs.tolist() == [1, 3]


def test_folds_of_two_systems_pair_up_and_a_class_counts_where_it_is_heard():
    parts = [np.arange(70) < 21, (np.arange(70) >= 21) & (np.arange(70) % 7 > 0)]
    one, two = ([system(skill, seed, part) for part in parts]
                for skill, seed in ((0.2, 1), (0.5, 2)))
    result = compare({"one": one, "two": two[::-1]})
    first = [class_metric("average_precision", run.targets, run.probabilities) for run in one]
    assert np.isnan(first[1][0]) and result.class_scores[0, 0] == first[0][0]
    np.testing.assert_allclose(result.class_scores[0, 1:], np.mean(first, axis=0)[1:])
    assert result.num_classes[0, 1] == 7


def test_classes_that_cannot_be_scored_are_left_out():
    rows = np.arange(70) % 7 != 3
    result = compare({"one": [system(0.2, 1, rows)], "two": [system(0.4, 2, rows)]})
    assert np.isnan(result.class_scores[:, 3]).all() and result.num_classes[0, 1] == 6
    known = np.delete(result.class_scores, 3, axis=1)
    assert result.p_values[0, 1] == pytest.approx(ttest_rel(*known).pvalue)


def test_the_order_of_the_clips_does_not_matter():
    order = np.random.default_rng(0).permutation(70)
    straight = compare(three())
    mixed = {**three(), "fair": [system(0.4, 2, order)]}
    np.testing.assert_allclose(compare(mixed).p_values, straight.p_values)


def test_systems_that_cannot_be_compared_are_named():
    good = [system(0.5, 3)]
    with pytest.raises(ValueError, match="two or more. Received: 1"):
        compare({"good": good})
    with pytest.raises(ValueError, match="same classes in the same order. .*good .*'a'.* other"):
        compare({"good": good, "other": [system(0.5, 4, labels=LABELS[::-1])]})
    with pytest.raises(ValueError, match="good for 70, fewer for 40; only one of them has "
                                         "'40.wav'"):
        compare({"good": good, "fewer": [system(0.5, 4, slice(40))]})
    halves = [system(0.5, 4, slice(40)), system(0.5, 4, slice(40, 70))]
    with pytest.raises(ValueError, match="good for 70, halves for 70, the same ones, but in other"):
        compare({"good": good, "halves": halves})
    other = Answers(NAMES, LABELS, TARGETS[::-1], good[0].probabilities)
    with pytest.raises(ValueError, match="same tags. Received: other has other ones than good"):
        compare({"good": good, "other": [other]})
    with pytest.raises(ValueError, match="Did you mean 'map_at_3'"):
        compare(three(), "map_at3")


def test_results_can_be_written_down():
    fields = compare(three()).to_dict()
    assert fields["p_values"][0][0] is None and fields["names"] == ["poor", "fair", "good"]
    assert len(fields["class_scores"][0]) == len(fields["labels"]) == 7
