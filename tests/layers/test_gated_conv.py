import keras
import numpy as np
import pytest
from contracts import assert_close, check_layer, noise, numpy_of

from sedzoo.layers import BatchNorm, GatedConv2D, StackFrames


def test_contracts():
    check_layer(GatedConv2D(5, kernel_size=(3, 1)), noise(3, 7, 8, 2))
    check_layer(BatchNorm(), noise(3, 7, 8, 2))
    check_layer(StackFrames(3), noise(3, 7, 4))


def test_is_the_equation_of_the_paper():
    layer, x = GatedConv2D(2, kernel_size=1), noise(1, 2, 3, 4)
    y = numpy_of(layer(x))
    linear, gate = np.split(x @ numpy_of(layer.kernel)[0, 0] / np.sqrt(1 + 1e-3), 2, axis=-1)
    np.testing.assert_allclose(y, linear / (1 + np.exp(-gate)), atol=1e-5)


@pytest.mark.parametrize("training", [False, True])
def test_one_convolution_or_two_give_the_same(training):
    x = noise(2, 6, 8, 3)
    one, two = GatedConv2D(4, fused=True), GatedConv2D(4, fused=False)
    one(x), two(x)
    two.set_weights(one.get_weights())
    assert_close(one(x, training=training), two(x, training=training))
    assert_close(dict(enumerate(one.get_weights())), dict(enumerate(two.get_weights())))


@pytest.mark.parametrize("training", [False, True])
def test_the_fused_kernel_gives_keras_numbers_gradients_and_statistics(training):
    x = noise(4, 6, 5, 3) * 2 + 1
    ours, theirs = BatchNorm(momentum=0.9), keras.layers.BatchNormalization(momentum=0.9)
    models = []
    for layer in (ours, theirs):
        inputs = keras.Input(x.shape[1:])
        conv = keras.layers.Conv2D(3, 1)
        models.append(keras.Model(inputs, layer(conv(inputs), training=training)))
        models[-1].compile(keras.optimizers.SGD(0.1), "mse")
    models[1].set_weights(models[0].get_weights())
    assert_close(models[0](x), models[1](x))
    for model in models:
        model.train_on_batch(x, np.zeros_like(x))
    for a, b in zip(models[0].get_weights(), models[1].get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_padded_frames_stay_out_of_the_batch_statistics():
    x = noise(2, 6, 4, 3)
    mask = np.arange(9)[None] < np.array([[6], [6]])
    padded = np.concatenate([x, 100 * np.ones((2, 3, 4, 3), np.float32)], axis=1)
    plain, masked = (GatedConv2D(2, kernel_size=1) for _ in range(2))
    plain(x), masked(x)
    masked.set_weights(plain.get_weights())
    assert_close(masked(padded, frame_mask=mask, training=True)[:, :6],
                 plain(x, training=True), 1e-4)


def test_stacked_frames_repeat_the_ends():
    x = np.arange(4, dtype=np.float32).reshape(1, 4, 1)
    assert numpy_of(StackFrames(3)(x))[0].tolist() == [[0, 0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 3]]
    mask = np.array([[True, True, True, False]])
    assert numpy_of(StackFrames(3)(x, frame_mask=mask))[0, 2].tolist() == [1, 2, 2]


def test_errors_name_the_argument():
    with pytest.raises(ValueError, match="filters=0"):
        GatedConv2D(0)
    with pytest.raises(ValueError, match="num_frames=4"):
        StackFrames(4)
