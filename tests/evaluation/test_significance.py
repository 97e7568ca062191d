import itertools
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from sedzoo.evaluation import counts, resampling
from sedzoo.evaluation.resampling import Sampled, Summed, macro_f1, micro_f1
from sedzoo.evaluation.significance import (
    bootstrap,
    holm,
    over_runs,
    paired_bootstrap,
    paired_permutation,
    t_test,
)

LEVEL = 0.05


def detections(rng, num_clips, skills=(0.6, 0.6)):
    """Hits, detections and references by clip of two systems, int64 (2, N, 3)."""
    reference = rng.integers(0, 4, num_clips)
    counted = []
    for skill in skills:
        hits = rng.binomial(reference, skill)
        counted.append(np.stack([hits, hits + rng.poisson(0.5, num_clips), reference], axis=-1))
    return np.stack(counted)


def is_calibrated(num_found, num_tests):
    """Whether so many of null tests may be below 0.05 by luck, at 99.9 %."""
    low, high = stats.binom.interval(0.999, num_tests, LEVEL)
    return low <= num_found <= high


# -- t-test ------------------------------------------------------------------------------------


@given(hnp.arrays(np.float64, st.tuples(st.just(2), st.integers(2, 30)),
                  elements=st.integers(-1000, 1000).map(lambda n: n / 1000)))
def test_the_t_test_is_scipys_where_classes_differ(scores):
    first, second = scores
    got = t_test(first, second)
    if np.ptp(first - second) > 1e-9:
        theirs = stats.ttest_rel(first, second)
        assert got.p_value == pytest.approx(theirs.pvalue, rel=1e-9, abs=1e-300)
        assert got.statistic == pytest.approx(theirs.statistic, rel=1e-9)
    assert got.difference == pytest.approx((first - second).mean())
    assert t_test(second, first).p_value == got.p_value


def test_equal_classes_are_no_difference_and_constant_ones_a_certain_one():
    got = t_test([0.1, 0.5, 0.3], [0.1, 0.5, 0.3])
    assert (got.statistic, got.p_value, got.num_pairs) == (0, 1, 3)
    got = t_test([0.25, 0.5], [0.5, 0.75])
    assert (got.statistic, got.p_value, got.difference) == (-np.inf, 0, -0.25)


def test_classes_that_either_cannot_score_are_left_out_and_counted():
    got = t_test([0.2, np.nan, 0.5, 0.9, 0.1], [0.1, 0.3, np.nan, 0.7, 0.4])
    alone = t_test([0.2, 0.9, 0.1], [0.1, 0.7, 0.4])
    assert (got.p_value, got.num_pairs, got.num_skipped) == (alone.p_value, 3, 2)
    one = t_test([0.2, np.nan], [0.1, 0.3])
    assert np.isnan(one.p_value) and one.difference == pytest.approx(0.1)
    assert np.isnan(t_test([], []).difference)
    assert json.dumps(one.to_dict(), allow_nan=False)


def test_dicts_pair_by_label():
    first, second = {"dog": 0.2, "cat": 0.9, "rain": 0.4}, {"rain": 0.5, "cat": 0.7, "dog": 0.1}
    assert t_test(first, second) == t_test([0.2, 0.9, 0.4], [0.1, 0.7, 0.5])
    with pytest.raises(ValueError, match="rain"):
        t_test(first, {"dog": 0.1, "cat": 0.2})
    with pytest.raises(ValueError, match="both be dicts"):
        t_test(first, [0.1, 0.2, 0.3])
    with pytest.raises(ValueError, match=r"\(2,\) and \(3,\)"):
        t_test([1, 2], [1, 2, 3])


def test_the_t_test_is_calibrated():
    scores = np.random.default_rng(1).normal(size=(4000, 2, 17))
    num_found = sum(t_test(*pair).p_value < LEVEL for pair in scores)
    assert is_calibrated(num_found, len(scores))


# -- metrics of sums ---------------------------------------------------------------------------


@given(hnp.arrays(np.int64, st.tuples(st.integers(1, 4), st.integers(1, 5), st.just(3)),
                  elements=st.integers(0, 3)))
def test_f1_of_sums_is_that_of_counts(sums):
    sums[..., 1:] += sums[..., :1]
    micro = [counts.precision_recall_f1(*one.sum(axis=0).tolist())[2] for one in sums]
    macro = [counts.macro(counts.precision_recall_f1(*row)[2] for row in one.tolist())[0]
             for one in sums]
    np.testing.assert_allclose(micro_f1(sums), micro)
    np.testing.assert_allclose(macro_f1(sums), macro)


