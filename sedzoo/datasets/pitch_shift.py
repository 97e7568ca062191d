"""Pitch-shifted copies of the clips of rare classes, until all classes have a quota."""

import hashlib
import itertools
import os
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track

from sedzoo import audio

_FORMAT = 1             # raise it when the same copy would sound otherwise than before
_FFT_SAMPLES = 2048     # librosa's default; it warns of clips that are shorter
_COPY = re.compile(r"(?:[+-]\d+st(?: \d+)?)+$")


def pitch_shifted(manifest, directory, *, quota=600, semitones=12, sample_rate=16000, seed=0):
    """The clips of a Manifest and, after them, copies of those in classes below a quota.

    The originals of a class take turns in a random order, and each has its shifts in a random order
    too, so that no two copies are alike before an original has been shifted by all of them. A copy
    of `a.wav` is named `a.wav+3st` (three semitones up; `a.wav+3st 2` the second time) and keeps
    all else that is known of its original: labels, events, fold, `verified`. So it is never in
    another fold; make the folds before, or with `groups=original`. A class without clips stays so.

    Clips of several labels count in each. Classes are filled from the rarest to the most frequent,
    and a copy made for one of them counts in all its classes, which may so exceed their quota.

    Copies are mono WAV files of 16 bits, as long as their originals; one whose peak exceeds full
    scale is scaled down to it. A file depends on its original, the shift and the rate alone and
    appears all at once: what is there is kept, and an interrupted call goes on where it was. A copy
    shifted down by n has nothing above 2^(-n / 12) of half the rate.

    Args:
        manifest: Manifest of the training clips; their audio must be there (`Manifest.present`).
        directory: path of the folder for the copies, made if need be.
        quota: int >= 0, clips of each class.
        semitones: int > 0, the largest shift; 0 is never drawn.
        sample_rate: int, Hz, of the copies.
        seed: int >= 0.
    Returns: Manifest.
    Raises: ValueError for bounds; FileNotFoundError or audio.AudioError naming the file of a clip
        that cannot be read.
    Source: Xu 2018 (thesis), section 5.2.3. Differs: there shifts are drawn independently, and
        whether 0 is among them is not said.
    """
    if not (isinstance(quota, int) and quota >= 0):
        raise ValueError(f"`quota` must be an int >= 0. Received: quota={quota!r}")
    if not (isinstance(semitones, int) and semitones > 0):
        raise ValueError(f"`semitones` must be an int > 0. Received: semitones={semitones!r}")
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    copies = []
    console = Console(stderr=True)
    for clip, name, shift in track(_plan(manifest, quota, semitones, seed),
                                   f"Pitch shift of {manifest.name}", console=console,
                                   disable=not console.is_terminal):
        path = directory / _file_name(clip, shift, sample_rate)
        if not path.is_file():
            _write(path, clip, shift, sample_rate)
        copies.append(replace(clip, name=name, path=str(path)))
    return replace(manifest, clips=manifest.clips + tuple(copies))


def original(clip):
    """The name of the clip that this one is a copy of, or its own: a key for `k_folds`."""
    return _COPY.sub("", clip.name)


def _plan(manifest, quota, semitones, seed):
    """(original Clip, name, shift in semitones) of each copy to make."""
    counts = Counter(dict(zip(manifest.labels, manifest.class_counts().tolist(), strict=True)))
    made = Counter(map(original, manifest.clips))      # itself included
    plan = []
    for label in sorted(manifest.labels, key=counts.get):
        sources = [clip for clip in manifest.clips
                   if label in (clip.labels or ()) and original(clip) == clip.name]
        order = _draw(seed, label).permutation(len(sources))
        turns = sorted(order, key=lambda i, sources=sources: made[sources[i].name])
        for i in itertools.islice(itertools.cycle(turns), max(0, quota - counts[label])):
            clip = sources[i]
            plan.append((clip, *_copy(clip, made[clip.name] - 1, semitones, seed)))
            made[clip.name] += 1
            counts.update(clip.labels)
    return plan


def _copy(clip, number, semitones, seed):
    """Name and shift of a clip's copy number 0, 1..."""
    shifts = [n for n in range(-semitones, semitones + 1) if n]
    time, turn = divmod(number, len(shifts))
    shift = int(_draw(seed, clip.name).permutation(shifts)[turn])
    return f"{clip.name}{shift:+d}st" + (f" {time + 1}" if time else ""), shift


def _draw(seed, name):
    return np.random.default_rng([seed, *os.fsencode(name)])


def _file_name(clip, shift, sample_rate):
    """A name that a person can read, with a digest of what the copy depends on."""
    status = os.stat(clip.path)
    what = repr([_FORMAT, clip.name, status.st_size, status.st_mtime_ns, shift, sample_rate])
    digest = hashlib.sha256(what.encode()).hexdigest()[:12]
    return f"{Path(clip.name).stem[:40]}{shift:+d}st-{digest}.wav"


def _write(path, clip, shift, sample_rate):
    import librosa  # only where a copy must be made: importing it takes a second

    waveform = audio.load(clip.path, sample_rate)
    padded = np.pad(waveform, (0, max(0, _FFT_SAMPLES - len(waveform))))
    shifted = librosa.effects.pitch_shift(padded, sr=sample_rate, n_steps=shift,
                                          n_fft=_FFT_SAMPLES, res_type="soxr_hq")[:len(waveform)]
    shifted /= max(1.0, float(np.abs(shifted).max()))
    part = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        audio.save(part, shifted, sample_rate)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
