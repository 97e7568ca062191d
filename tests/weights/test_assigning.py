"""Arrays into models: which are taken, and that nothing is done by halves."""

import keras
import numpy as np
import pytest
from contracts import noise

from sedzoo.weights import Report, assign


def network():
    inputs = keras.Input((2, 2, 3))
    x = keras.layers.Conv2D(4, 1, name="conv1")(inputs)
    x = keras.layers.Dense(5, name="fc1")(keras.layers.Flatten()(x))
    return keras.Model(inputs, keras.layers.Dense(2, name="head")(x), name="network")


NAMES = {"conv1": [["scope/conv1/weights", "conv1/kernel"], ["scope/conv1/biases", "conv1/bias"]],
         "fc1": [["scope/fc1/weights", "fc1/kernel"], ["scope/fc1/biases", "fc1/bias"]]}


def arrays(**changes):
    """What fits the network, under the first names; None takes one out."""
    found = {"scope/conv1/weights": noise(1, 1, 3, 4), "scope/conv1/biases": noise(4, seed=1),
             "scope/fc1/weights": noise(16, 5, seed=2), "scope/fc1/biases": noise(5, seed=3),
             **{key.replace("__", "/"): value for key, value in changes.items()}}
    return {key: value for key, value in found.items() if value is not None}


def assert_unchanged(model, before):
    for now, then in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_every_layer_that_is_named_gets_its_arrays_and_no_other():
    model, given = network(), arrays(scope__conv1__weights__Adam=noise(3), global_step=np.array(1))
    head = model.get_layer("head").get_weights()
    report = assign(model, given, NAMES)
    for layer in ("conv1", "fc1"):
        for got, word in zip(model.get_layer(layer).get_weights(), ("weights", "biases"),
                             strict=True):
            np.testing.assert_array_equal(got, given[f"scope/{layer}/{word}"])
    for now, then in zip(model.get_layer("head").get_weights(), head, strict=True):
        np.testing.assert_array_equal(now, then)
    assert isinstance(report, Report) and report.is_complete and report.num_loaded == 4
    assert report.unused == ("scope/conv1/weights/Adam", "global_step")
    assert [(row.layer, row.weight, row.shape, row.source) for row in report.rows][:2] == [
        ("conv1", "kernel", (1, 1, 3, 4), "scope/conv1/weights"),
        ("conv1", "bias", (4,), "scope/conv1/biases")]


def test_of_several_names_the_first_that_is_there_is_taken():
    given = arrays(scope__fc1__weights=None, fc1__kernel=noise(16, 5, seed=7),
                   conv1__bias=noise(4, seed=8))
    model = network()
    report = assign(model, given, NAMES)
    np.testing.assert_array_equal(model.get_layer("fc1").get_weights()[0], given["fc1/kernel"])
    assert report.rows[2].source == "fc1/kernel" and report.unused == ("conv1/bias",)


def test_a_dense_kernel_kept_as_a_convolution_is_flattened_in_the_order_of_flatten():
    model, kernel = network(), noise(2, 2, 4, 5, seed=2)
    assign(model, arrays(scope__fc1__weights=kernel), NAMES)
    x = noise(1, 2, 2, 3)
    conv = np.einsum("bhwi,io->bhwo", x, noise(1, 1, 3, 4)[0, 0]) + noise(4, seed=1)
    dense = np.einsum("bhwi,hwio->bo", conv, kernel) + noise(5, seed=3)
    got = keras.Model(model.input, model.get_layer("fc1").output)(x)
    np.testing.assert_allclose(np.asarray(got), dense, atol=1e-5)


@pytest.mark.parametrize("shape", [(5, 16), (4, 4, 5, 1), (8, 2), (16,), (2, 8, 6), (80, 1, 1)])
def test_another_shape_of_as_many_numbers_is_no_match(shape):
    model = network()
    before = model.get_weights()
    with pytest.raises(ValueError, match="shape mismatch"):
        assign(model, arrays(scope__fc1__weights=np.ones(shape, np.float32)), NAMES)
    assert_unchanged(model, before)


@pytest.mark.parametrize("changes, says", [
    ({"scope__fc1__biases": None, "scope__fc1__bias": noise(5)},
     "fc1 .* bias .* missing: nearest is 'scope/fc1/bias'"),
    ({"scope__fc1__weights": noise(16, 6)},
     r"fc1 .* scope/fc1/weights .* shape mismatch: float32 \(16, 6\)"),
    ({"scope__conv1__biases": np.array(["a"] * 4)}, "conv1 .* shape mismatch: <U1"),
])
def test_where_one_does_not_fit_the_table_says_so_and_none_is_loaded(changes, says):
    model = network()
    before = model.get_weights()
    with pytest.raises(ValueError, match=says) as error:
        assign(model, arrays(**changes), NAMES)
    assert_unchanged(model, before)
    assert "0 of 4 weights loaded" in str(error.value) and "held back" in str(error.value)


def test_partial_loads_layers_that_fit_whole():
    model, given = network(), arrays(scope__fc1__biases=None)
    fc1 = model.get_layer("fc1").get_weights()
    report = assign(model, given, NAMES, partial=True)
    np.testing.assert_array_equal(model.get_layer("conv1").get_weights()[1],
                                  given["scope/conv1/biases"])
    for now, then in zip(model.get_layer("fc1").get_weights(), fc1, strict=True):
        np.testing.assert_array_equal(now, then)
    assert [row.status for row in report.rows] == ["loaded", "loaded", "held back", "missing"]
    assert report.num_loaded == 2 and not report.is_complete


def test_partial_of_nothing_is_an_error():
    with pytest.raises(ValueError, match="do not fit network"):
        assign(network(), {"foreign": np.ones(3)}, NAMES, partial=True)


def test_the_report_is_a_table_for_people():
    lines = str(assign(network(), arrays(step=np.array(1)), NAMES)).splitlines()
    assert lines[0].split() == ["layer", "weight", "shape", "source", "status"]
    assert lines[1].split("  ")[0] == "conv1" and lines[1].endswith("loaded")
    assert len({line.index("scope/") for line in lines[1:5]}) == 1
    assert lines[5:] == ["4 of 4 weights loaded.", "Unused: step"]
