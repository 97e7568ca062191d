"""What a system said of labelled clips, as a file: enough to score it, and to compare it."""

import zipfile
from dataclasses import dataclass

import numpy as np
from scipy import sparse


@dataclass(frozen=True)
class Answers:
    """Clip probabilities beside the truth.

    Args:
        names: str (N,), of the clips, each once.
        labels: tuple of K class names.
        targets: uint8 (N, K), 1 where a clip has a class.
        probabilities: float32 (N, K).
    Raises: ValueError when the shapes do not fit together, a name is there twice, or a target is
        neither 0 nor 1.
    """

    names: np.ndarray
    labels: tuple[str, ...]
    targets: np.ndarray
    probabilities: np.ndarray

    def __post_init__(self):
        shape = (len(self.names), len(self.labels))
        for key in ("targets", "probabilities"):
            if getattr(self, key).shape != shape:
                raise ValueError(f"`{key}` must be {shape}, of clips and classes. "
                                 f"Received: {getattr(self, key).shape}")
        names, counts = np.unique(self.names, return_counts=True)
        if (counts > 1).any():
            raise ValueError("`names` must differ from each other. Received: "
                             f"{str(names[counts.argmax()])!r} {counts.max()} times")
        if not np.isin(self.targets, (0, 1)).all():
            raise ValueError("`targets` must be 0 or 1. Received: "
                             f"{np.setdiff1d(self.targets, (0, 1))[:3].tolist()}")

    def __len__(self):
        return len(self.names)


def write_answers(path, names, labels, targets, probabilities):
    """Write what a system said of clips; those whose tags are not known are left out.

    Args:
        path: str or Path, of an .npz file.
        names: N names of clips; labels: K names of classes.
        targets: (N, K), dense or scipy.sparse, 0 or 1; NaN in the rows of unlabelled clips.
        probabilities: float (N, K).
    Raises: as Answers.
    """
    targets = np.asarray(targets.toarray() if sparse.issparse(targets) else targets)
    known = np.isfinite(targets).all(axis=1)
    said = Answers(np.asarray(names, np.str_)[known], tuple(labels), targets[known],
                   np.asarray(probabilities, np.float32)[known])
    with open(path, "wb") as file:      # a file, not its name: savez would change its ending
        np.savez_compressed(file, names=said.names, labels=np.asarray(said.labels, np.str_),
                            targets=said.targets.astype(np.uint8),
                            probabilities=said.probabilities)


def read_answers(path):
    """Read what write_answers wrote.

    Returns: Answers.
    Raises: FileNotFoundError; ValueError naming a file that holds something else.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = [file[key] for key in ("names", "labels", "targets", "probabilities")]
        return Answers(arrays[0], tuple(map(str, arrays[1])), *arrays[2:])
    except (AttributeError, EOFError, IndexError, KeyError, TypeError, ValueError,
            zipfile.BadZipFile) as error:
        raise ValueError(f"{path} holds no answers of a system (names, labels, targets, "
                         f"probabilities): {error}") from error
