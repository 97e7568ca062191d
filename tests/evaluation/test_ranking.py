import json
import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import norm
from sklearn import metrics

from sedzoo.evaluation import ranking
from sedzoo.evaluation.ranking import d_prime, lwlrap_scores, map_at_3, ranking_scores

shapes = st.tuples(st.integers(1, 40), st.integers(1, 7))


def cases(levels):
    """Tags, and probabilities of few or many values, in one of three precisions."""
    return st.tuples(shapes, st.sampled_from(["f2", "f4", "f8"])).flatmap(
        lambda kind: st.tuples(
            hnp.arrays(bool, kind[0], elements=st.booleans()),
            hnp.arrays(np.int64, kind[0], elements=st.integers(0, levels)).map(
                lambda ranks: (ranks / levels).astype(kind[1]))))


mostly_tied, hardly_tied = cases(3), cases(1000)


def single(case):
    """The case's probabilities, and tags of one class in each clip."""
    targets, probabilities = case
    classes = (targets * np.arange(1, targets.shape[1] + 1)).max(axis=1, initial=1) - 1
    return np.eye(targets.shape[1])[classes], probabilities, classes


# -- classes that rank clips -------------------------------------------------------------------


@settings(max_examples=300)
@given(st.one_of(mostly_tied, hardly_tied))
def test_average_precision_and_auc_are_those_of_scikit_learn(case):
    targets, probabilities = case
    got = ranking_scores(targets, probabilities)
    positive, mixed = targets.any(axis=0), targets.any(axis=0) & ~targets.all(axis=0)
    wanted = [metrics.average_precision_score(targets[:, k], probabilities[:, k])
              if positive[k] else np.nan for k in range(len(positive))]
    areas = [metrics.roc_auc_score(targets[:, k], probabilities[:, k]) if mixed[k] else np.nan
             for k in range(len(mixed))]
    each = got.per_class.values()
    np.testing.assert_allclose([one.average_precision for one in each], wanted, atol=1e-12)
    np.testing.assert_allclose([one.auc for one in each], areas, atol=1e-12)
    assert (got.num_skipped, got.num_skipped_auc) == ((~positive).sum(), (~mixed).sum())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        np.testing.assert_allclose([got.average_precision, got.auc],
                                   [np.nanmean(wanted), np.nanmean(areas)], atol=1e-12)


def test_scikit_learns_own_means_are_met_where_it_has_them():
    rng = np.random.default_rng(0)
    targets = rng.random((200, 70)) < 0.3
    probabilities = rng.integers(0, 20, targets.shape) / 20
    got = ranking_scores(targets, probabilities)
    assert got.average_precision == pytest.approx(
        metrics.average_precision_score(targets, probabilities), abs=1e-12)
    assert got.auc == pytest.approx(metrics.roc_auc_score(targets, probabilities), abs=1e-12)


def test_values_by_hand():
    targets = np.array([[1, 0, 1], [0, 0, 1], [1, 0, 1], [0, 0, 1]])
    probabilities = np.array([[0.9, 0.5, 0.1], [0.8, 0.1, 0.2], [0.8, 0.2, 0.3], [0.1, 0.9, 0.4]])
    got = ranking_scores(targets, probabilities, labels=("dog", "cat", "car"))
    dog, cat, car = got.per_class.values()
    # The second dog shares its probability with one clip without.
    assert dog.average_precision == pytest.approx((1 + 2 / 3) / 2)
    assert dog.auc == 3.5 / 4
    assert math.isnan(cat.average_precision) and math.isnan(cat.auc) and math.isnan(cat.d_prime)
    assert car.average_precision == 1 and math.isnan(car.auc)
    assert got.average_precision == pytest.approx((5 / 6 + 1) / 2)
    assert got.auc == 3.5 / 4
    assert (got.num_skipped, got.num_skipped_auc, got.num_positive, got.num_clips) == (1, 2, 6, 4)
    assert (got.average, dog.average, dog.num_positive, dog.per_class) == ("macro", "class", 2, {})


