"""Frame scores as files, one a clip and named after it: tables for all to read, or archives.

`clip.wav.tsv` is what sed_scores_eval writes: columns onset, offset and one for each class, a row
for each frame, each frame beginning where the one before ends. `clip.wav.npz` holds the same as
arrays: scores (T, K), edges (T + 1,) and labels (K,).
"""

import warnings
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import numpy as np

from sedzoo.frame_scores import FrameScores
from sedzoo.nearest import nearest
from sedzoo.rows import open_text, read_rows, rows_text, write_text

FORMATS = ("tsv", "npz")
FRAME = ["onset", "offset"]


def read_scores(path):
    """Frame scores of a folder of score tables, .tsv or .npz.

    Files may lie in folders within, whose names are then part of the clips'. Classes may stand in
    another order in each file. Tables are read at once, of archives labels and edges alone: their
    scores are read when they are asked for. Hidden files are passed over.

    Args:
        path: path of the folder.
    Returns: FrameScores, its clips by name; float64 of tables, what it was of archives.
    Raises: ValueError naming the file, and of a table the line, for anything that is not such a
        score file, or has other classes than the first one. Scores must lie in [0, 1] (a sigmoid
        takes logits there and keeps their order), edges must be rising seconds >= 0.
    """
    files = {file.relative_to(path).as_posix(): file
             for file in files_in(path, tuple(f".{format}" for format in FORMATS))}
    suffix = next(iter(files.values())).suffix
    if any(file.suffix != suffix for file in files.values()):
        raise ValueError(f"{path}: holds both .npz and .tsv files; it must hold one kind")
    files = {name.removesuffix(suffix): file for name, file in files.items()}
    labels, values, times, orders = None, {}, {}, {}
    for clip, file in files.items():
        if suffix == ".tsv":
            names, times[clip], values[clip] = _read_table(file)
        else:
            names, times[clip] = _read_archive(file)
        labels = labels or names
        orders[clip] = _order(file, names, labels, next(iter(files.values())))
        if clip in values and orders[clip] is not None:
            values[clip] = values[clip][:, orders[clip]]
    return FrameScores(labels, values or _Archives(files, times, orders, len(labels)),
                       times)


def write_scores(folder, scores, format="tsv"):
    """Write frame scores as one file a clip; `read_scores` is the inverse, to the last bit.

    A clip named `a/b.wav` goes to `folder/a/b.wav.tsv`. Other files in the folder stay.

    Args:
        folder: path, made where it is not there.
        scores: FrameScores.
        format: "tsv", for all to read, or "npz", small and fast.
    Raises: ValueError for scores that `read_scores` would refuse, and names that leave the folder.
    """
    if format not in FORMATS:
        raise ValueError(f"`format` must be one of {FORMATS}. Received: format={format!r}")
    _require_labels("`labels`", list(scores.labels))
    for clip in scores.clips:
        parts = PurePosixPath(clip).parts
        if not parts or parts[0][0] == "/" or "/".join(parts) != clip or any(
                part[0] == "." for part in parts):
            raise ValueError(f"The clip name {clip!r} is none that a file in a folder can have.")
        edges, values = scores.edges(clip), scores[clip]
        if fault := _fault(edges[:-1], edges[1:], values):
            raise ValueError(f"The scores of {clip!r}, frame {fault[0]}: {fault[1]}")
        path = Path(folder, f"{clip}.{format}")
        path.parent.mkdir(parents=True, exist_ok=True)
        if format == "npz":
            np.savez(path, scores=values, edges=edges, labels=np.array(scores.labels))
        else:
            rows = np.column_stack([edges[:-1], edges[1:], values]).tolist()
            write_text(path, rows_text([[*FRAME, *scores.labels]]) + "".join(
                "\t".join(map(repr, row)) + "\n" for row in rows))


class _Archives(Mapping):
    """Scores of clips that stay in their .npz files until they are asked for."""

    def __init__(self, files, times, orders, num_classes):
        self._files, self._times, self._orders = files, times, orders
        self._num_classes = num_classes

    def __getitem__(self, clip):
        file, edges, order = self._files[clip], self._times[clip], self._orders[clip]
        (scores,) = _members(file, ("scores",))
        if scores.shape != (len(edges) - 1, self._num_classes) or scores.dtype.kind not in "fiu":
            raise ValueError(f"{file}: `scores` must be numbers ({len(edges) - 1} frames, "
                             f"{self._num_classes} classes). Received: {scores.dtype} "
                             f"{scores.shape}")
        if fault := _fault(edges[:-1], edges[1:], scores):
            raise ValueError(f"{file}: frame {fault[0]}: {fault[1]}")
        return scores if order is None else scores[:, order]

    def __iter__(self):
        return iter(self._files)

    def __len__(self):
        return len(self._files)


