"""What any detection system leaves behind, by kind: scores, detections, and names of clips."""

import os
import re
from pathlib import Path

from sedzoo.labels import read_events
from sedzoo.rows import open_text, read_columns
from sedzoo.score_files import FRAME, files_in, read_scores

AUDIO_ENDINGS = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".m4a", ".mp4", ".aac", ".webm",
                 ".aif", ".aiff", ".w64", ".rf64")
_TABLES = (".tsv", ".csv", ".json", ".txt")
_THRESHOLD = re.compile(r"(?<![\d.])[01]?\.\d+(?![\d.])")


def read_points(path):
    """Detections at one or more operating points.

    Args:
        path: a table of events (`labels.read_events`), a list of them, or a folder of them, one
            for each operating point. The last decimal fraction in [0, 1] in a file's name, as in
            `baseline_0.5.csv`, is its threshold; of several files all or none must have one.
    Returns: list of (threshold or None, dict of clip name -> list of Event), by threshold.
    Raises: ValueError naming the file, for what is no such table, a file without threshold among
        others that have one, or a threshold that is there twice.
    """
    paths = [path] if isinstance(path, (str, os.PathLike)) else list(path)
    files = [file for path in paths for file in
             (files_in(path, _TABLES) if Path(path).is_dir() else [Path(path)])]
    thresholds = {file: _threshold(file) for file in files}
    known = [threshold for threshold in thresholds.values() if threshold is not None]
    if known and len(known) < len(files):
        file = next(file for file in files if thresholds[file] is None)
        raise ValueError(f"{file}: its name must hold a threshold in [0, 1], such as 0.5, as those "
                         f"of {len(known)} other tables do")
    if len(set(known)) < len(known):
        double = next(threshold for threshold in known if known.count(threshold) > 1)
        raise ValueError("Each table must have a threshold of its own. Received: "
                         f"{', '.join(str(f) for f in files if thresholds[f] == double)}")
    if known:
        files.sort(key=thresholds.get)
    return [(thresholds[file], read_events(file)) for file in files]


def read_output(paths):
    """Whatever a system left behind: scores or detections.

    Args:
        paths: list of paths: a folder of score files, or anything for `read_points`.
    Returns: FrameScores, or the list of `read_points`.
    Raises: FileNotFoundError; and as `read_scores` and `read_points`.
    """
    missing = [path for path in paths if not Path(path).exists()]
    if missing:
        raise FileNotFoundError(f"{missing[0]}: no such file or folder")
    if len(paths) == 1 and Path(paths[0]).is_dir():
        first = files_in(paths[0], (".npz", *_TABLES))[0]
        if first.suffix == ".npz":
            return read_scores(paths[0])
        with open_text(first) as file:
            header = file.readline().rstrip("\r\n").split("\t")
            if first.suffix == ".tsv" and header[:2] == FRAME and "filename" not in header:
                return read_scores(paths[0])
    return read_points(paths)


def read_durations(path):
    """Seconds of clips, from a table with the columns filename and duration.

    Returns: dict of file name -> seconds > 0, in the order of the rows.
    Raises: ValueError naming file and line, for what is no positive number, and for a file that is
        there again with another duration.
    """
    durations = {}
    with open_text(path) as file:
        for line, (name, text) in read_columns(file, path, ("filename", "duration")):
            try:
                duration_s = float(text)
            except ValueError:
                duration_s = 0.0
            if not name or not 0 < duration_s < float("inf"):
                raise ValueError(f"{path}, line {line}: must have a file name and a duration in "
                                 f"seconds, positive and finite. Received: {name!r}, {text!r}")
            if durations.setdefault(name, duration_s) != duration_s:
                raise ValueError(f"{path}, line {line}: {name!r} lasts {duration_s:g} s here and "
                                 f"{durations[name]:g} s above")
    if not durations:
        raise ValueError(f"{path}: has no durations")
    return durations


def match_names(names, clips):
    """Which clip each name means, for names of files, of scores and of a truth seldom agree.

    A name means the clip that is called the same; where there is none, the one clip that is called
    the same but for folders in front and an ending of audio files.

    Args:
        names, clips: iterables of str.
    Returns: dict of name -> clip, or None where it means none.
    Raises: ValueError where a name could mean several clips, or several names mean one clip.
    """
    clips = dict.fromkeys(clips)
    alike = {}
    for clip in clips:
        alike.setdefault(_bare(clip), []).append(clip)
    meant, taken = {}, {}
    for name in names:
        could_be = [name] if name in clips else alike.get(_bare(name), [])
        if len(could_be) > 1:
            raise ValueError(f"{name!r} could mean {could_be[0]!r} or {could_be[1]!r}")
        meant[name] = could_be[0] if could_be else None
        if could_be and taken.setdefault(could_be[0], name) != name:
            raise ValueError(f"{taken[could_be[0]]!r} and {name!r} both mean {could_be[0]!r}")
    return meant


def _bare(name):
    name = name.replace("\\", "/").rsplit("/", 1)[-1]
    ending = os.path.splitext(name)[1]
    return name.removesuffix(ending) if ending.lower() in AUDIO_ENDINGS else name


def _threshold(path):
    found = [float(text) for text in _THRESHOLD.findall(path.stem) if float(text) <= 1]
    return found[-1] if found else None
