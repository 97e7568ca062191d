"""The systems of Chou et al. 2018 have the published sizes and compute the published equations."""

import re

import keras
import numpy as np
import pytest
from contracts import assert_close, noise, numpy_of

from sedzoo.frontend import Clock, Frontend
from sedzoo.layers import BatchNorm, SharedNorm
from sedzoo.zoo import create_model, model_card
from sedzoo.zoo.mmnet import HEADS

K, FEATURES, WIDTH = 3, 12, 8
SYSTEMS = {
    "M&mnet": ("mmnet", {}),
    "M&mnet-MS": ("mmnet", {"multi_scale": True}),
    "ConvNet": ("mmnet_convnet", {}),
    **{f"ResNet-12 {head}": ("mmnet_resnet", {"head": head}) for head in HEADS},
    "ResNet-28": ("mmnet_resnet", {"depth": 28}),
    "ResNet-50": ("mmnet_resnet", {"depth": 50}),
}
# The deep ones take as long as all others together.
EVERY_SYSTEM = [pytest.param(system, marks=[pytest.mark.slow] * ("depth" in arguments))
                for system, (_, arguments) in SYSTEMS.items()]


def small(system, **arguments):
    name, options = SYSTEMS[system]
    sizes = {"num_classes": K, "input_shape": (None, FEATURES), "width": WIDTH}
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
    for layer in (*in_order(model, BatchNorm), *in_order(model, SharedNorm)):
        layer.set_weights([random.uniform(0.5, 1.5, weight.shape) for weight in layer.weights])


# -- sizes -----------------------------------------------------------------------------------------

# What the paper prints, in millions, and how it comes of the kernels of convolutions and dense
# layers: truncated, but for the 20M of ResNet-50. The paper does not say how it counts; with
# biases and normalisation M&mnet would be 4.18M.
TRUNCATED, ROUNDED = "truncated", "rounded"


@pytest.mark.parametrize("system, classes, total, trainable, kernels, published, counting", [
    ("ConvNet", 17, 1_553_937, 1_548_817, 1_541_120, "1.54", TRUNCATED),
    ("ConvNet", 527, 2_076_687, 2_071_567, 2_063_360, None, None),
    ("ResNet-12 mean", 17, 3_730_577, 3_719_825, 3_703_808, "3.70", TRUNCATED),
    ("ResNet-12 max", 17, 3_730_577, 3_719_825, 3_703_808, "3.70", TRUNCATED),
    ("ResNet-12 wlat", 17, 3_730_577, 3_719_825, 3_703_808, "3.70", TRUNCATED),
    ("ResNet-12 slat", 17, 3_730_577, 3_719_825, 3_703_808, "3.70", TRUNCATED),
    ("ResNet-12 mean", 527, 4_253_327, 4_242_575, 4_226_048, None, None),
    ("ResNet-12 plat", 17, 3_750_178, 3_739_426, 3_723_392, "3.72", TRUNCATED),
    ("ResNet-12 att", 17, 4_173_329, 4_162_577, 4_146_176, "4.14", TRUNCATED),
    ("ResNet-12 att", 527, 4_696_079, 4_685_327, 4_668_416, "4", TRUNCATED),
    ("ResNet-12 spda", 17, 6_877_329, 6_866_577, 6_849_536, "6.84", TRUNCATED),
    ("M&mnet", 17, 4_192_930, 4_182_178, 4_165_760, "4.16", TRUNCATED),
    ("M&mnet", 527, 5_303_710, 5_292_958, 5_275_520, None, None),
    ("M&mnet-MS", 17, 5_655_654, 5_644_902, 5_627_008, None, None),
    ("M&mnet-MS", 527, 8_335_194, 8_324_442, 8_303_488, "8", TRUNCATED),
    ("ResNet-28", 527, 16_320_911, 16_293_519, 16_251_904, "16", TRUNCATED),
    ("ResNet-50", 527, 19_786_959, 19_729_743, 19_643_392, "20", ROUNDED),
])
def test_the_systems_have_the_published_sizes(system, classes, total, trainable, kernels,
                                              published, counting):
    name, options = SYSTEMS[system]
    model = create_model(name, num_classes=classes, **options)
    assert model.count_params() == total
    assert sum(np.prod(w.shape) for w in model.trainable_weights) == trainable
    assert sum(np.prod(w.shape) for w in model.weights if w.name == "kernel") == kernels
    if published is not None:
        unit = 10 ** (6 - len(published.partition(".")[2]))
        printed = kernels // unit if counting == TRUNCATED else round(kernels / unit)
        assert printed == int(published.replace(".", ""))


