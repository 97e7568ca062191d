"""Attention of every class over segments, and the last frame of a clip."""

import json
import warnings

import keras
import numpy as np
import pytest
from contracts import check_layer, check_mask, noise, numpy_of
from hypothesis import given
from hypothesis import strategies as st

from sedzoo.layers import ChannelAttentionPool, ClassAttention, LastFrame

AXES = ["class", "time"]


def softmax(x, axis):
    x = np.exp(x - x.max(axis, keepdims=True))
    return x / x.sum(axis, keepdims=True)


def scores(*shape, seed=0):
    return 1 / (1 + np.exp(-noise(*shape, seed=seed).astype(np.float64)))


def attend(f, v, frame_mask=None, **options):
    y = ClassAttention(**options)(np.asarray(f), np.asarray(v), frame_mask=frame_mask)
    return numpy_of(y["clip"]), numpy_of(y["attention"])


# -- the equations ---------------------------------------------------------------------------------


@given(st.integers(0, 10 ** 6), st.integers(1, 9), st.floats(0.1, 30))
def test_a_clip_is_equation_22(seed, num_segments, scale):
    f, v = scores(2, num_segments, 3, seed=seed), scale * noise(2, num_segments, 3, seed=seed + 1)
    clip, attention = attend(f, v.astype(np.float64), dtype="float64")
    assert clip.dtype == attention.dtype == np.float64
    for b in range(2):
        for k in range(3):
            p = [np.exp(np.float64(value)) for value in v[b, :, k]]
            p = [value / sum(p) for value in p]
            np.testing.assert_allclose(attention[b, :, k], p, rtol=1e-12, atol=1e-15)
            y = sum(f[b, t, k] * p[t] for t in range(num_segments))
            np.testing.assert_allclose(clip[b, k], y, rtol=1e-12)


def test_equation_22_on_paper():
    """exp(v) is 1 and 3: shares of 1/4 and 3/4, and 0.2 / 4 + 0.8 * 3 / 4 = 0.65."""
    clip, attention = attend([[[0.2], [0.8]]], [[[0.0], [np.log(3)]]])
    np.testing.assert_allclose(attention, [[[0.25], [0.75]]], rtol=1e-6)
    np.testing.assert_allclose(clip, [[0.65]], rtol=1e-6)


@given(st.integers(0, 10 ** 6), st.integers(1, 9), st.floats(0.1, 30))
def test_attention_over_classes_is_the_released_formula(seed, num_segments, scale):
    f, v = scores(2, num_segments, 3, seed=seed), scale * noise(2, num_segments, 3, seed=seed + 1)
    v = v.astype(np.float64)
    clip, attention = attend(f, v, attention_axis="class", dtype="float64")
    p = np.clip(softmax(v, -1), 1e-7, 1 - 1e-7)
    p = p / p.sum(axis=1)[:, None, :]
    np.testing.assert_allclose(attention, p, rtol=1e-9)
    np.testing.assert_allclose(clip, (f * p).sum(axis=1), rtol=1e-9)


def test_the_released_formula_on_paper():
    """Softmax over classes 1/4, 3/4 and 1/2, 1/2; by class 1/3, 2/3 and 3/5, 2/5 of the clip."""
    clip, attention = attend([[[0.9, 0.1], [0.3, 0.5]]], [[[0.0, np.log(3)], [0.0, 0.0]]],
                             attention_axis="class")
    np.testing.assert_allclose(attention, [[[1 / 3, 3 / 5], [2 / 3, 2 / 5]]], rtol=1e-6)
    np.testing.assert_allclose(clip, [[0.3 + 0.2, 0.06 + 0.2]], rtol=1e-6)


def test_a_class_that_no_segment_attends_to_is_the_mean_of_its_segments():
    """What the released code's floor is for."""
    v = np.zeros((1, 4, 2), np.float32)
    v[..., 1] = -1000
    f = scores(1, 4, 2)
    clip, attention = attend(f, v, attention_axis="class")
    np.testing.assert_allclose(attention, 0.25, rtol=1e-6)
    np.testing.assert_allclose(clip, f.mean(1), rtol=1e-6)


def test_attention_over_time_pools_as_channel_attention_does():
    f, v = noise(3, 7, 4), noise(3, 7, 4, seed=1)
    np.testing.assert_allclose(attend(f, v)[0], numpy_of(ChannelAttentionPool()(f, v)), atol=1e-6)


# -- what attention must do ------------------------------------------------------------------------


@pytest.mark.parametrize("axis", AXES)
def test_attention_is_of_sum_one_over_the_segments_that_count(axis):
    lengths = np.array([5, 1, 3])
    mask = np.arange(5)[None] < lengths[:, None]
    attention = attend(scores(3, 5, 4), 5 * noise(3, 5, 4), mask, attention_axis=axis)[1]
    np.testing.assert_allclose(attention.sum(1), 1, atol=1e-6)
    assert (attention >= 0).all() and not attention[~mask].any()


