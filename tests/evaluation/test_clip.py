import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn import metrics

from sedzoo.evaluation import accuracy, best_threshold, best_thresholds, clip_scores, decide

shapes = st.tuples(st.integers(1, 20), st.integers(1, 6))


def arrays(dtype, elements):
    """Tags and an array of the same shape."""
    return shapes.flatmap(lambda shape: st.tuples(
        hnp.arrays(bool, shape), hnp.arrays(dtype, shape, elements=elements)))


tagged = arrays(np.float32, st.floats(0, 1, width=32))


def plain_f1(targets, decisions):
    hits = sum(1 for wanted, found in zip(targets, decisions, strict=True) if wanted and found)
    return 2 * hits / (sum(targets) + sum(decisions))


# -- scores ------------------------------------------------------------------------------------


decided = shapes.flatmap(lambda shape: st.tuples(
    hnp.arrays(bool, shape), hnp.arrays(bool, shape, elements=st.booleans())))


@settings(max_examples=300)
@given(decided)
def test_scores_are_those_of_scikit_learn(case):
    targets, decisions = case
    rates = {"zero_division": np.nan}
    pooled, each = clip_scores(targets, decisions), clip_scores(targets, decisions).per_class
    np.testing.assert_allclose(
        [pooled.precision, pooled.recall, pooled.f1],
        metrics.precision_recall_fscore_support(
            targets.ravel(), decisions.ravel(), average="binary", pos_label=True, **rates)[:3],
        rtol=1e-12)
    for k, one in enumerate(each.values()):
        np.testing.assert_allclose(
            [one.precision, one.recall, one.f1, one.num_reference],
            np.ravel(metrics.precision_recall_fscore_support(
                targets[:, k], decisions[:, k], labels=[True], **rates)), rtol=1e-12)


@settings(max_examples=300)
@given(decided)
def test_macro_scores_are_scikit_learns_over_the_classes_with_positive_clips(case):
    targets, decisions = case
    got = clip_scores(targets, decisions, average="macro")
    positive = np.flatnonzero(targets.any(axis=0))
    assert got.num_skipped == targets.shape[1] - len(positive)
    assert got.average == "macro"
    if not len(positive):
        assert np.isnan([got.precision, got.recall, got.f1]).all()
        return
    # Columns are padded by an empty one: scikit-learn takes a single column for two classes.
    padded = [np.pad(array, ((0, 0), (0, 1))) for array in case]
    np.testing.assert_allclose(
        [got.precision, got.recall, got.f1],
        metrics.precision_recall_fscore_support(
            *padded, labels=positive, average="macro", zero_division=np.nan)[:3], rtol=1e-12)


def test_classes_without_positive_clips_are_left_out_and_counted():
    got = clip_scores([[1, 0, 0], [1, 0, 1]], [[1, 1, 0], [0, 0, 0]], average="macro",
                      labels=("dog", "cat", "car"))
    assert (got.num_skipped, got.recall, got.f1) == (1, 0.25, pytest.approx(1 / 3))
    assert got.precision == 1, "of a class never decided there is no precision"
    assert got.per_class["cat"].f1 == 0
    assert (got.num_hits, got.num_estimated, got.num_reference) == (1, 2, 3)


def test_counts_are_pairs_of_clip_and_class():
    got = clip_scores([[1, 1, 0], [0, 0, 1]], [[1, 0, 1], [0, 0, 1]])
    assert (got.num_hits, got.num_estimated, got.num_reference, got.num_clips) == (2, 3, 3, 2)
    assert got.f1 == got.precision == got.recall == pytest.approx(2 / 3)
    assert (got.average, got.num_skipped) == ("micro", 0)
    assert list(got.per_class) == ["0", "1", "2"]
    one = got.per_class["2"]
    assert (one.num_hits, one.num_estimated, one.num_reference, one.num_clips) == (1, 2, 1, 2)
    assert (one.average, one.per_class) == ("class", {})


