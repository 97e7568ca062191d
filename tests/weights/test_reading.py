"""Weight files as others write them, and files that are none."""

import io
import os
import pickle
import subprocess
import sys
import zipfile

import h5py
import keras
import numpy as np
import pytest
from checkpoint_files import save_checkpoint
from contracts import noise

from sedzoo.weights import read

tf = pytest.importorskip("tensorflow")


def assert_same(got, expected):
    assert sorted(got) == sorted(expected)
    for name, value in expected.items():
        assert got[name].dtype == value.dtype
        np.testing.assert_array_equal(got[name], value)


ARRAYS = {"vggish/conv1/weights": noise(3, 3, 1, 4), "vggish/conv1/biases": noise(4),
          "vggish/conv1/weights/Adam": noise(3, 3, 1, 4, seed=1),
          "global_step": np.array(7, np.int64)}


# -- TensorFlow --------------------------------------------------------------------------------


def test_a_checkpoint_of_version_1_is_one_file(tmp_path):
    save_checkpoint(tmp_path / "vggish_model.ckpt", ARRAYS, "V1")
    assert (tmp_path / "vggish_model.ckpt").is_file()
    assert_same(read(tmp_path / "vggish_model.ckpt"), ARRAYS)
    assert_same(read(str(tmp_path / "vggish_model.ckpt")), ARRAYS)


@pytest.mark.parametrize("ending", ["", ".index", ".data-00000-of-00001"])
@pytest.mark.parametrize("name", ["vggish", "my model.ckpt-500"])
def test_a_checkpoint_of_version_2_goes_by_each_of_its_names(name, ending, tmp_path):
    save_checkpoint(tmp_path / name, ARRAYS, "V2")
    assert_same(read(tmp_path / f"{name}{ending}"), ARRAYS)


def test_names_of_objects_lose_what_only_the_checkpoint_needs(tmp_path):
    values = {"kernel": noise(2, 3), "half": noise(2).astype(np.float16)}
    variables = {name: tf.Variable(value) for name, value in values.items()}
    brain = tf.Variable(tf.cast([1.5, -2.0], tf.bfloat16))
    tf.train.Checkpoint(**variables, brain=brain, text=tf.Variable("not a number")).write(
        str(tmp_path / "objects"))
    assert_same(read(tmp_path / "objects"), {**values, "brain": np.array([1.5, -2], np.float32)})


def test_a_checkpoint_without_its_data_is_an_error(tmp_path):
    save_checkpoint(tmp_path / "x", ARRAYS, "V2")
    (tmp_path / "x.data-00000-of-00001").unlink()
    with pytest.raises(ValueError, match="x: cannot be read as a TensorFlow checkpoint"):
        read(tmp_path / "x")


# -- Keras -------------------------------------------------------------------------------------


def small_network(kit):
    """A network in Keras 2 or 3, whose optimizer has its slots."""
    kit.backend.clear_session()
    slash = "/" if kit is not keras else "_"
    inputs = kit.Input((6, 6, 1))
    x = kit.layers.Conv2D(2, 3, name="conv1")(inputs)
    x = kit.layers.Conv2D(3, 3, name=f"conv3{slash}conv3_1")(x)
    x = kit.layers.Flatten()(x)
    inner = kit.Sequential([kit.layers.Dense(2, name="first"), kit.layers.Dense(2, name="last")],
                           name="inner")
    model = kit.Model(inputs, inner(x))
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)
    return model


def values_by_name(model, names, words):
    """The weights of each layer with weights, in order, under these names."""
    layers = [layer for layer in model.layers if layer.weights]
    layers = layers[:-1] + layers[-1].layers
    return {f"{name}/{word}": np.asarray(value) for name, layer in zip(names, layers, strict=True)
            for word, value in zip(words, layer.get_weights(), strict=True)}


@pytest.mark.parametrize("save", ["save_weights", "save"])
def test_keras_2_names_layers_and_weights(save, tmp_path):
    model = small_network(pytest.importorskip("tf_keras"))
    getattr(model, save)(tmp_path / "model.h5")
    names = ("conv1", "conv3/conv3_1", "inner/first", "inner/last")
    assert_same(read(tmp_path / "model.h5"), values_by_name(model, names, ("kernel", "bias")))


def test_keras_2_in_the_form_of_3_has_no_names(tmp_path):
    model = small_network(pytest.importorskip("tf_keras"))
    model.save_weights(tmp_path / "model.weights.h5")
    names = ("conv2d", "conv2d_1", "sequential/dense", "sequential/dense_1")
    assert_same(read(tmp_path / "model.weights.h5"), values_by_name(model, names, "01"))


