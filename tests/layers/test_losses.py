"""The losses are the equations, in NumPy and in float64."""

import json

import keras
import numpy as np
import pytest
from contracts import noise
from hypothesis import given
from hypothesis import strategies as st

from sedzoo.layers import (
    MicroBinaryCrossentropy,
    PseudoLabelCrossentropy,
    SegmentAttention,
    WeightedBinaryCrossentropy,
)

N, T, K, MAPS = 3, 5, 4, 6
WEIGHTS = (0.5, 1.0, 2.5, 1.2)


def xi(y, p, weights=None):
    """-(w y log p + (1 - y) log(1 - p)) in float64, element by element."""
    y, p = np.asarray(y, np.float64), np.asarray(p, np.float64)
    w = 1.0 if weights is None else np.array(weights)
    return -(w * y * np.log(p) + (1 - y) * np.log(1 - p))


def draw(seed=0, soft=False):
    """Labels (N, K), attention (N, T) of sum 1, and probabilities of segments (N, T, K)."""
    random = np.random.default_rng(seed)
    y = random.random((N, K)) if soft else random.random((N, K)) < 0.4
    share = random.dirichlet(np.ones(T), N)
    segments = 1 / (1 + np.exp(-3 * random.standard_normal((N, T, K))))
    return [x.astype(np.float32) for x in (y, share, segments)]


def micro(share, segments):
    return np.concatenate([share[:, :, None], segments], axis=-1)


def pseudo(activation, segments):
    return np.concatenate([activation, segments], axis=-1)


def pad(x, num_segments):
    return np.pad(x, ((0, 0), (0, num_segments), (0, 0)))


# -- the clip: equation 3 ------------------------------------------------------------------------


@given(st.integers(0, 10 ** 6), st.booleans())
def test_the_macro_loss_is_equation_3(seed, soft):
    y, _, segments = draw(seed, soft)
    p = segments[:, 0]
    for weights in (None, WEIGHTS):
        got = float(WeightedBinaryCrossentropy(weights)(y, p))
        assert got == pytest.approx(xi(y, p, weights).mean(), rel=1e-4)


def test_frames_are_averaged_as_clips_are():
    y, _, segments = draw()
    targets = np.broadcast_to(y[:, None], segments.shape)
    got = float(WeightedBinaryCrossentropy(WEIGHTS)(targets, segments))
    assert got == pytest.approx(xi(targets, segments, WEIGHTS).mean(), rel=1e-5)


def test_without_weights_it_is_keras_own():
    y, _, segments = draw(3)
    theirs = keras.losses.BinaryCrossentropy()(y, segments[:, 0])
    assert float(WeightedBinaryCrossentropy()(y, segments[:, 0])) == pytest.approx(float(theirs),
                                                                                 rel=1e-5)


# -- segments: equation 7 ------------------------------------------------------------------------


@given(st.integers(0, 10 ** 6), st.booleans())
def test_the_micro_loss_is_equation_7_over_the_number_of_maps(seed, soft):
    y, share, segments = draw(seed, soft)
    for weights in (None, WEIGHTS):
        a = MAPS * share.astype(np.float64)                              # the paper's, of sum M
        errors = a[:, :, None] * xi(y[:, None], segments, weights)
        got = float(MicroBinaryCrossentropy(MAPS, "paper", weights)(y, micro(share, segments)))
        assert got == pytest.approx(errors.sum(1).mean() / MAPS, rel=1e-4)


@given(st.integers(0, 10 ** 6), st.booleans())
def test_the_repos_micro_loss_weighs_positives_alone_and_averages_over_segments(seed, soft):
    y, share, segments = draw(seed, soft)
    for weights in (None, WEIGHTS):
        w = 1.0 if weights is None else np.array(weights)
        a, d = MAPS * share.astype(np.float64)[:, :, None], segments.astype(np.float64)
        errors = -(a * w * y[:, None] * np.log(d) + (1 - y[:, None]) * np.log(1 - d))
        got = float(MicroBinaryCrossentropy(MAPS, "repo", weights)(y, micro(share, segments)))
        assert got == pytest.approx(errors.mean(), rel=1e-4)


def test_with_even_attention_both_recipes_of_one_map_a_segment_are_the_plain_mean():
    y, _, segments = draw()
    even = np.full((N, T), 1 / T, np.float32)
    expected = xi(y[:, None], segments, WEIGHTS).mean()
    for recipe in ("paper", "repo"):
        loss = MicroBinaryCrossentropy(T, recipe, WEIGHTS)      # M = T: every a(t) is 1
        assert float(loss(y, micro(even, segments))) == pytest.approx(expected, rel=1e-5)


