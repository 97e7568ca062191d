"""DCASE 2017 Task 4: 17 warning and vehicle sounds from AudioSet, weakly labelled.

The released training list gives its 51,172 clips 56,131 labels, from 180 (car alarm) to 25,077
(car). Larger counts in papers on this task (273 and 25,744) do not describe that list.
"""

import csv
from pathlib import Path

from sedzoo.datasets.manifest import Clip, Manifest
from sedzoo.labels import read_events

# In the order of the task's class list, which is the order of every model output.
CLASSES = {
    "/m/0284vy3": "Train horn",
    "/m/05x_td": "Air horn, truck horn",
    "/m/02mfyn": "Car alarm",
    "/m/02rhddq": "Reversing beeps",
    "/m/0199g": "Bicycle",
    "/m/06_fw": "Skateboard",
    "/m/012n7d": "Ambulance (siren)",
    "/m/012ndj": "Fire engine, fire truck (siren)",
    "/m/0dgbq": "Civil defense siren",
    "/m/04qvtq": "Police car (siren)",
    "/m/03qc9zr": "Screaming",
    "/m/0k4j": "Car",
    "/t/dd00134": "Car passing by",
    "/m/01bjv": "Bus",
    "/m/07r04": "Truck",
    "/m/04_sv": "Motorcycle",
    "/m/07jdr": "Train",
}
LABELS = tuple(CLASSES.values())
SPLITS = ("training", "testing", "evaluation")
ATTRIBUTION = ("DCASE 2017 Challenge Task 4, large-scale weakly supervised sound event detection "
               "for smart cars (A. Mesaros et al. 2017); labels from AudioSet (Google, CC BY 4.0), "
               "audio from YouTube under its uploaders' terms.")


def load(metadata_dir, audio_dir, split):
    """One split of the data set, from the challenge's own metadata files.

    The training split is weakly labelled (`events` is None). Testing (the development set, 488
    clips) and evaluation (1,103) have both kinds: the weak ground truth gives `labels`, the strong
    one `events`. A strong row of onset 0 and offset 0 says that the class is in the weak truth but
    was marked nowhere: it keeps its label and makes no event, as in the official scorer, for which
    it has no length. A row given twice is one event.

    Audio is looked for as `<id>_<start>_<end>.wav`, the name in the metadata, then with the `Y`
    that the challenge's download puts before it, then both as FLAC, and as films (MP4, MKV, WebM).
    A file that is not there keeps its first name; `Manifest.present` skips, counts and lists it.

    Args:
        metadata_dir: path of the folder with `training_set.csv` and the ground truth files.
        audio_dir: path of the folder with the split's audio files; it may be missing.
        split: "training", "testing" or "evaluation".
    Raises: ValueError for an unknown split or a row that cannot be read, with file and line;
        FileNotFoundError without the metadata.
    """
    if split not in SPLITS:
        raise ValueError(f"`split` must be one of {SPLITS}. Received: split={split!r}")
    metadata_dir = Path(metadata_dir)
    if split == "training":
        tags, events = _training_tags(metadata_dir / "training_set.csv"), {}
    else:
        tags = _weak(metadata_dir / f"groundtruth_weak_label_{split}_set.csv")
        events = _strong(metadata_dir / f"groundtruth_strong_label_{split}_set.csv", tags)
    paths = _find_audio(Path(audio_dir), tags)
    clips = tuple(
        Clip(name, paths[name], tuple(sorted(labels, key=LABELS.index)),
             None if split == "training" else tuple(sorted(events.get(name, ()))), split)
        for name, labels in tags.items())
    return Manifest(f"dcase2017_task4/{split}", LABELS, clips, tuple(CLASSES), ATTRIBUTION)


def _training_tags(path):
    """`training_set.csv` -> {clip name: set of labels}; names hold commas, so machine ids count."""
    tags = {}
    with open(_there(path), newline="", encoding="utf-8-sig") as file:
        for number, row in enumerate(csv.reader(file), 1):
            if len(row) != 5:
                raise ValueError(f"{path}, line {number}: 5 columns (id, start, end, labels, "
                                 f"machine ids) were expected. Received: {row}")
            video, start, end, _, mids = row
            strange = set(mids.split(",")) - set(CLASSES)
            if strange:
                raise ValueError(f"{path}, line {number}: unknown machine ids {sorted(strange)}")
            tags.setdefault(f"{video}_{start}_{end}.wav", set()).update(
                CLASSES[mid] for mid in mids.split(","))
    return tags


def _weak(path):
    """Weak ground truth -> {clip name: set of labels}, in the file's order; times say nothing."""
    return {name: {event.label for event in events}
            for name, events in read_events(_there(path), "csv").items()}


def _strong(path, tags):
    """Strong ground truth -> {clip name: set of Event}, of clips and classes that `tags` knows."""
    events = read_events(_there(path), "csv")
    for name, of_clip in events.items():
        strange = {event.label for event in of_clip} - tags.get(name, set())
        if strange or name not in tags:
            raise ValueError(f"{path}: {name!r} has {sorted(strange)}, which the weak ground truth "
                             "does not have.")
    return {name: set(of_clip) for name, of_clip in events.items()}


def _there(path):
    if not path.is_file():
        raise FileNotFoundError(f"The metadata of DCASE 2017 Task 4 should be in {path}, which is "
                                "not there; see http://dcase.community/challenge2017")
    return path


def _find_audio(audio_dir, names):
    """Where each clip's file is, or should be: one listing, not ten lookups for each clip."""
    there = {entry.name for entry in audio_dir.iterdir()} if audio_dir.is_dir() else set()
    paths = {}
    for name in names:
        stem = name.removesuffix(".wav")
        found = [file for suffix in (".wav", ".flac", ".mp4", ".mkv", ".webm")
                 for file in (stem + suffix, "Y" + stem + suffix) if file in there]
        paths[name] = str(audio_dir / (found[0] if found else name))
    return paths
