"""FSDKaggle2018, the data of DCASE 2018 Task 2: 41 kinds of sound from Freesound, one a clip.

Clips last 0.3 to 30 s. The training list has 94 (Glockenspiel) to 300 of them in a class, of which
a person has checked the labels of 3,710; the labels of all 1,600 test clips are checked.
"""

import csv
from pathlib import Path

from sedzoo.datasets.manifest import Clip, Manifest

# As the lists spell them, in alphabetical order, which is the order of every model output.
LABELS = (
    "Acoustic_guitar", "Applause", "Bark", "Bass_drum", "Burping_or_eructation", "Bus", "Cello",
    "Chime", "Clarinet", "Computer_keyboard", "Cough", "Cowbell", "Double_bass",
    "Drawer_open_or_close", "Electric_piano", "Fart", "Finger_snapping", "Fireworks", "Flute",
    "Glockenspiel", "Gong", "Gunshot_or_gunfire", "Harmonica", "Hi-hat", "Keys_jangling", "Knock",
    "Laughter", "Meow", "Microwave_oven", "Oboe", "Saxophone", "Scissors", "Shatter", "Snare_drum",
    "Squeak", "Tambourine", "Tearing", "Telephone", "Trumpet", "Violin_or_fiddle", "Writing")
SPLITS = ("training", "verified", "test")
ATTRIBUTION = ("FSDKaggle2018, the data of DCASE 2018 Challenge Task 2 (E. Fonseca et al., "
               "General-purpose tagging of Freesound audio with AudioSet labels, 2018, "
               "https://arxiv.org/abs/1807.09902), https://doi.org/10.5281/zenodo.2552860; clips "
               "from Freesound.org, each CC0 or CC BY as the release's lists say.")
# The release's name, then the competition's.
_LISTS = {"training": ("train_post_competition.csv", "train.csv"),
          "test": ("test_post_competition_scoring_clips.csv", "test_post_competition.csv")}
_FOLDERS = {"training": ("FSDKaggle2018.audio_train", "audio_train"),
            "test": ("FSDKaggle2018.audio_test", "audio_test")}
_VERIFIED = {"0": False, "1": True}
_SCORED = {"Public": True, "Private": True, "Ignored": False}


def load(metadata_dir, audio_dir, split):
    """One split of the data set, from the Zenodo release's lists or from the competition's.

    "training" has 9,473 clips, "verified" the 3,710 of them that a person has checked, "test" the
    1,600 that were scored; the 7,800 that only filled up the competition's test set are left out.
    Clips keep the order of the list, `Clip.verified` says what is known of their labels (those of
    the test clips are all checked), and there are no folds.

    Each folder may be the one that holds the release (`FSDKaggle2018.meta`,
    `FSDKaggle2018.audio_train`, `FSDKaggle2018.audio_test`) or the competition's data
    (`audio_train`, `audio_test`), or the one with the files themselves. A file that is not there
    keeps its name; `Manifest.present` skips, counts and lists it.

    Args:
        metadata_dir: path of the folder with the lists.
        audio_dir: path of the folder with the audio; it may be missing.
        split: "training", "verified" or "test".
    Raises: ValueError for an unknown split, or with file and line for a row that cannot be read, an
        unknown label or a clip that is listed twice; FileNotFoundError without the list.
    """
    if split not in SPLITS:
        raise ValueError(f"`split` must be one of {SPLITS}. Received: split={split!r}")
    part = "test" if split == "test" else "training"
    rows = (_test if part == "test" else _training)(_list(Path(metadata_dir), part))
    folder = _audio_folder(Path(audio_dir), part)
    clips = tuple(Clip(name, str(folder / name), (label,), verified=verified)
                  for name, (label, verified) in rows.items() if verified or split == "training")
    return Manifest(f"fsdkaggle2018/{split}", LABELS, clips, attribution=ATTRIBUTION)


def _training(path):
    """Training list -> {clip name: (label, whether it is checked)}."""
    clips = {}
    for line, (name, label, verified) in _rows(path, ("fname", "label", "manually_verified")):
        if verified not in _VERIFIED:
            raise ValueError(f"{path}, line {line}: `manually_verified` must be 0 or 1. "
                             f"Received: {verified!r}")
        _add(clips, name, label, _VERIFIED[verified], path, line)
    return clips


def _test(path):
    """Test list -> {clip name: (label, True)} of the clips that were scored."""
    clips = {}
    for line, (name, label, usage) in _rows(path, ("fname", "label", "usage")):
        if usage not in _SCORED:
            raise ValueError(f"{path}, line {line}: `usage` must be one of {tuple(_SCORED)}. "
                             f"Received: {usage!r}")
        if _SCORED[usage]:
            _add(clips, name, label, True, path, line)
    return clips


def _add(clips, name, label, verified, path, line):
    if label not in LABELS:
        raise ValueError(f"{path}, line {line}: unknown label {label!r}")
    if name in clips:
        raise ValueError(f"{path}, line {line}: {name!r} is there twice")
    clips[name] = label, verified


def _rows(path, columns):
    """(line number, the asked columns) of a list with a header."""
    with open(path, newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file)
        missing = [column for column in columns if column not in (rows.fieldnames or ())]
        if missing:
            raise ValueError(f"{path}, line 1: the header lacks {', '.join(missing)}; it has "
                             f"{rows.fieldnames or []}")
        for row in rows:
            if None in row or None in row.values() or not row["fname"]:
                raise ValueError(f"{path}, line {rows.line_num}: {len(rows.fieldnames)} fields "
                                 f"({', '.join(rows.fieldnames)}) with a file's name were "
                                 f"expected. Received: {list(row.values())}")
            yield rows.line_num, [row[column] for column in columns]


def _list(metadata_dir, part):
    """The first list that is there; the release's before the competition's."""
    for name in _LISTS[part]:
        for folder in (metadata_dir / "FSDKaggle2018.meta", metadata_dir):
            if (folder / name).is_file():
                return folder / name
    raise FileNotFoundError(f"The list of FSDKaggle2018 should be {' or '.join(_LISTS[part])} in "
                            f"{metadata_dir}, which has neither; see "
                            "https://doi.org/10.5281/zenodo.2552860")


def _audio_folder(audio_dir, part):
    """The folder with this part's audio, or `audio_dir` itself."""
    folders = [audio_dir / name for name in _FOLDERS[part]]
    return next((folder for folder in folders if folder.is_dir()), audio_dir)