def test_without_the_ensemble_and_with_any_width_or_frames_the_weights_are_as_many():
    count = small("M&mnet").count_params()
    for options in ({"ensemble": "never"}, {"ensemble": "always", "ensemble_space": "logit"},
                    {"alpha": "linear"}, {"preact_relu": True}, {"pools": (2, 8)},
                    {"input_shape": (896, FEATURES)}, {"ragged": True}):
        assert small("M&mnet", **options).count_params() == count
    assert small("M&mnet", input_norm=False).count_params() == count - 4 * FEATURES


# -- the equations ---------------------------------------------------------------------------------


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x, axis):
    x = np.exp(x - x.max(axis, keepdims=True))
    return x / x.sum(axis, keepdims=True)


class Oracle:
    """M&mnet in NumPy and float64, for a batch (B, T, F), from the layers of a model."""

    def __init__(self, model):
        def weights(kind):
            return iter([[w.astype(np.float64) for w in layer.get_weights()]
                         for layer in in_order(model, kind)])
        self.convs, self.norms = weights(keras.layers.Conv1D), weights(BatchNorm)
        self.denses, self.hidden_norms = weights(keras.layers.Dense), weights(SharedNorm)

    def conv(self, x):
        kernel, bias = next(self.convs)                                    # (size, in, out)
        reach = len(kernel) // 2
        x = np.pad(x, ((0, 0), (reach, reach), (0, 0)))
        return bias + sum(x[:, i:x.shape[1] - 2 * reach + i] @ kernel[i]
                          for i in range(len(kernel)))

    def norm(self, x, norms=None):
        gamma, beta, mean, variance = next(norms or self.norms)
        return gamma * (x - mean) / np.sqrt(variance + 1e-5) + beta

    def block(self, x, preact_relu):
        y = self.norm(x)
        y = self.norm(self.conv(np.maximum(y, 0) if preact_relu else y))
        y = self.norm(self.conv(np.maximum(y, 0)))
        return y + self.conv(x)

    def pool(self, x, size):
        x = x[:, :x.shape[1] // size * size]
        return x.reshape(len(x), -1, size, x.shape[-1]).max(2)

    def __call__(self, x, pools=(4, 4), preact_relu=False, alpha="softmax", space="probability"):
        x = self.conv(self.norm(x))
        for size in pools:
            x = self.pool(self.block(x, preact_relu), size)
        x = np.maximum(self.norm(self.block(x, preact_relu)), 0)           # eq. 1
        y = x.mean(1)
        for _ in range(2):
            kernel, bias = next(self.denses)
            y = np.maximum(self.norm(y @ kernel + bias, self.hidden_norms), 0)
        kernel, bias = next(self.denses)
        y = y @ kernel + bias                                              # eq. 2
        d, v = self.conv(x), self.conv(x)                                  # eq. 4, 5
        a = softmax(v, 1).sum(-1)                                          # eq. 6
        weight = (softmax(a, 1) if alpha == "softmax" else a / v.shape[-1])[:, :, None]
        ensemble = (sigmoid((y + (weight * d).sum(1)) / 2) if space == "logit"
                    else (sigmoid(y) + (weight * sigmoid(d)).sum(1)) / 2)  # eq. 9
        return {"clip": ensemble, "frame": sigmoid(d), "attention": a / v.shape[-1]}


@pytest.mark.parametrize("options, arguments", [
    ({}, {}),
    ({"pools": (2, 3), "preact_relu": True}, {"pools": (2, 3), "preact_relu": True}),
    ({"alpha": "linear"}, {"alpha": "linear"}),
    ({"ensemble": "always", "ensemble_space": "logit"}, {"space": "logit"})], ids=str)
def test_mmnet_is_equations_1_to_9(options, arguments):
    model = small("M&mnet", **options)
    stir(model)
    for layer in in_order(model, keras.layers.Conv1D)[-2:] + in_order(model, keras.layers.Dense):
        layer.set_weights([0.2 * weight for weight in layer.get_weights()])     # far from 0 and 1
    x = noise(3, 83, FEATURES)
    got, expected = model(x), Oracle(model)(x.astype(np.float64), **arguments)
    assert got.keys() == expected.keys()
    for key, value in expected.items():
        np.testing.assert_allclose(numpy_of(got[key]), value, atol=2e-5, err_msg=key)
    assert 0.02 < expected["clip"].min() and expected["clip"].max() < 0.98


def test_never_and_test_share_weights_and_differ_by_the_segments_say():
    test, never = small("M&mnet"), small("M&mnet", ensemble="never")
    stir(test)
    never.set_weights(test.get_weights())
    x = noise(3, 64, FEATURES)
    ours, theirs = test(x), never(x)
    for key in ("frame", "attention"):
        np.testing.assert_array_equal(numpy_of(ours[key]), numpy_of(theirs[key]))
    weight = softmax(3 * WIDTH * numpy_of(ours["attention"]), 1)[:, :, None]
    segments = (weight * numpy_of(ours["frame"])).sum(1)
    np.testing.assert_allclose(numpy_of(ours["clip"]), (numpy_of(theirs["clip"]) + segments) / 2,
                               atol=1e-5)
    # In training the two are one system: the ensemble stands at test alone.
    assert_close(test(x, training=True)["clip"], never(x, training=True)["clip"])


def test_plat_learns_its_hidden_statistics_from_clips_alone():
    """The activation of the segments, which the pseudo labels are made of, is as at test."""
    plat = small("ResNet-12 plat", momentum=0.0, dropout=0.9)
    mean = small("ResNet-12 mean", momentum=0.0)
    for kind in (keras.layers.Conv1D, BatchNorm, SharedNorm, keras.layers.Dense):
        for ours, theirs in zip(in_order(mean, kind), in_order(plat, kind), strict=False):
            ours.set_weights(theirs.get_weights())
    x = noise(4, 64, FEATURES)
    plat(x, training=True), mean(x, training=True)
    first = [in_order(model, SharedNorm)[0].moving_mean.numpy() for model in (plat, mean)]
    np.testing.assert_allclose(*first, atol=1e-5)

    still = small("ResNet-12 plat", momentum=1.0, dropout=0.9)     # statistics that never move
    one, two = still(x, training=True), still(x, training=True)
    assert np.abs(numpy_of(one["clip"]) - numpy_of(two["clip"])).max() > 1e-3
    assert_close(one["activation"], two["activation"])


@pytest.mark.parametrize("head, clip", [
    ("wlat", lambda frame: frame.mean(1)), ("slat", lambda frame: frame.mean(1))])
def test_the_clip_is_the_mean_of_its_segments(head, clip):
    y = small(f"ResNet-12 {head}")(noise(3, 64, FEATURES))
    np.testing.assert_allclose(numpy_of(y["clip"]), clip(numpy_of(y["frame"])), atol=1e-6)


def test_att_is_the_mean_of_its_segments_under_attention():
    y = {key: numpy_of(value) for key, value in small("ResNet-12 att")(
        noise(3, 64, FEATURES)).items()}
    expected = (y["attention"][:, :, None] * y["frame"]).sum(1)
    np.testing.assert_allclose(y["clip"], expected, atol=1e-6)


# -- time ------------------------------------------------------------------------------------------


def test_a_segment_is_sixteen_frames_of_492_samples():
    for name in ("mmnet", "mmnet_resnet", "mmnet_convnet"):
        assert model_card(name).clock == Clock(16 * 492, 44100)
    assert model_card("mmnet").clock.hop_s == pytest.approx(0.1785, abs=1e-4)
    assert Frontend.preset("chou2018").clip_frames == 56 * 16


def test_ten_seconds_are_56_segments_in_every_system():
    for system in SYSTEMS:
        for key, value in small(system, input_shape=(896, FEATURES)).output.items():
            if key in ("frame", "attention", "activation"):
                assert value.shape[1] == 56, system


def test_the_scales_of_ms_are_those_of_the_blocks_and_back():
    y = small("M&mnet-MS")(noise(1, 896, FEATURES))
    frames = {"": 56, "_1": 896, "_2": 224, "_4": 224, "_5": 896}
    assert y.keys() == {"clip", *(f"frame{scale}" for scale in frames),
                        *(f"attention{scale}" for scale in frames)}
    for scale, num_frames in frames.items():
        assert y[f"frame{scale}"].shape == (1, num_frames, K)
        attention = numpy_of(y[f"attention{scale}"])
        assert attention.shape == (1, num_frames)
        np.testing.assert_allclose(attention.sum(), 1, atol=1e-5)


def test_segments_answer_to_the_sound_in_them():
    """A change in a sound reaches the segments around it and no others."""
    model = small("M&mnet")
    x = noise(1, 896, FEATURES)
    changed = x.copy()
    changed[:, 448:464] += 1                                       # segment 28
    moved = np.abs(numpy_of(model(changed)["frame"]) - numpy_of(model(x)["frame"]))[0].max(-1)
    assert moved[28] > 0
    # Kernels of 3 in four convolutions after the last pool, two between, three before the first.
    assert set(np.flatnonzero(moved > 1e-6)) <= set(range(24, 33))


@pytest.mark.filterwarnings("ignore:You are using a softmax over axis 1")     # of one segment
@pytest.mark.parametrize("system", EVERY_SYSTEM)
def test_clips_of_several_lengths_in_a_batch_equal_each_alone(system):
    model, ragged = small(system), small(system, ragged=True)
    stir(model)
    ragged.set_weights(model.get_weights())
    lengths = np.array([16, 96, 83])
    mask = np.arange(96)[None] < lengths[:, None]
    x = np.where(mask[:, :, None], noise(3, 96, FEATURES), np.nan).astype(np.float32)
    together = {key: numpy_of(value) for key, value in ragged(
        {"audio": x, "frame_mask": mask}).items()}
    for n, length in enumerate(lengths):
        for key, alone in model(x[n:n + 1, :length]).items():
            alone, got = numpy_of(alone)[0], together[key][n]
            if key != "clip":
                assert not got[len(alone):].any()
                got = got[:len(alone)]
            np.testing.assert_allclose(got, alone, atol=2e-5, err_msg=f"{key}, {length} frames")


@pytest.mark.parametrize("system", EVERY_SYSTEM)
def test_a_clip_of_padding_alone_is_finite_and_leaves_the_others_alone(system):
    ragged = small(system, ragged=True)
    x, mask = noise(2, 64, FEATURES), np.ones((2, 64), bool)
    whole = ragged({"audio": x, "frame_mask": mask})
    mask[1] = False
    x[1] = np.nan
    y = ragged({"audio": x, "frame_mask": mask})
    for key, value in y.items():
        value = numpy_of(value)
        assert np.isfinite(value).all()
        np.testing.assert_allclose(value[0], numpy_of(whole[key])[0], atol=1e-5)
        if key != "clip":
            assert not value[1].any()


# -- errors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name, argument, value", [
    ("mmnet_resnet", "head", "median"), ("mmnet_resnet", "depth", 18),
    ("mmnet_resnet", "width", 0), ("mmnet_resnet", "pools", (4, 4, 4)),
    ("mmnet", "width", -8), ("mmnet", "width", 2.5), ("mmnet", "pools", (0, 4)),
    ("mmnet", "alpha", "mean"), ("mmnet", "ensemble", "sometimes"),
    ("mmnet", "ensemble_space", "log"), ("mmnet", "input_shape", (896,)),
    ("mmnet_convnet", "width", "8"), ("mmnet_convnet", "pools", (4,))])
def test_errors_name_the_argument(name, argument, value):
    with pytest.raises(ValueError, match=f"{argument}={re.escape(repr(value))}"):
        create_model(name, **{argument: value})
