"""The systems of Xu 2018 on embeddings have the thesis' sizes and compute its equations."""

import re

import keras
import numpy as np
import pytest
from contracts import assert_close, noise, numpy_of

from sedzoo.frontend import Clock
from sedzoo.layers import BatchNorm
from sedzoo.training.objectives import objective
from sedzoo.zoo import create_model, model_card

K, SIZE, UNITS = 3, 12, 8
DNN, LSTM, ATTENTION = "embedding_dnn", "embedding_lstm", "multilevel_attention"
NAMES = (DNN, LSTM, ATTENTION)
STYLES = ("thesis", "yu2018")
LEVELS = ((1,), (2,), (3,), (1, 2), (1, 3), (2, 3), (1, 2, 3))
SYSTEMS = {
    **{f"{name} {style}": (name, {"style": style}) for name in NAMES for style in STYLES},
    "DNN of features": (DNN, {"pooling": "feature"}),
    "no attention": (ATTENTION, {"attention": False}),
    "level-2": (ATTENTION, {"levels": (2,)}),
    "level-13": (ATTENTION, {"levels": (1, 3)}),
    "no final dense": (ATTENTION, {"final_dense": False}),
    "one tag": (ATTENTION, {"activation": "softmax"}),
    "relu": (ATTENTION, {"cla_activation": "relu"}),
    "Yu's normalisation alone": (ATTENTION, {"norm": "all"}),
    "Yu's attention alone": (ATTENTION, {"style": "yu2018", "norm": "hidden"}),
}
# The others differ from these in their last layers alone.
EVERY_SYSTEM = [pytest.param(system, marks=[pytest.mark.slow] * (number >= 6))
                for number, system in enumerate(SYSTEMS)]


@pytest.fixture(autouse=True)
def same_weights_every_time():
    keras.utils.set_random_seed(0)


def small(name, **arguments):
    name, options = SYSTEMS.get(name, (name, {}))
    sizes = {"num_classes": K, "input_shape": (None, SIZE), "units": UNITS}
    return create_model(name, **{**sizes, **options, **arguments})


def in_order(model, kind):
    """Layers of a kind in the order in which they were made."""
    def number(layer):
        found = re.search(r"_(\d+)$", layer.name)
        return int(found[1]) if found else 0
    return sorted((layer for layer in model.layers if type(layer) is kind), key=number)


def stir(model, seed=0):
    """Statistics, scales and shifts of normalisations as after training, none of them 0 or 1."""
    random = np.random.default_rng(seed)
    for layer in in_order(model, BatchNorm):
        layer.set_weights([random.uniform(0.5, 1.5, weight.shape) for weight in layer.weights])
    return model


def predict(model, x):
    return {key: numpy_of(value) for key, value in model(x).items()}


# -- sizes -----------------------------------------------------------------------------------------

# All weights, and those that are trained where the count is known, by classes and system.
COUNTS = [
    (DNN, {}, {527: (1_122_527, 1_118_927), 41: (830_441, None)}),
    (LSTM, {}, {527: (2_068_727, 2_067_527), 41: (1_776_641, None)}),
    # The models that the thesis' author released: input and output normalised.
    (DNN, {"style": "yu2018"}, {527: (1_122_527 + 4 * 128 + 4 * 527, None)}),
    (LSTM, {"style": "yu2018"}, {527: (2_068_727 + 4 * 128 + 4 * 527 - 4 * 600, None)}),
    (ATTENTION, {"attention": False}, {41: (884_807, None)}),
    *[(ATTENTION, {"levels": levels}, {527: both, 41: (one_tag, None)})
      for levels, both, one_tag in zip(LEVELS, (
          (991_510, 990_310), (1_354_510, 1_352_110), (1_717_510, 1_713_910),
          (2_265_693, 2_263_293), (2_628_693, 2_625_093), (2_628_693, 2_625_093),
          (3_539_876, 3_536_276)),
          (130_804, 493_804, 856_804, 544_767, 907_767, 907_767, 958_730), strict=True)],
    *[(ATTENTION, {"levels": levels, "final_dense": False}, {527: (total, None)})
      for levels, total in zip(LEVELS, (713_254, 1_076_254, 1_439_254, 1_709_708, 2_072_708,
                                        2_072_708, 2_706_162), strict=True)],
    *[(ATTENTION, {"levels": levels, "style": "yu2018"}, {527: (total, None)})
      for levels, total in zip(LEVELS, (998_346, 1_361_346, 1_724_346, 2_276_745, 2_639_745,
                                        2_639_745, 3_555_144), strict=True)],
]