@pytest.mark.parametrize("axis", AXES)
def test_what_stands_in_padded_segments_changes_nothing(axis):
    f, v = scores(2, 4, 3), noise(2, 4, 3, seed=1)
    clip, attention = attend(f, v, attention_axis=axis)
    f, v = (np.concatenate([x, np.full((2, 3, 3), np.nan)], axis=1) for x in (f, v))
    mask = np.arange(7)[None] < np.array([[4], [4]])
    padded_clip, padded_attention = attend(f, v, mask, attention_axis=axis)
    np.testing.assert_allclose(padded_clip, clip, atol=1e-6)
    np.testing.assert_allclose(padded_attention[:, :4], attention, atol=1e-6)
    assert not padded_attention[:, 4:].any()


@pytest.mark.parametrize("axis", AXES)
def test_a_clip_of_one_segment_is_what_that_segment_says_without_a_warning(axis):
    f, v = scores(3, 1, 4), 10 * noise(3, 1, 4)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        clip, attention = attend(f, v, attention_axis=axis)
    np.testing.assert_allclose(clip, f[:, 0], rtol=1e-6)
    np.testing.assert_allclose(attention, 1, rtol=1e-6)


@pytest.mark.parametrize("axis", AXES)
def test_segments_in_another_order_give_the_same_clip(axis):
    f, v = scores(3, 6, 4), noise(3, 6, 4, seed=1)
    order = np.random.default_rng(0).permutation(6)
    clip, attention = attend(f, v, attention_axis=axis)
    turned_clip, turned_attention = attend(f[:, order], v[:, order], attention_axis=axis)
    np.testing.assert_allclose(turned_clip, clip, rtol=1e-5)
    np.testing.assert_allclose(turned_attention, attention[:, order], rtol=1e-5)


@pytest.mark.parametrize("axis", AXES)
def test_a_clip_without_any_segment_scores_zero(axis):
    mask = np.array([[True, False, False], [False] * 3])
    clip, attention = attend(scores(2, 3, 4), noise(2, 3, 4), mask, attention_axis=axis)
    assert not clip[1].any() and not attention[1].any()
    np.testing.assert_allclose(attention[0].sum(0), 1, atol=1e-6)


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("dtype", [None, "float16", "bfloat16"])
def test_the_largest_numbers_of_half_precision_stay_finite(dtype, axis):
    options = {"attention_axis": axis, **({} if dtype is None else {"dtype": dtype})}
    v = 60000 * np.sign(noise(3, 5, 4)).astype(np.float16)
    mask = np.arange(5)[None] < np.array([[5], [2], [0]])
    for frame_mask in (None, mask):
        y = ClassAttention(**options)(np.ones((3, 5, 4), np.float16), v, frame_mask=frame_mask)
        assert y["clip"].dtype == keras.backend.standardize_dtype(dtype or "float32")
        clip, attention = (numpy_of(keras.ops.cast(y[key], "float32"))
                           for key in ("clip", "attention"))
        assert np.isfinite(clip).all() and np.isfinite(attention).all()
        some = slice(None) if frame_mask is None else slice(2)
        np.testing.assert_allclose(attention.sum(1)[some], 1, atol=0.01)


@pytest.mark.parametrize("axis", AXES)
def test_attention_comes_back_from_json_and_declares_its_shapes(axis):
    layer = ClassAttention(axis)
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(layer)))
    twin = keras.saving.deserialize_keras_object(config)
    assert type(twin) is ClassAttention and twin.get_config() == layer.get_config()
    f, v = scores(3, 7, 4), noise(3, 7, 4)
    y = twin(f, v)
    assert layer.compute_output_shape(f.shape, v.shape) == {
        key: tuple(value.shape) for key, value in y.items()}
    alone = twin(f[1:2], v[1:2])
    for key, value in y.items():
        np.testing.assert_allclose(numpy_of(alone[key]), numpy_of(value)[1:2], rtol=1e-6)


def test_errors_name_the_argument():
    with pytest.raises(ValueError, match="attention_axis='frame'"):
        ClassAttention("frame")


# -- the last frame --------------------------------------------------------------------------------


def test_the_last_frame_keeps_the_contract_of_layers():
    x = noise(3, 7, 4)
    check_layer(LastFrame(), x)
    check_mask(LastFrame(), x)
    np.testing.assert_array_equal(numpy_of(LastFrame()(x)), x[:, -1])


def test_the_last_frame_is_the_last_that_counts():
    x = noise(4, 5, 2)
    lengths = np.array([5, 3, 1, 0])
    mask = np.arange(5)[None] < lengths[:, None]
    x[~mask] = np.nan
    got = numpy_of(LastFrame()(x, frame_mask=mask))
    np.testing.assert_array_equal(got[:3], x[np.arange(3), lengths[:3] - 1])
    assert not got[3].any()
