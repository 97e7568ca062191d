import keras
import numpy as np
import pytest
from contracts import check_layer, noise, numpy_of

from sedzoo.layers import EmbeddingPCA, Postprocessor, dequantise, quantise, training_scale

CODES = np.arange(256, dtype=np.uint8)


def released(embeddings, components, means):
    """VGGish's postprocess, (N, D) -> uint8 (N, D); means (D, 1)."""
    applied = np.dot(components, (embeddings.T - means)).T
    clipped = np.clip(applied, -2.0, +2.0)
    return ((clipped - -2.0) * (255.0 / (+2.0 - -2.0))).astype(np.uint8)


def quantised_as_released(y):
    """Its last two lines, in float32."""
    y = np.clip(np.asarray(y, np.float32), np.float32(-2.0), np.float32(2.0))
    return ((y - np.float32(-2.0)) * np.float32(255.0 / 4.0)).astype(np.uint8)


def edges():
    """Every float32 at and next to a step from one code to the next, and what lies outside."""
    steps = (np.arange(257) * 4 / 255 - 2).astype(np.float32)
    near, above, below = [steps], steps, steps
    for _ in range(3):
        above, below = np.nextafter(above, np.float32(9)), np.nextafter(below, np.float32(-9))
        near += [above, below]
    beyond = np.array([-np.inf, np.inf, -1e30, 1e30, -2.0, 2.0, 0.0, -0.0, 1e-40], np.float32)
    return np.concatenate([*near, beyond])


@pytest.mark.parametrize("y", [edges(), 3 * noise(100_000), np.linspace(-2.1, 2.1, 99_999)],
                         ids=["edges", "noise", "sweep"])
def test_codes_are_the_releases_to_the_bit(y):
    got = numpy_of(quantise(y))
    assert got.dtype == np.uint8
    np.testing.assert_array_equal(got, quantised_as_released(y))


def test_codes_keep_the_order_of_what_they_stand_for():
    y = np.sort(edges())
    codes = numpy_of(quantise(y)).astype(int)
    assert (np.diff(codes) >= 0).all() and codes[0] == 0 and codes[-1] == 255
    assert set(codes) == set(range(256))


def test_every_code_comes_back_and_is_the_same_code_again():
    y = numpy_of(dequantise(CODES))
    scalar, bias = np.float32(4 / 255), np.float32(4 / 512 - 2)
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y, CODES.astype(np.float32) * scalar + bias)      # YouTube-8M's
    np.testing.assert_array_equal(numpy_of(quantise(y)), CODES)


def test_compiled_they_give_the_same_bits():
    if keras.backend.backend() != "tensorflow":
        pytest.skip("compiled by TensorFlow")
    import tensorflow as tf

    for function, x in ((quantise, edges()), (dequantise, CODES), (training_scale, CODES)):
        compiled = tf.function(function, jit_compile=True)(x)
        np.testing.assert_array_equal(compiled.numpy(), numpy_of(function(x)))


def test_what_comes_back_is_near_what_was_quantised():
    y = np.linspace(-2, 2, 10_001).astype(np.float32)
    assert np.abs(numpy_of(dequantise(quantise(y))) - y).max() <= 4 / 255 / 2 + 1e-3


def test_networks_are_trained_on_the_code_less_128_over_128():
    got = numpy_of(training_scale(CODES))
    np.testing.assert_array_equal(got, (CODES.astype(np.float32) - 128) / 128)
    assert got.min() == -1 and got.max() == 127 / 128


# -- principal components ----------------------------------------------------------------------


def parameters(size=6, seed=0):
    """A mean and components that whiten, as the released ones do: no rotation."""
    rotation = np.linalg.qr(noise(size, size, seed=seed))[0]
    return noise(size, seed=seed + 1), (rotation * np.geomspace(0.3, 3, size)[:, None]).astype(
        np.float32)


