"""Sounds in, tags and events out: runs an exported model with TensorFlow, without Keras."""

import itertools
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import tensorflow as tf

from sedzoo import audio, waveform
from sedzoo.card import Card
from sedzoo.events import Decoder
from sedzoo.stitching import Windows


class ExportError(ValueError):
    """A directory that holds no export of sedzoo."""


class Detector:
    """An exported model that tags and detects in recordings of any length.

    A recording of up to one window is given to the model whole: the answers are the export's own.
    A longer one is cut into overlapping windows, whose frame scores are cross-faded on one grid of
    frames; its tags are each class's highest over the windows. Sound is read block by block, so
    only the scores grow with the recording.

    A sound is a path, the bytes of a file, or an array (S,): floats in [-1, 1], or PCM of int16,
    int32 or uint8, at `sample_rate` Hz, by default the card's.

    Args:
        path: an export, `exported/<name>/<version>`; of `exported/<name>` the latest version.
        window_s: float > 0, seconds of a window. Defaults to the length of the training clips.
        overlap: float in [0, 0.9], share of a window that the next one covers too.
            Defaults to 0.25.
        batch_size: int > 0, windows that run at a time. Defaults to 8.

    Raises: FileNotFoundError; ExportError when there is something else. The methods raise
        audio.AudioError, of one line, for what cannot be used as sound.
    """

    def __init__(self, path, *, window_s=None, overlap=0.25, batch_size=8):
        path = _version(Path(path))
        self.card = Card.read(path / "assets" / "card.json")
        self.labels = self.card.labels
        self.sample_rate = self.card.sample_rate
        self.clock = self.card.clock
        self._windows = self._plan(window_s, overlap)
        if type(batch_size) is not int or batch_size < 1:
            raise ValueError(f"`batch_size` must be a positive int. Received: {batch_size!r}")
        self._batch_size = batch_size
        self._export = tf.saved_model.load(str(path))

    def _plan(self, window_s, overlap):
        frontend, stride = self.card.frontend_spec, self.card.time_stride
        if window_s is None:
            num_frames = max(1, frontend.clip_frames // stride)
        elif window_s > 0:
            num_frames = max(1, int(self.clock.frame(window_s)))
        else:
            raise ValueError(f"`window_s` must be positive. Received: window_s={window_s!r}")
        if not 0 <= overlap <= 0.9:
            raise ValueError(f"`overlap` must lie in [0, 0.9]. Received: overlap={overlap!r}")
        return Windows(frontend, stride, num_frames, int(num_frames * overlap))

    @property
    def decoder(self):
        """The events.Decoder that the export's variables hold now."""
        export = self._export
        return Decoder(thresholds=tuple(export.thresholds.numpy().tolist()),
                       median_frames=tuple(export.median_frames.numpy().tolist()),
                       max_gap_frames=int(export.max_gap_frames.numpy()),
                       min_frames=int(export.min_frames.numpy()))

    def tag(self, source, *, sample_rate=None, progress=None):
        """Which sounds are in a recording.

        Args: as for `scores`.
        Returns: dict of label -> probability, the most probable first.
        """
        clip, _ = self._run(source, sample_rate, progress)
        return {self.labels[k]: float(clip[k]) for k in np.argsort(-clip, kind="stable")}

    def detect(self, source, thresholds=None, *, sample_rate=None, progress=None):
        """Which sounds are in a recording, from when to when.

        Args:
            thresholds: float or K floats in [0, 1]; None for the export's own.
            source, sample_rate, progress: as for `scores`.
        Returns: list of Event, by onset, then offset, then class order.
        """
        decoder = self._decoder(thresholds)
        scores, clock = self.scores(source, sample_rate=sample_rate, progress=progress)
        return decoder.decode(scores, self.labels, clock)

    def scores(self, source, *, sample_rate=None, progress=None):
        """Frame probabilities of a recording.

        Args:
            source: path, bytes of an audio file, or array (S,).
            sample_rate: int, Hz, of an array. Defaults to the card's.
            progress: function that is called with the seconds done so far, or None.
        Returns: float32 (T, K), and the Clock of its frames.
        """
        return self._run(source, sample_rate, progress)[1], self.clock

    def _decoder(self, thresholds):
        if thresholds is None:
            return self.decoder
        thresholds = np.asarray(thresholds, float)
        if thresholds.shape not in ((), (len(self.labels),)):
            raise ValueError(f"`thresholds` must be one or {len(self.labels)}, one per label. "
                             f"Received: shape {thresholds.shape}")
        thresholds = tuple(thresholds.tolist()) if thresholds.ndim else float(thresholds)
        return replace(self.decoder, thresholds=thresholds)

    def _run(self, source, sample_rate, progress):
        """Clip probabilities (K,) and frame probabilities (T, K)."""
        windows = self._windows.cut(self._blocks(source, sample_rate))
        clips, parts = [], []
        while batch := list(itertools.islice(windows, self._batch_size)):
            firsts, samples = zip(*batch, strict=True)
            outputs = self._export(tf.constant(np.stack(samples)))
            clips.append(outputs["clip"].numpy().max(axis=0))
            parts.extend(zip(firsts, outputs["frame"].numpy(), strict=True))
            if progress is not None:
                progress(float(self.clock.seconds(firsts[-1] + len(parts[-1][1]))))
        return np.max(clips, axis=0), self._windows.join(parts)

    def _blocks(self, source, sample_rate):
        """The recording as blocks of float32 (n,) at the model's rate."""
        is_file = isinstance(source, (str, bytes, bytearray, memoryview, os.PathLike))
        if is_file or hasattr(source, "read"):
            if sample_rate is not None:
                raise ValueError("`sample_rate` is for arrays; a file knows its own. "
                                 f"Received: sample_rate={sample_rate!r}")
            return audio.blocks(source, self.sample_rate)
        rate = self.sample_rate if sample_rate is None else sample_rate
        return waveform.blocks(source, rate, self.sample_rate)


def _version(path):
    """The export at a path, or the latest of its versions."""
    if not path.is_dir():
        raise FileNotFoundError(f"There is no export at {path}.")
    if not (path / "saved_model.pb").is_file():
        versions = [int(entry.name) for entry in path.iterdir() if entry.name.isdecimal()]
        if versions:
            path = path / str(max(versions))
    for part in ("saved_model.pb", "assets/card.json"):
        if not (path / part).is_file():
            raise ExportError(f"{path} is no export of sedzoo: it has no {part}.")
    return path
