import numpy as np
import pytest

from sedzoo.frame_scores import FrameScores
from sedzoo.frontend import Clock

CLOCK = Clock(hop_samples=160, sample_rate=16000)
VALUES = {"a": np.arange(6).reshape(3, 2) / 10, "b": np.ones((1, 2), np.float32)}


def test_clips_stand_in_a_row():
    scores = FrameScores(["x", "y"], VALUES, CLOCK)
    assert scores.clips == ("a", "b")
    np.testing.assert_array_equal(scores.bounds, [0, 3, 4])
    np.testing.assert_array_equal(scores.stacked(), [[0, 0.1], [0.2, 0.3], [0.4, 0.5], [1, 1]])
    np.testing.assert_array_equal(scores.stacked(slice(1, 2)), [[0.1], [0.3], [0.5], [1]])
    np.testing.assert_allclose(scores.edges("a"), [0, 0.01, 0.02, 0.03])
    assert scores.select(["b"]).clips == ("b",)


def test_only_the_asked_classes_are_read():
    class Lazy:
        shape = (3, 2)
        ndim = 2

        def __len__(self):
            return 3

        def __getitem__(self, key):
            assert key == (slice(None), slice(0, 1))
            return np.zeros((3, 1))

    assert FrameScores(("x", "y"), {"a": Lazy()}, CLOCK).stacked(slice(0, 1)).shape == (3, 1)


@pytest.mark.parametrize(("values", "times", "message"), [
    ({"a": np.zeros((3, 3))}, CLOCK, r"'a' must have shape \(frames, 2\).*\(3, 3\)"),
    ({"a": np.zeros(3)}, CLOCK, r"'a' must have shape"),
    ({"a": np.full((3, 2), np.nan)}, CLOCK, "'a' must be finite"),
])
def test_scores_that_do_not_fit_are_named(values, times, message):
    with pytest.raises(ValueError, match=message):
        FrameScores(("x", "y"), values, times)["a"]


@pytest.mark.parametrize(("edges", "message"), [
    ({}, "no edges of the frames of 'a'"),
    ({"a": [0, 1, 2]}, "must be 4 finite, rising"),
    ({"a": [0, 1, 1, 2]}, "must be 4 finite, rising"),
    ({"a": [0, 1, 2, np.inf]}, "must be 4 finite, rising"),
])
def test_edges_that_do_not_fit_are_named(edges, message):
    with pytest.raises(ValueError, match=message):
        FrameScores(("x", "y"), VALUES, edges).edges("a")


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="`labels` must be one or more distinct"):
        FrameScores(("x", "x"), VALUES, CLOCK)
    with pytest.raises(ValueError, match="`values` must be a Mapping"):
        FrameScores(("x",), [], CLOCK)
    with pytest.raises(ValueError, match="`times` must be a Clock"):
        FrameScores(("x",), VALUES, 0.01)
