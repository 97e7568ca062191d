"""AudioSet: two million clips of at most ten seconds, 527 classes, weakly labelled; its ontology.

Source: Gemmeke et al. 2017, https://doi.org/10.1109/ICASSP.2017.7952261; lists and ontology from
https://research.google.com/audioset
"""

import csv
import difflib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from sedzoo.datasets.manifest import Clip, Manifest

_LISTS = {"balanced": "balanced_train_segments.csv",
          "unbalanced": "unbalanced_train_segments.csv",
          "evaluation": "eval_segments.csv"}
# Splits, and the lists they are made of. The two training lists share no clip.
SPLITS = {"balanced": ("balanced",), "unbalanced": ("unbalanced",),
          "training": ("balanced", "unbalanced"), "training_1m": ("balanced", "unbalanced"),
          "evaluation": ("evaluation",)}
ATTRIBUTION = ("AudioSet (J. F. Gemmeke et al. 2017): labels by Google, CC BY 4.0, ontology CC "
               "BY-SA 4.0; audio from YouTube under its uploaders' terms.")
# A video's id, start, end, quoted machine ids.
_ROW = re.compile(r'([\w-]{11}), *(\d+(?:\.\d+)?), *(\d+(?:\.\d+)?), *"([^"]+)"\s*', re.ASCII)


def load(metadata_dir, audio_dir, split):
    """One split of the data set, from the published lists.

    "balanced" (22,160 clips, AudioSet-22K), "unbalanced" (some two million), "training" (both),
    "training_1m" (both without the clips that `not_only_music_or_speech` is false of, AudioSet-1M
    of Chou et al. 2018) and "evaluation" (20,371, AudioSet-20K). Only tags: `events` is None. The
    fold of a clip is the list it is from. A machine id that the class list does not have is an
    error, as is a segment that is listed twice.

    Audio is looked for in `audio_dir` and its subfolders as `<id>_<start>_<end>.wav`, with times as
    in the list (30.000), with a `Y` before it, and both as FLAC; then under the video's id alone,
    the clip already cut out, likewise. A file that is not there keeps its first name;
    `Manifest.present` skips, counts and lists it.

    Args:
        metadata_dir: path of the folder with the split's lists and `class_labels_indices.csv`.
        audio_dir: path of the folder with the audio files; it may be missing.
        split: one of SPLITS.
    Raises: ValueError for an unknown split or a row that cannot be read, with file and line;
        FileNotFoundError without the metadata.
    """
    if split not in SPLITS:
        raise ValueError(f"`split` must be one of {tuple(SPLITS)}. Received: split={split!r}")
    metadata_dir = Path(metadata_dir)
    classes = read_classes(metadata_dir / "class_labels_indices.csv")
    find, listed, clips = _finder(audio_dir), set(), []
    for part in SPLITS[split]:
        clips += (Clip(name, find(name, video), labels, None, part) for name, video, labels
                  in _segments(metadata_dir / _LISTS[part], classes, listed))
    if split == "training_1m":
        clips = filter(not_only_music_or_speech, clips)
    return Manifest(f"audioset/{split}", tuple(classes.values()), tuple(clips), tuple(classes),
                    ATTRIBUTION)


def not_only_music_or_speech(clip):
    """Whether a Clip has a label besides Music and Speech, the two most frequent ones.

    Source: Chou et al. 2018, https://doi.org/10.24963/ijcai.2018/463, section 3, which leaves open
    what becomes of clips with both labels and no other; here they count as the others.
    """
    return not {"Music", "Speech"}.issuperset(clip.labels)


def read_classes(path):
    """`class_labels_indices.csv` -> {machine id: display name}, in the order of model outputs.

    Raises: ValueError for a row that cannot be read or is out of order, with file and line;
        FileNotFoundError.
    """
    classes = {}
    with open(_there(path), newline="", encoding="utf-8-sig") as file:
        for number, row in enumerate(csv.reader(file), 1):
            if number == 1 and row == ["index", "mid", "display_name"]:
                continue
            if len(row) != 3 or row[0] != str(len(classes)) or row[1] in classes or not row[2]:
                raise ValueError(f"{path}, line {number}: the index {len(classes)}, a new machine "
                                 f"id and a display name were expected. Received: {row}")
            classes[row[1]] = row[2]
    return classes


