"""VGGish: the released network, its files in the forms that people have, and fine-tuning."""

import keras
import numpy as np
import pytest
from checkpoint_files import save_checkpoint
from contracts import assert_close, noise, numpy_of

from sedzoo.frontend import Frontend
from sedzoo.layers import LogMel, Postprocessor
from sedzoo.zoo import create_model, model_card
from sedzoo.zoo.vggish import load_published, postprocessor_from

SIZES = {"width": 4, "units": 16, "embedding_size": 8, "num_classes": 3}
# The release's scopes, and the layer names of the Keras files made of it.
SCOPES = ["conv1", "conv2", "conv3/conv3_1", "conv3/conv3_2", "conv4/conv4_1", "conv4/conv4_2",
          "fc1/fc1_1", "fc1/fc1_2", "fc2"]
WITH_PREFIX = [*SCOPES[:6], "vggish_fc1/fc1_1", "vggish_fc1/fc1_2", "vggish_fc2"]
FLAT = [name.split("/")[-1] for name in SCOPES]
SILENCE = np.log(0.01)


def small(**arguments):
    return create_model("vggish", **{**SIZES, **arguments})


def trunk(**arguments):
    return small(include_top=False, **arguments)


def keras_vggish(kit, names, dense=True):
    """The network as its Keras versions build it: patches (N, 96, 64, 1) -> embeddings."""
    x = inputs = kit.Input((96, 64, 1))
    for name, factor in zip(names[:6], (1, 2, 4, 4, 8, 8), strict=True):
        x = kit.layers.Conv2D(4 * factor, (3, 3), strides=(1, 1), activation="relu",
                              padding="same", name=name)(x)
        if name[-1] != "1" or "_" not in name:
            x = kit.layers.MaxPooling2D((2, 2), strides=(2, 2), padding="same")(x)
    if dense:
        x = kit.layers.Flatten()(x)
        for name, units in zip(names[6:], (16, 16, 8), strict=True):
            x = kit.layers.Dense(units, activation="relu", name=name)(x)
    model = kit.Model(inputs, x)
    draw = np.random.default_rng(0)
    model.set_weights([draw.normal(0, 1.5 / np.sqrt(max(1, np.prod(w.shape[:-1]))), w.shape)
                       + (0.1 if len(w.shape) == 1 else 0) for w in model.weights])
    return model


@pytest.fixture(scope="module")
def released():
    """The network under the released Keras file's names."""
    return keras_vggish(pytest.importorskip("tf_keras"), WITH_PREFIX)


def embeddings_of(network, x):
    """Embeddings of clips (B, T, 64) by a network on patches, (B, P, D)."""
    num_patches = x.shape[1] // 96
    patches = x[:, :96 * num_patches].reshape(-1, 96, 64, 1)
    return network.predict(patches, verbose=0).reshape(len(x), num_patches, -1)


def clips(batch=2, frames=250):
    return 2 * noise(batch, frames, 64) - 1


# -- published files ---------------------------------------------------------------------------


def variables_of(network):
    """The network's values under the names of the release's variables."""
    names = [f"vggish/{scope}/{word}" for scope in SCOPES for word in ("weights", "biases")]
    return dict(zip(names, network.get_weights(), strict=True))


def write_version_1(network, folder):
    """As one that was trained on."""
    slots = {"vggish/fc2/biases/Adam": np.zeros(8, np.float32), "global_step": np.int64(7)}
    save_checkpoint(folder / "vggish_model.ckpt", {**variables_of(network), **slots}, "V1")
    return folder / "vggish_model.ckpt"


def write_version_2(network, folder):
    save_checkpoint(folder / "vggish_model.ckpt-500", variables_of(network), "V2")
    return folder / "vggish_model.ckpt-500"


def write_keras_weights(network, folder):
    network.save_weights(folder / "vggish_audioset_weights.h5")
    return folder / "vggish_audioset_weights.h5"


def write_keras_model(network, folder):
    network.compile("sgd", "mse")
    network.save(folder / "vggish.h5")
    return folder / "vggish.h5"


def write_keras_objects(network, folder):
    network.save_weights(folder / "objects")
    return folder / "objects"


def rename_and_write(kit, names, network, path):
    twin = keras_vggish(kit, names)
    twin.set_weights(network.get_weights())
    twin.save_weights(path)
    return path


def write_other_names(network, folder):
    return rename_and_write(pytest.importorskip("tf_keras"), SCOPES, network, folder / "w.h5")


