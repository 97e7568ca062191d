"""Attention computes its equations, leaves masked keys out, and survives half precision."""

import json
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from contracts import assert_close, check_layer, noise, numpy_of
from hypothesis import given
from hypothesis import strategies as st

from sedzoo.layers import MultiHeadAttention, StackWeights
from sedzoo.layers.attention import FUNCTIONS, attention_weights

B, TQ, TK, C = 3, 4, 6, 5
SIZES = {"num_heads": 2, "key_dim": 3}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def weigh(s, function):
    """The weights of one query's scores, float64."""
    if function == "softmax":
        return np.exp(s) / np.exp(s).sum()
    return sigmoid(s) if function == "sigmoid" else sigmoid(s) / (sigmoid(s).sum() + 1e-7)


def attend(layer, query, memory):
    """The layer's equation, head by head and query by query: outputs, weights, float64."""
    def heads(linear, x):
        kernel, bias = linear.get_weights()
        return (x @ kernel + bias).reshape(*x.shape[:2], layer.num_heads, -1)

    query, memory = query.astype(np.float64), memory.astype(np.float64)
    q, k, v = (heads(*pair) for pair in
               ((layer.query, query), (layer.key, memory), (layer.value, memory)))
    context = np.zeros((*q.shape[:3], v.shape[-1]))
    weights = np.zeros((len(q), layer.num_heads, q.shape[1], k.shape[1]))
    for b, t, h in np.ndindex(q.shape[:3]):
        scores = np.array([q[b, t, h] @ key / np.sqrt(layer.key_dim) for key in k[b, :, h]])
        weights[b, h, t] = weigh(scores, layer.function)
        context[b, t, h] = weights[b, h, t] @ v[b, :, h]
    kernel, bias = layer.out.get_weights()
    return context.reshape(*q.shape[:2], -1) @ kernel + bias, weights


def stirred(layer, *inputs, seed=0):
    """The layer, built, with biases that are not 0."""
    layer(*inputs)
    draw = np.random.default_rng(seed)
    layer.set_weights([draw.normal(0, 0.5, w.shape) for w in layer.weights])
    return layer


def gradients(layer, *inputs, **options):
    """Of the mean square of the outputs, by every weight and the query."""
    query = tf.Variable(inputs[0])
    with tf.GradientTape() as tape:
        y = layer(query, *inputs[1:], **options)
        loss = tf.reduce_mean(tf.cast(y, "float32") ** 2)
    return tape.gradient(loss, [query, *layer.trainable_weights])