def test_no_clips_have_no_scores():
    got = clip_scores(np.zeros((0, 2)), np.zeros((0, 2), bool))
    assert np.isnan([got.f1, got.precision, got.recall]).all() and got.num_clips == 0


def test_results_are_plain_json():
    got = clip_scores(np.eye(2), np.zeros((2, 2)), labels=["dog", "cat"]).to_dict()
    rates = {"f1": 0.0, "precision": None, "recall": 0.0, "num_hits": 0, "num_estimated": 0,
             "num_clips": 2, "num_skipped": 0}
    one = {**rates, "num_reference": 1, "average": "class", "per_class": {}}
    assert json.loads(json.dumps(got, allow_nan=False)) == {
        **rates, "num_reference": 2, "average": "micro", "per_class": {"dog": one, "cat": one}}


@given(arrays(np.int64, st.integers(0, 1000)))
def test_accuracy_is_that_of_the_most_probable_class(case):
    _, ranks = case
    probabilities = ranks / 1000
    rng = np.random.default_rng(len(ranks))
    classes = rng.integers(ranks.shape[1], size=len(ranks))
    expected = metrics.accuracy_score(classes, probabilities.argmax(axis=1))
    assert accuracy(np.eye(ranks.shape[1])[classes], probabilities) == pytest.approx(expected)


# -- decisions ---------------------------------------------------------------------------------


def test_a_clip_without_a_class_above_takes_the_most_probable():
    probabilities = np.array([[0.1, 0.3, 0.2], [0.31, 0.9, 0.1], [0.3, 0.3, 0.1]], np.float32)
    np.testing.assert_array_equal(decide(probabilities), [[0, 1, 0], [1, 1, 0], [1, 0, 0]])
    np.testing.assert_array_equal(decide(probabilities, at_least_one=False),
                                  [[0, 0, 0], [1, 1, 0], [0, 0, 0]])
    np.testing.assert_array_equal(decide(probabilities, [0.0, 0.5, 0.15]),
                                  [[1, 0, 1], [1, 1, 0], [1, 0, 0]])


@given(tagged)
def test_no_clip_is_left_without_a_class(case):
    decisions = decide(case[1])
    assert decisions.any(axis=1).all()
    np.testing.assert_array_equal(decisions[decisions.sum(axis=1) > 1],
                                  (case[1] > np.float32(0.3))[decisions.sum(axis=1) > 1])


@settings(deadline=None, max_examples=50)
@given(arrays(np.int64, st.integers(0, 300)))
def test_best_thresholds_are_those_of_a_plain_search(case):
    targets, ranks = case
    probabilities = ranks / 300
    got = best_thresholds(targets, probabilities)
    for k in range(targets.shape[1]):
        if not targets[:, k].any():
            assert got[k] == 0.3
            continue
        scores = [plain_f1(targets[:, k], probabilities[:, k] > i / 100) for i in range(101)]
        assert scores[round(got[k] * 100)] == pytest.approx(max(scores))
        assert all(score < max(scores) - 1e-12 for score in scores[:round(got[k] * 100)])


def test_tuned_thresholds_separate_what_can_be_separated():
    targets = np.array([[0, 1], [0, 1], [1, 0], [1, 1]])
    probabilities = np.array([[0.7, 0.09], [0.1, 0.1], [0.75, 0.02], [0.9, 0.3]])
    thresholds = best_thresholds(targets, probabilities)
    np.testing.assert_allclose(thresholds, [0.7, 0.02])
    assert clip_scores(targets, decide(probabilities, thresholds)).f1 == 1


def pooled_decisions(probabilities, threshold):
    return decide(probabilities, threshold, at_least_one=False).ravel()


