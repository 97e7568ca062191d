"""All 60 models of Boes and Van hamme 2019, Table 1: their sizes, and what each reads and gives."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from contracts import assert_close, noise, numpy_of

from sedzoo.frontend import Clock
from sedzoo.layers import SinusoidalPositions
from sedzoo.layers.attention import FUNCTIONS
from sedzoo.zoo import create_model, model_card

K = 3
SIZES = {"audio": 5, "video": 7}
# Table 1's rows: first stream, second stream, streams with positional encodings.
ROWS = [("audio", "video", ("audio", "video")), ("audio", "video", ("video",)),
        ("audio", "video", ()), ("video", "audio", ("audio", "video")),
        ("video", "audio", ("video",)), ("video", "audio", ()), ("video", "video", ("video",)),
        ("video", "video", ()), ("audio", "audio", ("audio",)), ("audio", "audio", ())]
POOLS = ("mean", "max")


def small(**arguments):
    return create_model("av_transformer", **{
        "num_classes": K, "input_sizes": SIZES, "width": 4, "num_heads": 2, "depth": 1,
        "ff_units": 6, **arguments})


def clips(model, batch=2, frames=6, seed=0):
    """What the model takes; with a number of frames for each stream, or one for all."""
    frames = frames if isinstance(frames, dict) else dict.fromkeys(SIZES, frames)
    return {stream: noise(batch, frames[stream], SIZES[stream], seed=seed)
            for stream in model.input if stream != "frame_mask"}


def stirred(model, seed=0):
    """The model, without a weight that is 0 or 1."""
    draw = np.random.default_rng(seed)
    model.set_weights([w + draw.normal(0, 0.5, w.shape) for w in model.get_weights()])
    return model


def with_weights_of(model, other):
    other.set_weights(model.get_weights())
    return other


# -- sizes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("first, second, count", [
    ("audio", "video", 2_526_097), ("video", "audio", 2_526_097), ("video", "video", 3_034_001),
    ("audio", "audio", 2_018_193)])
def test_the_papers_models_have_their_sizes(first, second, count):
    model = create_model("av_transformer", first=first, second=second)
    assert model.count_params() == count
    assert {key: value.shape[-1] for key, value in model.input.items()} == {
        key: size for key, size in (("audio", 128), ("video", 4096)) if key in (first, second)}


@pytest.mark.parametrize("first, second, positions", [
    pytest.param(*row, marks=[pytest.mark.slow] * (number != 1), id=str(row))
    for number, row in enumerate(ROWS)])
def test_functions_and_pools_have_no_weights_and_differ(first, second, positions):
    """The six models of a row, with the same weights in the same order."""
    row = {"first": first, "second": second, "positions": positions}
    reference, scores = stirred(small(**row)), []
    x = clips(reference)
    for function, pool in itertools.product(FUNCTIONS, POOLS):
        model = with_weights_of(reference, small(**row, attention=function, pool=pool))
        assert model.count_params() == reference.count_params()
        y = {key: numpy_of(value) for key, value in model(x).items()}
        np.testing.assert_allclose(y["clip"], getattr(np, pool)(y["frame"], axis=1), rtol=1e-5)
        scores.append(y["clip"])
    assert all(np.abs(a - b).max() > 1e-4 for a, b in itertools.combinations(scores, 2))


def test_the_rows_of_one_order_differ_in_their_positions_alone():
    for first, second in (("audio", "video"), ("video", "audio")):
        models = [small(first=first, second=second, positions=positions)
                  for *order, positions in ROWS if order == [first, second]]
        for model in models[1:]:
            model.set_weights(stirred(models[0]).get_weights())
        scores = [numpy_of(model(clips(model))["clip"]) for model in models]
        assert all(np.abs(a - b).max() > 1e-5 for a, b in itertools.combinations(scores, 2))
        assert [sum(type(layer) is SinusoidalPositions for layer in model.layers)
                for model in models] == [2, 1, 0]


# -- what the models read and give -----------------------------------------------------------------


def test_the_frames_follow_the_second_stream_and_attention_the_first():
    model = small(return_attention=True, first="video", second="audio", depth=3)
    y = model(clips(model, frames={"audio": 4, "video": 9}))
    assert {key: tuple(value.shape) for key, value in y.items()} == {
        "clip": (2, K), "frame": (2, 4, K), "attention": (2, 4, 3, 2, 9)}
    assert {value.dtype.name for value in y.values()} == {"float32"}
    np.testing.assert_allclose(numpy_of(y["attention"]).sum(-1), 1, rtol=1e-5)
    assert {key: value.shape for key, value in model.output.items()} == {
        "clip": (None, K), "frame": (None, None, K), "attention": (None, None, 3, 2, None)}


def test_attention_is_what_each_decoder_block_saw_of_the_memory():
    model = stirred(small(return_attention=True, attention="sigmoid", depth=2))
    decoders = [layer for layer in model.layers if "decoder" in layer.name]
    probe = keras.Model(model.input, [block.output[1] for block in decoders])
    x = clips(model, frames={"audio": 5, "video": 3})
    got = numpy_of(model(x)["attention"])
    for block, weights in enumerate(probe(x)):
        np.testing.assert_allclose(got[:, :, block], np.swapaxes(weights, 1, 2), rtol=1e-6)
    assert_close({key: value for key, value in model(x).items() if key != "attention"},
                 with_weights_of(model, small(attention="sigmoid", depth=2))(x))


def test_without_positions_the_order_of_frames_is_nothing():
    """Each frame's output goes where the frame goes, and attention with both."""
    model = stirred(small(return_attention=True, positions=()))
    x = clips(model, frames={"audio": 5, "video": 4})
    audio, video = (np.random.default_rng(0).permutation(n) for n in (5, 4))
    y = {key: numpy_of(value) for key, value in model(x).items()}
    turned = model({"audio": x["audio"][:, audio], "video": x["video"][:, video]})
    assert_close(turned["clip"], y["clip"])
    assert_close(turned["frame"], y["frame"][:, video])
    assert_close(turned["attention"], y["attention"][:, video][..., audio])
    ordered = with_weights_of(model, small(return_attention=True, positions=("audio", "video")))
    turned = ordered({"audio": x["audio"][:, audio], "video": x["video"][:, video]})
    assert np.abs(numpy_of(turned["clip"]) - numpy_of(ordered(x)["clip"])).max() > 1e-4


