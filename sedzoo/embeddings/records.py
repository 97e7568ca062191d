"""AudioSet's released VGGish embeddings: TFRecord files in, Embeddings out.

Source: Gemmeke et al. 2017, https://doi.org/10.1109/ICASSP.2017.7952261; features.tar.gz and
its format, https://research.google.com/audioset/download.html
"""

import contextlib
import hashlib
import os
import tempfile
from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from absl import logging
from rich.console import Console
from rich.progress import track

from sedzoo import rows
from sedzoo.datasets import audioset
from sedzoo.embeddings import Embeddings, Writer
from sedzoo.embeddings.examples import SIZE, clips_of
from sedzoo.embeddings.tfrecords import read_records

# The folder of each list; splits, and the lists that they are made of.
FOLDERS = {"balanced": "bal_train", "unbalanced": "unbal_train", "evaluation": "eval"}
SPLITS = {split: audioset.SPLITS[split] for split in (*FOLDERS, "training")}
DAMAGED = "damaged_records.tsv"
DUPLICATE = "a clip that was there before"
_BLOCK = 1024           # records parsed together


def import_records(records_dir, directory, classes, split, *, shard=(0, 1), num_threads=None,
                   progress=True):
    """The released embeddings of a split as a folder of Embeddings; a second call opens it.

    Clips come in the order of the lists in SPLITS, of the files' names (by code point) and of the
    records in them, however many threads read. Their fold is the list, their name
    `<id>_<start>_<end>.wav`, as in `datasets.audioset`, or `<id>.wav` for a record without times.

    What is damaged is left out, counted in one warning, and listed with file, number of the record
    (from 0) and reason in `damaged_records.tsv` in the folder: files that end early, checksums that
    do not hold, records that are no such SequenceExample, have no id, segment or label, segments of
    another size, labels out of range; clips that were there before. Memory grows with the clips'
    names and tags, and with the size of the few files that are read at a time.

    Args:
        records_dir: path of the folder `audioset_v1_embeddings`, with those of FOLDERS in it.
        directory: path of the folder to make, which appears all at once.
        classes: dict {machine id: display name}, see datasets.audioset.read_classes.
        split: one of SPLITS.
        shard: (index, count), to read every count-th file from `index` on: disjoint parts.
        num_threads: int > 0. Defaults to one a core, at most 8.
        progress: bool, a progress bar where standard error is a terminal.
    Returns: Embeddings of uint8 (S, 128) segments as they were released, with the scale of
        (x - 128) / 128.
    Raises: ValueError for an argument out of bounds, a folder that holds something else, or when
        nothing can be read; FileNotFoundError without the files.
    """
    if split not in SPLITS:
        raise ValueError(f"`split` must be one of {tuple(SPLITS)}. Received: split={split!r}")
    files = _files(Path(records_dir), SPLITS[split], *shard)
    about = {"labels": tuple(classes.values()), "mids": tuple(classes), "name": f"audioset/{split}",
             "attribution": audioset.ATTRIBUTION, "hop_s": 0.96, "mean": 128.0, "std": 128.0,
             "extractor": {"name": "vggish", "release": "audioset_v1_embeddings", "split": split,
                           "shard": list(shard), "files": _digest(files)}}
    directory = Path(directory)
    if not directory.is_dir() or not any(directory.iterdir()):
        with _building(directory) as building:
            _fill(building, files, about, num_threads or min(8, os.cpu_count() or 1), progress)
    found = Embeddings.open(directory)
    for key in ("mids", "extractor"):
        if getattr(found, key) != about[key]:
            raise ValueError("`directory` must be new, or made of the same files, split, shard and "
                             f"classes. Received: {directory}, with {key}={getattr(found, key)!r}")
    _report(found, directory / DAMAGED)
    return found


@dataclass(frozen=True)
class _File:
    """A file to read, the list it belongs to, and its name in reports."""

    path: Path
    fold: str
    name: str


