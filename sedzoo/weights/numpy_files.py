"""NumPy's own files, .npz and .npy, never unpickled and no larger than they say."""

import math
import zipfile

import numpy as np

from sedzoo.weights.claims import DEFLATE_RATIO, require_room


def read_npy(path):
    """The array of an .npy file, {stem: array}."""
    with open(path, "rb") as file:
        _check_header(path.stem, file, path.stat().st_size)
        file.seek(0)
        return {path.stem: np.lib.format.read_array(file, allow_pickle=False)}


def read_npz(path):
    """The arrays of an .npz file."""
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        foreign = [member.filename for member in members if not member.filename.endswith(".npy")]
        if foreign:
            raise ValueError(f"it must hold .npy members alone. Received: {foreign[0]!r}, as in "
                             "archives of Keras or PyTorch")
        if any(member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
               for member in members):
            raise ValueError("it must be stored or deflated, as NumPy writes it")
        require_room("its members", sum(member.compress_size for member in members),
                     path.stat().st_size)
        for member in members:
            with archive.open(member) as file:
                require_room(member.filename, member.file_size,
                             DEFLATE_RATIO * member.compress_size)
                _check_header(member.filename, file, member.file_size)
        return {member.filename.removesuffix(".npy"): _read_member(archive, member)
                for member in members}


def _read_member(archive, member):
    with archive.open(member) as file:
        return np.lib.format.read_array(file, allow_pickle=False)


def _check_header(name, file, num_bytes):
    """Raise unless an .npy header asks for just the numbers that stand behind it."""
    version = np.lib.format.read_magic(file)
    readers = {(1, 0): np.lib.format.read_array_header_1_0,
               (2, 0): np.lib.format.read_array_header_2_0}
    if version not in readers:
        raise ValueError(f"{name} has a header of version {version}, which no plain array needs")
    shape, _, dtype = readers[version](file)
    if dtype.hasobject:
        raise ValueError(f"{name} holds pickled Python objects, which are never loaded")
    wanted = dtype.itemsize * math.prod(shape)
    if wanted != num_bytes - file.tell():
        raise ValueError(f"{name} claims {dtype} {shape}, {wanted} bytes; it holds "
                         f"{num_bytes - file.tell()}")
