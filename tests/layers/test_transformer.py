"""The blocks compute their equations before and after normalisation, and have the paper's sizes."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from contracts import assert_close, check_layer, check_mask, noise, numpy_of

from sedzoo.layers import DecoderBlock, EncoderBlock, FeedForward, MultiHeadAttention
from sedzoo.layers.attention import FUNCTIONS

B, T, TK, D = 3, 5, 4, 6
SIZES = {"num_heads": 2, "key_dim": 3, "ff_units": 7}
NORMS = ["post", "pre"]


def stirred(layer, *inputs, seed=0):
    """The layer, built, without a weight that is 0 or 1."""
    layer(*inputs)
    draw = np.random.default_rng(seed)
    layer.set_weights([draw.normal(0.2, 0.5, w.shape) for w in layer.weights])
    return layer


def normalised(layer, x):
    gamma, beta = layer.get_weights()
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return gamma * (x - mean) / np.sqrt(variance + 1e-6) + beta


def fed_forward(layer, x):
    w1, b1, w2, b2 = layer.get_weights()
    return np.maximum(x @ w1 + b1, 0) @ w2 + b2


def expected_block(block, x, memory=None):
    """The block's equation, with its own attention layers: outputs in NumPy."""
    steps = [lambda h: numpy_of(block.attention(h))]
    if memory is not None:
        steps.append(lambda h: numpy_of(block.cross_attention(h, memory)))
    steps.append(lambda h: fed_forward(block.feed_forward, h))
    for norm, step in zip(block.norms, steps, strict=True):
        x = (normalised(norm, x + step(x)) if block.norm == "post"
             else x + step(normalised(norm, x)))
    return x


# -- the equations ---------------------------------------------------------------------------------