@pytest.mark.parametrize("name, options, classes, total, trainable", [
    (name, options, classes, *both) for name, options, counts in COUNTS
    for classes, both in counts.items()])
def test_the_systems_have_the_thesis_sizes(name, options, classes, total, trainable):
    model = create_model(name, num_classes=classes, **options)
    assert model.count_params() == total
    if trainable is not None:
        assert sum(np.prod(w.shape) for w in model.trainable_weights) == trainable


@pytest.mark.parametrize("name, kernels", [(DNN, 1_113_000), (LSTM, 2_063_400),
                                           (ATTENTION, 3_527_187)])
def test_the_kernels_alone_are_as_many_as_counted(name, kernels):
    assert sum(np.prod(w.shape) for w in create_model(name).weights
               if w.name.endswith("kernel")) == kernels


@pytest.mark.parametrize("levels", LEVELS)
def test_layers_above_the_highest_level_are_not_built(levels):
    for arguments in ({}, {"include_top": False}):
        model = small(ATTENTION, levels=levels, **arguments)
        assert len(in_order(model, keras.layers.ReLU)) == max(levels)
        assert model.get_layer("embedding").output.shape == (None, None, UNITS)


def test_the_number_of_segments_and_a_mask_change_no_weight():
    for name in NAMES:
        count = small(name, style="yu2018").count_params()
        for options in ({"input_shape": (1, SIZE)}, {"input_shape": (6, SIZE)}, {"ragged": True}):
            assert small(name, style="yu2018", **options).count_params() == count


# -- the equations ---------------------------------------------------------------------------------


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def hard_sigmoid(x):
    return np.clip(0.2 * x + 0.5, 0, 1)


def softmax(x, axis):
    x = np.exp(x - x.max(axis, keepdims=True))
    return x / x.sum(axis, keepdims=True)


class Oracle:
    """The systems in NumPy and float64, from the layers of a model."""

    def __init__(self, model, everywhere):
        def weights(kind):
            return iter([[w.astype(np.float64) for w in layer.get_weights()]
                         for layer in in_order(model, kind)])
        self.denses, self.norms = weights(keras.layers.Dense), weights(BatchNorm)
        self.lstms = weights(keras.layers.LSTM)
        self.everywhere = everywhere

    def norm(self, x):
        gamma, beta, mean, variance = next(self.norms)
        return gamma * (x - mean) / np.sqrt(variance + 1e-3) + beta

    def dense(self, x):
        kernel, bias = next(self.denses)
        return x @ kernel + bias

    def scores(self, x):
        return self.norm(self.dense(x)) if self.everywhere else self.dense(x)

    def hidden(self, x, num):
        x = self.norm(x) if self.everywhere else x
        levels = []
        for _ in range(num):
            levels.append(x := np.maximum(self.norm(self.dense(x)), 0))
        return levels

    def attention(self, x, levels=(1, 2, 3), axis="time", final_dense=True, activation=sigmoid,
                  cla_activation=sigmoid):
        hidden = self.hidden(x, max(levels))
        y, f, p = [], [], []
        for level in levels:
            f.append(cla_activation(self.scores(hidden[level - 1])))
            v = self.scores(hidden[level - 1])
            if axis == "time":
                p.append(softmax(v, 1))
            else:
                p.append(np.clip(softmax(v, -1), 1e-7, 1 - 1e-7))
                p[-1] = p[-1] / p[-1].sum(1, keepdims=True)
            y.append((p[-1] * f[-1]).sum(1))                               # eq. 22
        clip = (activation(self.scores(np.concatenate(y, -1))) if final_dense
                else np.mean(y, axis=0))
        frame = {} if cla_activation is not sigmoid else {"frame": np.mean(f, axis=0)}
        return {"clip": clip, "attention": np.mean(p, axis=0), **frame}

    def dnn(self, x):
        frame = sigmoid(self.scores(self.hidden(x, 3)[-1]))
        return {"clip": frame.mean(1), "frame": frame}

    def dnn_of_features(self, x):
        return {"clip": sigmoid(self.scores(self.hidden(x, 3)[-1].mean(1)))}

    def lstm(self, x, gate=sigmoid):
        x = self.norm(x) if self.everywhere else x
        kernel, recurrent, bias = next(self.lstms)
        h = c = np.zeros((len(x), UNITS))
        for t in range(x.shape[1]):
            i, f, new, o = np.split(x[:, t] @ kernel + h @ recurrent + bias, 4, axis=-1)
            c = gate(f) * c + gate(i) * np.tanh(new)                       # eq. 16-19
            h = gate(o) * np.tanh(c)                                       # eq. 20-21
        return {"clip": sigmoid(self.scores(h if self.everywhere else self.norm(h)))}


