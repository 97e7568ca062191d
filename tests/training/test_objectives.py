"""What a model is trained to say is what the equations ask of its outputs."""

import keras
import numpy as np
import pytest
from contracts import noise, numpy_of

from sedzoo.layers import (
    MicroBinaryCrossentropy,
    PseudoLabelCrossentropy,
    WeightedBinaryCrossentropy,
)
from sedzoo.training.objectives import class_weights, objective
from sedzoo.zoo import create_model

K, FEATURES, WIDTH = 3, 12, 8
BOTH = {"clip": 1.0, "micro": 1.0}
REPO = {"ensemble": "always", "ensemble_space": "logit"}
# Each row of the paper's Table 1: model, arguments, losses, recipe of the micro loss.
ROWS = {
    "M&mnet": ("mmnet", {}, BOTH, "paper"),
    "M&mnet, released code": ("mmnet", REPO, BOTH, "repo"),
    "M&mnet without EP": ("mmnet", {"ensemble": "never"}, BOTH, "paper"),
    "M&mnet-MS": ("mmnet", {"multi_scale": True}, BOTH, "paper"),
    "ConvNet": ("mmnet_convnet", {}, {"clip": 1.0}, "paper"),
    "mean": ("mmnet_resnet", {}, {"clip": 1.0}, "paper"),
    "max": ("mmnet_resnet", {"head": "max"}, {"clip": 1.0}, "paper"),
    "WLAT": ("mmnet_resnet", {"head": "wlat"}, {"clip": 1.0}, "paper"),
    "SLAT": ("mmnet_resnet", {"head": "slat"}, {"frame": 1.0}, "paper"),
    "PLAT": ("mmnet_resnet", {"head": "plat"}, {"clip": 1.0, "pseudo": 1.0}, "paper"),
    "ATT": ("mmnet_resnet", {"head": "att"}, {"clip": 1.0}, "paper"),
    "SPDA": ("mmnet_resnet", {"head": "spda"}, {"clip": 1.0}, "paper"),
    "ResNet-28": ("mmnet_resnet", {"depth": 28}, {"clip": 1.0}, "paper"),
    "ResNet-50": ("mmnet_resnet", {"depth": 50}, {"clip": 1.0}, "paper"),
}
# The deep ones take as long as all others together.
EVERY_ROW = [pytest.param(row, marks=[pytest.mark.slow] * ("depth" in arguments))
             for row, (_, arguments, *_) in ROWS.items()]


def build(row, **arguments):
    name, options, *_ = ROWS[row]
    keras.utils.set_random_seed(0)
    return create_model(name, num_classes=K, input_shape=(None, FEATURES), width=WIDTH, **options,
                        **arguments)


def compiled(row, model, class_weights=None, loss_weights=None):
    """The model to train by a row, with gradient descent at a rate of 1."""
    trained, losses, weights = objective(model, loss_weights or ROWS[row][2], micro=ROWS[row][3],
                                         class_weights=class_weights)
    # A graph takes longer to trace than these steps to take.
    trained.compile(keras.optimizers.SGD(1.0), losses, loss_weights=weights, run_eagerly=True)
    return trained


def labels(num_clips, seed=1):
    return (np.random.default_rng(seed).random((num_clips, K)) < 0.4).astype(np.float32)


def targets(trained, tags, num_segments=1):
    """The clips' tags, for every segment where "frame" asks for them."""
    return {key: np.repeat(tags[:, None], num_segments, axis=1) if key == "frame" else tags
            for key in trained.output}


def cost(trained, x, tags):
    return trained.evaluate(x, targets(trained, tags), verbose=0, return_dict=True)["loss"]


def quiet(num_clips):
    """Features of which an untrained model is nowhere so sure that float32 rounds to 0 or 1."""
    return 0.05 * noise(num_clips, 64, FEATURES)


def values(model, x):
    return {key: numpy_of(value).astype(np.float64) for key, value in model(x).items()}


