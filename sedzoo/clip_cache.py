"""What is computed of a data set's sounds: every file read once, the results kept on disk."""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from absl import logging
from rich.console import Console
from rich.progress import track

from sedzoo import audio

_CHUNK = 32             # clips decoded ahead, and together in memory


class Entry:
    """One data set's results by one recipe: a folder that appears all at once.

    It is found by the recipe and by the files' paths, sizes and modification times. Files that do
    not exist are left out and listed in `missing_files.tsv`; files that cannot be read, with the
    reason, in `unreadable_files.tsv`, both in `cache_dir`.

    Args:
        cache_dir: str or Path, made if need be.
        manifest: datasets.Manifest.
        recipe: dict, as JSON: all that the numbers depend on besides the files.
    Raises: FileNotFoundError when no clip has a file.
    """

    def __init__(self, cache_dir, manifest, recipe):
        cache_dir = Path(cache_dir)
        cache_dir.mkdir(parents=True, exist_ok=True)
        report = cache_dir / "missing_files.tsv"
        report.unlink(missing_ok=True)
        self.manifest = manifest.present(report)
        if len(self.manifest) < len(manifest):
            logging.warning("%s: %d of %d files are missing and left out, see %s", manifest.name,
                            len(manifest) - len(self.manifest), len(manifest), report)
        self.path = cache_dir / _key(self.manifest, recipe)

    @contextlib.contextmanager
    def building(self):
        """A folder to fill, which takes the entry's place if nothing went wrong."""
        building = Path(tempfile.mkdtemp(prefix="building-", dir=self.path.parent))
        try:
            yield building
            os.rename(building, self.path)
        except OSError:
            if not self.path.is_dir():      # somebody else may have finished the same entry first
                raise
        finally:
            shutil.rmtree(building, ignore_errors=True)

    def read_all(self, load, title, progress=True):
        """Every clip's sound, in chunks, decoded ahead by threads.

        Args:
            load: function(Clip) -> waveform; may raise audio.AudioError.
            title: str, of the progress bar; progress: bool, where standard error is a terminal.
        Yields: list of (index of the clip, waveform), and list of [name, reason] of those that
            cannot be read.
        """
        clips = self.manifest.clips
        chunks = range(0, len(clips), _CHUNK)
        quiet = not (progress and Console(stderr=True).is_terminal)
        with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
            for first in track(chunks, title, disable=quiet, console=Console(stderr=True)):
                chunk = clips[first:first + _CHUNK]
                loaded = list(pool.map(lambda clip: _attempt(load, clip), chunk))
                yield ([(first + i, wave) for i, wave in enumerate(loaded)
                        if not isinstance(wave, audio.AudioError)],
                       [[clip.name, str(wave)] for clip, wave in zip(chunk, loaded, strict=True)
                        if isinstance(wave, audio.AudioError)])

    def require_some(self, num_kept, unreadable):
        """Raises ValueError, with the first reason, when no clip could be read."""
        if not num_kept:
            name, reason = unreadable[0]
            raise ValueError(f"No audio file of {self.manifest.name!r} can be read "
                             f"({len(unreadable)} tried; {name}: {reason})")

    def report(self, unreadable):
        """Write down and say which files could not be read: list of [name, reason]."""
        report = self.path.parent / "unreadable_files.tsv"
        report.unlink(missing_ok=True)
        if unreadable:
            report.write_text("filename\treason\n" + "".join(
                f"{name}\t{' '.join(reason.split())}\n" for name, reason in unreadable))
            logging.warning("%s: %d of %d files cannot be read and are left out, see %s",
                            self.manifest.name, len(unreadable), len(self.manifest), report)


def _attempt(load, clip):
    """The waveform, or the error that reading it gave."""
    try:
        return load(clip)
    except audio.AudioError as error:
        return error


def _key(manifest, recipe):
    """The name of a cache entry: a digest of all that its numbers depend on."""
    files = []
    for clip in manifest.clips:
        status = os.stat(clip.path)
        files.append([clip.name, os.path.abspath(clip.path), status.st_size, status.st_mtime_ns])
    text = json.dumps([recipe, files], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
