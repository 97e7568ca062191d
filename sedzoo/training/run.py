"""What a training run leaves in its directory, and how to get it back."""

import csv
import json
import os
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

import sedzoo.layers  # noqa: F401  (a saved model names these layers)
from sedzoo.training.recipe import Recipe


@dataclass(frozen=True)
class Run:
    """A finished training run.

    Args:
        directory: Path, with recipe.json, classes.json, standardise.npz, model.keras, history.csv,
            valid_answers.npz where there was a validation set,
            checkpoints/epoch-0020.weights.h5 (20 finished epochs) and logs/ for TensorBoard.
        recipe: Recipe it was trained by.
        model: keras.Model with its final weights, standardised features -> outputs.
        labels, mids: tuples of str, K class names and K machine ids, or () where there are none.
        attribution: str, source and licence of the training data.
        mean, std: float32 (F,) or (), the z-score of its features; of several streams dicts of it.
    """

    directory: Path
    recipe: Recipe
    model: keras.Model
    labels: tuple
    mids: tuple
    attribution: str
    mean: np.ndarray
    std: np.ndarray

    @classmethod
    def load(cls, directory):
        """Read a finished run.

        Raises: FileNotFoundError naming the file that is missing, as in a run that never ended.
        """
        directory = Path(directory)
        for name in ("recipe.json", "classes.json", "standardise.npz", "model.keras"):
            if not (directory / name).is_file():
                raise FileNotFoundError(f"{directory} holds no finished training run: {name} is "
                                        "missing.")
        classes = read_json(directory / "classes.json")
        mean, std = read_scale(directory / "standardise.npz")
        return cls(directory, Recipe.from_dict(read_json(directory / "recipe.json")),
                   keras.models.load_model(directory / "model.keras", compile=False),
                   tuple(classes["labels"]), tuple(classes["mids"]), classes["attribution"],
                   mean, std)

    def history(self):
        """One dict an epoch, of floats, as in history.csv."""
        with open(self.directory / "history.csv", newline="", encoding="utf-8") as file:
            return [{key: float(value) for key, value in row.items()}
                    for row in csv.DictReader(file)]

    def checkpoint(self, epoch):
        """Where the weights after `epoch` finished epochs are."""
        return checkpoint_path(self.directory, epoch)


def checkpoint_path(directory, epoch):
    return Path(directory) / "checkpoints" / f"epoch-{epoch:04d}.weights.h5"


def read_json(path):
    return json.loads(Path(path).read_text(encoding="utf-8"))


def write_whole(path, write):
    """Call write(temporary path) and rename: the file is there whole, or as it was before.

    Args:
        path: str or Path; the temporary one stands beside it and ends the same.
        write: function(Path).
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name("partial-" + path.name)
    write(partial)
    with open(partial, "rb+") as file:
        os.fsync(file.fileno())         # or a power cut could leave the new name on an empty file
    os.replace(partial, path)


def write_scale(path, mean, std):
    """Mean and deviation, arrays or dicts of stream -> array, as an npz file."""
    arrays = {}
    for key, value in (("mean", mean), ("std", std)):
        parts = value if isinstance(value, dict) else {"": value}
        arrays.update({f"{key} {stream}".strip(): part for stream, part in parts.items()})
    write_whole(path, lambda partial: np.savez(partial, **arrays))


def read_scale(path):
    """The inverse of write_scale."""
    with np.load(path, allow_pickle=False) as file:
        if "mean" in file:
            return file["mean"], file["std"]
        return tuple({key.partition(" ")[2]: file[key] for key in file.files
                      if key.startswith(name)} for name in ("mean ", "std "))


def write_json(path, fields):
    write_whole(path, lambda partial: partial.write_text(
        json.dumps(fields, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"))