@given(hardly_tied)
def test_only_the_order_of_probabilities_counts(case):
    targets, probabilities = case
    plain = ranking_scores(targets, probabilities).to_dict()
    stretched = np.exp(3 * probabilities.astype(np.float64))
    assert ranking_scores(targets, stretched).to_dict() == plain
    shuffled = np.random.default_rng(1).permutation(len(targets))
    assert ranking_scores(targets[shuffled], probabilities[shuffled]).to_dict() == plain


def test_classes_of_one_block_are_those_of_another(monkeypatch):
    rng = np.random.default_rng(2)
    targets, probabilities = rng.random((50, 9)) < 0.3, rng.random((50, 9)).astype(np.float32)
    whole = ranking_scores(targets, probabilities), lwlrap_scores(targets, probabilities)
    monkeypatch.setattr(ranking, "_CLASSES", 4)
    monkeypatch.setattr(ranking, "_NUMBERS", 20)
    assert (ranking_scores(targets, probabilities), lwlrap_scores(targets, probabilities)) == whole


# -- d' ----------------------------------------------------------------------------------------


@given(st.floats(0.001, 0.999))
def test_d_prime_is_the_distance_of_two_normal_distributions(auc):
    # The difference of one draw from each has a deviation of sqrt(2).
    assert norm.cdf(d_prime(auc) / math.sqrt(2)) == pytest.approx(auc, rel=1e-9)


def test_d_prime_meets_the_printed_pairs_of_the_literature():
    # AUC and d' of PANNs' CNN14, and of Xu's level-3 and DNN-1, within the AUC's rounding.
    for auc, printed in ((0.973, 2.732), (0.963, 2.520), (0.934, 2.133)):
        low, high = d_prime(np.array([auc - 0.0005, auc + 0.0005]))
        assert low <= printed <= high


def test_the_two_forms_of_d_prime_differ_as_they_are_defined():
    rng = np.random.default_rng(3)
    targets = rng.random((300, 5)) < 0.2
    probabilities = rng.random((300, 5)) + targets * np.linspace(0, 0.8, 5)
    got = ranking_scores(targets, probabilities)
    areas = [one.auc for one in got.per_class.values()]
    assert got.d_prime == pytest.approx(math.sqrt(2) * norm.ppf(np.mean(areas)))
    assert got.mean_d_prime == pytest.approx(np.mean(math.sqrt(2) * norm.ppf(areas)))
    assert got.mean_d_prime > got.d_prime


def test_one_perfect_class_makes_only_the_mean_of_d_primes_infinite():
    targets = np.array([[1, 1], [0, 0], [0, 1]])
    got = ranking_scores(targets, [[0.9, 0.1], [0.2, 0.5], [0.3, 0.8]])
    assert got.per_class["0"].d_prime == got.mean_d_prime == math.inf
    assert got.d_prime == pytest.approx(math.sqrt(2) * norm.ppf(0.75))
    assert json.loads(json.dumps(got.to_dict(), allow_nan=False))["mean_d_prime"] is None
    contrary = ranking_scores(targets[:, [0, 0]], [[0.9, 0.1], [0.2, 0.5], [0.3, 0.8]])
    assert math.isnan(contrary.mean_d_prime) and contrary.d_prime == 0


# -- clips that rank classes -------------------------------------------------------------------


@settings(max_examples=300)
@given(st.one_of(mostly_tied, hardly_tied))
def test_lwlrap_is_scikit_learns_weighted_by_tags(case):
    targets, probabilities = case
    got = lwlrap_scores(targets, probabilities)
    if not targets.any():
        assert math.isnan(got.lwlrap) and got.num_positive == 0
        return
    if targets.shape[1] > 1:                   # scikit-learn takes one column for two classes
        assert got.lwlrap == pytest.approx(metrics.label_ranking_average_precision_score(
            targets, probabilities, sample_weight=targets.sum(axis=1)), abs=1e-12)
    else:
        assert got.lwlrap == 1
    assert got.num_skipped == (~targets.any(axis=0)).sum()
    known = [one for one in got.per_class.values() if one.num_positive]
    assert sum(one.weight * one.lwlrap for one in known) == pytest.approx(got.lwlrap, abs=1e-12)
    assert sum(one.weight for one in known) == pytest.approx(got.weight) == 1