def test_keras_3_numbers_the_weights_of_named_layers(tmp_path):
    model = small_network(keras)
    model.save_weights(tmp_path / "model.weights.h5")
    names = ("conv1", "conv3_conv3_1", "inner/first", "inner/last")
    assert_same(read(tmp_path / "model.weights.h5"), values_by_name(model, names, "01"))


def test_keras_1_names_weights_after_their_layers(tmp_path):
    kernel, bias = noise(3, 3, 1, 2), noise(2)
    with h5py.File(tmp_path / "model.h5", "w") as file:
        # Keras cuts long lists of names in pieces.
        file.attrs["layer_names0"], file.attrs["layer_names1"] = [b"input_1"], [b"conv1"]
        file.create_group("input_1").attrs["weight_names"] = np.array([], "S1")
        group = file.create_group("conv1")
        group.attrs["weight_names"] = [b"conv1_W:0", b"conv1_b:0"]
        group["conv1_W:0"], group["conv1_b:0"] = kernel, bias
    assert_same(read(tmp_path / "model.h5"), {"conv1/W": kernel, "conv1/b": bias})


def test_compressed_datasets_are_read(tmp_path):
    zeros = np.zeros((200, 300), np.float32)
    with h5py.File(tmp_path / "model.h5", "w") as file:
        file.create_dataset("layers/conv1/vars/0", data=zeros, compression="gzip")
    assert_same(read(tmp_path / "model.h5"), {"conv1/0": zeros})


# -- NumPy -------------------------------------------------------------------------------------


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_archive_has_its_arrays(save, tmp_path):
    arrays = {"pca_means": noise(5, 1), "pca_eigen_vectors": np.zeros((5, 5))}
    save(tmp_path / "pca.npz", **arrays)
    assert_same(read(tmp_path / "pca.npz"), arrays)


def test_an_array_goes_by_the_name_of_its_file(tmp_path):
    np.save(tmp_path / "mean.npy", np.asfortranarray(noise(3, 2)))
    assert_same(read(tmp_path / "mean.npy"), {"mean": noise(3, 2)})


def test_reading_an_archive_imports_no_framework(tmp_path):
    np.savez(tmp_path / "pca.npz", a=noise(2))
    code = ("import sys; from sedzoo.weights import read; read(sys.argv[1]);"
            "assert not {'tensorflow', 'keras', 'h5py'} & set(sys.modules)")
    subprocess.run([sys.executable, "-c", code, tmp_path / "pca.npz"], check=True)


# -- what is no weight file --------------------------------------------------------------------


class Trap:
    """Unpickled, it leaves a file behind."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def write_pickle(path):
    path.write_bytes(pickle.dumps(Trap(path.with_name("sprung"))))


def write_pickle_in_npy(path):
    np.save(path, np.array([Trap(path.with_name("sprung"))], object), allow_pickle=True)


def write_pickle_in_npz(path):
    np.savez(path, fine=np.ones(2), trap=np.array([Trap(path.with_name("sprung"))], object))


def write_pickle_in_zip(path):
    """As PyTorch saves."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Trap(path.with_name("sprung"))))


def write_text(path):
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 277\n")


def write_nothing(path):
    path.write_bytes(b"")


def write_empty_hdf5(path):
    h5py.File(path, "w").close()


def header_of(shape):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        file, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return file.getvalue()


def write_npy_of_terabytes(path):
    path.write_bytes(header_of((10 ** 6, 10 ** 6)) + bytes(100))


