"""Attention over segments, what it makes of them, and the two branches together."""

import json

import keras
import numpy as np
import pytest
from contracts import check_layer, noise, numpy_of
from hypothesis import given
from hypothesis import strategies as st

from sedzoo.layers import (
    ChannelAttentionPool,
    EnsemblePrediction,
    SegmentAttention,
    SegmentPool,
    SpreadMask,
)

MAPS = 6


def softmax(x, axis):
    x = np.exp(x - x.max(axis, keepdims=True))
    return x / x.sum(axis, keepdims=True)


def sigmoid(x):
    return 1 / (1 + np.exp(-np.asarray(x, np.float64)))


def logit(p):
    return np.log(p) - np.log1p(-p)


def probabilities(*shape, seed=0):
    return sigmoid(2 * noise(*shape, seed=seed)).astype(np.float32)


def shares(*shape, seed=1):
    """Attention as SegmentAttention gives it, of MAPS maps that agree in part."""
    v = 2 * noise(*shape, 1, seed=seed) + noise(*shape, MAPS, seed=seed + 1)
    return softmax(v.astype(np.float64), 1).mean(-1).astype(np.float32)


def twin(layer):
    """The layer again, through JSON."""
    return keras.saving.deserialize_keras_object(
        json.loads(json.dumps(keras.saving.serialize_keras_object(layer))))


# -- attention -----------------------------------------------------------------------------------


def test_attention_keeps_the_contract_of_layers():
    check_layer(SegmentAttention(), noise(3, 7, 4))


def test_what_stands_in_padded_segments_draws_no_attention():
    v = noise(2, 4, MAPS)
    long = np.concatenate([v, np.full((2, 3, MAPS), np.nan, np.float32)], axis=1)
    mask = np.arange(7)[None] < np.array([[4], [4]])
    got = numpy_of(SegmentAttention()(long, frame_mask=mask))
    np.testing.assert_allclose(got[:, :4], numpy_of(SegmentAttention()(v)), atol=1e-6)
    assert not got[:, 4:].any()


@pytest.mark.filterwarnings("ignore:You are using a softmax over axis 1")     # of one segment
@given(st.integers(0, 10 ** 6), st.integers(1, 9), st.floats(0.1, 30))
def test_attention_is_equation_6_over_the_number_of_maps(seed, num_frames, scale):
    v = scale * noise(2, num_frames, MAPS, seed=seed).astype(np.float64)
    paper = (np.exp(v) / np.exp(v).sum(1, keepdims=True)).sum(-1)          # a(t), of sum M
    got = numpy_of(SegmentAttention()(v.astype(np.float32)))
    np.testing.assert_allclose(MAPS * got, paper, rtol=2e-4, atol=1e-5)
    np.testing.assert_allclose(got.sum(1), 1, atol=1e-5)


def test_attention_of_the_largest_float16_is_finite_and_float32_unless_told_otherwise():
    v = (60000 * np.sign(noise(2, 5, 4))).astype(np.float16)
    for layer, dtype in ((SegmentAttention(), "float32"),
                         (SegmentAttention(dtype="float16"), "float16")):
        got = numpy_of(layer(v))
        np.testing.assert_allclose(got.sum(1), 1, atol=2e-3)
        assert got.dtype == dtype


def test_a_clip_without_any_frame_has_no_attention():
    mask = np.array([[True, False, False], [False] * 3])
    got = numpy_of(SegmentAttention()(noise(2, 3, 4), frame_mask=mask))
    np.testing.assert_array_equal(got, [[1, 0, 0], [0, 0, 0]])
    half = numpy_of(SegmentAttention(dtype="float16")(noise(2, 3, 4), frame_mask=mask))
    np.testing.assert_array_equal(half, got)


# -- pooling of segments -------------------------------------------------------------------------


