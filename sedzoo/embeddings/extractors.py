"""What turns a waveform into segments: patches of log-mel, or a network's embeddings of them.

Waveforms are trimmed where the frontend says so.
"""

import hashlib
import json

import keras
import numpy as np

from sedzoo import layers
from sedzoo.frontend import Frontend
from sedzoo.preparation import trimmed


class Patches:
    """Log-mel patches, (T, frames, bands): consecutive, without overlap, what remains left out.

    A clip shorter than a patch is padded with silence to one.

    Args:
        frontend: Frontend, or the name of a preset. Defaults to VGGish's.
        frames: int > 0, of a patch. Defaults to 96, which are 0.96 s there.
    """

    def __init__(self, frontend="vggish", frames=96):
        if isinstance(frontend, str):
            frontend = Frontend.preset(frontend)
        if not (isinstance(frames, int) and frames > 0):
            raise ValueError(f"`frames` must be an int > 0. Received: frames={frames!r}")
        self.frontend, self.frames = frontend, frames
        self.name = f"{frontend.name} patches"
        self.sample_rate = frontend.sample_rate
        self.hop_s = frontend.clock(frames).hop_s
        self._layer = layers.features(frontend)

    def __call__(self, waveform):
        """Waveform (S,) -> float32 (T, frames, bands)."""
        waveform = trimmed(waveform, self.frontend.trim_db)
        missing = self.frontend.samples_for(self.frames) - len(waveform)
        waveform = np.pad(waveform, (0, max(0, missing)))
        found = keras.ops.convert_to_numpy(self._layer(waveform[None]))[0]
        num_patches = len(found) // self.frames
        return found[:num_patches * self.frames].reshape(num_patches, self.frames, -1)

    def to_dict(self):
        return {"name": "patches", "frontend": self.frontend.to_dict(), "frames": self.frames}


class ModelExtractor:
    """Embeddings of a network that hears log-mel: the zoo's VGGish, or your own.

    Args:
        model: keras.Model, features (B, T, F) -> {"embedding": (B, T', D)}, or one that has a layer
            named "embedding" of that output.
        frontend: Frontend of its features, or the name of a preset.
        time_stride: int > 0, feature frames per embedding. Defaults to VGGish's 96.
        mean, std: float or F floats, the z-score of its features. Default to 0 and 1.
        name: str.
    Raises: ValueError when the model has no such output.
    """

    def __init__(self, model, frontend="vggish", *, time_stride=96, mean=0.0, std=1.0, name=None):
        if isinstance(frontend, str):
            frontend = Frontend.preset(frontend)
        self.frontend = frontend
        self.name = name or model.name
        self.sample_rate = frontend.sample_rate
        self.hop_s = frontend.clock(time_stride).hop_s
        self.time_stride = time_stride
        self.mean, self.std = np.asarray(mean, np.float32), np.asarray(std, np.float32)
        self.model = _trunk(model)
        self._layer = layers.features(frontend)

    def __call__(self, waveform):
        """Waveform (S,) -> float32 (T', D)."""
        waveform = trimmed(waveform, self.frontend.trim_db)
        missing = self.frontend.samples_for(self.time_stride) - len(waveform)
        x = self._layer(np.pad(waveform, (0, max(0, missing)))[None])
        x = (x - self.mean) / np.maximum(self.std, 1e-6)
        return keras.ops.convert_to_numpy(self.model(x, training=False)["embedding"])[0]

    def to_dict(self):
        return {"name": self.name, "frontend": self.frontend.to_dict(),
                "time_stride": self.time_stride, "mean": self.mean.tolist(),
                "std": self.std.tolist(), "model": _digest(self.model)}


def _digest(model):
    """What a model computes, as a few characters: its layers and its weights, as they are now."""
    digest = hashlib.sha256()
    for layer in model.layers:
        config = [type(layer).__name__, _nameless(layer.get_config())]
        digest.update(json.dumps(config, sort_keys=True, default=str).encode())
    for weight in model.get_weights():
        digest.update(weight.tobytes())
    return digest.hexdigest()


def _nameless(config):
    """A configuration without the names that Keras counts up from model to model."""
    if isinstance(config, dict):
        return {key: _nameless(value) for key, value in config.items() if key != "name"}
    return [_nameless(part) for part in config] if isinstance(config, list | tuple) else config


def _trunk(model):
    """The part of a model that ends in {"embedding": ...}."""
    if isinstance(model, keras.Sequential):         # has no `output` before it is called
        model = keras.Model(model.inputs[0], model.outputs[0])
    if isinstance(model.output, dict) and "embedding" in model.output:
        return keras.Model(model.input, {"embedding": model.output["embedding"]})
    if "embedding" not in [layer.name for layer in model.layers]:
        raise ValueError('`model` must have a layer named "embedding". '
                         f"Received: {[layer.name for layer in model.layers]}")
    return keras.Model(model.input, {"embedding": model.get_layer("embedding").output})
