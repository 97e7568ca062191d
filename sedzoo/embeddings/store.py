"""What an extractor says of a data set, segment by segment: on disk, read as it is needed."""

import itertools
import json
import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from scipy.sparse import csr_array

from sedzoo.clip_cache import Entry
from sedzoo.embeddings.pieces import Pieces
from sedzoo.embeddings.writer import Writer
from sedzoo.video import load_sound
from sedzoo.weights.numpy_files import read_npz

_BLOCK = 256            # clips copied at a time
_FORMAT = 1             # raise it when the same extractor would give other numbers than before
_CLIPS = ("starts", "counts", "names", "folds")


@dataclass(frozen=True)
class Embeddings:
    """Segments of N clips, with the clips' tags.

    Args:
        values: uint8 or float32 (S, D), one embedding a segment, or (S, t, F), its frames; all
            clips' segments in a row, a read-only memory map.
        starts, counts: int64 (N,), where each clip's segments start, and how many they are.
        tags: scipy.sparse.csr_array (N, K), 1 where a clip has a class; unlabelled clips hold NaN.
        names, folds: str (N,), as in the clips of a Manifest.
        labels, mids: tuples of K display names and machine ids, or () where there are none.
        name, attribution: str, of the data set.
        hop_s: float, seconds from one segment to the next.
        mean, std: float, the scale on which models take them, (x - mean) / std.
        extractor: dict, what made them.
    """

    values: np.ndarray
    starts: np.ndarray
    counts: np.ndarray
    tags: csr_array
    names: np.ndarray
    folds: np.ndarray
    labels: tuple[str, ...]
    mids: tuple[str, ...] = ()
    name: str = ""
    attribution: str = ""
    hop_s: float = 0.96
    mean: float = 0.0
    std: float = 1.0
    extractor: dict = field(default_factory=dict)

    def __len__(self):
        return len(self.starts)

    def select(self, rows):
        """Some of the clips, without a copy of their segments.

        Args:
            rows: int array of clips, or bool (N,).
        Raises: ValueError for another number of bools.
        """
        rows = np.asarray(rows)
        if rows.dtype == bool and rows.shape != (len(self),):
            raise ValueError(f"`rows` must be bool ({len(self)},), or ints. "
                             f"Received: bool {rows.shape}")
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows.astype(np.int64)
        return replace(self, tags=self.tags[rows], **{
            key: getattr(self, key)[rows] for key in _CLIPS})

    def of_folds(self, *folds):
        """The clips of these folds."""
        return self.select(np.isin(self.folds, [str(fold) for fold in folds]))

    def shard(self, index, num_shards):
        """Every num_shards-th clip from `index` on: disjoint parts, together all.

        Raises: ValueError for an index out of bounds.
        """
        if not 0 <= index < num_shards:
            raise ValueError(f"`index` must lie in [0, {num_shards}). Received: index={index!r}")
        return self.select(np.arange(index, len(self), num_shards))

    def pieces(self, length):
        """The clips as Pieces of `length` segments (None: whole clips, padded in batches)."""
        pad = round(self.mean) if self.values.dtype == np.uint8 else self.mean
        return Pieces(self.values, self.starts, self.counts, length, pad)

    def save(self, directory):
        """Write them into a folder, which `open` reads."""
        directory = Path(directory)
        with Writer(directory, self.values.shape[1:], self.values.dtype) as writer:
            for first in range(0, len(self), _BLOCK):
                block = self.select(np.arange(first, min(first + _BLOCK, len(self))))
                before = np.cumsum(block.counts) - block.counts
                rows = np.arange(block.counts.sum()) + np.repeat(block.starts - before,
                                                                 block.counts)
                writer.add_block(self.values[rows], block.counts, block.names, block.folds,
                                 np.diff(block.tags.indptr), block.tags.indices, block.tags.data)
            writer.finish(**{key: getattr(self, key) for key in _ABOUT})

    @classmethod
    def open(cls, directory):
        """Embeddings of a folder; the segments stay on disk until they are asked for.

        Raises: FileNotFoundError; ValueError when the folder holds something else, or less than it
            says.
        """
        directory = Path(directory)
        if not (directory / "about.json").is_file():
            raise FileNotFoundError(f"{directory} holds no embeddings: about.json is missing.")
        try:
            about = json.loads((directory / "about.json").read_text(encoding="utf-8"))
            about = {key: tuple(value) if isinstance(value, list) else value
                     for key, value in about.items()}
            values = _values(directory / "values.bin", about.pop("dtype"), about.pop("shape"))
            clips = _clips(directory / "clips.npz", len(values), len(about["labels"]))
            return cls(values=values, **clips, **about)
        except (AttributeError, KeyError, TypeError, ValueError, EOFError, BadZipFile) as error:
            raise ValueError(f"{directory} holds no embeddings, or is damaged: "
                             f"{type(error).__name__}: {error}") from error


