"""Layers and zoo on the other backends, TensorFlow not importable."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

TRAIN_A_STEP = """
import sys
sys.modules["tensorflow"] = None  # import tensorflow raises from here on
import keras, numpy as np
from contracts import numpy_of, train_step
from sedzoo.frontend import Frontend
from sedzoo.layers import Standardise, features
from sedzoo.zoo import create_model, list_models, model_card

assert keras.backend.backend() == sys.argv[1]
wave = 0.1 * np.random.default_rng(0).standard_normal((2, 44100)).astype("float32")
for name in list_models():
    frontend = Frontend.preset(model_card(name).frontend)
    x = Standardise(-5.0, 3.0)(features(frontend)(wave))
    sizes = {} if name == "dcase2017_mlp" else {"width": 4, "rnn_units": 4}
    model = create_model(name, num_classes=2, **sizes)
    for value in model(x).values():
        assert np.isfinite(numpy_of(value)).all()
    before, after = train_step(model, numpy_of(x))
    assert all(np.abs(a - b).max() > 0 for a, b in zip(after, before))
    np.savez(sys.argv[2] + name, clip=numpy_of(model(x)["clip"]))
model = create_model("gated_crnn", num_classes=2, width=4, rnn_units=4)
model.load_weights(sys.argv[2] + "shared.weights.h5")
np.savez(sys.argv[2] + "shared", clip=numpy_of(model(np.ones((1, 20, 64), "float32"))["clip"]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_the_zoo_predicts_and_trains_without_tensorflow(backend, tmp_path):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    import numpy as np
    from contracts import numpy_of

    from sedzoo.zoo import create_model

    model = create_model("gated_crnn", num_classes=2, width=4, rnn_units=4)
    model.save_weights(tmp_path / "shared.weights.h5")
    environment = {**os.environ, "KERAS_BACKEND": backend,
                   "PYTHONPATH": str(Path(__file__).parent)}
    subprocess.run([sys.executable, "-c", TRAIN_A_STEP, backend, f"{tmp_path}/"],
                   check=True, env=environment)
    theirs = np.load(tmp_path / "shared.npz")["clip"]
    ours = numpy_of(model(np.ones((1, 20, 64), "float32"))["clip"])
    np.testing.assert_allclose(theirs, ours, atol=1e-5)