@pytest.mark.parametrize("stream", sorted(SIZES))
def test_both_streams_count_and_a_model_of_one_takes_that_one_alone(stream):
    both = stirred(small(positions=()))
    x = clips(both)
    other = {**x, stream: x[stream] + 1}
    assert np.abs(numpy_of(both(x)["clip"]) - numpy_of(both(other)["clip"])).max() > 1e-4
    alone = small(first=stream, second=stream, ragged=True)
    assert alone.input.keys() == {stream, "frame_mask"}
    (first, second) = (layer for layer in alone.layers
                       if type(layer) is keras.layers.Dense and layer.units == 4)
    assert first.kernel.shape == second.kernel.shape == (SIZES[stream], 4)


@pytest.mark.parametrize("function", [
    "softmax", pytest.param("sigmoid", marks=pytest.mark.slow),
    pytest.param("normalised_sigmoid", marks=pytest.mark.slow)])
def test_clips_of_several_lengths_give_what_each_gives_alone(function):
    ragged = stirred(small(attention=function, return_attention=True, ragged=True))
    model = with_weights_of(ragged, small(attention=function, return_attention=True))
    lengths = [6, 2, 4]
    x = clips(ragged, batch=3)
    mask = np.arange(6)[None] < np.array(lengths)[:, None]
    for values in x.values():
        values[~mask] = np.nan
    y = {key: numpy_of(value) for key, value in ragged({**x, "frame_mask": mask}).items()}
    for clip, length in enumerate(lengths):
        alone = model({key: values[clip:clip + 1, :length] for key, values in x.items()})
        assert_close(y["clip"][clip], alone["clip"][0])
        assert_close(y["frame"][clip, :length], alone["frame"][0])
        assert_close(y["attention"][clip, :length, ..., :length], alone["attention"][0])
        assert not y["frame"][clip, length:].any() and not y["attention"][clip, length:].any()
        assert not y["attention"][clip, ..., length:].any()


def test_padding_leaves_no_trace_in_gradients():
    ragged = stirred(small(ragged=True, dropout=0.0))
    model = with_weights_of(ragged, small(dropout=0.0))
    x = clips(model)
    nothing = {key: np.full((2, 3, size), np.nan, np.float32) for key, size in SIZES.items()}
    padded = {key: np.concatenate([x[key], nothing[key]], axis=1) for key in x}
    mask = np.arange(9)[None] < np.full((2, 1), 6)

    def gradients(model, inputs):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model(inputs, training=True)["clip"] ** 2)
        return tape.gradient(loss, model.trainable_weights)

    for a, b in zip(gradients(ragged, {**padded, "frame_mask": mask}), gradients(model, x),
                    strict=True):
        assert_close(a, b)


def test_a_clip_without_any_frame_scores_zero():
    model = stirred(small(return_attention=True, ragged=True))
    x = clips(model)
    mask = np.array([[True] * 6, [False] * 6])
    y = {key: numpy_of(value) for key, value in model({**x, "frame_mask": mask}).items()}
    assert not any(value[1].any() for value in y.values())
    assert y["clip"][0].all()


def test_without_its_top_it_is_the_decoders_last_output():
    trunk, model = small(include_top=False, depth=2), small(depth=2)
    model.set_weights([*stirred(trunk).get_weights(), *model.get_weights()[len(trunk.weights):]])
    probe = keras.Model(model.input, model.get_layer("embedding").output)
    x = clips(model)
    assert trunk.output.keys() == {"embedding"}
    assert_close(probe(x), trunk(x)["embedding"])


def test_half_precision_gives_about_the_same_scores():
    model = stirred(small(return_attention=True))
    x = clips(model)
    keras.config.set_dtype_policy("mixed_float16")
    try:
        half = with_weights_of(model, small(return_attention=True))
    finally:
        keras.config.set_dtype_policy("float32")
    y = half(x)
    assert {value.dtype.name for value in y.values()} == {"float32"}
    assert_close(y, model(x), atol=0.01)


def test_a_frame_is_960_ms_on_vggishs_clock():
    card = model_card("av_transformer")
    assert card.clock == Clock(96 * 160, 16000) and card.clock.hop_s == pytest.approx(0.96)
    assert card.streams == {"audio": card.num_features, "video": 4096}


# -- errors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments, message", [
    ({"first": "vidoe"}, "`first` must name streams.*'vidoe'. Did you mean 'video'"),
    ({"second": "adio"}, "`second` must name streams.*'adio'. Did you mean 'audio'"),
    ({"positions": ("audio", "video", "text")}, "`positions` .*'text'. Known: audio, video"),
    ({"attention": "normalized_sigmoid"}, "`attention` must be one of"),
    ({"pool": "linear_softmax"}, "`pool` must be one of"),
    ({"width": 0}, "width=0"), ({"depth": 0}, "depth=0"), ({"num_heads": 1.5}, "num_heads=1.5"),
    ({"ff_units": -1}, "ff_units=-1")])
def test_errors_name_the_argument(arguments, message):
    with pytest.raises(ValueError, match=message):
        small(**arguments)