@pytest.mark.parametrize("test", [paired_bootstrap, paired_permutation])
def test_sums_and_calls_give_the_same_numbers(test):
    counted = detections(np.random.default_rng(2), 40, (0.6, 0.7))

    def metric(clips, systems):
        return micro_f1(counted[systems, clips].sum(axis=0)[None])[0]

    got = test(Summed(micro_f1, counted), num_rounds=60, seed=3)
    assert got == test(Sampled(metric, 40), num_rounds=60, seed=3)
    assert got.first == micro_f1(counted.sum(axis=1))[0]
    assert got.difference == got.first - got.second


def test_calls_may_take_any_metric():
    rng = np.random.default_rng(4)
    targets = rng.random(300) < 0.3
    outputs = targets + rng.normal(0, [[0.5], [1.5]], (2, 300))

    def above(clips, systems):                                        # an area under a ROC curve
        values, positive = outputs[systems, clips], targets[clips]
        ranks = stats.rankdata(values)
        num_positive = positive.sum()
        return (ranks[positive].mean() - (num_positive + 1) / 2) / (len(clips) - num_positive)

    systems = Sampled(above, 300)
    assert paired_bootstrap(systems, num_rounds=200).low > 0
    assert paired_permutation(systems, num_rounds=199).p_value == 1 / 200
    alone = bootstrap(Sampled(above, 300, num_systems=1), num_rounds=200)
    assert alone.low < alone.value < alone.high


@pytest.mark.parametrize("test", [paired_bootstrap, paired_permutation])
def test_a_seed_gives_the_same_numbers_however_memory_is_cut(test, monkeypatch):
    systems = Summed(micro_f1, detections(np.random.default_rng(5), 30, (0.6, 0.7)))
    got = test(systems, seed=6)
    assert got == test(systems, seed=np.random.default_rng(6)) != test(systems, seed=7)
    monkeypatch.setattr(resampling, "_BLOCK", 30 * 7)
    assert got == test(systems, seed=6)


def test_equal_systems_do_not_differ():
    counted = detections(np.random.default_rng(8), 30)
    systems = Summed(micro_f1, counted[[0, 0]])
    assert paired_permutation(systems).p_value == paired_bootstrap(systems).p_value == 1


def test_the_permutation_test_nears_the_exact_one():
    values = np.random.default_rng(9).normal(0.4, 1, (2, 8))
    difference = values[0] - values[1]
    signs = np.array(list(itertools.product([1, -1], repeat=8)))
    exact = (np.abs(signs @ difference) >= abs(difference.sum()) - 1e-12).mean()
    got = paired_permutation(Summed(lambda sums: sums, values), num_rounds=20000)
    assert got.p_value == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 20000))


def test_the_interval_of_a_mean_is_that_of_its_standard_error():
    values = np.random.default_rng(10).exponential(size=(1, 1000))
    got = bootstrap(Summed(lambda sums: sums / 1000, values), num_rounds=4000, confidence=0.9)
    reach = stats.norm.ppf(0.95) * values.std() / np.sqrt(1000)
    assert got.value == pytest.approx(values.mean())
    assert got.low == pytest.approx(values.mean() - reach, abs=0.1 * reach)
    assert got.high == pytest.approx(values.mean() + reach, abs=0.1 * reach)


def test_rounds_without_a_value_are_counted():
    # A recall whose only reference events lie in one clip of three: 30 % of draws miss it.
    counted = np.array([[[1, 1], [0, 0], [0, 0]], [[0, 1], [0, 0], [0, 0]]])

    def recall(sums):
        with np.errstate(invalid="ignore"):
            return sums[:, 0] / sums[:, 1]

    got = paired_bootstrap(Summed(recall, counted))
    assert 200 < got.num_skipped < 400 and (got.low, got.high) == (1, 1)
    # Nothing speaks against a difference, nor for it.
    nothing = Summed(recall, np.zeros((2, 3, 2)))
    for got in (paired_bootstrap(nothing), paired_permutation(nothing)):
        assert np.isnan(got.difference) and np.isnan(got.p_value) and got.num_skipped == 1000
    assert np.isnan(paired_bootstrap(nothing).low)
    assert bootstrap(Summed(recall, np.zeros((1, 3, 2)))).num_skipped == 1000


# -- calibration and power ---------------------------------------------------------------------


def test_the_permutation_test_is_calibrated():
    rng = np.random.default_rng(11)
    values = rng.gamma(2.0, size=(2000, 2, 20, 2))

    def share(sums):
        return sums[:, 0] / sums.sum(axis=1)

    num_found = sum(
        paired_permutation(Summed(share, pair), num_rounds=199, seed=rng).p_value <= LEVEL
        for pair in values)
    assert is_calibrated(num_found, len(values))


