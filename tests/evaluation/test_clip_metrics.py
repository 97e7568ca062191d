import math

import numpy as np
import pytest
from scipy.stats import norm
from sklearn import metrics

from sedzoo.evaluation import CLIP_METRICS, class_metric, clip_metric

N, K = 60, 7
DRAW = np.random.default_rng(0)
# Tags of several classes, of which class 5 is in no clip and class 6 in all; scores with ties.
TAGS = (DRAW.random((N, K)) < 0.3).astype(np.float32)
TAGS[:, 5], TAGS[:, 6] = 0, 1
SCORES = np.round(0.4 * TAGS + 0.6 * DRAW.random((N, K)), 2).astype(np.float32)
# One class a clip, of which none has class 4.
CLASSES = DRAW.choice([0, 1, 2, 3, 5, 6], N)
SINGLE = np.eye(K)[CLASSES]
# The rule of Xu's thesis, section 4.3.1: the true class first, second, third, and not among three.
EXAMPLE = np.array([[0.7, 0.1, 0.1, 0.1], [0.3, 0.4, 0.2, 0.1], [0.2, 0.3, 0.4, 0.1],
                    [0.1, 0.2, 0.3, 0.4]])


def guess_values(targets, scores):
    """The thesis' rule, clip by clip."""
    values = []
    for truth, clip in zip(targets.argmax(axis=1), scores, strict=True):
        order = sorted(range(len(clip)), key=lambda k: -clip[k])        # equal ones: the first
        place = order.index(truth)
        values.append(1 / (place + 1) if place < 3 else 0)
    return np.array(values)


def means_by_class(values):
    return [values[CLASSES == k].mean() if (CLASSES == k).any() else np.nan for k in range(K)]


def test_average_precision_of_each_class_is_scikit_learns():
    found = class_metric("average_precision", TAGS, SCORES)
    expected = [metrics.average_precision_score(TAGS[:, k], SCORES[:, k]) if k != 5 else np.nan
                for k in range(K)]
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert clip_metric("average_precision", TAGS, SCORES) == pytest.approx(np.nanmean(expected))


def test_the_worked_example_of_average_precision():
    # Table 2 of Xu's thesis: six clips in the order of their scores, right, wrong, right, ...
    targets = np.array([[1, 0, 1, 1, 0, 1]]).T
    scores = np.linspace(0.9, 0.4, 6)[:, None]
    for found in (clip_metric("average_precision", targets, scores),
                  *class_metric("average_precision", targets, scores)):
        assert found == pytest.approx((1 + 2 / 3 + 3 / 4 + 4 / 6) / 4)
        assert round(found, 2) == 0.77                                          # as printed


def test_area_and_d_prime_of_each_class_are_scikit_learns_and_scipys():
    areas = [metrics.roc_auc_score(TAGS[:, k], SCORES[:, k]) for k in range(5)]
    found = class_metric("auc", TAGS, SCORES)
    np.testing.assert_allclose(found, [*areas, np.nan, np.nan], atol=1e-12)
    primes = math.sqrt(2) * norm.ppf(areas)
    np.testing.assert_allclose(class_metric("d_prime", TAGS, SCORES), [*primes, np.nan, np.nan],
                               atol=1e-9)
    mean = np.mean(areas)
    assert clip_metric("auc", TAGS, SCORES) == pytest.approx(mean)
    # Of the mean area, as the thesis prints it, not the mean of the classes' own.
    assert clip_metric("d_prime", TAGS, SCORES) == pytest.approx(math.sqrt(2) * norm.ppf(mean))
    assert clip_metric("d_prime", TAGS, SCORES) != pytest.approx(primes.mean(), abs=1e-3)


def test_three_guesses_are_worth_1_a_half_a_third_and_0():
    targets = np.eye(4)[[0, 0, 0, 0]]
    assert guess_values(targets, EXAMPLE).tolist() == [1, 1 / 2, 1 / 3, 0]
    for scores, value in zip(EXAMPLE, (1, 1 / 2, 1 / 3, 0), strict=True):
        assert clip_metric("map_at_3", targets[:1], scores[None]) == value
    assert clip_metric("map_at_3", targets, EXAMPLE) == pytest.approx((1 + 1 / 2 + 1 / 3) / 4)
    np.testing.assert_allclose(class_metric("map_at_3", targets, EXAMPLE),
                               [11 / 24, np.nan, np.nan, np.nan])


def test_map_at_3_of_each_class_is_the_mean_over_its_clips():
    values = guess_values(SINGLE, SCORES)
    assert clip_metric("map_at_3", SINGLE, SCORES) == pytest.approx(values.mean())
    np.testing.assert_allclose(class_metric("map_at_3", SINGLE, SCORES), means_by_class(values))


def test_accuracy_of_each_class_is_scikit_learns_recall():
    guessed = SCORES.argmax(axis=1)
    recalls = metrics.recall_score(CLASSES, guessed, labels=range(K), average=None,
                                   zero_division=np.nan)
    np.testing.assert_allclose(class_metric("accuracy", SINGLE, SCORES), recalls)
    np.testing.assert_allclose(recalls, means_by_class(guessed == CLASSES))
    assert clip_metric("accuracy", SINGLE, SCORES) == pytest.approx(
        metrics.accuracy_score(CLASSES, guessed))


def test_lwlrap_is_the_mean_over_tags():
    found = class_metric("lwlrap", TAGS, SCORES)
    counts = TAGS.sum(axis=0)
    assert clip_metric("lwlrap", TAGS, SCORES) == pytest.approx(
        np.nansum(found * counts) / counts.sum())
    assert np.isnan(found[5]) and not np.isnan(np.delete(found, 5)).any()
    expected = metrics.label_ranking_average_precision_score(
        TAGS, SCORES, sample_weight=TAGS.sum(axis=1))
    assert clip_metric("lwlrap", TAGS, SCORES) == pytest.approx(expected)


@pytest.mark.parametrize("name", CLIP_METRICS)
def test_of_every_metric_there_is_one_float_and_one_of_each_class(name):
    assert type(clip_metric(name, SINGLE, SCORES)) is float
    found = class_metric(name, SINGLE, SCORES)
    assert found.shape == (K,) and found.dtype == np.float64
    assert np.isnan(found[4]) and np.isfinite(np.delete(found, 4)).all()


@pytest.mark.parametrize("of", [clip_metric, class_metric])
def test_names_what_is_wrong(of):
    with pytest.raises(ValueError, match="No metric of clips named 'map_at_5'. Did you mean "
                                         "'map_at_3'.*Known: average_precision, "):
        of("map_at_5", TAGS, SCORES)
    for name in CLIP_METRICS:
        for targets in (TAGS[:-1], TAGS * 0.7, np.where(TAGS > 0, np.nan, 0)):
            with pytest.raises(ValueError, match="`targets` must"):
                of(name, targets, SCORES)
        with pytest.raises(ValueError, match="`probabilities` must be finite"):
            of(name, SINGLE, SCORES * np.nan)
    for name in ("map_at_3", "accuracy"):
        with pytest.raises(ValueError, match="`targets` must have exactly one class"):
            of(name, TAGS, SCORES)
