"""Layers and zoo on the other backends, TensorFlow not importable."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

TRAIN_A_STEP = """
import json, sys
sys.modules["tensorflow"] = None  # import tensorflow raises from here on
import keras, numpy as np
from contracts import noise, numpy_of, train_step
from sedzoo.frontend import Frontend
from sedzoo.layers import Standardise, features
from sedzoo.zoo import create_model, list_models, model_card

sizes = json.loads(sys.argv[3])

assert keras.backend.backend() == sys.argv[1]
wave = 0.1 * np.random.default_rng(0).standard_normal((2, 44100)).astype("float32")
for name in list_models():
    card = model_card(name)
    if card.streams:
        x = {stream: noise(2, 10, size) for stream, size in card.streams.items()}
    elif card.extractor:
        x = keras.ops.convert_to_tensor(noise(2, 10, card.embedding_size))
    else:
        x = Standardise(-5.0, 3.0)(features(Frontend.preset(card.frontend))(wave))
    model = create_model(name, num_classes=2, **sizes.get(name, {}))
    for value in model(x).values():
        assert np.isfinite(numpy_of(value)).all()
    before, after = train_step(model, keras.tree.map_structure(numpy_of, x))
    assert all(np.abs(a - b).max() > 0 for a, b in zip(after, before))
for name in ("gated_crnn", "mmnet"):
    model = create_model(name, num_classes=2, **sizes[name])
    model.load_weights(f"{sys.argv[2]}{name}.weights.h5")
    x = np.load(sys.argv[2] + name + "-x.npy")
    np.savez(sys.argv[2] + name, **{key: numpy_of(value) for key, value in model(x).items()})
"""
SIZES = {"crnn": {"width": 4, "rnn_units": 4}, "gated_crnn": {"width": 4, "rnn_units": 4},
         "mmnet": {"width": 4, "multi_scale": True}, "mmnet_convnet": {"width": 4},
         "mmnet_resnet": {"width": 4, "head": "att"}, "embedding_dnn": {"units": 4},
         "embedding_lstm": {"units": 4}, "multilevel_attention": {"units": 4},
         "vggish": {"width": 4, "units": 16}, "av_transformer": {"width": 4, "ff_units": 4}}


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_the_zoo_predicts_and_trains_without_tensorflow(backend, tmp_path):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    from contracts import assert_close, noise, numpy_of

    from sedzoo.frontend import Frontend
    from sedzoo.zoo import create_model, model_card

    ours = {}
    for name in ("gated_crnn", "mmnet"):
        model = create_model(name, num_classes=2, **SIZES[name])
        model.save_weights(tmp_path / f"{name}.weights.h5")
        x = noise(2, 40, Frontend.preset(model_card(name).frontend).num_features)
        np.save(tmp_path / f"{name}-x.npy", x)
        ours[name] = {key: numpy_of(value) for key, value in model(x).items()}
    environment = {**os.environ, "KERAS_BACKEND": backend,
                   "PYTHONPATH": str(Path(__file__).parent)}
    subprocess.run([sys.executable, "-c", TRAIN_A_STEP, backend, f"{tmp_path}/",
                    json.dumps(SIZES)], check=True, env=environment)
    for name, expected in ours.items():
        assert_close(dict(np.load(tmp_path / f"{name}.npz")), expected)
