"""A model whose truth is known: class k is on where there is energy around the k-th tone."""

import keras
import numpy as np

from sedzoo import export
from sedzoo.card import Card
from sedzoo.frontend import Frontend
from sedzoo.layers import mel

FRONTEND = Frontend.preset("xu2018icassp-logmel")
RATE = FRONTEND.sample_rate
TONES_HZ = (500.0, 1500.0, 4000.0)
LABELS = ("Low tone", "Middle tone", "High tone")
# Log-mel between silence (-18) and a tone of amplitude 0.3 (about 1).
LEVEL = -5.0


def model(time_stride=1):
    """Features (B, T, 64) -> frame: sigmoid(4 (log-mel of the tone's band - LEVEL)), clip: max."""
    bands = [mel.mel_triangles(FRONTEND)[round(hz * FRONTEND.fft_samples / RATE)].argmax()
             for hz in TONES_HZ]
    kernel = np.zeros((64, len(bands)), np.float32)
    kernel[bands, np.arange(len(bands))] = 4.0
    features = keras.Input((None, 64))
    x = keras.layers.Activation("linear", name="embedding")(features)
    if time_stride > 1:
        x = keras.layers.AveragePooling1D(time_stride, name="pool")(x)
    dense = keras.layers.Dense(len(bands), "sigmoid", name="frame",
                               kernel_regularizer=keras.regularizers.L2(0.5))
    frame = dense(x)
    dense.set_weights([kernel, np.full(len(bands), -4.0 * LEVEL, np.float32)])
    clip = keras.layers.GlobalMaxPooling1D(name="clip")(frame)
    return keras.Model(features, {"clip": clip, "frame": frame})


def card(**changes):
    fields = {"name": "tones", "model": "tone_model", "frontend": FRONTEND.to_dict(),
              "labels": LABELS, "mids": ("/m/low", "/m/middle", "/m/high"),
              "decoder": {"thresholds": [0.5, 0.4, 0.3], "median_frames": 3}}
    return Card(**{**fields, **changes})


def save(directory, time_stride=1, **arguments):
    """Export the model; returns the directory."""
    return export.save(model(time_stride), directory, card(time_stride=time_stride),
                       mean=np.zeros(64), std=np.ones(64), **arguments)


def sound(duration_s, *bursts):
    """Silence with tones: bursts are (tone index, onset_s, offset_s); float32 (S,)."""
    waveform = np.zeros(round(duration_s * RATE), np.float32)
    for tone, onset_s, offset_s in bursts:
        samples = np.arange(round(onset_s * RATE), min(round(offset_s * RATE), len(waveform)))
        waveform[samples] += 0.3 * np.sin(2 * np.pi * TONES_HZ[tone] / RATE * samples)
    return waveform