ORACLES = {
    f"{ATTENTION} thesis": lambda oracle, x: oracle.attention(x),
    f"{ATTENTION} yu2018": lambda oracle, x: oracle.attention(x, axis="class"),
    "level-2": lambda oracle, x: oracle.attention(x, (2,)),
    "level-13": lambda oracle, x: oracle.attention(x, (1, 3)),
    "no final dense": lambda oracle, x: oracle.attention(x, final_dense=False),
    "one tag": lambda oracle, x: oracle.attention(x, activation=lambda y: softmax(y, -1)),
    "relu": lambda oracle, x: oracle.attention(x, cla_activation=lambda y: np.maximum(y, 0)),
    "Yu's normalisation alone": lambda oracle, x: oracle.attention(x),
    "Yu's attention alone": lambda oracle, x: oracle.attention(x, axis="class"),
    f"{DNN} thesis": Oracle.dnn,
    f"{DNN} yu2018": Oracle.dnn,
    "DNN of features": Oracle.dnn_of_features,
    f"{LSTM} thesis": Oracle.lstm,
    f"{LSTM} yu2018": lambda oracle, x: oracle.lstm(x, hard_sigmoid),
}


@pytest.mark.parametrize("system", ORACLES)
def test_the_systems_are_their_equations(system):
    model, x = stir(small(system)), noise(3, 6, SIZE)
    everywhere = (system.endswith("yu2018") and "norm" not in system) or "normalisation" in system
    got = predict(model, x)
    expected = ORACLES[system](Oracle(model, everywhere), x.astype(np.float64))
    assert got.keys() == expected.keys()
    for key, value in expected.items():
        np.testing.assert_allclose(got[key], value, atol=1e-5, err_msg=key)
    assert 0.001 < expected["clip"].min() and expected["clip"].max() < 0.999


def test_one_level_without_attention_and_final_layer_is_the_dnn():
    model, dnn = small(ATTENTION, levels=(3,), attention=False, final_dense=False), small(DNN)
    model.set_weights(stir(dnn).get_weights())
    x = noise(3, 6, SIZE)
    assert_close(model(x), dnn(x))


@pytest.mark.parametrize("style", STYLES)
def test_in_a_clip_of_one_segment_attention_has_nothing_to_choose(style):
    x = noise(3, 1, SIZE)
    for input_shape in ((None, SIZE), (1, SIZE)):
        y = predict(stir(small(ATTENTION, style=style, final_dense=False,
                               input_shape=input_shape)), x)
        np.testing.assert_allclose(y["attention"], 1, rtol=1e-6)
        np.testing.assert_allclose(y["clip"], y["frame"][:, 0], rtol=1e-5)


def test_one_tag_a_clip_is_a_distribution_whatever_the_segments_say():
    x = noise(3, 6, SIZE)
    for name in NAMES:
        y = predict(stir(small(name, activation="softmax")), x)
        np.testing.assert_allclose(y["clip"].sum(-1), 1, atol=1e-5)
    many = stir(small(ATTENTION))
    one = small("one tag")
    one.set_weights(many.get_weights())
    for key in ("frame", "attention"):
        assert_close(one(x)[key], many(x)[key])


# -- time ------------------------------------------------------------------------------------------


def test_an_output_frame_is_a_segment_of_960_milliseconds():
    for name in NAMES:
        card = model_card(name)
        assert card.clock == Clock(96 * 160, 16000) and card.clock.hop_s == pytest.approx(0.96)
        assert (card.extractor, card.num_features) == ("vggish", 128)


@pytest.mark.parametrize("system", EVERY_SYSTEM)
def test_the_order_of_segments_matters_to_the_lstm_alone(system):
    model, x = stir(small(system)), noise(3, 6, SIZE)
    order = np.random.default_rng(0).permutation(6)
    straight, turned = predict(model, x), predict(model, x[:, order])
    same = np.allclose(straight["clip"], turned["clip"], atol=1e-6)
    assert same == (SYSTEMS[system][0] != LSTM)
    for key in straight.keys() - {"clip"}:
        np.testing.assert_allclose(turned[key], straight[key][:, order], atol=1e-5)


