"""A manifest's features, computed once and kept on disk."""

import hashlib
import json
import os
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from absl import logging
from rich.console import Console
from rich.progress import track

from sedzoo import audio
from sedzoo.datasets.manifest import Manifest
from sedzoo.frontend import Frontend

_FORMAT = 1             # raise it when the same frontend would give other numbers than before
_CHUNK = 32             # clips decoded ahead, and together in memory


@dataclass(frozen=True)
class Features:
    """Features of N clips, all cut or padded to the frontend's clip_frames, not standardised.

    Args:
        values: float32 (N, T, F), a read-only memory map.
        num_frames: int64 (N,), frames of each clip that come from audio; the rest is padding.
        manifest: the clips they belong to, those without readable audio left out.
        frontend: the Frontend that made them.
    """

    values: np.ndarray
    num_frames: np.ndarray
    manifest: Manifest
    frontend: Frontend

    def __len__(self):
        return len(self.values)


def extract(manifest, frontend, cache_dir, progress=True):
    """Features of every clip that has readable audio; a second call reads them back.

    Files that do not exist are left out and listed in `missing_files.tsv`; files that cannot be
    read, with the reason, in `unreadable_files.tsv`, both in `cache_dir`. The cache is found by
    frontend and by the files' paths, sizes and modification times, and appears all at once.

    Args:
        manifest: datasets.Manifest.
        frontend: Frontend.
        cache_dir: str or Path, made if need be.
        progress: bool, a progress bar where standard error is a terminal.
    Returns: Features.
    Raises: FileNotFoundError when no clip has a file; ValueError when none can be read.
    """
    cache_dir = Path(cache_dir)
    cache_dir.mkdir(parents=True, exist_ok=True)
    report = cache_dir / "missing_files.tsv"
    report.unlink(missing_ok=True)
    present = manifest.present(report)
    if len(present) < len(manifest):
        logging.warning("%s: %d of %d files are missing and left out, see %s",
                        manifest.name, len(manifest) - len(present), len(manifest), report)
    entry = cache_dir / _key(present, frontend)
    if not entry.is_dir():
        _fill(entry, present, frontend, progress)
    return _read(entry, present, frontend)


def statistics(features, frontend):
    """Mean and deviation for the z-score, each float32 (F,), in one pass for each over the file.

    "band" gives every band its own, "global" all bands the same, None zeros and ones. Frames of
    padding count where `frontend.normalise_padding` says so. A band that never changes has
    deviation 1.

    Args:
        features: Features of the training set.
        frontend: Frontend.
    """
    num_bands = features.values.shape[-1]
    if frontend.normalise is None:
        return np.zeros(num_bands, np.float32), np.ones(num_bands, np.float32)
    axis = 0 if frontend.normalise == "band" else None
    count = sum(len(frames) for frames in _counted(features, frontend))
    count *= 1 if axis == 0 else num_bands
    mean = sum(frames.sum(axis) for frames in _counted(features, frontend)) / count
    variance = sum(((frames - mean) ** 2).sum(axis)
                   for frames in _counted(features, frontend)) / count
    std = np.sqrt(variance)
    std = np.where(std < 1e-6, 1.0, std)
    return (np.broadcast_to(mean, (num_bands,)).astype(np.float32),
            np.broadcast_to(std, (num_bands,)).astype(np.float32))


def _counted(features, frontend):
    """The frames that count in the statistics, float64 (n, F), in chunks."""
    time = np.arange(features.values.shape[1])
    for first in range(0, len(features), _CHUNK):
        values = features.values[first:first + _CHUNK].astype(np.float64)
        if frontend.normalise_padding:
            yield values.reshape(-1, values.shape[-1])
        else:
            yield values[time < features.num_frames[first:first + _CHUNK, None]]


def _key(manifest, frontend):
    """The name of a cache entry: a digest of all that its numbers depend on."""
    files = []
    for clip in manifest.clips:
        status = os.stat(clip.path)
        files.append([clip.name, os.path.abspath(clip.path), status.st_size, status.st_mtime_ns])
    recipe = json.dumps([_FORMAT, frontend.to_dict(), files], sort_keys=True)
    return hashlib.sha256(recipe.encode()).hexdigest()[:16]


