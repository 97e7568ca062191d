"""Label files: events in four formats, tags in one.

Formats of events: "tsv", DESED's strong labels; "csv", DCASE's, which has tabs and no header;
"json"; "audacity", a label track, which knows no file name. Scores travel in JSON alone.
"""

import json
import os
from pathlib import Path

from sedzoo.events import Event
from sedzoo.rows import open_text, read_columns, read_rows, rows_text, write_text

FORMATS = ("tsv", "csv", "json", "audacity")
_STRONG = ("filename", "onset", "offset", "event_label")
_WEAK = ("filename", "event_labels")
_SUFFIXES = {".tsv": "tsv", ".csv": "csv", ".json": "json", ".txt": "audacity"}


def read_events(path, format=None):
    """Events of every file that a label file names.

    A row with a file alone is a file without events. In "csv" a row from 0 to 0 says that the
    class is in the clip but nobody marked when (DCASE 2017 has them, each is among its weak
    labels too): it gives no event, as sed_eval counts none.

    Args:
        path: path of the label file.
        format: one of "tsv", "csv", "json", "audacity". Defaults to what the name ends in, .tsv,
            .csv, .json or .txt; a .csv with DESED's header is "tsv". A label track's events are
            filed under the track's own name without its ending.

    Returns: dict of file name -> list of Event by onset, in the order of the files' first rows.
    Raises: ValueError naming file and line, for anything that is not such a label file.
    """
    format = _format_of(path) if format is None else _known(format)
    with open_text(path) as file:
        return {name: sorted(events) for name, events in _READERS[format](file, path).items()}


def write_events(path, events, format=None):
    """Write events to a label file; `read_events` is the inverse but for what a format lacks.

    Args:
        path: path, or a text file open for writing.
        events: dict of file name -> iterable of Event. "audacity" holds one file's.
        format: as for `read_events`; needed when `path` is an open file.

    Raises: ValueError when the format cannot hold it; nothing is written then.
    """
    format = _format_of(path, writing=True) if format is None else _known(format)
    write_text(path, _WRITERS[format]({name: sorted(of_file) for name, of_file in events.items()}))


def read_tags(path):
    """Tags of every clip in a weak label file of DESED.

    Args:
        path: path of a TSV with the columns `filename` and `event_labels` (separated by commas);
            a file with the first column alone lists unlabelled clips.

    Returns: dict of file name -> tuple of labels, or None where the clips are unlabelled.
    Raises: ValueError naming file and line.
    """
    with open_text(path) as file:
        unlabelled = file.readline().rstrip("\r\n") == "filename"
    tags = {}
    with open_text(path) as file:
        for line, row in read_columns(file, path, _WEAK[:1] if unlabelled else _WEAK):
            _require_name(row[0], path, line)
            if row[0] in tags:
                raise ValueError(f"{path}, line {line}: {row[0]!r} is there twice")
            tags[row[0]] = None if unlabelled else tuple(filter(None, row[1].split(",")))
    return tags


def write_tags(path, tags):
    """Write the tags of clips as DESED does; `read_tags` is the inverse.

    Args:
        path: path, or a text file open for writing.
        tags: dict of file name -> iterable of labels without commas, or None for all clips.

    Raises: ValueError when the format cannot hold it; nothing is written then.
    """
    unlabelled = {labels is None for labels in tags.values()}
    if unlabelled == {True}:
        write_text(path, rows_text([_WEAK[:1], *([_filled(name)] for name in tags)]))
        return
    if True in unlabelled:
        raise ValueError("`tags` must be None for all clips or for none: "
                         "a weak label file cannot hold both.")
    rows = [_WEAK]
    for name, labels in tags.items():
        labels = [_filled(label) for label in labels]
        if any("," in label for label in labels):
            raise ValueError(f"A weak label file separates labels by commas, it cannot hold those "
                             f"of {name!r}: {labels}")
        rows.append([_filled(name), ",".join(labels)])
    write_text(path, rows_text(rows))


def _known(format):
    if format not in FORMATS:
        raise ValueError(f"`format` must be one of {FORMATS}. Received: format={format!r}")
    return format


def _format_of(path, writing=False):
    suffix = "" if hasattr(path, "write") else os.path.splitext(os.fspath(path))[1].lower()
    if suffix not in _SUFFIXES:
        raise ValueError(f"`format` must be one of {FORMATS} where no name ends in one of "
                         f"{tuple(_SUFFIXES)}. Received: path={path!r}")
    if suffix == ".csv" and not writing:
        with open_text(path) as file:
            if set(_STRONG) <= set(file.readline().rstrip("\r\n").split("\t")):
                return "tsv"
    return _SUFFIXES[suffix]


# -- reading -----------------------------------------------------------------------------------


def _read_tsv(file, path):
    events = {}
    for line, (name, *fields) in read_columns(file, path, _STRONG):
        _require_name(name, path, line)
        of_file = events.setdefault(name, [])
        if any(fields):
            of_file.append(_event(*fields, path, line))
    return events


def _read_csv(file, path):
    events = {}
    for line, (name, *fields) in read_rows(file, path):
        if len(fields) not in (0, 3):
            raise ValueError(f"{path}, line {line}: must have a file alone, or file, onset, offset "
                             f"and label, separated by tabs; it has {1 + len(fields)} fields")
        _require_name(name, path, line)
        of_file = events.setdefault(name, [])
        if fields and not (_number(fields[0]) == _number(fields[1]) == 0 and fields[2]):
            of_file.append(_event(*fields, path, line))
    return events


def _read_json(file, path):
    try:
        content = json.load(file)
        return {name: [Event(**fields) for fields in events] for name, events in content.items()}
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}, line {error.lineno}: not JSON: {error.msg}") from error
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: must be an object of file name -> list of objects with onset, "
                         f"offset, label and score: {error}") from error


def _read_audacity(file, path):
    events = []
    for line, text in enumerate(file.read().replace("\r\n", "\n").split("\n"), 1):
        # A backslash starts the frequency range of the label above.
        if text and not text.startswith("\\"):
            fields = text.split("\t", 2)
            if len(fields) != 3:
                raise ValueError(f"{path}, line {line}: must have onset, offset and label, "
                                 f"separated by tabs; it has {len(fields)} fields")
            events.append(_event(*fields, path, line))
    return {Path(path).stem: events}


_READERS = {"tsv": _read_tsv, "csv": _read_csv, "json": _read_json, "audacity": _read_audacity}


def _require_name(name, path, line):
    if not name:
        raise ValueError(f"{path}, line {line}: has no file name")


def _number(text):
    try:
        return float(text)
    except ValueError:
        return None


def _event(onset, offset, label, path, line):
    times = _number(onset), _number(offset)
    if None in times or not label:
        raise ValueError(f"{path}, line {line}: must have onset and offset in seconds and a "
                         f"label. Received: {onset!r}, {offset!r}, {label!r}")
    try:
        return Event(*times, label)
    except ValueError as error:
        raise ValueError(f"{path}, line {line}: {error}") from error


# -- writing -----------------------------------------------------------------------------------


def _tsv(events):
    rows = [_STRONG]
    for name, of_file in events.items():
        rows += ([_filled(name), *_fields(event)] for event in of_file)
        if not of_file:
            rows.append([_filled(name), "", "", ""])
    return rows_text(rows)


def _csv(events):
    rows = []
    for name, of_file in events.items():
        rows += ([_filled(name), *_fields(event)] for event in of_file)
        if not of_file:
            rows.append([_filled(name)])
    return rows_text(rows)


def _json(events):
    return json.dumps({name: [{"onset": float(event.onset), "offset": float(event.offset),
                               "label": event.label, "score": float(event.score)}
                              for event in of_file] for name, of_file in events.items()},
                      indent=1, allow_nan=False) + "\n"


def _audacity(events):
    if len(events) != 1:
        raise ValueError("An Audacity label track holds the events of one file. "
                         f"Received: {len(events)} files")
    rows = [_fields(event) for of_file in events.values() for event in of_file]
    for _, _, label in rows:
        if set(label) & set("\t\r\n"):
            raise ValueError(f"An Audacity label track cannot hold the label {label!r}.")
    return "".join(f"{onset}\t{offset}\t{label}\n" for onset, offset, label in rows)


_WRITERS = {"tsv": _tsv, "csv": _csv, "json": _json, "audacity": _audacity}


def _fields(event):
    return float(event.onset), float(event.offset), _filled(event.label)


def _filled(text):
    if not text:
        raise ValueError("File names and labels must not be empty.")
    return text