def xi(y, p, w):
    return -(w * y * np.log(p) + (1 - y) * np.log(1 - p))


# -- the whole cost: equations 8 and 10 ------------------------------------------------------------


@pytest.mark.parametrize("row, scales", [
    ("M&mnet", [""]), ("M&mnet-MS", ["", "_1", "_2", "_4", "_5"])])
def test_the_papers_cost_is_macro_plus_every_micro_loss(row, scales):
    model, x, y, w = build(row), quiet(4), labels(4), np.array([0.5, 1.0, 2.0])
    trained = compiled(row, model, w)
    out = values(model, x)
    expected = xi(y, out["clip"], w).mean() + sum(
        (out[f"attention{scale}"][:, :, None] * xi(y[:, None], out[f"frame{scale}"], w)).sum(
            axis=1).mean() for scale in scales)
    assert cost(trained, x, y) == pytest.approx(expected, rel=1e-4)


def test_the_released_codes_cost_weighs_positives_by_attention():
    row = "M&mnet, released code"
    model, x, y, w = build(row), quiet(4), labels(4), np.array([0.5, 1.0, 2.0])
    trained = compiled(row, model, w)
    out = values(model, x)
    a, d = 3 * WIDTH * out["attention"][:, :, None], out["frame"]
    micro = -(a * w * y[:, None] * np.log(d) + (1 - y[:, None]) * np.log(1 - d)).mean()
    assert cost(trained, x, y) == pytest.approx(xi(y, out["clip"], w).mean() + micro, rel=1e-4)


def test_losses_count_by_their_weights_and_those_of_zero_are_left_out():
    model, x, y = build("M&mnet"), quiet(4), labels(4)
    costs = {}
    for micro in (0, 1, 3):
        trained, losses, weights = objective(model, {"clip": 2, "micro": micro, "frame": 0})
        assert set(losses) == set(weights) == set(trained.output) == (
            {"clip", "micro"} if micro else {"clip"})
        trained.compile("sgd", losses, loss_weights=weights, run_eagerly=True)
        costs[micro] = cost(trained, x, y)
    assert costs[3] - costs[0] == pytest.approx(3 * (costs[1] - costs[0]), rel=1e-4)


def test_each_loss_is_the_one_of_its_name_with_the_classes_weights():
    weights = np.array([1.0, 2.0, 3.0])
    losses = objective(build("M&mnet-MS"), {**BOTH, "frame": 1}, micro="repo",
                       class_weights=weights)[1]
    kinds = {key: type(loss) for key, loss in losses.items()}
    assert kinds == {"clip": WeightedBinaryCrossentropy, "frame": WeightedBinaryCrossentropy,
                     **{f"micro{scale}": MicroBinaryCrossentropy
                        for scale in ("", "_1", "_2", "_4", "_5")}}
    assert all(loss.class_weights == [1, 2, 3] for loss in losses.values())
    maps = {"_1": 2, "_2": 3, "": 3, "_4": 2, "_5": 1}     # channels of each scale, in widths
    assert {key: losses[f"micro{key}"].num_maps for key in maps} == {
        key: factor * WIDTH for key, factor in maps.items()}
    assert {losses[f"micro{key}"].recipe for key in maps} == {"repo"}
    losses = objective(build("PLAT"), ROWS["PLAT"][2])[1]
    assert type(losses["pseudo"]) is PseudoLabelCrossentropy


# -- one step of each row ------------------------------------------------------------------------


def moved(row, loss_weights=None):
    """A model, and how far one step moves its weights: {layer's name: {weight's name: far}}."""
    model, x = build(row), noise(8, 64, FEATURES)
    trained = compiled(row, model, loss_weights=loss_weights)
    before = [weight.numpy() for weight in model.trainable_weights]
    loss = trained.train_on_batch(x, targets(trained, labels(8), 4))
    assert np.isfinite(loss).all()
    far = {}
    for weight, was in zip(model.trainable_weights, before, strict=True):
        layer, _, name = weight.path.rpartition("/")
        far.setdefault(layer, {})[name] = np.abs(weight.numpy() - was).max()
    return model, far


