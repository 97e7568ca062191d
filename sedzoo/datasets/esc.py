"""ESC-50 and its subset ESC-10: environmental sounds in isolated clips of five seconds."""

import csv
import re
from pathlib import Path

from sedzoo.datasets.manifest import Clip, Manifest

_CITATION = ("K. J. Piczak. ESC: Dataset for Environmental Sound Classification. Proc. ACM "
             "Multimedia, 2015, https://doi.org/10.1145/2733373.2806390. ")
ESC10_ATTRIBUTION = ("ESC-10: " + _CITATION + "Clips from Freesound.org; the data set is CC BY "
                     "3.0, each clip CC0 or CC BY, author by author in its ATTRIBUTION.md.")
ESC50_ATTRIBUTION = ("ESC-50: " + _CITATION + "Clips from Freesound.org; the data set is CC BY-NC "
                     "3.0, its ESC-10 subset CC BY 3.0, author by author in its LICENSE file.")
# Sounds without an end of their own, under the names of either data set.
SUSTAINED = frozenset((
    "Airplane", "Brushing teeth", "Chainsaw", "Chirping birds", "Church bells", "Clock tick",
    "Crackling fire", "Crickets", "Engine", "Fire crackling", "Footsteps", "Hand saw", "Helicopter",
    "Insects", "Keyboard typing", "Pouring water", "Rain", "Sea waves", "Siren", "Train",
    "Vacuum cleaner", "Washing machine", "Water drops", "Wind"))


def esc50(directory, *, only_esc10=False):
    """ESC-50 as released: `meta/esc50.csv` and `audio/`.

    Labels are the categories as words ("chirping_birds" -> "Chirping birds") in the order of their
    target numbers. Clips of one recording share a fold: never split otherwise.

    Args:
        directory: path of the unpacked data set.
        only_esc10: bool, keep the clips and the ten classes of ESC-10. Defaults to False.
    Raises: FileNotFoundError without the table; ValueError when a column is missing or nothing
        is left.
    """
    table = Path(directory) / "meta" / "esc50.csv"
    if not table.is_file():
        raise FileNotFoundError(f"ESC-50 has its list in {table}, which is not there.")
    with open(table, newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    needed = {"filename", "fold", "target", "category", "esc10"}
    if not rows or not needed <= set(rows[0]):
        raise ValueError(f"{table} must have rows with the columns {sorted(needed)}. "
                         f"Received: {sorted(rows[0]) if rows else 'no rows'}")
    if only_esc10:
        rows = [row for row in rows if row["esc10"].lower() == "true"]
    names = dict(sorted((int(row["target"]), _words(row["category"])) for row in rows))
    clips = tuple(Clip(row["filename"], str(Path(directory) / "audio" / row["filename"]),
                       (_words(row["category"]),), None, int(row["fold"])) for row in rows)
    return Manifest("esc10" if only_esc10 else "esc50", tuple(names.values()), clips,
                    attribution=ESC50_ATTRIBUTION, sustained=_sustained(names.values()))


def esc10(directory):
    """ESC-10 as first released: folders `001 - Dog bark` of files `fold-recording-take.ogg`.

    Labels are the folders' names in the order of their numbers; the fold is the first number of a
    file's name. Clips of one recording share a fold: never split otherwise.

    Args:
        directory: path of the unpacked data set.
    Raises: FileNotFoundError without such folders; ValueError for a file that names no fold.
    """
    directory = Path(directory)
    folders = {}
    for folder in sorted(directory.iterdir()) if directory.is_dir() else ():
        numbered = re.fullmatch(r"(\d{3}) - (.+)", folder.name)
        if numbered and folder.is_dir():
            folders[numbered[2]] = folder
    if not folders:
        raise FileNotFoundError(f"ESC-10 has folders like '001 - Dog bark'; {directory} has none.")
    clips = []
    for label, folder in folders.items():
        for file in sorted(folder.glob("*.[ow][ga][gv]")):
            fold = re.match(r"(\d+)-", file.name)
            if not fold:
                raise ValueError(f"{file}: the name must start with the fold's number and a dash.")
            clips.append(Clip(file.name, str(file), (label,), None, int(fold[1])))
    return Manifest("esc10", tuple(folders), tuple(clips), attribution=ESC10_ATTRIBUTION,
                    sustained=_sustained(folders))


def _sustained(labels):
    return tuple(label for label in labels if label in SUSTAINED)


def _words(category):
    return category.replace("_", " ").capitalize()
