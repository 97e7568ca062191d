"""What VGG16 sees in a video: one embedding for each window of its sound."""

import functools
import hashlib
import os
import warnings

import keras
import numpy as np
from absl import logging

from sedzoo import video
from sedzoo import weights as weight_files
from sedzoo.frontend import Frontend

LAYERS = ("fc1", "fc2")
_SIZE = (224, 224)
_BATCH = 16             # pictures at a time
# A layer's kernel and bias in the files of Keras 3, and of Keras 1 to 2, the published one's, too.
_NAMES = (("0", "kernel", "W", "W_1"), ("1", "bias", "b", "b_1"))


class VGG16Extractor:
    """Embeddings of stills, (T, 4096): one from the centre of each window that VGGish hears.

    Whole pictures, squeezed to 224 x 224, in BGR without ImageNet's mean; after the layer's ReLU.
    Windows are those of video.read_clip, so that clips have as many segments as extractors.Patches
    and VGGish find in their sound. Nothing is downloaded.

    Args:
        weights: path of VGG16's weights, as keras.applications publishes them or as Keras writes
            them (.h5, .weights.h5), or anything that sedzoo.weights.read knows. None for random
            ones, whose embeddings mean nothing: it warns.
        hop_s: float > 0, seconds of a window, a multiple of 0.01. Defaults to 0.96.
        layer: "fc2" (default) or "fc1".

    Call: frames, uint8 (T, 224, 224, 3), RGB, as `read` gives them -> float32 (T, 4096).
    Raises: ValueError naming the argument, or the file that does not fit; FileNotFoundError.
    Source: Boes and Van hamme 2019, https://arxiv.org/abs/1912.02615, section 3.2.1; Simonyan and
        Zisserman 2014, https://arxiv.org/abs/1409.1556. Differs: the paper does not say how
        pictures become square.
    """

    name = "vgg16"

    def __init__(self, weights=None, *, hop_s=0.96, layer="fc2"):
        frontend = Frontend.preset("vggish")
        self.window_frames = round(hop_s / frontend.hop_samples * frontend.sample_rate)
        self.hop_s = frontend.clock(self.window_frames).hop_s
        if self.window_frames < 1 or abs(self.hop_s - hop_s) > 1e-6:
            raise ValueError(f"`hop_s` must be a multiple of 0.01, > 0. Received: hop_s={hop_s!r}")
        if layer not in LAYERS:
            raise ValueError(f"`layer` must be one of {LAYERS}. Received: layer={layer!r}")
        self.sample_rate = frontend.sample_rate
        self.layer = layer
        self._frontend = frontend
        # Before a model of half a gigabyte is made.
        arrays = None if weights is None else _read(weights)
        vgg16 = keras.applications.VGG16(weights=None)
        self._model = keras.Model(vgg16.input, vgg16.get_layer(layer).output, name=self.name)
        if arrays is None:
            _warn_of_random_weights()
        else:
            _assign(self._model, arrays, weights)

    def read(self, path):
        """The stills of a video file, uint8 (T, 224, 224, 3).

        Raises: FileNotFoundError; audio.AudioError: see video.frames and video.sound.
        """
        clip = video.read_clip(path, self._frontend, self.window_frames, _SIZE)
        if clip.frames is None:
            raise video.NoPicturesError(f"{os.fspath(path)!r}: has no pictures")
        return clip.frames

    def __call__(self, frames):
        found = []
        for first in range(0, len(frames), _BATCH):
            pictures = np.asarray(frames[first:first + _BATCH], np.float32)
            pictures = keras.applications.vgg16.preprocess_input(pictures)
            found.append(keras.ops.convert_to_numpy(self._model(pictures, training=False)))
        return np.concatenate(found)

    def to_dict(self):
        return {"name": self.name, "layer": self.layer, "hop_s": self.hop_s,
                "weights": self._digest}

    @functools.cached_property
    def _digest(self):
        digest = hashlib.sha256()
        for weight in self._model.weights:
            digest.update(np.ascontiguousarray(keras.ops.convert_to_numpy(weight)))
        return digest.hexdigest()


def _read(path):
    if not os.path.isfile(path):
        raise FileNotFoundError(f"`weights` must be the path of a file; nothing is downloaded. "
                                f"Received: weights={path!r}")
    return weight_files.read(path)


def _assign(model, arrays, path):
    names = {layer.name: [[f"{layer.name}/{name}" for name in known] for known in _NAMES]
             for layer in model.layers if layer.weights}
    try:
        weight_files.assign(model, arrays, names)
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)}: are no weights of VGG16. {error}") from error


def _warn_of_random_weights():
    message = ("VGG16 has random weights, and embeddings that mean nothing. Give `weights`, the "
               "path of a file of trained ones; nothing is downloaded.")
    logging.warning(message)
    warnings.warn(message, stacklevel=3)
