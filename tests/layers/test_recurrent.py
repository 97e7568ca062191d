import keras
import numpy as np
import pytest
from contracts import check_layer, check_mask, noise, numpy_of

from sedzoo.layers import BiGRU, GatedBiGRU, recurrent


@pytest.mark.parametrize("layer", [
    lambda: BiGRU(3), lambda: BiGRU(3, "relu"), lambda: BiGRU(3, recurrence="cudnn"),
    lambda: GatedBiGRU(3), lambda: GatedBiGRU(3, "cudnn")])
def test_contract(layer):
    check_layer(layer(), noise(3, 7, 4))
    check_mask(layer(), noise(3, 7, 4))


def test_the_gated_pair_is_two_grus_multiplied():
    x, layer = noise(2, 5, 3), GatedBiGRU(4)
    y = numpy_of(layer(x))
    np.testing.assert_allclose(y, numpy_of(layer.linear(x)) * numpy_of(layer.gate(x)), atol=1e-6)
    forward = keras_2_gru(x, *[numpy_of(w) for w in layer.gate.rnn.forward_layer.cell.weights])
    np.testing.assert_allclose(numpy_of(layer.gate(x))[..., :4], forward, atol=1e-5)


def keras_2_gru(x, kernel, recurrent, bias):
    """Keras 2's GRU (hard sigmoid, reset before the product) with a sigmoid candidate."""
    def hard(v):
        return np.clip(0.2 * v + 0.5, 0, 1)

    units, h, out = recurrent.shape[0], np.zeros((len(x), recurrent.shape[0])), []
    for t in range(x.shape[1]):
        gates = x[:, t] @ kernel + bias
        z = hard(gates[:, :units] + h @ recurrent[:, :units])
        r = hard(gates[:, units:2 * units] + h @ recurrent[:, units:2 * units])
        candidate = 1 / (1 + np.exp(-(gates[:, 2 * units:] + (r * h) @ recurrent[:, 2 * units:])))
        h = z * h + (1 - z) * candidate
        out.append(h)
    return np.stack(out, axis=1)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("layer", [
    lambda: BiGRU(3, "tanh"), lambda: BiGRU(3, "relu"), lambda: GatedBiGRU(3),
    pytest.param(lambda: GatedBiGRU(3, "cudnn"), marks=pytest.mark.slow)])
def test_one_loop_gives_keras_outputs_and_gradients(layer, masked, monkeypatch):
    if recurrent.kernels is None:
        pytest.skip("the loop of all directions is TensorFlow's")
    x = noise(4, 9, 5)
    mask = np.arange(9)[None] < np.array([[9], [7], [3], [0]]) if masked else None
    inputs = keras.Input((9, 5))
    frames = keras.Input((9,), dtype="bool")
    layer = layer()
    dense = keras.layers.Dense(5)
    model = keras.Model([inputs, frames],
                        layer(dense(inputs), frame_mask=frames if masked else None))
    model.compile(keras.optimizers.SGD(0.5), "mse")
    before = model.get_weights()
    outcome = []
    for kernels in (recurrent.kernels, None):
        monkeypatch.setattr(recurrent, "kernels", kernels)
        model.make_train_function(force=True)
        model.set_weights(before)
        y = numpy_of(model([x, np.ones((4, 9), bool) if mask is None else mask]))
        model.train_on_batch([x, np.ones((4, 9), bool) if mask is None else mask],
                             noise(*y.shape, seed=3))
        outcome.append([y, *model.get_weights()])
    for ours, theirs in zip(*outcome, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-5)
    assert any(np.abs(a - b).max() > 1e-4 for a, b in zip(before, outcome[0][1:], strict=True))


def test_an_unknown_recurrence_is_named():
    with pytest.raises(ValueError, match="recurrence='lstm'"):
        GatedBiGRU(3, "lstm")
