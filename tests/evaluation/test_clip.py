import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn import metrics

from sedzoo.evaluation import accuracy, best_thresholds, clip_scores, decide

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


@given(tagged)
def test_scores_are_those_of_scikit_learn(case):
    targets, probabilities = case
    decisions = probabilities > 0.5
    got = clip_scores(targets, decisions)
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(
        targets.ravel(), decisions.ravel(), average="binary", pos_label=True,
        zero_division=np.nan)
    np.testing.assert_allclose([got.precision, got.recall], [precision, recall], rtol=1e-12)
    # Where nothing was decided and something tagged, or the reverse, F1 is 0 for us.
    if targets.any() or decisions.any():
        np.testing.assert_allclose(got.f1, np.nan_to_num(f1), rtol=1e-12)
    else:
        assert np.isnan(got.f1)


def test_counts_are_pairs_of_clip_and_class():
    got = clip_scores([[1, 1, 0], [0, 0, 1]], [[1, 0, 1], [0, 0, 1]])
    assert (got.num_hits, got.num_estimated, got.num_reference, got.num_clips) == (2, 3, 3, 2)
    assert got.f1 == got.precision == got.recall == pytest.approx(2 / 3)
    assert got.average == "micro"


def test_results_are_plain_json():
    got = clip_scores(np.eye(2), np.zeros((2, 2))).to_dict()
    assert json.loads(json.dumps(got, allow_nan=False)) == {
        "f1": 0.0, "precision": None, "recall": 0.0, "num_hits": 0, "num_estimated": 0,
        "num_reference": 2, "num_clips": 2, "average": "micro"}


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


# -- errors ------------------------------------------------------------------------------------


def test_the_bad_argument_is_named():
    with pytest.raises(ValueError, match="average='macro'"):
        clip_scores([[1]], [[1]], average="macro")
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
    with pytest.raises(ValueError, match="exactly one class"):
        accuracy([[1, 1], [0, 1]], [[0.1, 0.2], [0.3, 0.4]])
    with pytest.raises(ValueError, match="exactly one class"):
        accuracy(np.zeros((0, 2)), np.zeros((0, 2)))