# -- the equations ---------------------------------------------------------------------------------


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("options", [{}, {"value_dim": 4, "output_size": 7}], ids=str)
def test_attention_is_its_equation(function, options):
    query, memory = noise(B, TQ, C), noise(B, TK, C + 1, seed=1)
    layer = stirred(MultiHeadAttention(**SIZES, **options, function=function), query, memory)
    y, weights = layer(query, memory, return_weights=True)
    expected, expected_weights = attend(layer, query, memory)
    np.testing.assert_allclose(numpy_of(y), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(numpy_of(weights), expected_weights, rtol=1e-4, atol=1e-6)
    assert_close(layer(query, memory), y)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_without_a_memory_the_query_looks_at_itself(function):
    x = noise(B, TQ, C)
    layer = stirred(MultiHeadAttention(**SIZES, function=function), x)
    np.testing.assert_allclose(numpy_of(layer(x)), attend(layer, x, x)[0], rtol=1e-4, atol=1e-5)
    assert_close(layer(x), layer(x, x))


def test_the_functions_on_paper():
    """Scores 0 and ln 3: exponentials 1 and 3, sigmoids 1/2 and 3/4."""
    scores = np.log([[[[1.0, 3.0]]]]).astype(np.float32)
    for function, expected in (("softmax", [1 / 4, 3 / 4]), ("sigmoid", [1 / 2, 3 / 4]),
                               ("normalised_sigmoid", [2 / 5, 3 / 5])):
        got = numpy_of(attention_weights(scores, function))[0, 0, 0]
        np.testing.assert_allclose(got, expected, rtol=1e-6)


@given(st.integers(0, 10 ** 6), st.integers(1, 20), st.floats(0, 100), st.floats(-30, 30))
def test_the_normalised_functions_sum_to_one_within_epsilon(seed, num_keys, scale, shift):
    scores = (scale * noise(1, 2, 3, num_keys, seed=seed) + shift).astype(np.float32)
    np.testing.assert_allclose(numpy_of(attention_weights(scores, "softmax")).sum(-1), 1, rtol=1e-5)
    total = sigmoid(scores.astype(np.float64)).sum(-1)
    got = numpy_of(attention_weights(scores, "normalised_sigmoid")).sum(-1)
    # Of one key that fits anyhow, epsilon takes a ten-millionth; of keys that all fit badly, more.
    np.testing.assert_allclose(got, total / (total + 1e-7), rtol=1e-4, atol=1e-9)
    assert (np.abs(got - 1)[total > 1] < 1e-5).all()


@pytest.mark.parametrize("masked", [False, True])
def test_softmax_attention_is_keras_own(masked):
    query, memory = noise(B, TQ, C), noise(B, TK, C, seed=1)
    ours = stirred(MultiHeadAttention(**SIZES, value_dim=4), query, memory)
    keras_own = keras.layers.MultiHeadAttention(2, 3, value_dim=4)
    keras_own(query, memory)
    keras_own.set_weights([w.reshape(theirs.shape) for w, theirs in zip(
        [w for linear in (ours.query, ours.key, ours.value, ours.out)
         for w in linear.get_weights()], keras_own.weights, strict=True)])
    mask = np.arange(TK)[None] < np.array([[6], [2], [4]]) if masked else None
    expected, weights = keras_own(query, memory, return_attention_scores=True,
                                  attention_mask=None if mask is None else mask[:, None, :])
    assert_close(ours(query, memory, key_mask=mask, return_weights=True)[0], expected)
    assert_close(ours(query, memory, key_mask=mask, return_weights=True)[1], weights)
    assert ours.count_params() == keras_own.count_params()


def test_a_layer_of_the_paper_has_197_888_weights():
    layer = MultiHeadAttention(3, 128)
    layer.build((None, None, 128))
    assert layer.count_params() == 3 * (128 * 384 + 384) + 384 * 128 + 128 == 197_888
    plain = MultiHeadAttention(3, 128, use_bias=False)
    plain.build((None, None, 128))
    assert plain.count_params() == 4 * 128 * 384


# -- what attention must do ------------------------------------------------------------------------


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("itself", [False, True])
def test_masked_keys_weigh_nothing_whatever_they_hold(function, itself):
    query, memory = noise(B, TQ, C), noise(B, TQ, C, seed=1)
    layer = stirred(MultiHeadAttention(**SIZES, function=function), query, memory)
    mask = np.arange(TQ + 2)[None] < np.full((B, 1), TQ)

    def padded(x):
        return np.concatenate([x, np.full((B, 2, C), np.nan, np.float32)], axis=1)

    short = layer(query, None if itself else memory, return_weights=True)
    inputs = (padded(query),) if itself else (query, padded(memory))
    y, weights = (numpy_of(value) for value in layer(*inputs, key_mask=mask, return_weights=True))
    assert_close(y[:, :TQ], short[0])
    assert_close(weights[:, :, :TQ, :TQ], short[1])
    assert not weights[..., TQ:].any() and np.isfinite(y).all()
    for gradient in gradients(layer, *inputs, key_mask=mask):
        assert np.isfinite(numpy_of(gradient)).all()


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_query_without_any_key_gets_the_bias(function):
    query, memory = noise(B, TQ, C), noise(B, TK, C, seed=1)
    layer = stirred(MultiHeadAttention(**SIZES, function=function), query, memory)
    mask = np.array([[True] * TK, [False] * TK, [True] * TK])
    y, weights = layer(query, memory, key_mask=mask, return_weights=True)
    assert not numpy_of(weights)[1].any() and numpy_of(weights)[[0, 2]].all()
    bias = layer.out.get_weights()[1]
    np.testing.assert_allclose(numpy_of(y)[1], np.tile(bias, (TQ, 1)), rtol=1e-6)
    for gradient in gradients(layer, query, memory, key_mask=mask):
        assert np.isfinite(numpy_of(gradient)).all()


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_order_of_keys_is_nothing_and_that_of_queries_stays(function):
    query, memory = noise(B, TQ, C), noise(B, TK, C, seed=1)
    layer = stirred(MultiHeadAttention(**SIZES, function=function), query, memory)
    queries, keys = (np.random.default_rng(0).permutation(n) for n in (TQ, TK))
    y, weights = layer(query, memory, return_weights=True)
    turned, turned_weights = layer(query[:, queries], memory[:, keys], return_weights=True)
    assert_close(turned, numpy_of(y)[:, queries])
    assert_close(turned_weights, numpy_of(weights)[:, :, queries][..., keys])


def test_dropout_leaves_weights_out_in_training_alone():
    x = noise(B, TQ, C)
    layer = stirred(MultiHeadAttention(**SIZES, dropout=0.5), x)
    y, weights = layer(x, return_weights=True)
    trained, trained_weights = layer(x, training=True, return_weights=True)
    assert_close(layer(x, training=False), y)
    assert np.abs(numpy_of(trained) - numpy_of(y)).max() > 1e-3
    assert_close(trained_weights, weights)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_is_finite_with_extreme_scores(function, policy):
    """Products of queries and keys pass float16's largest number, 65504."""
    query, memory = 300 * noise(B, TQ, C), noise(B, TK, C, seed=1)
    layer = stirred(MultiHeadAttention(**SIZES, function=function, dtype=policy), query, memory)
    layer.key.kernel.assign(300 * layer.key.kernel)
    q, k = (layer._heads(x) for x in (layer.query(query), layer.key(memory)))
    exact = numpy_of(layer.scores(*(keras.ops.cast(x, "float32") for x in (q, k))))
    assert np.abs(exact).max() > 65504
    for mask in (None, np.arange(TK)[None] < np.array([[TK], [1], [0]])):
        y, weights = layer(query, memory, key_mask=mask, return_weights=True)
        assert weights.dtype == "float32"
        for value in (y, weights, *gradients(layer, query, memory, key_mask=mask)):
            assert np.isfinite(numpy_of(keras.ops.cast(value, "float32"))).all()


@pytest.mark.parametrize("policy, atol", [("mixed_bfloat16", 0.05), ("mixed_float16", 0.005)])
def test_half_precision_gives_about_the_same_weights(policy, atol):
    query, memory = noise(B, TQ, C), noise(B, TK, C, seed=1)
    for function in FUNCTIONS:
        layer = MultiHeadAttention(**SIZES, function=function, dtype=policy)
        stirred(layer, query, memory)
        np.testing.assert_allclose(numpy_of(layer(query, memory, return_weights=True)[1]),
                                   attend(layer, query, memory)[1], atol=atol)


def test_products_past_the_largest_number_share_the_weight():
    scores = np.array([[[[np.inf, 65504, np.inf, -np.inf]]]], np.float16)
    np.testing.assert_allclose(numpy_of(attention_weights(scores, "softmax"))[0, 0, 0],
                               [1 / 3, 1 / 3, 1 / 3, 0], rtol=1e-6)
    np.testing.assert_allclose(numpy_of(attention_weights(scores, "sigmoid"))[0, 0, 0],
                               [1, 1, 1, 0])


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_single_key_is_all_there_is_to_see_without_a_warning(function):
    query, memory = noise(B, TQ, C), noise(B, 1, C, seed=1)
    layer = stirred(MultiHeadAttention(**SIZES, function=function), query, memory)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        weights = numpy_of(layer(query, memory, return_weights=True)[1])
    np.testing.assert_allclose(weights, attend(layer, query, memory)[1], rtol=1e-4)
    if function == "softmax":
        np.testing.assert_array_equal(weights, 1)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_contract_of_layers(function):
    check_layer(MultiHeadAttention(**SIZES, function=function, output_size=7), noise(3, 7, C))


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_what_a_graph_declares_is_what_comes(policy):
    query, memory = keras.Input((None, C)), keras.Input((TK, C))
    layer = MultiHeadAttention(**SIZES, output_size=7, dtype=policy)
    model = keras.Model([query, memory], layer(query, memory, return_weights=True))
    declared = [(tuple(value.shape), value.dtype) for value in model.output]
    half = "float16" if policy == "mixed_float16" else "float32"
    assert declared == [((None, None, 7), half), ((None, 2, None, TK), "float32")]
    for value, (shape, dtype) in zip(model([noise(B, TQ, C), noise(B, TK, C)]),
                                     declared, strict=True):
        assert keras.backend.standardize_dtype(value.dtype) == dtype
        assert all(n in (None, m) for n, m in zip(shape, value.shape, strict=True))


@pytest.mark.parametrize("options, message", [
    ({"num_heads": 0}, "num_heads=0"), ({"key_dim": 2.5}, "key_dim=2.5"),
    ({"value_dim": 0}, "value_dim=0"), ({"output_size": -1}, "output_size=-1"),
    ({"function": "relu"}, "function='relu'")])
def test_errors_name_the_argument(options, message):
    with pytest.raises(ValueError, match=message):
        MultiHeadAttention(**options)


# -- weights side by side --------------------------------------------------------------------------


def test_weights_stack_by_the_frame_that_sees():
    weights = [noise(B, 2, TQ, TK, seed=seed) for seed in range(3)]
    layer = StackWeights()
    y = numpy_of(layer(weights))
    assert y.shape == (B, TQ, 3, 2, TK) == layer.compute_output_shape([w.shape for w in weights])
    np.testing.assert_array_equal(y[1, 2, 0, 1], weights[0][1, 1, 2])
    np.testing.assert_array_equal(y[2, 3, 2, 0], weights[2][2, 0, 3])
    mask = np.arange(TQ)[None] < np.array([[4], [0], [2]])
    masked = numpy_of(layer(weights, frame_mask=mask))
    np.testing.assert_array_equal(masked[mask], y[mask])
    assert not masked[~mask].any()
    json.dumps(layer.get_config())