def write_npz_of_terabytes(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", header_of((10 ** 6, 10 ** 6)) + bytes(100))


def write_npz_that_lies_about_its_size(path):
    """The directory claims terabytes, too."""
    content = header_of((10 ** 9,)) + bytes(100)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", content)
        archive.infolist()[0].file_size = 4 * 10 ** 9 + len(content) - 100


def write_hdf5_of_terabytes(path):
    """Chunks that were never written: nothing in the file, terabytes in memory."""
    with h5py.File(path, "w") as file:
        file.create_dataset("layers/conv1/vars/0", (10 ** 6, 10 ** 6), "f4", chunks=(1000, 1000))


def write_hdf5_with_links(path):
    """A thousand names of one array."""
    with h5py.File(path, "w") as file:
        file["a/x"] = np.ones(10 ** 5, np.float32)
        file["a"].attrs["weight_names"] = [f"w{number}" for number in range(1000)]
        for number in range(1000):
            file[f"a/w{number}"] = file["a/x"]
        file.attrs["layer_names"] = ["a"]


def write_hdf5_with(path, make):
    with h5py.File(path.with_name("other.h5"), "w") as file:
        file["0"] = np.ones(3, np.float32)
    path.with_name("raw").write_bytes(bytes(12))
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = ["a"]
        group = file.create_group("a")
        group.attrs["weight_names"] = ["0"]
        make(group, path)


def write_hdf5_link_to_another_file(path):
    write_hdf5_with(path, lambda group, path: group.__setitem__(
        "0", h5py.ExternalLink(str(path.with_name("other.h5")), "0")))


def write_hdf5_soft_link(path):
    write_hdf5_with(path, lambda group, path: group.__setitem__("0", h5py.SoftLink("/a/1")))


def write_hdf5_of_another_files_bytes(path):
    write_hdf5_with(path, lambda group, path: group.create_dataset(
        "0", (3,), "f4", external=[(str(path.with_name("raw")), 0, 12)]))


def write_hdf5_virtual_dataset(path):
    layout = h5py.VirtualLayout((3,), "f4")
    layout[:] = h5py.VirtualSource(str(path.with_name("other.h5")), "0", (3,))
    write_hdf5_with(path, lambda group, path: group.create_virtual_dataset("0", layout))


def write_hdf5_of_text(path):
    write_hdf5_with(path, lambda group, path: group.__setitem__("0", "text"))


def write_hdf5_of_groups(path):
    write_hdf5_with(path, lambda group, path: group.create_group("0"))


def write_checkpoint_of_more_than_its_data(path):
    save_checkpoint(path.with_name("big"), {"a": np.ones((1000, 1000), np.float32)}, "V2")
    save_checkpoint(path.with_name("small"), {"a": np.ones(3, np.float32)}, "V2")
    path.with_name("big.index").rename(f"{path}.index")
    path.with_name("small.data-00000-of-00001").rename(f"{path}.data-00000-of-00001")


@pytest.mark.parametrize("write, reason", [
    (write_pickle, "no TensorFlow checkpoint, Keras HDF5, .npz or .npy"),
    (write_text, "begins with b'version '"),
    (write_nothing, "holds 0 bytes"),
    (write_empty_hdf5, "without any weights"),
    (write_pickle_in_npy, "pickled"),
    (write_pickle_in_npz, "trap.npy holds pickled"),
    (write_pickle_in_zip, "archive/data.pkl.*PyTorch"),
    (write_npy_of_terabytes, "claims float32"),
    (write_npz_of_terabytes, "claims float32"),
    (write_npz_that_lies_about_its_size, "forged"),
    (write_hdf5_of_terabytes, "forged"),
    (write_hdf5_with_links, "forged"),
    (write_hdf5_link_to_another_file, "not followed"),
    (write_hdf5_soft_link, "not followed"),
    (write_hdf5_of_another_files_bytes, "not followed"),
    (write_hdf5_virtual_dataset, "not followed"),
    (write_hdf5_of_text, "must hold numbers"),
    (write_hdf5_of_groups, "no array"),
    (write_checkpoint_of_more_than_its_data, "forged"),
], ids=lambda value: getattr(value, "__name__", ""))
def test_a_hostile_file_is_one_error_that_names_it(write, reason, tmp_path):
    path = tmp_path / ("weights.npy" if write is write_pickle_in_npy else "weights.npz")
    write(path)
    with pytest.raises(ValueError, match=reason) as error:
        read(path)
    assert str(error.value).startswith(f"{path}: ")
    assert not (tmp_path / "sprung").exists()


def write_each_kind(folder):
    save_checkpoint(folder / "v1", ARRAYS, "V1")
    save_checkpoint(folder / "v2", ARRAYS, "V2")
    np.savez(folder / "a.npz", a=noise(50))
    np.save(folder / "a.npy", noise(50))
    with h5py.File(folder / "a.h5", "w") as file:
        file["layers/conv1/vars/0"] = noise(50)
    return ["a.h5", "a.npy", "a.npz", "v1", "v2.data-00000-of-00001", "v2.index"]


def test_no_kind_of_file_can_be_cut_off_unnoticed(tmp_path):
    for name in write_each_kind(tmp_path):
        whole = (tmp_path / name).read_bytes()
        read(tmp_path / name)
        for share in (0.1, 0.5, 0.9, 0.99):
            (tmp_path / name).write_bytes(whole[:int(share * len(whole))])
            with pytest.raises(ValueError, match=str(tmp_path)):
                read(tmp_path / name)
        (tmp_path / name).write_bytes(whole)


def test_what_is_not_there_is_not_found(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing.h5"):
        read(tmp_path / "nothing.h5")
    with pytest.raises(ValueError, match="is a folder"):
        read(tmp_path)
