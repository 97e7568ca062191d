"""Embeddings written clip by clip."""

import json
import os
from pathlib import Path

import numpy as np


class Writer:
    """Writes Embeddings clip by clip, or block by block, in memory that grows with the tags alone.

    A folder without about.json, which `finish` writes last, is not finished. What was in the folder
    before stays until then, so that embeddings can be saved where they were opened.

    Args:
        directory: path, made if need be.
        shape: tuple, of one segment; dtype: uint8 or float32.
    """

    def __init__(self, directory, shape, dtype):
        self.directory = Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self._shape, self._dtype = tuple(shape), np.dtype(dtype)
        self._partial = self.directory / "partial-values.bin"
        self._file = open(self._partial, "wb")
        self._blocks = []       # counts, names, folds, tag counts, classes, values

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._file.close()
        self._partial.unlink(missing_ok=True)

    def add(self, values, name, classes, fold="", tag_values=None):
        """One clip: its segments (n, ...), and its classes' indices (with values other than 1)."""
        self.add_block(values, [len(values)], [name], [fold], [len(classes)], classes, tag_values)

    def add_block(self, values, counts, names, folds, num_tags, classes, tag_values=None):
        """Several clips: their segments in a row, the lengths and names of each, and tags in a row.

        Raises: ValueError when the segments are of another shape, or a clip has none.
        """
        counts = np.asarray(counts, np.int64)
        if values.shape != (counts.sum(), *self._shape) or not (counts > 0).all():
            raise ValueError(f"`values` must be segments of shape {self._shape}, one or more for "
                             f"each of {len(counts)} clips. Received: {values.shape} for counts "
                             f"of sum {counts.sum()}")
        self._file.write(np.ascontiguousarray(values, self._dtype))
        self._blocks.append((
            counts, np.asarray(names, np.str_), np.asarray(folds, np.str_),
            np.asarray(num_tags, np.int64), np.asarray(classes, np.int32),
            np.ones(len(classes), np.float32) if tag_values is None else tag_values))

    def finish(self, **about):
        """Write clips and what they are about: labels, name and so on, as in Embeddings.

        Raises: ValueError when no clip was added.
        """
        self._file.close()
        if not self._blocks:
            raise ValueError(f"No clip to write into {self.directory}.")
        counts, names, folds, num_tags, classes, tag_values = map(
            np.concatenate, zip(*self._blocks, strict=True))
        (self.directory / "about.json").unlink(missing_ok=True)
        os.replace(self._partial, self.directory / "values.bin")
        np.savez(self.directory / "clips.npz", starts=np.cumsum(counts) - counts, counts=counts,
                 names=names, folds=folds, tag_values=tag_values, tag_classes=classes,
                 tag_edges=np.concatenate([[0], np.cumsum(num_tags)]))
        about.update(shape=[int(counts.sum()), *self._shape], dtype=self._dtype.name)
        (self.directory / "about.json").write_text(
            json.dumps(about, indent=2, ensure_ascii=False, default=float) + "\n",
            encoding="utf-8")