def _segments(path, classes, listed):
    """(clip name, video id, labels in class order) of each row; `listed` collects the names."""
    order = {mid: k for k, mid in enumerate(classes)}
    names = tuple(classes.values())
    known = {}          # one tuple for all clips of the same labels, or they would fill the memory
    with open(_there(path), encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            # With the blank: a spreadsheet makes "#NAME?" of ids that begin with a dash.
            if line.startswith("# ") or line.isspace():
                continue
            row = _ROW.fullmatch(line)
            if row is None:
                raise ValueError(f"{path}, line {number}: an id of 11 characters, start, end and "
                                 f"quoted machine ids were expected. Received: {line.rstrip()!r}")
            video, start, end, mids = row.groups()
            labels = known.get(mids)
            if labels is None:
                strange = sorted(set(mids.split(",")) - set(order))
                if strange:
                    raise ValueError(f"{path}, line {number}: machine ids that the class list does "
                                     f"not have: {strange}")
                labels = tuple(names[k] for k in sorted({order[mid] for mid in mids.split(",")}))
                known[mids] = labels
            name = f"{video}_{start}_{end}.wav"
            if name in listed:
                raise ValueError(f"{path}, line {number}: {video} from {start} to {end} s is "
                                 "listed twice.")
            listed.add(name)
            yield name, video, labels


def _finder(audio_dir):
    """A function(clip name, video id) -> where its file is, or should be.

    The folder is listed once: eight lookups for each of two million clips would take minutes.
    """
    first = os.path.join(audio_dir, "")
    there = {}
    for folder, folders, files in os.walk(audio_dir):
        folders.sort()
        folder = os.path.join(folder, "")
        for file in files:
            there.setdefault(file, folder)

    def find(name, video):
        for stem in (name.removesuffix(".wav"), video) if there else ():
            for file in (f"{stem}.wav", f"Y{stem}.wav", f"{stem}.flac", f"Y{stem}.flac"):
                if file in there:
                    return there[file] + file
        return first + name

    return find


def _there(path):
    if not Path(path).is_file():
        raise FileNotFoundError(f"The metadata of AudioSet should be in {path}, which is not "
                                "there; see https://research.google.com/audioset/download.html")
    return path


# -- ontology ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ontology:
    """How AudioSet's 632 classes contain each other; some, such as Hiss, have several parents.

    Args:
        names: dict of machine id -> display name, the same as in the class list.
        child_mids, parent_mids: dicts of machine id -> tuple of machine ids.
    """

    names: dict
    child_mids: dict
    parent_mids: dict

    def mid(self, label):
        """The machine id of a display name (or of a machine id, itself).

        Raises: ValueError for an unknown one, with the nearest.
        """
        if label in self.names:
            return label
        for mid, name in self.names.items():
            if name == label:
                return mid
        near = difflib.get_close_matches(str(label), list(self.names.values()))
        raise ValueError(f"AudioSet has no class {label!r}."
                         + (f" Near are: {'; '.join(near)}" if near else ""))

    def children(self, label):
        """Display names of the kinds of a class, such as the sirens of "Siren"; () for none."""
        return tuple(self.names[mid] for mid in self.child_mids[self.mid(label)])

    def parents(self, label):
        """Display names of the classes that a class is a kind of; () for one of the seven roots."""
        return tuple(self.names[mid] for mid in self.parent_mids[self.mid(label)])


def read_ontology(path):
    """`ontology.json` -> Ontology.

    Raises: ValueError for a file that is no such ontology; FileNotFoundError.
    """
    try:
        rows = json.loads(Path(_there(path)).read_text(encoding="utf-8"))
        names = {row["id"]: row["name"] for row in rows}
        children = {row["id"]: tuple(row["child_ids"]) for row in rows}
        parents = {mid: [] for mid in names}
        for mid, below in children.items():
            for child in below:
                parents[child].append(mid)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} must be a list of objects with id, name and child_ids, all of "
                         f"them in it: {error!r}") from error
    return Ontology(names, children, {mid: tuple(above) for mid, above in parents.items()})
