"""A data set of half a second a clip, and a recipe that learns it in seconds."""

import dataclasses

import numpy as np
import pytest
import soundfile

from sedzoo.datasets.manifest import Clip, Manifest
from sedzoo.events import Event
from sedzoo.frontend import Frontend
from sedzoo.training import Recipe

FRONTEND = Frontend(sample_rate=8000, window_samples=256, fft_samples=256, hop_samples=128,
                    num_bands=16, fmax_hz=4000.0, log_offset=1e-8, clip_frames=32)
PITCHES_HZ = {"low": 300, "middle": 900, "high": 2500}


@pytest.fixture(scope="session")
def manifest(tmp_path_factory):
    """30 clips of 0.5 s, a tone of 0.25 s in each; 10 of them weakly labelled, 5 not at all."""
    folder = tmp_path_factory.mktemp("tones")
    draw = np.random.default_rng(0)
    clips = []
    for i in range(30):
        label = list(PITCHES_HZ)[i % 3]
        onset = float(draw.uniform(0, 0.25))
        time = np.arange(4000) / 8000
        inside = (time >= onset) & (time < onset + 0.25)
        wave = 0.3 * np.sin(2 * np.pi * PITCHES_HZ[label] * time) * inside
        path = folder / f"{i}.wav"
        soundfile.write(path, wave + draw.normal(0, 0.003, 4000), 8000, subtype="FLOAT")
        clips.append(Clip(path.name, str(path), None if i >= 25 else (label,),
                          None if i >= 15 else (Event(onset, onset + 0.25, label),)))
    return Manifest("tones", tuple(PITCHES_HZ), tuple(clips), ("/m/1", "/m/2", "/m/3"), "made here")


@pytest.fixture
def recipe():
    return Recipe(id="test/tones", model_name="dcase2017_mlp",
                  arguments={"width": 16, "dropout": 0.2},
                  frontend=dataclasses.asdict(FRONTEND), batch_size=6, steps_per_epoch=3, epochs=4,
                  learning_rate=1e-2, loss_weights={"clip": 1.0, "frame": 0.5}, mixup_rate=0.5,
                  spec_augment={"time_width": 4, "freq_width": 3}, checkpoint_every=2,
                  fusion_epochs=(2, 4), seed=5)