def files_in(path, suffixes):
    """All files of a folder that are not hidden, sorted; each must end in one of `suffixes`."""
    folder = Path(path)
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no folder {path}.")
    files = [file for file in sorted(folder.rglob("*")) if not file.is_dir() and not any(
        part.startswith(".") for part in file.relative_to(folder).parts)]
    endings = " or ".join(suffixes)
    for file in files:
        if file.suffix not in suffixes:
            raise ValueError(f"{file}: must not lie here, the folder must hold files that end in "
                             f"{endings} alone")
    if not files:
        raise ValueError(f"{path}: holds no files that end in {endings}")
    return files


def _read_table(path):
    """Labels, edges (T + 1,) and scores (T, K) of a score table."""
    with open_text(path) as file:
        header = next(read_rows([file.readline()], path), (1, []))[1]
        if header[:2] != FRAME:
            raise ValueError(f"{path}, line 1: must begin with onset and offset, separated by "
                             f"tabs; it is {header}")
        _require_labels(f"{path}, line 1: the columns after offset", header[2:])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)                       # no frames: below
            try:
                frames = np.loadtxt(file, delimiter="\t", comments=None, ndmin=2)
            except ValueError as error:
                _find_bad_row(path, len(header))
                raise ValueError(f"{path}: {error}") from error
    if not len(frames):
        raise ValueError(f"{path}: has no frames")
    if frames.shape[1] != len(header):
        _find_bad_row(path, len(header))
    onset, offset, scores = frames[:, 0], frames[:, 1], frames[:, 2:]
    if fault := _fault(onset, offset, scores):
        with open_text(path) as file:
            line = [line for line, _ in read_rows(file, path)][1 + fault[0]]
        raise ValueError(f"{path}, line {line}: {fault[1]}")
    return header[2:], np.append(onset, offset[-1]), scores


def _find_bad_row(path, num_columns):
    """Raise for the first row that is not that many numbers."""
    with open_text(path) as file:
        for line, row in list(read_rows(file, path))[1:]:
            if len(row) != num_columns:
                raise ValueError(f"{path}, line {line}: has {len(row)} fields, its header has "
                                 f"{num_columns}")
            try:
                list(map(float, row))
            except ValueError as error:
                raise ValueError(f"{path}, line {line}: {error}") from error


def _read_archive(path):
    """Labels and edges (T + 1,) of a score archive."""
    labels, edges = _members(path, ("labels", "edges"))
    if labels.ndim != 1 or labels.dtype.kind != "U":
        raise ValueError(f"{path}: `labels` must be (K,) text. Received: {labels.dtype} "
                         f"{labels.shape}")
    _require_labels(f"{path}: `labels`", labels.tolist())
    if edges.ndim != 1 or len(edges) < 2 or edges.dtype.kind not in "fiu":
        raise ValueError(f"{path}: `edges` must be (T + 1,) seconds, T > 0. Received: "
                         f"{edges.dtype} {edges.shape}")
    if fault := _fault(edges[:-1], edges[1:], np.zeros((len(edges) - 1, 1))):
        raise ValueError(f"{path}: frame {fault[0]}: {fault[1]}")
    return labels.tolist(), edges.astype(np.float64)


def _members(path, names):
    """Arrays of an .npz file."""
    try:
        with np.load(path) as archive:
            missing = [name for name in names if name not in archive.files]
            if missing:
                raise ValueError(f"it lacks {', '.join(missing)}; it has {archive.files}")
            return [archive[name] for name in names]
    except FileNotFoundError:
        raise
    except Exception as error:                     # whatever zipfile, zlib or pickle find wrong
        raise ValueError(f"{path}: must be an .npz of scores, edges and labels: {error}") from error


def _require_labels(what, labels):
    if not labels or not all(labels) or len(set(labels)) < len(labels):
        double = sorted({label for label in labels if labels.count(label) > 1})
        raise ValueError(f"{what} must be one or more classes with a name each, all different. "
                         f"Received: {double or labels}")


def _order(file, names, labels, first):
    """Where the columns of the first file stand in this one; None where in the same places."""
    if names == labels:
        return None
    lacking, extra = set(labels) - set(names), set(names) - set(labels)
    if lacking or extra:
        known = nearest(min(extra), sorted(lacking)) if extra and lacking else ""
        raise ValueError(f"{file}: its classes must be those of {first}; it lacks "
                         f"{sorted(lacking)} and has beyond them {sorted(extra)}.{known}")
    return [names.index(label) for label in labels]


def _fault(onset, offset, scores):
    """The first frame that cannot be, and why; None where all can."""
    rules = (
        (np.isfinite(onset) & np.isfinite(offset) & np.isfinite(scores).all(axis=1),
         "must be finite numbers"),
        (onset >= 0, "the onset must be >= 0"),
        (offset > onset, "a frame must end after it begins"),
        (np.append(True, onset[1:] == offset[:-1]), "a frame must begin where the one before ends"),
        (((scores >= 0) & (scores <= 1)).all(axis=1), "scores must lie in [0, 1]"))
    for holds, reason in rules:
        if not holds.all():
            return int(np.argmin(holds)), reason
    return None