def test_components_are_those_of_the_release():
    mean, components = parameters()
    x = noise(50, 6, seed=3)
    layer = EmbeddingPCA(mean, components)
    expected = np.dot(components, (x.T - mean[:, None])).T
    np.testing.assert_allclose(numpy_of(layer(x)), expected, atol=1e-5)
    np.testing.assert_allclose(numpy_of(layer(x.reshape(5, 10, 6))), expected.reshape(5, 10, 6),
                               atol=1e-5)
    check_layer(layer, x)


def test_the_post_processor_is_the_releases_to_the_bit_where_sums_have_no_rounding():
    """Of sixteenths, every sum is exact in float32, in whatever order it is taken."""
    draw = np.random.default_rng(0)
    components, mean = draw.integers(-8, 9, (6, 6)) / 16, draw.integers(-8, 9, 6) / 16
    x = draw.integers(-32, 33, (2000, 6)) / 16
    got = numpy_of(Postprocessor(mean, components)(x.astype(np.float32)))
    expected = released(x.astype(np.float32), components.astype(np.float32),
                        mean[:, None].astype(np.float32))
    assert got.dtype == np.uint8 and {0, 255} < set(expected.ravel())
    np.testing.assert_array_equal(got, expected)


def test_the_post_processor_differs_by_a_code_at_most_where_sums_round():
    mean, components = parameters(128)
    x = np.abs(noise(500, 128, seed=4))
    got = numpy_of(Postprocessor(mean, components)(x)).astype(int)
    difference = np.abs(got - released(x, components, mean[:, None]))
    assert difference.max() <= 1 and difference.mean() < 1e-3


def test_the_inverse_gives_the_embeddings_back_though_whitening_is_no_rotation():
    mean, components = parameters(20)
    x = noise(3, 7, 20, seed=5)
    layer = EmbeddingPCA(mean, components)
    np.testing.assert_allclose(numpy_of(layer.inverse(layer(x))), x, atol=1e-4)
    transposed = numpy_of(layer(x)) @ components + mean
    assert np.abs(transposed - x).max() > 0.1


def test_the_post_processors_inverse_loses_what_eight_bits_lose():
    mean, components = parameters()
    codes = np.random.default_rng(0).integers(0, 256, (40, 6)).astype(np.uint8)
    layer = Postprocessor(mean, components)
    x = numpy_of(layer.inverse(codes))
    np.testing.assert_allclose((x - mean) @ components.T, numpy_of(dequantise(codes)), atol=1e-4)
    np.testing.assert_array_equal(numpy_of(layer(x)), codes)


def test_a_model_with_them_is_saved_and_gives_the_same_codes(tmp_path):
    mean, components = parameters()
    inputs = keras.Input((None, 6))
    model = keras.Model(inputs, Postprocessor(mean, components)(inputs))
    assert model.output.dtype == "uint8"
    x = noise(2, 9, 6)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict(x, verbose=0), numpy_of(model(x)))


def test_half_precision_around_them_costs_no_bits():
    mean, components = parameters()
    x = noise(30, 6)
    expected = numpy_of(Postprocessor(mean, components)(x))
    keras.config.set_dtype_policy("mixed_float16")
    try:
        np.testing.assert_array_equal(numpy_of(Postprocessor(mean, components)(x)), expected)
    finally:
        keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize("mean, components, says", [
    (np.zeros(3), np.zeros((3, 2)), r"\(3,\) and \(3, 2\)"),
    (np.zeros((3, 1)), np.eye(3), r"\(3, 1\)"),
    (np.zeros(3), np.full((3, 3), np.nan), "finite")])
def test_parameters_that_do_not_fit_are_errors(mean, components, says):
    with pytest.raises(ValueError, match=says):
        EmbeddingPCA(mean, components)


def test_components_without_an_inverse_are_an_error_when_it_is_asked_for():
    for components in (np.ones((3, 3)), np.eye(3)[:2]):
        with pytest.raises(ValueError, match="full rank"):
            EmbeddingPCA(np.zeros(3), components).inverse(np.zeros((1, len(components))))
    with pytest.raises(ValueError, match="3 numbers, an embedding 4"):
        EmbeddingPCA(np.zeros(3), np.eye(3))(np.zeros((1, 4)))