@pytest.mark.parametrize("norm", NORMS)
def test_an_encoder_block_is_its_equation(norm):
    x = noise(B, T, D)
    block = stirred(EncoderBlock(**SIZES, norm=norm), x)
    np.testing.assert_allclose(numpy_of(block(x)), expected_block(block, x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_decoder_block_is_its_equation(norm, function):
    x, memory = noise(B, T, D), noise(B, TK, D + 1, seed=1)
    block = stirred(DecoderBlock(**SIZES, norm=norm, function=function), x, memory)
    y, weights = block(x, memory, return_weights=True)
    np.testing.assert_allclose(numpy_of(y), expected_block(block, x, memory), rtol=1e-4, atol=1e-4)
    assert_close(block(x, memory), y)
    assert block.attention.function == block.cross_attention.function == function
    # The second sublayer's query, made from the first's output.
    h = numpy_of(block.attention(normalised(block.norms[0], x) if norm == "pre" else x))
    h = (normalised(block.norms[1], x + h) if norm == "pre" else normalised(block.norms[0], x + h))
    assert_close(weights, block.cross_attention(h.astype(np.float32), memory,
                                                return_weights=True)[1], atol=1e-4)


def test_a_post_norm_block_on_paper():
    """One head of one number, all maps 1 and all biases 0: x is [1, -1], a single frame. Attention
    sees only itself: the value is 1 - 1 = 0, y = [0, 0]; normalised, [1, -1] again. The first layer
    gives relu(0) = 0, so the block leaves x."""
    x = np.array([[[1.0, -1.0]]], np.float32)
    block = EncoderBlock(1, 1, 1)
    block(x)
    for layer in (block.attention, block.feed_forward):
        layer.set_weights([np.full(w.shape, float(w.name == "kernel")) for w in layer.weights])
    np.testing.assert_allclose(numpy_of(block(x)), x, rtol=1e-5)
    block.feed_forward.outer.bias.assign([3, 1])                # [4, 0] is [1, -1] normalised
    np.testing.assert_allclose(numpy_of(block(x)), x, rtol=1e-5)
    block.feed_forward.outer.bias.assign([0, 4])                # [1, 3] is [-1, 1]
    np.testing.assert_allclose(numpy_of(block(x)), -x, rtol=1e-5)


def test_the_papers_blocks_have_231_424_and_429_568_weights():
    encoder, decoder = EncoderBlock(3, 128, 128), DecoderBlock(3, 128, 128)
    encoder.build((None, None, 128))
    decoder.build((None, None, 128), (None, None, 128))
    assert encoder.count_params() == 231_424
    assert decoder.count_params() == 429_568
    wide = EncoderBlock(3, 128, 512, norm="pre")
    wide.build((None, None, 128))
    assert wide.count_params() == 330_112


def test_feed_forward_is_its_equation_with_any_activation():
    x = noise(B, T, D)
    layer = stirred(FeedForward(7), x)
    np.testing.assert_allclose(numpy_of(layer(x)), fed_forward(layer, x), rtol=1e-4, atol=1e-5)
    swish = stirred(FeedForward(7, "swish"), x)
    w1, b1, w2, b2 = swish.get_weights()
    h = x @ w1 + b1
    np.testing.assert_allclose(numpy_of(swish(x)), h / (1 + np.exp(-h)) @ w2 + b2, rtol=1e-4,
                               atol=1e-5)


# -- what blocks must do ---------------------------------------------------------------------------


def blocks(**options):
    """Both blocks; the decoder reads its own input as memory."""
    class Reading(DecoderBlock):
        def build(self, x_shape):
            super().build(x_shape, x_shape)

        def call(self, x, frame_mask=None, training=None):
            return super().call(x, x, frame_mask, frame_mask, training)

        def compute_output_spec(self, x, frame_mask=None, training=None):
            return keras.KerasTensor(x.shape, self.compute_dtype)

    return [EncoderBlock(**SIZES, **options), Reading(**SIZES, **options)]


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("kind", [0, 1], ids=["encoder", "decoder"])
def test_the_contract_of_layers_and_of_masks(norm, kind):
    block = blocks(norm=norm)[kind]
    check_layer(block, noise(3, 7, D))
    check_mask(stirred(block, noise(3, 7, D)), noise(3, 7, D))


@pytest.mark.parametrize("norm", NORMS)
def test_no_trace_of_padded_frames_in_outputs_or_gradients(norm):
    x, memory = noise(B, T, D), noise(B, TK, D, seed=1)
    block = stirred(DecoderBlock(**SIZES, norm=norm), x, memory)
    nothing = np.full((B, 2, D), np.nan, np.float32)
    long_x, long_memory = (np.concatenate([value, nothing], axis=1) for value in (x, memory))
    masks = {"frame_mask": np.arange(T + 2)[None] < np.full((B, 1), T),
             "memory_mask": np.arange(TK + 2)[None] < np.full((B, 1), TK)}
    with tf.GradientTape() as tape:
        long, weights = block(long_x, long_memory, **masks, return_weights=True)
        loss = tf.reduce_sum(long[:, :T] ** 2)
    with tf.GradientTape() as short_tape:
        short, short_weights = block(x, memory, return_weights=True)
        short_loss = tf.reduce_sum(short ** 2)
    assert_close(long[:, :T], short)
    assert_close(weights[:, :, :T, :TK], short_weights)
    assert not numpy_of(long)[:, T:].any() and not numpy_of(weights)[..., TK:].any()
    for a, b in zip(tape.gradient(loss, block.trainable_weights),
                    short_tape.gradient(short_loss, block.trainable_weights), strict=True):
        assert_close(a, b, atol=1e-3)


def test_a_memory_without_any_frame_says_nothing():
    x, memory = noise(B, T, D), noise(B, TK, D, seed=1)
    block = stirred(DecoderBlock(**SIZES), x, memory)
    mask = np.array([[True] * TK, [False] * TK, [True] * TK])
    y = numpy_of(block(x, memory, memory_mask=mask))
    other = numpy_of(block(x, memory + 1, memory_mask=mask))
    np.testing.assert_array_equal(y[1], other[1])
    assert np.isfinite(y).all() and np.abs(y - other)[[0, 2]].max() > 1e-3


def test_every_frame_sees_those_after_it():
    x, memory = noise(1, T, D), noise(1, TK, D, seed=1)
    block = stirred(DecoderBlock(**SIZES), x, memory)
    later = x.copy()
    later[:, -1] += 1
    assert np.abs(numpy_of(block(x, memory)) - numpy_of(block(later, memory)))[:, 0].max() > 1e-4


def test_dropout_acts_in_training_alone():
    x = noise(B, T, D)
    block = stirred(EncoderBlock(**SIZES, dropout=0.5), x)
    assert_close(block(x), block(x, training=False))
    assert np.abs(numpy_of(block(x, training=True)) - numpy_of(block(x))).max() > 1e-2
    still = stirred(EncoderBlock(**SIZES, dropout=0.0), x)
    assert_close(still(x), still(x, training=True))


@keras.saving.register_keras_serializable("tests")
class Doubled(MultiHeadAttention):
    """Attention whose scores count twice."""

    def scores(self, q, k):
        return 2 * super().scores(q, k)


def test_another_attention_takes_the_place_of_the_usual_one(tmp_path):
    x = noise(B, T, D)
    inputs = keras.Input((None, D))
    outputs = EncoderBlock(**SIZES, attention=Doubled(2, 3), name="encoder")(inputs)
    outputs = DecoderBlock(**SIZES, cross_attention=Doubled(2, 3), name="decoder")(outputs, inputs)
    model = keras.Model(inputs, outputs)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert_close(loaded(x), model(x))
    assert type(loaded.get_layer("encoder").attention) is Doubled
    assert type(loaded.get_layer("decoder").attention) is MultiHeadAttention
    assert type(loaded.get_layer("decoder").cross_attention) is Doubled
    block = stirred(EncoderBlock(**SIZES, attention=Doubled(2, 3)), x)
    np.testing.assert_allclose(numpy_of(block(x)), expected_block(block, x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("options, message", [
    ({"norm": "none"}, "norm='none'"), ({"num_heads": 0}, "num_heads=0"),
    ({"function": "relu"}, "function='relu'"), ({"ff_units": 0}, "units=0")])
@pytest.mark.parametrize("kind", [DecoderBlock, EncoderBlock])
def test_errors_name_the_argument(kind, options, message):
    with pytest.raises(ValueError, match=message):
        kind(**{**SIZES, **options})
