"""Any weight file as arrays by name. Nothing in it is ever unpickled or run."""

from pathlib import Path

_HDF5 = b"\x89HDF\r\n\x1a\n"
_ZIP = b"PK\x03\x04"
_NPY = b"\x93NUMPY"
_TABLE = bytes.fromhex("57fb808b247547db")      # the end of a sorted string table: checkpoints
_TABLE_FOOTER_BYTES = 48


def read(path):
    """Arrays of a weight file, by the names they have in it.

    What a file is, its content says. Names lose what only the format needs, `:0` and the like, and
    layers are in front of weights: "conv1/kernel". Checks go as far as those of TensorFlow and
    libhdf5, which a file forged for it can still bring down: read such in a process of its own.

    Args:
        path: path of
            a TensorFlow checkpoint: the one file of version 1, or of version 2 the prefix, the
                .index or a .data file; names are the variables' ("vggish/conv1/weights");
            Keras HDF5, of `save_weights` or `save`, Keras 1 to 3; Keras 3 numbers a layer's
                weights ("conv1/0");
            NumPy .npz, or .npy, whose array has the file's own name.
    Returns: dict of name -> NumPy array.
    Raises: FileNotFoundError; ValueError naming path and reason, for a file that is none of these,
        is cut off, or claims more numbers than it can hold.
    """
    path = Path(path)
    kind, reader, where = _detect(path)
    try:
        arrays = reader(where)
    except Exception as error:          # whatever h5py, zipfile, NumPy or TensorFlow find wrong
        raise ValueError(f"{path}: cannot be read as {kind}: {error}") from error
    if not arrays:
        raise ValueError(f"{path}: is {kind} without any weights")
    return arrays


def _detect(path):
    """What a path holds, in words; the function that reads it; and what to call that with."""
    prefix = _prefix(path)
    if prefix is not None:
        return "a TensorFlow checkpoint", _read_checkpoint, prefix
    if path.is_dir():
        raise ValueError(f"{path}: is a folder, not a weight file")
    with open(path, "rb") as file:
        head = file.read(len(_HDF5))
        size = file.seek(0, 2)
        file.seek(max(0, size - len(_TABLE)))
        tail = file.read()
    if tail == _TABLE and size >= _TABLE_FOOTER_BYTES:
        return "a TensorFlow checkpoint", _read_checkpoint, path
    if head == _HDF5:
        return "Keras HDF5", _read_hdf5, path
    if head.startswith(_ZIP):
        return "a NumPy archive", _read_npz, path
    if head.startswith(_NPY):
        return "a NumPy array", _read_npy, path
    raise ValueError(f"{path}: is no TensorFlow checkpoint, Keras HDF5, .npz or .npy file, or it "
                     f"is cut off. It holds {size} bytes and begins with {head!r}")


def _prefix(path):
    """Of what a version 2 checkpoint goes by, its prefix; None where there is none."""
    name = path.name.removesuffix(".index")
    stem, found, _ = name.rpartition(".data-")
    prefix = path.with_name(stem if found else name) if name else path
    is_prefix = Path(f"{prefix}.index").is_file() and not (prefix == path and path.is_file())
    return prefix if is_prefix else None


# Each kind is imported where it is met: h5py and TensorFlow take their time.


def _read_checkpoint(path):
    from sedzoo.weights.tensorflow_checkpoint import read_checkpoint
    return read_checkpoint(path)


def _read_hdf5(path):
    from sedzoo.weights.keras_hdf5 import read_hdf5
    return read_hdf5(path)


def _read_npz(path):
    from sedzoo.weights.numpy_files import read_npz
    return read_npz(path)


def _read_npy(path):
    from sedzoo.weights.numpy_files import read_npy
    return read_npy(path)