@pytest.mark.parametrize("space", ["probability", "logit"])
@pytest.mark.parametrize("alpha", ["softmax", "linear"])
def test_segments_are_pooled_as_the_equation_says(alpha, space):
    d, attention = probabilities(3, 7, 2), shares(3, 7)
    weight = attention.astype(np.float64)
    weight = (softmax(MAPS * weight, 1) if alpha == "softmax" else weight)[:, :, None]
    expected = ((weight * d).sum(1) if space == "probability"
                else sigmoid((weight * logit(d.astype(np.float64))).sum(1)))
    layer = SegmentPool(MAPS, alpha, space)
    got = numpy_of(layer(d, attention))
    np.testing.assert_allclose(got, expected, atol=1e-5)
    assert layer.compute_output_shape(d.shape, attention.shape) == got.shape
    np.testing.assert_array_equal(numpy_of(twin(layer)(d, attention)), got)


@pytest.mark.parametrize("space", ["probability", "logit"])
@pytest.mark.parametrize("alpha", ["softmax", "linear"])
def test_what_stands_in_padded_segments_is_not_pooled(alpha, space):
    d, attention = probabilities(2, 4, 3), shares(2, 4)
    layer = SegmentPool(MAPS, alpha, space)
    long = np.concatenate([d, np.full((2, 3, 3), np.nan, np.float32)], axis=1)
    mask = np.arange(7)[None] < np.array([[4], [4]])
    got = layer(long, np.pad(attention, ((0, 0), (0, 3))), frame_mask=mask)
    np.testing.assert_allclose(numpy_of(got), numpy_of(layer(d, attention)), atol=1e-6)


@pytest.mark.parametrize("alpha", ["softmax", "linear"])
def test_a_clip_without_any_segment_scores_zero_or_has_no_say(alpha):
    d, nobody = probabilities(2, 4, 3), np.zeros((2, 4), np.float32)
    mask = np.zeros((2, 4), bool)
    np.testing.assert_array_equal(numpy_of(SegmentPool(MAPS, alpha)(d, nobody, mask)), 0)
    np.testing.assert_array_equal(numpy_of(SegmentPool(MAPS, alpha, "logit")(d, nobody, mask)), 0.5)


def test_the_papers_alpha_puts_almost_all_weight_on_one_segment_where_maps_agree():
    share = np.full((1, 56), 0.9 / 55, np.float32)
    share[0, 20] = 0.1
    d = np.zeros((1, 56, 1), np.float32)
    d[0, 20] = 1
    assert numpy_of(SegmentPool(384)(d, share))[0, 0] > 0.99
    np.testing.assert_allclose(numpy_of(SegmentPool(384, "linear")(d, share)), 0.1, atol=1e-6)


def test_channels_are_pooled_each_under_attention_of_its_own():
    h, v = noise(2, 5, 4), noise(2, 5, 4, seed=1)
    expected = (softmax(v.astype(np.float64), 1) * h).sum(1)
    layer = ChannelAttentionPool()
    np.testing.assert_allclose(numpy_of(layer(h, v)), expected, atol=1e-6)
    assert layer.compute_output_shape(h.shape, v.shape) == (2, 4)

    long = [np.concatenate([x, np.full((2, 3, 4), np.nan, np.float32)], axis=1) for x in (h, v)]
    mask = np.arange(8)[None] < np.array([[5], [5]])
    np.testing.assert_allclose(numpy_of(layer(*long, frame_mask=mask)), expected, atol=1e-6)
    empty = numpy_of(layer(h, v, frame_mask=np.zeros((2, 5), bool)))
    np.testing.assert_array_equal(empty, 0)


# -- the two branches ----------------------------------------------------------------------------


@given(st.integers(0, 10 ** 6), st.floats(0, 1))
def test_the_ensemble_is_equation_9(seed, mu):
    clip, segments = probabilities(3, 4, seed=seed), probabilities(3, 4, seed=seed + 1)
    got = numpy_of(EnsemblePrediction("always", mu=mu)(clip, segments))
    np.testing.assert_allclose(got, mu * clip.astype(np.float64) + (1 - mu) * segments, atol=1e-6)
    got = numpy_of(EnsemblePrediction("always", "logit", mu)(clip, segments))
    a, b = (logit(x.astype(np.float64)) for x in (clip, segments))
    np.testing.assert_allclose(got, sigmoid(mu * a + (1 - mu) * b), atol=1e-5)