# -- pseudo labels -------------------------------------------------------------------------------


@given(st.integers(0, 10 ** 6), st.sampled_from([0.0, 0.3, 0.5, 1.0]))
def test_pseudo_labels_are_the_clips_where_the_activation_is_strong(seed, threshold):
    y, _, segments = draw(seed)
    activation = draw(seed + 1)[2]
    strong = activation >= np.float32(threshold) * activation.max(1, keepdims=True)
    expected = xi(y[:, None] * strong, segments, WEIGHTS).mean()
    loss = PseudoLabelCrossentropy(threshold, WEIGHTS)
    assert float(loss(y, pseudo(activation, segments))) == pytest.approx(expected, rel=1e-4)


def test_a_pseudo_label_is_a_handful_of_numbers():
    activation = np.array([0.9, 0.45, 0.44, 0.1], np.float32)[None, :, None]
    segments = np.full((1, 4, 1), 0.25, np.float32)
    positive, negative = -np.log(0.25), -np.log(0.75)
    got = float(PseudoLabelCrossentropy()(np.ones((1, 1)), pseudo(activation, segments)))
    assert got == pytest.approx((2 * positive + 2 * negative) / 4, rel=1e-5)
    got = float(PseudoLabelCrossentropy()(np.zeros((1, 1)), pseudo(activation, segments)))
    assert got == pytest.approx(negative, rel=1e-5)


# -- what holds of all ---------------------------------------------------------------------------

LOSSES = [WeightedBinaryCrossentropy(WEIGHTS), MicroBinaryCrossentropy(MAPS, "paper", WEIGHTS),
          MicroBinaryCrossentropy(MAPS, "repo", WEIGHTS), PseudoLabelCrossentropy(0.5, WEIGHTS)]
OF_SEGMENTS = LOSSES[1:]


def names(loss):
    return f"{loss.name} {getattr(loss, 'recipe', '')}".strip()


def guess(loss, seed=0):
    """Probabilities of the shape that a loss asks for."""
    _, share, segments = draw(seed)
    if isinstance(loss, MicroBinaryCrossentropy):
        return micro(share, segments)
    if isinstance(loss, PseudoLabelCrossentropy):
        return pseudo(draw(seed + 1)[2], segments)
    return segments[:, 0]


@pytest.mark.parametrize("loss", OF_SEGMENTS, ids=names)
@pytest.mark.parametrize("num_padded", [1, 2 * T])
def test_padded_segments_leave_no_trace(loss, num_padded):
    y = draw()[0]
    assert float(loss(y, pad(guess(loss), num_padded))) == pytest.approx(
        float(loss(y, guess(loss))), rel=1e-6)


@pytest.mark.parametrize("loss", OF_SEGMENTS, ids=names)
def test_clips_of_two_lengths_count_as_each_alone(loss):
    y, p = draw()[0][:2], guess(loss)[:2]
    short = p[1:, :2] if not isinstance(loss, MicroBinaryCrossentropy) else np.concatenate(
        [p[1:, :2, :1] / p[1:, :2, :1].sum(), p[1:, :2, 1:]], axis=-1)
    together = np.concatenate([p[:1], pad(short, T - 2)])
    alone = [float(loss(y[:1], p[:1])), float(loss(y[1:], short))]
    assert float(loss(y, together)) == pytest.approx(np.mean(alone), rel=1e-5)


def test_padded_frames_with_weight_zero_leave_no_trace():
    y, _, segments = draw()
    targets = np.broadcast_to(y[:, None], segments.shape)
    loss = WeightedBinaryCrossentropy(WEIGHTS)
    weight = np.arange(T + 3) < np.full((N, 1), T)
    got = loss(np.pad(targets, ((0, 0), (0, 3), (0, 0)), mode="edge"), pad(segments, 3),
               sample_weight=weight.astype(np.float32))
    assert float(got) == pytest.approx(float(loss(targets, segments)), rel=1e-5)


@pytest.mark.parametrize("loss", OF_SEGMENTS, ids=names)
def test_a_clip_without_any_segment_costs_nothing(loss):
    y = draw()[0]
    assert float(loss(y, np.zeros_like(guess(loss)))) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("loss", LOSSES, ids=names)
