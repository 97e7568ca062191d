"""Embeddings of any SavedModel that takes waveforms."""

import hashlib
import os
import re

import keras
import numpy as np
import tensorflow as tf

from sedzoo.card import Card
from sedzoo.export.hub_interface import WaveformInput, published
from sedzoo.export.hub_layer import HubLayer, part

# Windows that run at a time.
_BATCH_SIZE = 64
# Silence on which a SavedModel of whole waveforms is tried: at 16 kHz ten hops of VGGish.
_PROBE_SAMPLES = 153_600


class HubExtractor:
    """A SavedModel as an extractor: waveform (S,) -> embeddings (T, D).

    It may take whole waveforms (S,), as YAMNet and VGGish do; batches of them (B, S), as sedzoo's
    own exports; or windows (B, W), (B, W, 1) or (B, 1, W), as OpenL3. Windows are cut here: the
    first starts with the recording, what remains at its end is left out, and a recording shorter
    than one is padded with silence. What is not given is asked of the SavedModel (by its traces,
    its `sample_rate()` and its answer to silence), or known of the published ones.

    A whole waveform runs in one piece: cut an hour into minutes, or the SavedModel's own feature
    maps fill the memory. Windows run 64 at a time, however long the recording.

    Args:
        handle: str or path, see HubLayer.
        sample_rate: int > 0, Hz, that it hears.
        hop_s: float > 0, seconds from one embedding to the next; of windows, rounded to samples.
            Defaults to the window; for a sedzoo export, which gives a recording one embedding, to
            the length of the clips it was trained on.
        window_s: float > 0, seconds of a window. Defaults to the trace's; None where that is free:
            whole waveforms.
        output: int or str, the part of a tuple or dict that is the embedding. Defaults to
            "embedding" where there is such a key.
        signature: str, see HubLayer.
        name: str. Defaults to the last part of the handle that is no number.
    Raises: ValueError that names the argument to give and what the SavedModel showed; and as
        HubLayer.
    """

    def __init__(self, handle, *, sample_rate=None, hop_s=None, window_s=None, output=None,
                 signature=None, name=None):
        for key, value in (("sample_rate", sample_rate), ("hop_s", hop_s), ("window_s", window_s)):
            if value is not None and not value > 0:
                raise ValueError(f"`{key}` must be positive. Received: {key}={value!r}")
        self._layer = HubLayer(handle, signature=signature)
        self._input = WaveformInput.of(self._layer)
        self.name = name or _name(self._layer.handle)
        rate = sample_rate or self._said_rate()
        self._window = self._window_samples(window_s, rate)

        silence = np.zeros((1, self._window or _PROBE_SAMPLES), np.float32)
        answer = self._layer(self._input.shaped(silence))
        known = published(self._window, answer)
        self.output = _embedding_of(answer, known) if output is None else output
        num_embeddings = len(self._embeddings(answer))
        if not (rate or known):
            raise ValueError("`sample_rate` must be given: the SavedModel does not say it.")
        self.sample_rate = rate or known.sample_rate
        hop_s = hop_s or (known.hop_s if known else self._default_hop_s(num_embeddings))
        self._hop = max(1, round(hop_s * self.sample_rate))
        self.hop_s = self._hop / self.sample_rate if self._window else float(hop_s)
        self._check_hop(num_embeddings)

    def __call__(self, waveform):
        """Waveform, float (S,), S > 0, in [-1, 1] -> float32 (T, D), T > 0."""
        waveform = np.asarray(waveform, np.float32)
        if waveform.ndim != 1 or not len(waveform):
            raise ValueError("`waveform` must be (S,), S > 0. "
                             f"Received: shape {waveform.shape}")
        if self._window:
            waveform = np.pad(waveform, (0, max(0, self._window - len(waveform))))
            windows = np.lib.stride_tricks.sliding_window_view(waveform, self._window)[::self._hop]
            return np.concatenate([self._run(windows[start:start + _BATCH_SIZE])
                                   for start in range(0, len(windows), _BATCH_SIZE)])
        found = self._run(waveform[None])
        if not len(found):  # too short for an embedding: the first one with silence after it
            found = self._run(np.pad(waveform, (0, _PROBE_SAMPLES))[None])[:1]
        return found

    def to_dict(self):
        """What decides the embeddings, as plain data."""
        return {"handle": self._layer.handle, "signature": self._layer.signature,
                "output": self.output, "sample_rate": self.sample_rate, "hop_s": self.hop_s,
                "window_samples": self._window, "files": fingerprint(self._layer.directory)}

    def _run(self, waveforms):
        return self._embeddings(self._layer(self._input.shaped(waveforms)))

    def _embeddings(self, answer):
        """What the SavedModel returned -> (T, D), of windows or of the one waveform."""
        found = part(answer, self.output)
        rank = getattr(getattr(found, "shape", None), "rank", None)
        if rank == 3 and self._input.is_batch and not self._window:
            found, rank = found[0], 2
        if rank != 2:
            raise ValueError("`output` must choose embeddings (T, D). "
                             f"Received: output={self.output!r} of {_shapes(answer)}")
        return np.asarray(found, np.float32)

    def _said_rate(self):
        say = getattr(self._layer.resolved_object, "sample_rate", None)
        return int(say()) if callable(say) else None

    def _window_samples(self, window_s, rate):
        """Samples of a window, or None for whole waveforms."""
        traced = self._input.window_samples
        if window_s is None:
            return traced
        if not self._input.is_batch:
            raise ValueError("`window_s` must be None: the SavedModel takes whole waveforms. "
                             f"Received: window_s={window_s!r}")
        if rate is None:
            raise ValueError("`sample_rate` must be given with `window_s`: the SavedModel does not "
                             "say it.")
        samples = round(window_s * rate)
        if samples < 1 or traced not in (None, samples):
            raise ValueError(f"`window_s` must be {traced or 'one or more'} samples. "
                             f"Received: window_s={window_s!r}, {samples} samples at {rate} Hz")
        return samples

    def _default_hop_s(self, num_embeddings):
        if self._window:
            return self._window / self.sample_rate
        card_path = getattr(self._layer.resolved_object, "card_path", None)
        if callable(card_path):
            return Card.read(card_path().numpy().decode()).frontend_spec.clip_s
        raise ValueError(f"`hop_s` must be given: {_PROBE_SAMPLES / self.sample_rate:g} s of "
                         f"silence are {num_embeddings} embeddings.")

    def _check_hop(self, num_embeddings):
        """The embeddings of the silence last about as long as it did."""
        seconds = _PROBE_SAMPLES / self.sample_rate
        if not self._window and num_embeddings > 1 and abs(
                num_embeddings * self.hop_s - seconds) > 2 * self.hop_s:
            raise ValueError(f"`hop_s` must fit the SavedModel: {seconds:g} s of silence are "
                             f"{num_embeddings} embeddings. Received: hop_s={self.hop_s!r}")