def write_keras_3(network, folder):
    path = rename_and_write(keras, FLAT, network, folder / "model.weights.h5")
    return path.rename(folder / "model.h5")         # or it would be taken for the model's own


def write_keras_3_without_names(network, folder):
    path = rename_and_write(pytest.importorskip("tf_keras"), SCOPES, network,
                            folder / "model.weights.h5")
    return path.rename(folder / "model.h5")


def write_npz(network, folder):
    """The release's variables, with fc1_1 as the convolution over the last map."""
    arrays = variables_of(network)
    arrays["vggish/fc1/fc1_1/weights"] = arrays["vggish/fc1/fc1_1/weights"].reshape(6, 4, 32, 16)
    np.savez(folder / "vggish.npz", **arrays)
    return folder / "vggish.npz"


@pytest.mark.parametrize("write", [
    write_version_1, write_version_2, write_keras_weights, write_keras_model, write_keras_objects,
    write_other_names, write_keras_3, write_keras_3_without_names, write_npz])
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5")
def test_a_published_file_makes_the_released_network(write, released, tmp_path):
    path, x = write(released, tmp_path), clips()
    expected = embeddings_of(released, x)
    assert expected.std() > 0.1
    assert_close(trunk(weights=path)(x)["embedding"], expected)


def test_the_head_stays_as_it_was_and_the_report_says_what_was_loaded(
        released, tmp_path, caplog):
    model, path = small(), write_version_1(released, tmp_path)
    head = [model.get_layer(name).get_weights() for name in ("hidden", "frame")]
    with caplog.at_level("INFO", logger="absl"):
        report = load_published(model, path)
    for name, before in zip(("hidden", "frame"), head, strict=True):
        for now, then in zip(model.get_layer(name).get_weights(), before, strict=True):
            np.testing.assert_array_equal(now, then)
    assert report.is_complete and report.num_loaded == 18
    assert report.unused == ("global_step", "vggish/fc2/biases/Adam")
    assert str(report) in caplog.text and str(path) in caplog.text
    assert_close(keras.Model(model.input, model.get_layer("embedding").output)(clips()),
                 embeddings_of(released, clips()))


def test_a_file_without_dense_layers_loads_when_that_is_wanted(tmp_path):
    network = keras_vggish(pytest.importorskip("tf_keras"), WITH_PREFIX, dense=False)
    path = write_keras_weights(network, tmp_path)
    model = trunk()
    before = model.get_weights()
    with pytest.raises(ValueError, match="fc1_1 .* missing"):
        load_published(model, path)
    for now, then in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)
    report = load_published(model, path, partial=True)
    assert {row.layer for row in report.rows if row.status == "missing"} == {
        "fc1_1", "fc1_2", "fc2"}
    np.testing.assert_array_equal(model.get_layer("conv4_2").get_weights()[0],
                                  network.get_layer("conv4/conv4_2").get_weights()[0])


def test_weights_of_another_size_are_an_error_with_the_table_of_layers(released, tmp_path):
    path = write_version_1(released, tmp_path)
    with pytest.raises(ValueError, match=r"(?s)vggish_model.ckpt: .*conv1 .*\(3, 3, 1, 8\).*"
                                         r"shape mismatch: float32 \(3, 3, 1, 4\)"):
        small(width=8, weights=path)


# -- the network -------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_trunk_has_the_published_number_of_weights():
    counts = {layer.name: layer.count_params()
              for layer in create_model("vggish", include_top=False).layers if layer.weights}
    assert counts == {"conv1": 640, "conv2": 73_856, "conv3_1": 295_168, "conv3_2": 590_080,
                      "conv4_1": 1_180_160, "conv4_2": 2_359_808, "fc1_1": 50_335_744,
                      "fc1_2": 16_781_312, "fc2": 524_416}
    assert sum(counts.values()) == 72_141_184


def test_ten_seconds_are_ten_patches_of_0_96_s():
    frontend = Frontend.preset("vggish")
    log_mel = LogMel(frontend)(0.1 * noise(1, 160_000))
    assert log_mel.shape == (1, 998, 64)
    assert trunk()(log_mel)["embedding"].shape == (1, 10, 8)
    assert model_card("vggish").clock.hop_s == 0.96


@pytest.mark.parametrize("frames", [1, 40, 95])
def test_a_clip_shorter_than_a_patch_is_heard_as_one_that_ends_in_silence(frames):
    model, x = small(), clips(frames=frames)
    padded = np.concatenate([x, np.full((2, 96 - frames, 64), SILENCE, np.float32)], axis=1)
    assert_close(model(x), model(padded))
    assert model(x)["frame"].shape == (2, 1, 3)