def test_lwlrap_by_hand():
    targets = np.array([[1, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]])
    probabilities = np.array([[0.9, 0.2, 0.3, 0.1], [0.5, 0.5, 0.5, 0.1], [0.1, 0.2, 0.3, 0.4]])
    got = lwlrap_scores(targets, probabilities, labels="abcd")
    assert got.per_class["a"].lwlrap == 1 and got.per_class["a"].weight == pytest.approx(1 / 3)
    assert got.per_class["b"].lwlrap == pytest.approx((2 / 3 + 1 / 3) / 2)
    assert math.isnan(got.per_class["c"].lwlrap) and got.per_class["c"].weight == 0
    assert got.lwlrap == pytest.approx(2 / 3)
    assert (got.num_positive, got.num_clips, got.num_skipped) == (3, 3, 2)


@given(hardly_tied)
def test_map_at_3_is_that_of_a_plain_search(case):
    targets, probabilities, classes = single(case)
    order = np.argsort(-probabilities.astype(np.float64), axis=1, kind="stable")
    points = [next((1 / (place + 1) for place, guess in enumerate(guesses[:3])
                    if guess == wanted), 0) for guesses, wanted in zip(order, classes, strict=True)]
    assert map_at_3(targets, probabilities) == pytest.approx(np.mean(points), abs=1e-12)


def test_map_at_3_gives_1_a_half_a_third_and_nothing():
    probabilities = [[0.4, 0.3, 0.2, 0.1]]
    assert [map_at_3(tags, probabilities) for tags in np.eye(4)[:, None]] == [1, 1 / 2, 1 / 3, 0]
    assert map_at_3(np.eye(4), np.ones((4, 4))) == pytest.approx((1 + 1 / 2 + 1 / 3) / 4)


# -- errors ------------------------------------------------------------------------------------


@pytest.mark.parametrize("score", [ranking_scores, lwlrap_scores])
def test_the_bad_argument_is_named(score):
    with pytest.raises(ValueError, match="`probabilities` must be finite"):
        score([[1, 0]], [[np.nan, 0.5]])
    with pytest.raises(ValueError, match=r"`probabilities` must have shape .*\(2,\)"):
        score([1, 0], [0.1, 0.5])
    with pytest.raises(ValueError, match=r"`targets` must have shape .*\(1, 2\).*\(2, 1\)"):
        score([[1], [0]], [[0.1, 0.5]])
    with pytest.raises(ValueError, match="`targets` must be 0 or 1"):
        score([[np.nan, 1]], [[0.1, 0.5]])
    with pytest.raises(ValueError, match="`targets` must be 0 or 1"):
        score([[2, 1]], [[0.1, 0.5]])
    with pytest.raises(ValueError, match="`targets` must have one or more clips"):
        score(np.zeros((0, 3)), np.zeros((0, 3)))
    with pytest.raises(ValueError, match="`labels` must be 2 distinct names"):
        score([[1, 0]], [[0.1, 0.5]], labels=("a", "b", "c"))


def test_errors_of_single_class_scores_and_d_prime():
    with pytest.raises(ValueError, match="exactly one class"):
        map_at_3([[1, 1]], [[0.1, 0.5]])
    with pytest.raises(ValueError, match="exactly one class"):
        map_at_3(np.zeros((0, 2)), np.zeros((0, 2)))
    with pytest.raises(ValueError, match="`auc` must lie in"):
        d_prime(1.1)
    assert math.isnan(d_prime(math.nan)) and d_prime(1.0) == math.inf


def test_no_class_that_can_be_ranked_is_no_score():
    got = ranking_scores(np.zeros((3, 2)), np.ones((3, 2)))
    assert np.isnan([got.average_precision, got.auc, got.d_prime, got.mean_d_prime]).all()
    assert (got.num_skipped, got.num_skipped_auc) == (2, 2)