def fingerprint(directory):
    """A SHA-256 of a SavedModel's graph, of the checksums of its variables, and of all sizes.

    Args:
        directory: str, see hub_layer.resolve.
    Returns: str, hexadecimal.
    """
    digest = hashlib.sha256()
    for folder, _, files in sorted(tf.io.gfile.walk(directory)):
        for file in sorted(files):
            path = os.path.join(folder, file)
            place = os.path.relpath(path, directory)
            digest.update(f"{place} {tf.io.gfile.stat(path).length}\n".encode())
            if file in ("saved_model.pb", "variables.index"):
                with tf.io.gfile.GFile(path, "rb") as content:
                    digest.update(content.read())
    return digest.hexdigest()


def _embedding_of(answer, known):
    """The part of an answer that is the embedding, as `output`."""
    if isinstance(answer, dict) and "embedding" in answer:
        return "embedding"
    if known is None and isinstance(answer, (dict, tuple, list)):
        raise ValueError(f"`output` must be given: the SavedModel returns {_shapes(answer)}.")
    return known.output if known else None


def _shapes(answer):
    return keras.tree.map_structure(lambda tensor: tuple(tensor.shape), answer)


def _name(handle):
    """The last part of a handle that is no number: "yamnet" of "https://host/google/yamnet/1"."""
    words = [word for word in re.split(r"[/\\]", handle.split("?")[0]) if word]
    return next((word for word in reversed(words) if not word.isdecimal()), handle)