def test_in_a_batch_of_several_lengths_each_clip_is_as_it_is_alone():
    model, ragged = small(), small(ragged=True)
    ragged.set_weights(model.get_weights())
    lengths, x = [30, 100, 200, 0], clips(4, 200)
    mask = np.arange(200)[None] < np.array(lengths)[:, None]
    x[~mask] = np.nan
    got = ragged({"audio": x, "frame_mask": mask})
    for row, length in enumerate(lengths[:3]):
        alone = model(x[row:row + 1, :length])
        num_patches = alone["frame"].shape[1]
        assert_close(got["clip"][row:row + 1], alone["clip"])
        assert_close(got["frame"][row:row + 1, :num_patches], alone["frame"])
        assert not numpy_of(got["frame"])[row, num_patches:].any()
    assert not numpy_of(got["clip"])[3].any()


def test_embeddings_of_padded_patches_are_zero():
    x, mask = clips(1, 300), np.arange(300)[None] < 100
    y = numpy_of(trunk(ragged=True, embedding_activation="linear")(
        {"audio": x, "frame_mask": mask})["embedding"])
    assert y.shape == (1, 3, 8) and y[0, 0].any() and not y[0, 1:].any()


def test_a_clip_is_the_mean_of_what_its_patches_say():
    y = small()(clips())
    assert_close(y["clip"], numpy_of(y["frame"]).mean(1))
    assert_close(numpy_of(y["frame"]).sum(-1), np.ones((2, 2)))
    several = numpy_of(small(activation="sigmoid")(clips())["frame"])
    assert np.abs(several.sum(-1) - 1).max() > 1e-3


def test_the_later_releases_linear_embedding_is_the_same_before_its_relu():
    model, linear = small(), small(embedding_activation="linear")
    linear.set_weights(model.get_weights())
    x = clips(4)
    assert_close(linear(x), model(x))
    heard = [numpy_of(keras.Model(m.input, m.get_layer("embedding").output)(x))
             for m in (model, linear)]
    assert heard[1].min() < 0
    assert_close(heard[0], np.maximum(heard[1], 0))


@pytest.mark.parametrize("trainable, layers", [
    ("all", [*FLAT, "hidden", "frame"]),
    ("dense", ["fc1_1", "fc1_2", "fc2", "hidden", "frame"]),
    ("embedding", ["fc2", "hidden", "frame"]),
    ("head", ["hidden", "frame"])])
def test_what_is_trained_runs_from_a_layer_to_the_end(trainable, layers):
    model = small(trainable=trainable)
    assert [layer.name for layer in model.layers if layer.trainable_weights] == layers


def test_a_head_without_hidden_layer_is_one_dense_layer():
    names = [layer.name for layer in small(hidden=0, dropout=0.5).layers if layer.weights]
    assert names == [*FLAT, "frame"]


@pytest.mark.parametrize("argument, value", [
    ("embedding_activation", "tanh"), ("activation", "relu"), ("trainable", "conv"),
    ("input_shape", (64,))])
def test_errors_name_the_argument(argument, value):
    with pytest.raises(ValueError, match=argument):
        small(**{argument: value})


# -- the post-processor ------------------------------------------------------------------------


def test_the_published_parameters_make_the_post_processor(tmp_path):
    vectors, means = noise(8, 8), noise(8, 1, seed=1)
    np.savez(tmp_path / "vggish_pca_params.npz", pca_eigen_vectors=vectors, pca_means=means)
    layer, x = postprocessor_from(tmp_path / "vggish_pca_params.npz"), noise(2, 5, 8, seed=2)
    assert isinstance(layer, Postprocessor)
    np.testing.assert_array_equal(numpy_of(layer(x)), numpy_of(Postprocessor(means[:, 0],
                                                                             vectors)(x)))


@pytest.mark.parametrize("arrays, says", [
    ({"pca_means": np.ones(3)}, "must hold pca_means, pca_eigen_vectors. Received: pca_means"),
    ({"pca_means": np.ones((3, 2)), "pca_eigen_vectors": np.eye(3)}, r"\(3, 2\)"),
    ({"pca_means": np.ones(3), "pca_eigen_vectors": np.full((3, 3), np.inf)}, "finite")])
def test_other_parameters_are_an_error_that_names_the_file(arrays, says, tmp_path):
    np.savez(tmp_path / "pca.npz", **arrays)
    with pytest.raises(ValueError, match=f"pca.npz: .*{says}"):
        postprocessor_from(tmp_path / "pca.npz")