def test_with_counts_the_permutation_test_finds_no_more_than_it_may():
    rng = np.random.default_rng(12)
    num_found = sum(paired_permutation(Summed(micro_f1, detections(rng, 15)), num_rounds=199,
                                       seed=rng).p_value <= LEVEL for _ in range(2000))
    assert num_found <= stats.binom.ppf(0.999, 2000, LEVEL)


def test_the_bootstrap_is_nearly_calibrated():
    rng = np.random.default_rng(13)
    got = [paired_bootstrap(Summed(micro_f1, detections(rng, 100)), num_rounds=200, seed=rng)
           for _ in range(2000)]
    assert 0.04 <= np.mean([test.p_value < LEVEL for test in got]) <= 0.075
    assert 0.92 <= np.mean([test.low <= 0 <= test.high for test in got]) <= 0.96


@pytest.mark.parametrize("test", [paired_bootstrap, paired_permutation])
def test_a_real_difference_is_found(test):
    rng = np.random.default_rng(14)
    got = [test(Summed(micro_f1, detections(rng, 300, (0.75, 0.6))), num_rounds=199, seed=rng)
           for _ in range(200)]
    assert np.mean([one.p_value < LEVEL and one.difference > 0 for one in got]) > 0.95


def test_a_real_difference_over_classes_is_found():
    scores = np.random.default_rng(15).normal(0.5, 0.05, (200, 2, 17)) + [[0.06], [0]]
    assert np.mean([t_test(*pair).p_value < LEVEL for pair in scores]) > 0.8


# -- many tests and many runs ------------------------------------------------------------------


def plain_holm(p_values):
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    corrected, largest = list(p_values), 0.0
    for rank, i in enumerate(order):
        largest = max(largest, (len(order) - rank) * p_values[i])
        corrected[i] = min(1.0, largest)
    return corrected


@given(st.lists(st.floats(0, 1), max_size=20))
def test_holm_is_the_plain_procedure(p_values):
    np.testing.assert_array_equal(holm(p_values), plain_holm(p_values))


def test_holm_leaves_out_what_is_no_test_and_what_it_was_given():
    given_values = np.array([[0.01, np.nan], [0.04, 0.03]])
    np.testing.assert_allclose(holm(given_values), [[0.03, np.nan], [0.06, 0.06]])
    np.testing.assert_array_equal(given_values, [[0.01, np.nan], [0.04, 0.03]])
    for wrong in ([0.1, 1.1], [-0.1]):
        with pytest.raises(ValueError, match="p_values"):
            holm(wrong)


def test_holm_keeps_the_error_of_a_family_below_the_level():
    scores = np.random.default_rng(16).normal(size=(1000, 10, 2, 12))
    families = np.array([[t_test(*pair).p_value for pair in family] for family in scores])
    num_wrong = sum((holm(family) < LEVEL).any() for family in families)
    assert num_wrong <= stats.binom.ppf(0.999, 1000, LEVEL)
    assert (families < LEVEL).any(axis=1).sum() > 300                       # without it


def test_runs_have_a_mean_and_a_deviation():
    got = over_runs([0.5, 0.7, 0.6])
    assert (got.mean, got.std, got.num_runs) == (pytest.approx(0.6), pytest.approx(0.1), 3)
    assert np.isnan(over_runs([0.5]).std)
    for wrong in ([], [0.5, np.nan], [[0.5]]):
        with pytest.raises(ValueError, match="values"):
            over_runs(wrong)


# -- errors ------------------------------------------------------------------------------------


def test_bad_arguments_are_named():
    systems = Summed(micro_f1, detections(np.random.default_rng(17), 5))
    with pytest.raises(ValueError, match="num_rounds=0"):
        paired_permutation(systems, num_rounds=0)
    with pytest.raises(ValueError, match="confidence=1"):
        paired_bootstrap(systems, confidence=1)
    with pytest.raises(ValueError, match="of 1 here. Received: 2"):
        bootstrap(systems)
    with pytest.raises(ValueError, match="of 2 here. Received: 1"):
        paired_permutation(Sampled(len, 3, num_systems=1))
    with pytest.raises(ValueError, match="Summed or Sampled"):
        paired_bootstrap([0.1, 0.2])
    with pytest.raises(ValueError, match="one number for each"):
        paired_bootstrap(Summed(np.sum, systems.counts))
    with pytest.raises(ValueError, match="finite"):
        Summed(micro_f1, np.full((2, 3, 3), np.nan))
    for shape in ((3, 4), (2, 0, 3), (2,)):
        with pytest.raises(ValueError, match="systems"):
            Summed(micro_f1, np.zeros(shape))
    for numbers in ((0, 2), (3, 3)):
        with pytest.raises(ValueError, match="num_clips"):
            Sampled(len, *numbers)