_ABOUT = ("labels", "mids", "name", "attribution", "hop_s", "mean", "std", "extractor")


def _values(path, dtype, shape):
    """The segments, once the file is as long as they are said to be."""
    if dtype not in ("uint8", "float32") or len(shape) not in (2, 3) or not all(
            type(size) is int and size > 0 for size in shape):
        raise ValueError(f"segments must be uint8 or float32, (S, D) or (S, t, F). "
                         f"Received: {dtype!r} {shape}")
    size = path.stat().st_size
    if size != np.dtype(dtype).itemsize * math.prod(shape):
        raise ValueError(f"{path.name} must hold {shape} numbers of {dtype}. "
                         f"Received: {size} bytes")
    return np.memmap(path, dtype, "r", shape=shape)


def _clips(path, num_segments, num_classes):
    """What is known of each clip, once it is sure that no clip reaches out of the segments."""
    arrays = read_npz(path)
    tags = [arrays.pop(key) for key in ("tag_values", "tag_classes", "tag_edges")]
    starts, counts = arrays["starts"], arrays["counts"]
    if {array.shape for array in arrays.values()} != {(len(starts),)}:
        raise ValueError(f"{path.name} must have one entry per clip in all of {sorted(arrays)}")
    if starts.dtype != np.int64 or counts.dtype != np.int64 or (
            (starts < 0) | (counts < 1) | (counts > num_segments - starts)).any():
        raise ValueError(f"{path.name} must give each clip some of {num_segments} segments")
    tags = csr_array(tuple(tags), (len(starts), num_classes))
    tags.check_format(full_check=True)          # or a class out of bounds would reach elsewhere
    return {"tags": tags, **arrays}


def extract(manifest, extractor, cache_dir, progress=True):
    """What an extractor says of every clip that has readable audio; a second call reads it back.

    Tags and folds are those of the manifest, also where it has changed them since the first call.

    Args:
        manifest: datasets.Manifest.
        extractor: extractors.Patches, extractors.ModelExtractor, export.HubExtractor, or anything
            with `name`, `sample_rate`, `hop_s`, `to_dict()` and a call, waveform float32 (S,) ->
            float32 (T, ...), T >= 1. The waveform is what video.load_sound finds in the clip's
            file, or whatever a method `read(path)` gives; it may raise audio.AudioError.
        cache_dir: str or Path, made if need be; see clip_cache.Entry for what is left there.
        progress: bool, a progress bar where standard error is a terminal.
    Returns: Embeddings.
    Raises: FileNotFoundError when no clip has a file; ValueError when none can be read.
    """
    entry = Entry(cache_dir, manifest, [_FORMAT, extractor.to_dict()])
    if not entry.path.is_dir():
        with entry.building() as building:
            kept, unreadable = _fill(building, entry, extractor, progress)
            (building / "clips.json").write_text(
                json.dumps({"kept": kept, "unreadable": unreadable}))
    clips = json.loads((entry.path / "clips.json").read_text())
    entry.report(clips["unreadable"])
    return _tagged(Embeddings.open(entry.path), entry.manifest, clips["kept"])


def _fill(building, entry, extractor, progress):
    """Write every clip's embeddings; which clips are kept, and why the others cannot be read."""
    manifest = entry.manifest
    writer, kept, unreadable = None, [], []
    title = f"{extractor.name} of {manifest.name}"

    read = getattr(extractor, "read", None) or (
        lambda path: load_sound(path, extractor.sample_rate))
    for good, bad in entry.read_all(lambda clip: read(clip.path), title, progress):
        unreadable += bad
        for i, wave in good:
            found = np.asarray(extractor(wave), np.float32)
            writer = writer or Writer(building, found.shape[1:], np.float32)
            writer.add(found, manifest.clips[i].name, ())
            kept.append(i)
    entry.require_some(len(kept), unreadable)
    with writer:
        writer.finish(labels=(), hop_s=extractor.hop_s, extractor=extractor.to_dict())
    return kept, unreadable


def _tagged(found, manifest, kept):
    """Embeddings with what a manifest says of its clips; `kept` are those that could be read."""
    clips = [manifest.clips[i] for i in kept]
    index = {label: k for k, label in enumerate(manifest.labels)}
    classes = [range(len(index)) if clip.labels is None else sorted({index[label] for label
                                                                     in clip.labels})
               for clip in clips]
    counts = [len(some) for some in classes]
    values = np.repeat([np.nan if clip.labels is None else 1 for clip in clips], counts)
    tags = csr_array((values.astype(np.float32),
                      np.fromiter(itertools.chain.from_iterable(classes), np.int32),
                      np.cumsum([0, *counts])), (len(clips), len(index)))
    folds = ["" if clip.fold is None else str(clip.fold) for clip in clips]
    return replace(found, tags=tags, folds=np.array(folds), labels=manifest.labels,
                   mids=manifest.mids, name=manifest.name, attribution=manifest.attribution)
