"""A HubLayer is its SavedModel: the same numbers, trained by Keras, saved with the model."""

import functools
import http.server
import subprocess
import sys
import tarfile
import threading
from pathlib import Path

import hub_models
import keras
import numpy as np
import pytest
import tensorflow as tf
from hub_models import MOMENTUM, PENALTY

from sedzoo.export import HubLayer

KERNEL = hub_models.weights(4, 3)
OPTIMIZERS = {
    "Adam": functools.partial(keras.optimizers.Adam, 0.05),
    "AdamW": functools.partial(keras.optimizers.AdamW, 0.05),
    "SGD": functools.partial(keras.optimizers.SGD, 0.01, momentum=0.9),
}


@pytest.fixture(scope="module")
def reusable(tmp_path_factory):
    return hub_models.save_reusable(tmp_path_factory.mktemp("hub") / "reusable")


@pytest.fixture(scope="module")
def yamnet(tmp_path_factory):
    return hub_models.save_yamnet(tmp_path_factory.mktemp("hub") / "yamnet")


@pytest.fixture
def x():
    return np.random.default_rng(0).normal(1, 1, (64, 4)).astype(np.float32)


def target(x):
    return x.sum(1, keepdims=True) - 4


def regression(layer):
    """A functional model of the layer and a dense one."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((4,))
    return keras.Model(inputs, keras.layers.Dense(1)(layer(inputs)))


def fit(model, x, optimizer="Adam", epochs=2, run_eagerly=True):
    model.compile(OPTIMIZERS[optimizer](), "mse", run_eagerly=run_eagerly)
    return model.fit(x, target(x), 64, epochs, verbose=0).history["loss"]


def test_it_computes_what_the_savedmodel_computes(reusable, x):
    outputs = HubLayer(reusable)(x)
    assert set(outputs) == {"embedding", "total"}
    np.testing.assert_allclose(outputs["embedding"], x @ KERNEL, atol=1e-5)
    np.testing.assert_allclose(outputs["total"], (x @ KERNEL).sum(1, keepdims=True), atol=1e-5)
    np.testing.assert_array_equal(HubLayer(reusable, output="total")(x), outputs["total"])
    np.testing.assert_array_equal(HubLayer(Path(reusable), output="total")(x.astype(np.float64)),
                                  outputs["total"])


def test_training_is_the_savedmodels_own(reusable, x):
    layer = HubLayer(reusable, trainable=True, output="embedding")
    before = layer(x, training=False)
    trained = layer(x, training=True)
    assert np.abs(trained - before).max() > 0.1                                  # dropout
    mean = (1 - MOMENTUM) * x.mean(0)
    np.testing.assert_allclose(layer.resolved_object.mean, mean, atol=1e-6)
    np.testing.assert_allclose(layer(x), (x - mean) @ KERNEL, atol=1e-5)


def test_its_weights_are_the_savedmodels_variables(reusable):
    layer = HubLayer(reusable, trainable=True)
    assert [w.name for w in layer.trainable_weights] == ["dense_kernel_0"]
    assert [w.name for w in layer.non_trainable_weights] == ["norm_mean_1", "num_steps_2"]
    assert layer.count_params() == 12 + 4 + 1
    layer.weights[0].assign(np.ones((4, 3)))
    np.testing.assert_array_equal(layer.resolved_object.kernel, np.ones((4, 3)))
    twin = HubLayer(reusable)
    assert not {w.path for w in layer.weights} & {w.path for w in twin.weights}
    assert twin.trainable_weights == [] and len(twin.non_trainable_weights) == 3
    twin.trainable = True
    assert [w.name for w in twin.trainable_weights] == ["dense_kernel_0"]


@pytest.mark.parametrize(("optimizer", "run_eagerly"), [("Adam", False), ("AdamW", True),
                                                        ("SGD", True)])
def test_it_trains(optimizer, run_eagerly, reusable, x):
    layer = HubLayer(reusable, trainable=True, output="embedding")
    losses = fit(regression(layer), x, optimizer, 6, run_eagerly)
    assert losses[-1] < 0.8 * losses[0]
    assert (np.abs(layer.resolved_object.kernel - KERNEL) > 1e-4).all()
    # Each step's batch, here all of x, the SavedModel counts and takes into its mean by itself.
    assert layer.resolved_object.num_steps.numpy() == 6
    np.testing.assert_allclose(layer.resolved_object.mean, x.mean(0) * (1 - MOMENTUM ** 6),
                               rtol=1e-5)


def test_frozen_it_stays_as_it_is(reusable, x):
    layer = HubLayer(reusable, output="embedding")
    model = regression(layer)
    losses = fit(model, x)
    assert losses[-1] < losses[0]                                       # the dense layer learns
    np.testing.assert_array_equal(layer.resolved_object.kernel, KERNEL)
    assert not layer.resolved_object.mean.numpy().any()
    assert layer.resolved_object.num_steps.numpy() == 0
    np.testing.assert_array_equal(layer(x, training=True), layer(x))    # no dropout either
    assert layer.losses == []


def test_the_regularisation_is_in_the_loss(reusable, x):
    layer = HubLayer(reusable, trainable=True, output="embedding")
    expected = PENALTY * np.square(KERNEL).sum()
    np.testing.assert_allclose(layer.losses, [expected], rtol=1e-6)
    model = regression(layer)
    model.compile(loss="mse", run_eagerly=True)
    error = np.square(model.predict(x, verbose=0) - target(x)).mean()
    np.testing.assert_allclose(model.evaluate(x, target(x), verbose=0), error + expected,
                               rtol=1e-5)


def test_a_keras_file_keeps_the_handle_and_the_trained_weights(reusable, x, tmp_path):
    layer = HubLayer(reusable, trainable=True, output="embedding", name="hub")
    model = regression(layer)
    fit(model, x)
    model.save(tmp_path / "model.keras")
    expected = model(x).numpy()
    with pytest.raises(ValueError, match="safe_mode=False"):
        keras.models.load_model(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=False)
    np.testing.assert_array_equal(loaded(x), expected)
    assert loaded.get_layer("hub").get_config() == layer.get_config()
    assert loaded.get_layer("hub").get_config()["handle"] == reusable
    assert loaded.get_layer("hub").resolved_object.num_steps.numpy() == 2
    loaded.train_on_batch(x, target(x))
    assert loaded.get_layer("hub").resolved_object.num_steps.numpy() == 3
    assert layer.resolved_object.num_steps.numpy() == 2


@pytest.mark.slow
def test_half_precision_around_it_leaves_it_in_float32(reusable, x):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        layer = HubLayer(reusable, trainable=True, output="embedding")
        losses = fit(regression(layer), x)
    finally:
        keras.config.set_dtype_policy("float32")
    assert losses[-1] < losses[0] and layer.trainable_weights[0].dtype == "float32"


@pytest.mark.slow
def test_a_model_with_it_is_exported_again_and_its_signature_trains_too(reusable, x, tmp_path):
    model = regression(HubLayer(reusable, trainable=True, output="embedding"))
    fit(model, x)
    model.export(tmp_path / "export", verbose=False)
    layer = HubLayer(tmp_path / "export", trainable=True, signature="serving_default",
                     output="output_0")
    np.testing.assert_allclose(layer(x), model(x), atol=1e-5)
    name = next(iter(layer.traces[0].structured_input_signature[1]))
    np.testing.assert_array_equal(layer({name: x}), layer(x))
    assert len(layer.trainable_weights) == 3
    before = [w.numpy() for w in layer.trainable_weights]
    losses = fit(regression(layer), x)
    assert losses[-1] < losses[0]
    for weight, old in zip(layer.trainable_weights, before, strict=True):
        assert np.abs(weight - old).max() > 0


def test_whole_waveforms_go_through_a_functional_model(yamnet):
    layer = HubLayer(yamnet, output=1)
    waveform = np.random.default_rng(1).normal(0, 0.1, 32_000).astype(np.float32)
    inputs = keras.Input(batch_shape=(None,))
    model = keras.Model(inputs, layer(inputs))
    assert model.output_shape == (None, 1024)
    np.testing.assert_array_equal(model(waveform), tf.saved_model.load(yamnet)(waveform)[1])


def test_a_savedmodel_that_lists_no_variables_trains_those_it_reads(yamnet):
    layer = HubLayer(yamnet, trainable=True, output=0)
    assert not hasattr(layer.resolved_object, "variables")
    assert sorted(tuple(w.shape) for w in layer.trainable_weights) == [(64, 1024), (1024, 521)]
    waveform = np.random.default_rng(1).normal(0, 0.1, 32_000).astype(np.float32)
    optimizer = keras.optimizers.Adam(1e-2)
    losses = []
    for _ in range(3):
        with tf.GradientTape() as tape:
            losses.append(tf.reduce_mean(layer(waveform, training=True)))
        gradients = tape.gradient(losses[-1], [w.value for w in layer.trainable_weights])
        optimizer.apply_gradients(zip(gradients, layer.trainable_weights, strict=True))
    assert losses[2] < losses[1] < losses[0]


@pytest.mark.parametrize(("arguments", "message"), [
    ({"output": "scores"}, "`output` must be one of \\['embedding', 'total'\\].*'scores'"),
    ({"output": 0}, "`output` must be one of .*output=0"),
    ({"signature": "serve"}, "`signature` must be one of \\[\\].*'serve'"),
])
def test_it_names_the_bad_argument(arguments, message, reusable, x):
    with pytest.raises(ValueError, match=message):
        HubLayer(reusable, **arguments)(x)


def test_a_part_of_one_tensor_is_refused(tmp_path):
    path = hub_models.save_vggish(tmp_path / "vggish")
    with pytest.raises(ValueError, match="`output` must be None. Received: output=0"):
        HubLayer(path, output=0)(np.zeros(32_000, np.float32))


def test_a_savedmodel_that_cannot_be_called_names_its_signatures(tmp_path):
    inputs = keras.Input((4,))
    keras.Model(inputs, keras.layers.Dense(1)(inputs)).export(tmp_path / "1", verbose=False)
    with pytest.raises(ValueError, match="\\['serve', 'serving_default'\\].*cannot be called"):
        HubLayer(tmp_path / "1")


def test_a_place_without_a_savedmodel_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=f"no SavedModel at {tmp_path}"):
        HubLayer(tmp_path)


def test_another_backend_is_refused(reusable, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ValueError, match="TensorFlow backend alone.*'jax'"):
        HubLayer(reusable)


def test_a_broken_tensorflow_hub_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_hub", None)  # importing it raises ImportError
    with pytest.raises(ImportError, match="setuptools<82") as caught:
        HubLayer("https://example.org/yamnet/1")
    assert "\n" not in str(caught.value) and caught.value.__suppress_context__


def test_an_address_is_downloaded(reusable, x, tmp_path, monkeypatch):
    pytest.importorskip("tensorflow_hub")
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "cache"))
    for key in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(key, raising=False)
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as archive:
        archive.add(reusable, arcname=".")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/model.tar.gz"
        layer = HubLayer(address, output="embedding")
        server.shutdown()
    np.testing.assert_allclose(layer(x), x @ KERNEL, atol=1e-5)
    assert layer.get_config()["handle"] == address
    assert Path(layer.directory).is_relative_to(tmp_path / "cache")


_REPLICAS = """
import sys
import keras, numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from sedzoo.export import HubLayer
x = np.random.default_rng(0).normal(1, 1, (64, 4)).astype("float32")
y = x.sum(1, keepdims=True) - 4
for make in (lambda: keras.optimizers.Adam(0.05), lambda: keras.optimizers.AdamW(0.05),
             lambda: keras.optimizers.SGD(0.01, momentum=0.9)):
    keras.utils.set_random_seed(0)
    with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
        layer = HubLayer(sys.argv[1], trainable=True, output="embedding")
        inputs = keras.Input((4,))
        model = keras.Model(inputs, keras.layers.Dense(1)(layer(inputs)))
        model.compile(make(), "mse")
    before = layer.trainable_weights[0].numpy()
    losses = model.fit(x, y, epochs=10, verbose=0).history["loss"]
    assert losses[-1] < 0.8 * losses[0], losses
    kernels = [v.numpy() for v in layer.resolved_object.kernel.values]
    means = [v.numpy() for v in layer.resolved_object.mean.values]
    assert len(kernels) == len(means) == 2
    assert np.abs(kernels[0] - before).min() > 1e-4
    np.testing.assert_array_equal(*kernels)
    np.testing.assert_array_equal(*means)
    # Halves of a batch have together the batch's mean: 20 steps towards means around x's.
    np.testing.assert_allclose(means[0], x.mean(0) * (1 - 0.9 ** 20), atol=0.1)
# The loss counts the regularisation once, not once a replica.
expected = np.square(model.predict(x, verbose=0) - y).mean() + 0.1 * np.square(kernels[0]).sum()
np.testing.assert_allclose(model.evaluate(x, y, verbose=0), expected, rtol=1e-4)
"""


@pytest.mark.slow
def test_the_replicas_of_a_strategy_train_as_one(reusable):
    done = subprocess.run([sys.executable, "-c", _REPLICAS, reusable], text=True,
                          capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr
