"""A folder of class folders, anybody's own recordings."""

import os
from pathlib import Path

from sedzoo.datasets.manifest import Clip, Manifest

AUDIO_SUFFIXES = (".aif", ".aifc", ".aiff", ".au", ".caf", ".flac", ".mp3", ".oga", ".ogg", ".opus",
                  ".rf64", ".w64", ".wav", ".wave")
FILM_SUFFIXES = (".avi", ".flv", ".m4v", ".mkv", ".mov", ".mp4", ".ts", ".webm")
SUFFIXES = AUDIO_SUFFIXES + FILM_SUFFIXES
BACKGROUND = ("background", "_background")


def load(directory, name=None):
    """A folder whose subfolders are named after what is heard in them.

    `Dog bark/` holds clips with that one label, `Dog bark,Rain/` clips with both (so a label has no
    comma), `background/` or `_background/` clips in which no class is heard, labels (). Audio files
    and films of any depth below count, whatever the case of their suffix (`SUFFIXES`); hidden files
    and folders do not. Classes and clips are in alphabetical order, on every machine alike.

    Args:
        directory: path.
        name: str, the Manifest's name. Defaults to the folder's own.
    Raises: FileNotFoundError when there is no such folder; ValueError when it has no class folders
        or they have no audio.
    """
    directory = Path(directory)
    if not directory.is_dir():
        raise FileNotFoundError(f"`directory` must be a folder of class folders. "
                                f"Received: {directory}, which is not there.")
    folders = sorted(entry.name for entry in directory.iterdir()
                     if entry.is_dir() and not entry.name.startswith("."))
    heard = {folder: _labels(folder) for folder in folders}
    labels = tuple(sorted(set().union(*heard.values())))
    if not labels:
        raise ValueError(f"{directory} has no class folders: every class needs a folder named "
                         "after it, with its recordings inside.")
    clips = tuple(Clip(file.relative_to(directory).as_posix(), str(file), heard[folder])
                  for folder in folders for file in _audio_files(directory / folder))
    if not clips:
        raise ValueError(f"The class folders of {directory} hold no audio file. "
                         f"Known suffixes: {', '.join(SUFFIXES)}")
    return Manifest(name or directory.resolve().name, labels, clips)


def _labels(folder):
    if folder.lower() in BACKGROUND:
        return ()
    return tuple(sorted({label.strip() for label in folder.split(",")} - {""}))


def _audio_files(folder):
    found = []
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(parent, name) for name in files
                  if not name.startswith(".") and name.lower().endswith(SUFFIXES)]
    return sorted(found, key=lambda file: file.relative_to(folder).as_posix())
