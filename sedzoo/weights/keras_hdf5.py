"""Weights that Keras wrote as HDF5: layers by name (Keras 1 and 2, `save` of 3), or Keras 3's own.

A link out of the file is refused: HDF5 would read whatever it points to.
"""

import h5py
import numpy as np

from sedzoo.weights.claims import DEFLATE_RATIO, require_room

# Levels of Keras 3's files that are no layer's, and what stands beside the model.
_STRUCTURE = ("layers", "_layer_checkpoint_dependencies", "vars")
_BESIDE = ("optimizer", "metrics", "optimizer_weights")


def read_hdf5(path):
    """The weights of a file, "layer/weight", without those of its optimizer."""
    with h5py.File(path, "r") as file:
        root = _inside(file, "model_weights") if "model_weights" in list(file) else file
        named = "layer_names" in root.attrs or "layer_names0" in root.attrs
        datasets = _by_layer_names(root) if named else _by_structure(root)
        stored = 0
        for name, dataset in datasets.items():
            stored += _check(name, dataset)
        require_room("its weights", stored, path.stat().st_size)
        return {name: dataset[()] for name, dataset in datasets.items()}


def _by_layer_names(root):
    """Of `save_weights` and `save`: groups as the attributes of names list them."""
    datasets = {}
    for layer in _names(root, "layer_names"):
        group = _inside(root, layer)
        weights = _names(group, "weight_names")
        short = [_short(layer, name) for name in weights]
        if len(set(short)) < len(short):            # a model within the model: keep its layers
            short = [name.split(":")[0] for name in weights]
        for weight, name in zip(weights, short, strict=True):
            datasets[f"{layer}/{name}"] = _inside(group, weight)
    return datasets


def _short(layer, weight):
    """The weight's own name: "kernel" of "conv1/kernel:0", "W" of Keras 1's "conv1_W"."""
    return weight.split(":")[0].split("/")[-1].removeprefix(f"{layer.split('/')[-1]}_")


def _names(group, attribute):
    """Names in an attribute, which Keras cuts in pieces "...0", "...1" where it is long."""
    pieces = [attribute] if attribute in group.attrs else []
    while f"{attribute}{len(pieces)}" in group.attrs:
        pieces.append(f"{attribute}{len(pieces)}")
    return [name.decode() if isinstance(name, bytes) else str(name)
            for piece in pieces for name in group.attrs[piece]]


def _by_structure(root):
    """Of Keras 3: datasets numbered in `vars`, under groups named by class or by attribute."""
    paths, datasets = [], {}
    root.visit(paths.append)                        # follows no link, soft or out of the file
    members = {path: root[path] for path in paths}
    for path, member in members.items():
        parts = path.split("/")
        if len(parts) < 2 or parts[-2] != "vars" or parts[0] in _BESIDE:
            continue
        names = [_layer_name(members, parts[:depth + 1]) for depth, part in enumerate(parts[:-1])
                 if part not in _STRUCTURE]
        datasets["/".join([*names, parts[-1]])] = member
    return datasets


def _layer_name(members, parts):
    """The layer's name where the file has it, else what its group is called."""
    variables = members.get("/".join([*parts, "vars"]))
    return parts[-1] if variables is None else str(variables.attrs.get("name", parts[-1]))


def _inside(group, name):
    """A member of a group, which must lie right there, at every step of its path."""
    for part in name.split("/"):
        if isinstance(group.get(part, getlink=True), h5py.ExternalLink | h5py.SoftLink):
            raise ValueError(f"{name} is a link to elsewhere, which is not followed")
        group = group[part]
    return group


def _check(name, dataset):
    """Raise unless a dataset holds its numbers in this file; the bytes that it has there."""
    if not isinstance(dataset, h5py.Dataset):
        raise ValueError(f"{name} is no array")
    if dataset.is_virtual or dataset.external:
        raise ValueError(f"{name} lies in another file, which is not followed")
    if dataset.dtype.kind not in "fiub":
        raise ValueError(f"{name} must hold numbers. Received: {dataset.dtype}")
    stored = dataset.id.get_storage_size()
    ratio = DEFLATE_RATIO if dataset.id.get_create_plist().get_nfilters() else 1
    require_room(name, dataset.dtype.itemsize * int(np.prod(dataset.shape, dtype=object)),
                 ratio * stored)
    return stored