@pytest.mark.parametrize("row", EVERY_ROW)
def test_one_step_moves_every_weight_of_every_row(row):
    for layer, weights in moved(row)[1].items():
        for name, far in weights.items():
            # Normalisation and softmax over time take constants out again: biases before them
            # have a gradient of rounding errors.
            assert far > (0 if name in ("bias", "beta") else 1e-6), f"{layer}/{name}"


def attention_layer(model):
    """The convolution f_att."""
    layers = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv1D)
              and any(node.operation.name == "attention" for node in layer._outbound_nodes)]
    assert len(layers) == 1
    return layers[0].name


@pytest.mark.filterwarnings("ignore:Gradients do not exist")
@pytest.mark.parametrize("row, loss_weights, learns", [
    ("M&mnet", {"micro": 1.0}, True),
    ("M&mnet", {"clip": 1.0}, False),                   # the ensemble stands at test alone
    ("M&mnet, released code", {"micro": 1.0}, False),   # the gradient stops
    ("M&mnet, released code", {"clip": 1.0}, True),
    ("M&mnet without EP", {"clip": 1.0}, False)])
def test_attention_learns_from_the_loss_that_its_recipe_says(row, loss_weights, learns):
    model, far = moved(row, loss_weights)
    kernel = far[attention_layer(model)]["kernel"]
    assert kernel > 1e-5 if learns else kernel == 0


def test_pseudo_labels_teach_the_detector_and_leave_the_clip_branch_alone():
    model, far = moved("PLAT", {"pseudo": 1.0})
    hidden = {layer.name for layer in model.layers if isinstance(layer, keras.layers.Dense)}
    assert len(hidden) == 3 and all(far[name]["kernel"] == 0 for name in hidden)
    detector, = (layer.name for layer in model.layers
                 if isinstance(layer, keras.layers.Conv1D) and layer.filters == K)
    assert far[detector]["kernel"] > 1e-5


# -- padding ---------------------------------------------------------------------------------------


@pytest.fixture
def float64():
    """Steps of deep networks differ by percents of themselves when float32 rounds otherwise."""
    def use(dtype):
        keras.config.set_floatx(dtype)
        keras.config.set_dtype_policy(dtype)       # the one that counts, once it was set
    use("float64")
    yield
    use("float32")


@pytest.mark.parametrize("row", EVERY_ROW)
def test_padding_leaves_no_trace_in_a_step(row, float64):
    model, ragged = build(row), build(row, ragged=True)
    ragged.set_weights(model.get_weights())
    before = model.get_weights()
    x, tags = noise(4, 83, FEATURES), labels(4)              # a remainder at every pool
    padded = np.concatenate([x, np.full((4, 29, FEATURES), np.nan, np.float32)], axis=1)
    mask = np.arange(112)[None] < np.full((4, 1), 83)
    plain, long = compiled(row, model), compiled(row, ragged)
    counts = {key: np.arange(7)[None] < [[5]] * 4 if key == "frame" else np.ones(4, bool)
              for key in long.output}
    costs = [plain.train_on_batch(x, targets(plain, tags, 5)),
             long.train_on_batch({"audio": padded, "frame_mask": mask}, targets(long, tags, 7),
                                 {key: count.astype(np.float32) for key, count in counts.items()})]
    np.testing.assert_allclose(*costs, rtol=1e-4)
    for weight, was, plain, long in zip(model.weights, before, model.get_weights(),
                                        ragged.get_weights(), strict=True):
        if weight.name not in ("bias", "beta"):              # whose steps are rounding errors
            step = np.abs(plain - was).max()
            np.testing.assert_allclose(long, plain, atol=1e-4 * step, rtol=0, err_msg=weight.path)