def _files(records_dir, lists, index, count):
    """The files of a shard, in order."""
    files = []
    for fold in lists:
        folder = records_dir / FOLDERS[fold]
        found = sorted(folder.glob("*.tfrecord"), key=lambda path: path.name)
        if not found:
            raise FileNotFoundError(f"The embeddings of AudioSet should be in {folder}, as "
                                    ".tfrecord files, and are not; see "
                                    "https://research.google.com/audioset/download.html")
        files += [_File(path, fold, f"{folder.name}/{path.name}") for path in found]
    if not 0 <= index < count <= len(files):
        raise ValueError(f"`shard` must be (index, count), 0 <= index < count <= {len(files)} "
                         f"files. Received: shard={(index, count)!r}")
    return files[index::count]


def _digest(files):
    """Names and sizes of the files, in short."""
    text = "".join(f"{file.name}\t{file.path.stat().st_size if file.path.exists() else None}\n"
                   for file in files)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]


@contextlib.contextmanager
def _building(directory):
    """A folder to fill, which takes its place if nothing went wrong."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="building-", dir=directory.parent) as outer:
        building = Path(outer, directory.name)
        building.mkdir()
        yield building
        try:
            os.rename(building, directory)
        except OSError:
            if not (directory / "about.json").is_file():    # nobody else has finished it first
                raise


def _fill(building, files, about, num_threads, progress):
    """Write the clips of all files, and the report of what was left out."""
    console = Console(stderr=True)
    read = track(_in_order(lambda file: _read(file, len(about["labels"])), files, num_threads),
                 f"Records of {about['name']}", len(files), console=console,
                 disable=not (progress and console.is_terminal))
    with Writer(building, (SIZE,), np.uint8) as writer:
        num_clips, damaged = _add_all(writer, files, read)
        if not num_clips:
            raise ValueError(f"No record of {about['name']!r} can be used ({len(damaged)} left "
                             "out; {}, record {}: {})".format(*damaged[0]))
        rows.write_text(building / DAMAGED,
                        rows.rows_text([("file", "record", "reason"), *damaged]))
        writer.finish(**about)


def _add_all(writer, files, read):
    """Add what was read of each file, every clip once; how many clips, and what was left out."""
    seen, damaged = set(), []
    for file, (blocks, bad) in zip(files, read, strict=True):
        for block in blocks:
            # set.add gives None: a new name is added, and kept.
            new = np.array([not (name in seen or seen.add(name)) for name in block.names.tolist()],
                           bool)
            bad += [(number, DUPLICATE) for number in block.numbers[~new].tolist()]
            block = block.only(new)
            writer.add_block(block.values, block.counts, block.names, [file.fold] * len(block),
                             block.num_tags, block.classes)
        damaged += [(file.name, number, reason) for number, reason in sorted(bad)]
    return len(seen), damaged


def _in_order(work, items, num_threads):
    """What `work` makes of every item, in their order; a few are under way or waiting."""
    with ThreadPoolExecutor(num_threads) as pool:
        ahead = deque()
        for item in items:
            ahead.append(pool.submit(work, item))
            if len(ahead) > 2 * num_threads:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def _report(found, path):
    """One warning of all that was left out."""
    with rows.open_text(path) as file:
        reasons = Counter(row[-1] for _, row in islice(rows.read_rows(file, path), 1, None))
    if reasons:
        logging.warning("%s: %d damaged records are left out, and %d clips remain, see %s (%s)",
                        found.name, reasons.total(), len(found), path,
                        "; ".join(f"{num} x {reason}" for reason, num in reasons.most_common()))


def _read(file, num_classes):
    """Blocks of a file's clips, and (number, reason) of what is left out."""
    blocks, bad = [], []
    try:
        records = read_records(file.path, bad)
        while some := list(islice(records, _BLOCK)):
            blocks += clips_of(*zip(*some, strict=True), num_classes, bad)
    except OSError as error:
        bad.append((0, f"the file cannot be read to its end: {error.strerror}"))
    return blocks, bad