def test_the_logit_ensemble_is_the_released_codes():
    """(f_cls + sum_t softmax_t(a) f_det(t)) / 2, before the sigmoid."""
    f_cls, f_det, v = noise(2, 3), noise(2, 7, 3, seed=1), noise(2, 7, MAPS, seed=2)
    a = softmax(v.astype(np.float64), 1).sum(-1)
    released = sigmoid((f_cls + (softmax(a, 1)[:, :, None] * f_det).sum(1)) / 2)
    pooled = SegmentPool(MAPS, space="logit")(sigmoid(f_det).astype(np.float32),
                                              SegmentAttention()(v))
    got = EnsemblePrediction("always", "logit")(sigmoid(f_cls).astype(np.float32), pooled)
    np.testing.assert_allclose(numpy_of(got), released, atol=1e-5)


@pytest.mark.parametrize("space", ["probability", "logit"])
@pytest.mark.parametrize("when, training, is_ensemble", [
    ("test", None, True), ("test", False, True), ("test", True, False), ("always", True, True),
    ("always", False, True), ("never", True, False), ("never", False, False)])
def test_the_ensemble_stands_where_it_is_asked_for(when, training, is_ensemble, space):
    clip, segments = np.full((1, 2), 0.2, np.float32), np.full((1, 2), 0.8, np.float32)
    got = numpy_of(EnsemblePrediction(when, space)(clip, segments, training=training))
    np.testing.assert_allclose(got, 0.5 if is_ensemble else 0.2, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "mixed_float16", "bfloat16", "float32"])
@pytest.mark.parametrize("space", ["probability", "logit"])
def test_certain_branches_that_differ_give_a_doubt_in_any_precision(dtype, space):
    clip, segments = np.array([[0, 1, 0.5]], np.float16), np.array([[1, 0, 0.5]], np.float16)
    layer = EnsemblePrediction("always", space, dtype=dtype)
    got = numpy_of(keras.ops.cast(layer(clip, segments), "float32"))
    np.testing.assert_allclose(got, 0.5, atol=0.03)
    pool = SegmentPool(MAPS, space=space, dtype=dtype)
    got = numpy_of(keras.ops.cast(pool(clip[:, :, None], np.full((1, 3), 1 / 3)), "float32"))
    np.testing.assert_allclose(got, 0.5, atol=0.03)


@pytest.mark.parametrize("layer", [
    EnsemblePrediction("never", "logit", 0.25), SegmentPool(5, "linear", "logit"),
    ChannelAttentionPool(), SegmentAttention(), SpreadMask(3)], ids=lambda layer: layer.name)
def test_a_layer_comes_back_from_json_as_it_was(layer):
    again = twin(layer)
    assert type(again) is type(layer) and again.get_config() == layer.get_config()


def test_a_spread_mask_undoes_a_pooled_one():
    mask = np.array([[True, True, False], [False] * 3])
    layer = SpreadMask(2)
    assert numpy_of(layer(mask)).tolist() == [[True] * 4 + [False] * 2, [False] * 6]
    assert layer.compute_output_shape((None, None)) == (None, None)
    assert layer.compute_output_shape((2, 3)) == (2, 6)


@pytest.mark.parametrize("build, argument", [
    (lambda: SegmentPool(3, "mean"), "alpha='mean'"),
    (lambda: SegmentPool(3, space="log"), "space='log'"),
    (lambda: EnsemblePrediction("now"), "when='now'"),
    (lambda: EnsemblePrediction(space="log"), "space='log'"),
    (lambda: EnsemblePrediction(mu=1.5), "mu=1.5"),
    (lambda: EnsemblePrediction(mu=float("nan")), "mu=nan")])
def test_errors_name_the_argument(build, argument):
    with pytest.raises(ValueError, match=argument):
        build()
