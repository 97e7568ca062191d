"""Positions are the paper's sines and cosines, or a table as long as the longest input."""

import math

import keras
import numpy as np
import pytest
from contracts import check_layer, noise, numpy_of

from sedzoo.layers import LearnedPositions, SinusoidalPositions

POSITIONS = [SinusoidalPositions, lambda: LearnedPositions(7)]


@pytest.mark.parametrize("size", [1, 2, 7, 128])
@pytest.mark.parametrize("num_frames", [1, 10, 700])
def test_sinusoids_are_the_equation(size, num_frames):
    got = numpy_of(SinusoidalPositions()(np.zeros((1, num_frames, size), np.float32)))[0]
    for p in {0, num_frames // 2, num_frames - 1}:
        for column in range(size):
            angle = p / 10000 ** (2 * (column // 2) / size)
            expected = math.cos(angle) if column % 2 else math.sin(angle)
            assert got[p, column] == pytest.approx(expected, abs=1e-4)


def test_sinusoids_on_paper():
    """Of two numbers: sin p and cos p. The first frame is number 0."""
    got = numpy_of(SinusoidalPositions()(np.full((1, 2, 2), 10, np.float32)))[0]
    np.testing.assert_allclose(got, [[10, 11], [10 + math.sin(1), 10 + math.cos(1)]], rtol=1e-6)


def test_sinusoids_of_half_precision_are_those_of_full_precision_rounded():
    """An angle of 1000 is a multiple of 0.5 in float16, which no sine survives."""
    zeros = np.zeros((1, 1000, 8), np.float32)
    exact = numpy_of(SinusoidalPositions()(zeros))
    for dtype in ("float16", "mixed_float16"):
        np.testing.assert_allclose(numpy_of(SinusoidalPositions(dtype=dtype)(zeros)), exact,
                                   atol=1e-3)


def test_sinusoids_of_any_length_in_one_graph():
    inputs = keras.Input((None, 6))
    model = keras.Model(inputs, SinusoidalPositions()(inputs))
    for num_frames in (3, 11):
        x = noise(2, num_frames, 6)
        np.testing.assert_allclose(model.predict(x, verbose=0),
                                   numpy_of(SinusoidalPositions()(x)), atol=1e-6)


@pytest.mark.parametrize("positions", POSITIONS, ids=["sinusoidal", "learned"])
def test_the_contract_of_layers(positions):
    check_layer(positions(), noise(3, 7, 4))


def test_a_learned_position_is_its_row_of_the_table():
    layer, x = LearnedPositions(5), noise(2, 3, 4)
    layer(x)
    (table,) = layer.get_weights()
    assert table.shape == (5, 4) and np.unique(table).size == 20
    np.testing.assert_allclose(numpy_of(layer(x)), x + table[:3], rtol=1e-6)


def test_an_input_longer_than_the_table_is_an_error_that_says_so():
    layer = LearnedPositions(5)
    assert layer(noise(2, 5, 4)).shape == (2, 5, 4)
    with pytest.raises(ValueError, match="frames of the input, 6. Received: max_frames=5"):
        layer(noise(2, 6, 4))
    model = keras.Model(inputs := keras.Input((None, 4)), LearnedPositions(5)(inputs))
    with pytest.raises(ValueError, match="max_frames=5"):
        model(noise(2, 6, 4))


@pytest.mark.parametrize("max_frames", [0, -1, 2.5, None])
def test_a_table_without_rows_is_an_error(max_frames):
    with pytest.raises(ValueError, match=f"max_frames={max_frames}"):
        LearnedPositions(max_frames)