@pytest.mark.parametrize("system", EVERY_SYSTEM)
def test_clips_of_several_lengths_in_a_batch_equal_each_alone(system):
    model, ragged = stir(small(system)), small(system, ragged=True)
    ragged.set_weights(model.get_weights())
    lengths = np.array([1, 7, 4, 0])
    mask = np.arange(7)[None] < lengths[:, None]
    x = np.where(mask[:, :, None], noise(4, 7, SIZE), np.nan).astype(np.float32)
    together = predict(ragged, {"audio": x, "frame_mask": mask})
    for n, length in enumerate(lengths[:3]):
        for key, alone in predict(model, x[n:n + 1, :length]).items():
            got = together[key][n]
            if key != "clip":
                assert not got[length:].any()
                got = got[:length]
            np.testing.assert_allclose(got, alone[0], atol=1e-5, err_msg=f"{key}, {length}")
    for key, value in together.items():
        assert np.isfinite(value).all() and (key == "clip" or not value[3].any())


@pytest.mark.parametrize("system", EVERY_SYSTEM)
def test_padded_segments_are_no_part_of_the_statistics(system):
    model = small(system, momentum=0.0, dropout=0.0)
    ragged = small(system, momentum=0.0, dropout=0.0, ragged=True)
    ragged.set_weights(model.get_weights())
    x = noise(3, 5, SIZE)
    mask = np.arange(9)[None] < np.full((3, 1), 5)
    padded = np.concatenate([x, np.full((3, 4, SIZE), 100, np.float32)], axis=1)
    model(x, training=True)
    ragged({"audio": padded, "frame_mask": mask}, training=True)
    norms = list(zip(in_order(model, BatchNorm), in_order(ragged, BatchNorm), strict=True))
    assert norms
    for norm, other in norms:
        for weight, twin in zip(norm.get_weights(), other.get_weights(), strict=True):
            np.testing.assert_allclose(twin, weight, atol=1e-4)


# -- training --------------------------------------------------------------------------------------


@pytest.mark.parametrize("style", STYLES)
def test_the_clip_alone_teaches_both_layers_of_every_level(style):
    model = small(ATTENTION, style=style)
    trainer, losses, _ = objective(model, {"clip": 1.0})
    trainer.compile(keras.optimizers.SGD(1.0), losses)         # steps are gradients, not their sign
    denses = in_order(model, keras.layers.Dense)
    assert len(denses) == 3 + 2 * 3 + 1
    before = [layer.get_weights()[0] for layer in denses]
    tags = (np.random.default_rng(1).random((16, K)) < 0.5).astype(np.float32)
    trainer.train_on_batch(noise(16, 6, SIZE), {"clip": tags})
    for kernel, layer in zip(before, denses, strict=True):
        assert np.abs(layer.get_weights()[0] - kernel).max() > 1e-6, layer.name


def test_dropout_stands_before_the_memory_in_the_released_lstm_and_after_it_in_the_thesis():
    x = noise(16, 5, SIZE)
    for style, before in (("thesis", False), ("yu2018", True)):
        model = small(LSTM, style=style, dropout=0.5, norm="hidden")
        states = keras.Model(model.input, model.get_layer("embedding").output)
        once, again = (numpy_of(states(x, training=True)) for _ in range(2))
        assert (np.abs(once - again).max() > 1e-3) == before
        once, again = (numpy_of(model(x, training=True)["clip"]) for _ in range(2))
        assert np.abs(once - again).max() > 1e-3


@pytest.mark.parametrize("system", EVERY_SYSTEM)
def test_float16_gives_finite_float32(system):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = small(system, ragged=True)
        mask = np.arange(6)[None] < np.array([[6], [2], [0]])
        y = predict(model, {"audio": 100 * noise(3, 6, SIZE), "frame_mask": mask})
    finally:
        keras.config.set_dtype_policy("float32")
    for value in y.values():
        assert value.dtype == np.float32 and np.isfinite(value).all()


# -- errors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name, argument, value", [
    *[(ATTENTION, "levels", value) for value in ((), (2, 1), (1, 1), (4,), (0, 1), 3, "123")],
    (ATTENTION, "cla_activation", "softmax"), (ATTENTION, "style", "yu"),
    (LSTM, "style", "released"), (DNN, "norm", "none"), (DNN, "pooling", "max"),
    (DNN, "input_shape", (128,)),
    *[(name, "units", value) for name in NAMES for value in (0, 2.5)],
    *[(name, "activation", "relu") for name in NAMES]])
def test_errors_name_the_argument(name, argument, value):
    with pytest.raises(ValueError, match=re.escape(f"{argument}={value!r}")):
        create_model(name, **{argument: value})


@pytest.mark.parametrize("argument", [{"activation": "softmax"}, {"cla_activation": "relu"}])
def test_without_a_final_layer_there_is_no_activation_to_choose(argument):
    with pytest.raises(ValueError, match="`final_dense` must be True unless"):
        small(ATTENTION, final_dense=False, **argument)


def test_levels_may_come_as_a_list():
    assert small(ATTENTION, levels=[1, 3]).count_params() == small("level-13").count_params()
