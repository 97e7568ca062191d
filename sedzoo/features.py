"""A manifest's features, computed once and kept on disk."""

import json
from dataclasses import dataclass, replace

import numpy as np

from sedzoo.clip_cache import Entry
from sedzoo.datasets.manifest import Manifest
from sedzoo.frontend import Frontend
from sedzoo.preparation import trimmed
from sedzoo.video import load_sound

_FORMAT = 1             # raise it when the same frontend would give other numbers than before
_CHUNK = 32             # clips whose statistics are taken together


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
    Raises: FileNotFoundError when no clip has a file; ValueError when none can be read, or when
        the frontend trims clips that have events.
    """
    timed = [clip.name for clip in manifest.clips if clip.events]
    if frontend.trim_db is not None and timed:
        raise ValueError("`trim_db` must be None for clips with events, whose times would shift. "
                         f"Received: trim_db={frontend.trim_db!r} and {len(timed)} such clips, "
                         f"the first {timed[0]!r}")
    entry = Entry(cache_dir, manifest, [_FORMAT, frontend.to_dict()])
    if not entry.path.is_dir():
        _fill(entry, frontend, progress)
    return _read(entry, frontend)


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


def _fill(entry, frontend, progress):
    """Compute the features of every clip into the entry."""
    with entry.building() as building:
        shape = (len(entry.manifest), frontend.clip_frames, frontend.num_features)
        values = np.lib.format.open_memmap(building / "values.npy", "w+", np.float32, shape)
        kept, num_frames, unreadable = _compute(entry, frontend, values, progress)
        values.flush()
        entry.require_some(len(kept), unreadable)
        np.save(building / "num_frames.npy", np.array(num_frames, np.int64))
        (building / "clips.json").write_text(json.dumps({"kept": kept, "unreadable": unreadable}))


def _compute(entry, frontend, values, progress):
    """Write the features into `values`; which clips are kept, their frames, and who failed."""
    from sedzoo import layers  # Keras: only where something must be computed

    layer = layers.features(frontend)
    pad = _padding(frontend, layer)
    kept, num_frames, unreadable = [], [], []
    title = f"Features of {entry.manifest.name}"
    for good, bad in entry.read_all(lambda clip: _load(clip, frontend), title, progress):
        waves = [wave for _, wave in good]
        for row, frames in zip(_rows(waves, frontend, layer, pad), _frames(waves, frontend),
                               strict=True):
            values[len(num_frames)] = row
            num_frames.append(frames)
        kept += [i for i, _ in good]
        unreadable += bad
    return kept, num_frames, unreadable


def _load(clip, frontend):
    """The waveform as far as the features need it."""
    waveform = trimmed(load_sound(clip.path, frontend.sample_rate), frontend.trim_db)
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


def _read(entry, frontend):
    clips = json.loads((entry.path / "clips.json").read_text())
    kept = clips["kept"]
    entry.report(clips["unreadable"])
    values = np.load(entry.path / "values.npy", mmap_mode="r")[:len(kept)]
    manifest = replace(entry.manifest, clips=tuple(entry.manifest.clips[i] for i in kept))
    return Features(values, np.load(entry.path / "num_frames.npy"), manifest, frontend)