def _fill(entry, manifest, frontend, progress):
    """Compute into a folder beside `entry` and rename it, so that no half-written cache is met."""
    building = Path(tempfile.mkdtemp(prefix="building-", dir=entry.parent))
    try:
        shape = (len(manifest), frontend.clip_frames, frontend.num_features)
        values = np.lib.format.open_memmap(building / "values.npy", "w+", np.float32, shape)
        kept, num_frames, unreadable = _compute(manifest, frontend, values, progress)
        values.flush()
        if not kept:
            name, reason = unreadable[0]
            raise ValueError(f"No audio file of {manifest.name!r} can be read "
                             f"({len(unreadable)} tried; {name}: {reason})")
        np.save(building / "num_frames.npy", np.array(num_frames, np.int64))
        (building / "clips.json").write_text(json.dumps({"kept": kept, "unreadable": unreadable}))
        os.rename(building, entry)
    except OSError:
        if not entry.is_dir():          # somebody else may have finished the same entry first
            raise
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _compute(manifest, frontend, values, progress):
    """Write the features into `values`; which clips are kept, their frames, and who failed."""
    from sedzoo import layers  # Keras: only where something must be computed

    layer = layers.features(frontend)
    pad = _padding(frontend, layer)
    kept, num_frames, unreadable = [], [], []
    chunks = [range(first, min(first + _CHUNK, len(manifest)))
              for first in range(0, len(manifest), _CHUNK)]
    quiet = not (progress and Console(stderr=True).is_terminal)
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        for chunk in track(chunks, f"Features of {manifest.name}", disable=quiet,
                           console=Console(stderr=True)):
            clips = [manifest.clips[i] for i in chunk]
            loaded = list(pool.map(lambda clip: _load(clip, frontend), clips))
            good = [(i, wave) for i, wave in zip(chunk, loaded, strict=True)
                    if not isinstance(wave, audio.AudioError)]
            unreadable += [[clip.name, str(wave)] for clip, wave in zip(clips, loaded, strict=True)
                           if isinstance(wave, audio.AudioError)]
            waves = [wave for _, wave in good]
            for row, frames in zip(_rows(waves, frontend, layer, pad), _frames(waves, frontend),
                                   strict=True):
                values[len(num_frames)] = row
                num_frames.append(frames)
            kept += [i for i, _ in good]
    return kept, num_frames, unreadable


def _load(clip, frontend):
    """The waveform as far as the features need it, or the error that reading it gave."""
    try:
        waveform = audio.load(clip.path, frontend.sample_rate)
    except audio.AudioError as error:
        return error
    # One window more than the frames need, so that centred frames at the cut see the real sound.
    return waveform[:frontend.samples_for(frontend.clip_frames) + frontend.window_samples]


def _frames(waves, frontend):
    return [min(frontend.num_frames(len(wave)), frontend.clip_frames) for wave in waves]


def _rows(waves, frontend, layer, pad):
    """Features (T, F) of each waveform, cut or padded; waveforms of one length go together."""
    import keras

    rows = [None] * len(waves)
    lengths = {}
    for i, wave in enumerate(waves):
        lengths.setdefault(len(wave), []).append(i)
    for same in lengths.values():
        batch = keras.ops.convert_to_numpy(layer(np.stack([waves[i] for i in same])))  # (b, t, F)
        for i, found in zip(same, batch, strict=True):
            found = found[:frontend.clip_frames]
            rows[i] = np.concatenate([found, np.repeat(pad, frontend.clip_frames - len(found), 0)])
    return rows


def _padding(frontend, layer):
    """One frame (1, F) of what is appended to short clips."""
    if frontend.pad == "features":
        return np.zeros((1, frontend.num_features), np.float32)
    import keras

    silence = np.zeros((1, frontend.samples_for(1)), np.float32)
    return keras.ops.convert_to_numpy(layer(silence))[0, :1]


def _read(entry, manifest, frontend):
    clips = json.loads((entry / "clips.json").read_text())
    kept, unreadable = clips["kept"], clips["unreadable"]
    report = entry.parent / "unreadable_files.tsv"
    report.unlink(missing_ok=True)
    if unreadable:
        report.write_text("filename\treason\n" + "".join(
            f"{name}\t{' '.join(reason.split())}\n" for name, reason in unreadable))
        logging.warning("%s: %d of %d files cannot be read and are left out, see %s",
                        manifest.name, len(unreadable), len(manifest), report)
    values = np.load(entry / "values.npy", mmap_mode="r")[:len(kept)]
    return Features(values, np.load(entry / "num_frames.npy"),
                    replace(manifest, clips=tuple(manifest.clips[i] for i in kept)), frontend)