@settings(deadline=None, max_examples=200)
@given(st.one_of(tagged, arrays(np.float64, st.sampled_from([0, 0.1, 0.25, 0.5, 1]))))
def test_the_one_best_threshold_is_that_of_a_plain_search(case):
    targets, probabilities = case
    got = best_threshold(targets, probabilities)
    assert 0 <= got < 1
    tried = [pooled_decisions(probabilities, threshold)
             for threshold in np.unique([0, *probabilities.ravel()])]
    scores = [plain_f1(targets.ravel(), decisions) if (targets.any() or decisions.any()) else 0
              for decisions in tried]
    lowest = next(decisions for decisions, score in zip(tried, scores, strict=True)
                  if score > max(scores) - 1e-12)
    np.testing.assert_array_equal(pooled_decisions(probabilities, got), lowest)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_the_one_best_threshold_parts_what_is_as_near_as_can_be(dtype):
    low = np.array(0.5, dtype)
    for _ in range(4):                  # halves are rounded up or down by turns
        high = np.nextafter(low, np.array(1, dtype))
        probabilities = np.array([[low], [high]])
        threshold = best_threshold([[0], [1]], probabilities)
        assert pooled_decisions(probabilities, threshold).tolist() == [False, True]
        low = high


def test_the_one_best_threshold_is_halfway_and_the_lowest_of_equals():
    assert best_threshold([[0, 1], [1, 0]], [[0.1, 0.6], [0.8, 0.2]]) == pytest.approx(0.4)
    assert best_threshold([[1, 1]], [[0.4, 0.6]]) == pytest.approx(0.2)     # all, below the least
    assert best_threshold([[0, 0]], [[0.4, 0.6]]) == pytest.approx(0.2)     # nothing to choose by
    assert best_threshold([[1, 0]], [[0.0, 0.0]]) == 0                      # 0 is above none


# -- errors ------------------------------------------------------------------------------------


def test_the_bad_argument_is_named():
    with pytest.raises(ValueError, match="average='weighted'"):
        clip_scores([[1]], [[1]], average="weighted")
    with pytest.raises(ValueError, match="`labels` must be 2 distinct names.*1 names"):
        clip_scores([[1, 0]], [[1, 0]], labels=["dog"])
    with pytest.raises(ValueError, match="2 names, 1 distinct"):
        clip_scores([[1, 0]], [[1, 0]], labels=["dog", "dog"])
    with pytest.raises(ValueError, match="`targets` must be 0 or 1"):
        clip_scores([[np.nan, 1]], [[1, 1]])
    with pytest.raises(ValueError, match="`decisions` must be 0 or 1"):
        clip_scores([[0, 1]], [[0.3, 0.9]])
    with pytest.raises(ValueError, match=r"`targets` must have shape .*\(1, 2\).*\(1, 3\)"):
        clip_scores([[0, 1, 0]], [[0, 1]])
    with pytest.raises(ValueError, match=r"`probabilities` must have shape .*\(3,\)"):
        decide([0.1, 0.2, 0.3])
    with pytest.raises(ValueError, match="`probabilities` must be finite"):
        decide([[0.1, np.nan]])
    with pytest.raises(ValueError, match=r"each of 2 classes. Received: shape \(3,\)"):
        decide([[0.1, 0.2]], [0.1, 0.2, 0.3])
    with pytest.raises(ValueError, match="step=0"):
        best_thresholds([[1]], [[0.5]], step=0)
    with pytest.raises(ValueError, match="`probabilities` must hold at least one"):
        best_threshold(np.zeros((0, 2)), np.zeros((0, 2)))
    with pytest.raises(ValueError, match=r"`targets` must have shape .*\(1, 2\).*\(1, 1\)"):
        best_threshold([[1]], [[0.1, 0.2]])
    with pytest.raises(ValueError, match="exactly one class"):
        accuracy([[1, 1], [0, 1]], [[0.1, 0.2], [0.3, 0.4]])
    with pytest.raises(ValueError, match="exactly one class"):
        accuracy(np.zeros((0, 2)), np.zeros((0, 2)))