def test_clips_of_weight_zero_do_not_count(loss):
    y, p = draw()[0], guess(loss)
    weight = np.array([1, 0, 1], np.float32)
    got = float(loss(y, p, sample_weight=weight))
    assert got == pytest.approx(float(loss(y[::2], p[::2])), rel=1e-5)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("loss", LOSSES, ids=names)
def test_certain_and_wrong_is_costly_and_finite(loss, dtype):
    y = np.array([[0, 1, 0, 1]] * N, dtype)
    wrong = np.round(1 - np.broadcast_to(y[:, None], (N, T, K))).astype(dtype)
    p = {WeightedBinaryCrossentropy: wrong[:, 0],
         MicroBinaryCrossentropy: micro(np.full((N, T), 1 / T, dtype), wrong),
         PseudoLabelCrossentropy: pseudo(np.ones_like(wrong), wrong)}[type(loss)]
    assert 5 < float(loss(y, p)) < 40


@pytest.mark.parametrize("loss", LOSSES, ids=names)
def test_a_loss_comes_back_from_json_as_it_was(loss):
    text = json.dumps(keras.saving.serialize_keras_object(loss))
    again = keras.saving.deserialize_keras_object(json.loads(text))
    assert type(again) is type(loss) and again.get_config() == loss.get_config()
    y, p = draw()[0], guess(loss)
    assert float(again(y, p)) == float(loss(y, p))


@pytest.mark.parametrize("make", [WeightedBinaryCrossentropy,
                                  lambda w: MicroBinaryCrossentropy(2, class_weights=w),
                                  lambda w: PseudoLabelCrossentropy(class_weights=w)])
def test_weights_may_be_an_array(make):
    config = make(np.array(WEIGHTS)).get_config()
    assert json.loads(json.dumps(config))["class_weights"] == list(WEIGHTS)


def test_errors_name_the_argument():
    with pytest.raises(ValueError, match="recipe='code'"):
        MicroBinaryCrossentropy(2, "code")


# -- gradients -----------------------------------------------------------------------------------


def stepped(loss):
    """How far one step of a loss moves the first part of its prediction, and the segments."""
    p = guess(loss)
    parts = [keras.Variable(part) for part in np.split(p, [p.shape[-1] - K], axis=-1)]
    train(lambda: keras.ops.concatenate(parts, axis=-1), parts, loss)
    return [part.numpy() - was for part, was in
            zip(parts, np.split(p, [p.shape[-1] - K], axis=-1), strict=True)]


def train(predict, variables, loss):
    """One step of gradient descent at rate 1 on the labels of draw(), on any backend."""
    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.held = variables

        def call(self, x):
            return predict()

    model = Model()
    model.compile(keras.optimizers.SGD(1.0), loss)
    model.train_on_batch(np.zeros((N, 1)), draw()[0])


@pytest.mark.parametrize("loss, through_first", [
    (OF_SEGMENTS[0], True), (OF_SEGMENTS[1], False), (OF_SEGMENTS[2], False)],
    ids=["paper", "repo", "pseudo"])
def test_the_gradient_goes_through_attention_in_the_papers_recipe_alone(loss, through_first):
    first, segments = stepped(loss)
    assert np.abs(segments).max() > 1e-3
    assert (np.abs(first).max() > 1e-3) if through_first else not first.any()


def test_the_papers_gradient_of_attention_is_the_derivative():
    """a(t) earns what its segment costs less than the mean under attention."""
    y, _, segments = draw()
    v = noise(N, T, MAPS).astype(np.float64)

    def cost(v):
        share = (np.exp(v) / np.exp(v).sum(1, keepdims=True)).mean(-1)
        return (share[:, :, None] * xi(y[:, None], segments)).sum(1).mean()

    variable = keras.Variable(v.astype(np.float32))
    attention = SegmentAttention()
    attention.build(v.shape)
    train(lambda: keras.ops.concatenate([attention(variable)[:, :, None], segments], axis=-1),
          [variable], MicroBinaryCrossentropy())
    gradient = v - variable.numpy()
    for n, t, m in np.random.default_rng(0).integers((N, T, MAPS), size=(12, 3)):
        step = np.zeros_like(v)
        step[n, t, m] = 1e-5
        slope = (cost(v + step) - cost(v - step)) / 2e-5
        assert gradient[n, t, m] == pytest.approx(slope, abs=2e-6)