# -- errors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("row, loss_weights, message", [
    ("mean", {"frame": 1}, "'frame', which needs the output 'frame'"),
    ("mean", {"micro": 1}, "'micro', which needs the output 'attention'"),
    ("M&mnet", {"pseudo": 1}, "'pseudo', which needs the output 'activation'"),
    ("PLAT", {"pseudo labels": 1}, "'pseudo labels' in `loss_weights`. Did you mean 'pseudo'"),
    ("M&mnet", {"macro": 0}, "'macro' in `loss_weights`")])
def test_a_loss_that_a_model_cannot_have_is_named(row, loss_weights, message):
    with pytest.raises(ValueError, match=message):
        objective(build(row), loss_weights)


def test_attention_of_frames_by_class_is_none_of_segments():
    model = create_model("gated_crnn", num_classes=K, width=4, rnn_units=4)
    with pytest.raises(ValueError, match=r"attention of segments \(B, T\)"):
        objective(model, {"micro": 1})


# -- weights of classes ----------------------------------------------------------------------------


@pytest.mark.parametrize("counting", ["clips", "labels"])
def test_class_weights_are_equation_11(counting):
    tags = (np.random.default_rng(0).random((200, 4)) < [0.05, 0.2, 0.5, 0.9]).astype(np.float32)
    p = tags.mean(0, dtype=np.float64) if counting == "clips" else tags.sum(0) / tags.sum()
    mean = p.mean()
    odds = (1 - p) / (1 - mean) if counting == "clips" else (1 - mean) / (1 - p)
    np.testing.assert_allclose(class_weights(tags, counting), (mean / p * odds) ** 0.3, rtol=1e-6)


# Clips of each class and the weights they give, in the order of the task's classes, when all
# 51,172 training clips of DCASE 2017 task 4 have the 58,662 labels that papers on it count.
COUNTS = (441, 407, 273, 337, 624, 2399, 2399, 1506, 744, 2020, 1617, 25744, 3724, 3745, 7090,
          3291, 2301)
WEIGHTS = {
    "clips": (1.888, 1.934, 2.182, 2.048, 1.699, 1.123, 1.123, 1.298, 1.611, 1.185, 1.270, 0.453,
              0.976, 0.974, 0.787, 1.015, 1.137),
    "labels": (1.824, 1.869, 2.105, 1.977, 1.646, 1.109, 1.109, 1.269, 1.562, 1.165, 1.243, 0.639,
               0.979, 0.977, 0.822, 1.013, 1.122)}


@pytest.mark.parametrize("counting", WEIGHTS)
def test_class_weights_of_the_challenge(counting):
    tags = (np.arange(51172)[:, None] < np.array(COUNTS)).astype(np.float32)
    np.testing.assert_allclose(class_weights(tags, counting), WEIGHTS[counting], atol=6e-4)


def test_equal_classes_weigh_one_and_rare_ones_more():
    even = np.tile(np.eye(4), (3, 1))
    for counting in ("clips", "labels"):
        np.testing.assert_allclose(class_weights(even, counting), 1)
        rare_first = class_weights(np.concatenate([even, even[1:]]), counting)
        assert rare_first[0] > 1 > rare_first[1:].max()
    assert class_weights(even, None) is None


def test_unlabelled_clips_are_left_out_of_the_weights():
    tags = (np.random.default_rng(0).random((50, 3)) < 0.4).astype(np.float32)
    more = np.concatenate([tags, np.full((20, 3), np.nan, np.float32)])
    for counting in ("clips", "labels"):
        np.testing.assert_array_equal(class_weights(more, counting), class_weights(tags, counting))


@pytest.mark.parametrize("column", [0.0, 1.0])
def test_a_class_of_no_clip_or_of_every_clip_is_named(column):
    tags = np.tile(np.eye(3), (2, 1))
    tags[:, 1] = column
    with pytest.raises(ValueError, match=r"classes \[1\] with shares"):
        class_weights(tags, "clips")
