import dataclasses
from pathlib import Path

import keras
import numpy as np
import pytest

from sedzoo import features
from sedzoo.training import Run, fuse, predict, predict_systems
from sedzoo.training.run import checkpoint_path


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return tmp_path_factory.mktemp("systems")


@pytest.fixture
def heard(recipe, manifest, made):
    return features.extract(manifest, recipe.features(), made / "cache", progress=False)


def system(recipe, manifest, directory, seed=0):
    """A run with two checkpoints of random weights, as if it had been trained."""
    keras.utils.set_random_seed(seed)
    model = recipe.model(3)
    (directory / "checkpoints").mkdir(parents=True)
    for epoch in recipe.fusion_epochs:
        model.set_weights([weight + np.random.normal(0, 0.3, weight.shape)
                           for weight in model.get_weights()])
        model.save_weights(checkpoint_path(directory, epoch))
    return Run(Path(directory), recipe, model, manifest.labels, manifest.mids, "",
               np.full(16, -9, np.float32), np.full(16, 4, np.float32))


def direct(run, heard):
    return run.model.predict((heard.values - run.mean) / run.std, verbose=0)


def test_epoch_fusion_is_the_mean_of_the_checkpoints_probabilities(
        recipe, manifest, heard, tmp_path):
    run = system(recipe, manifest, tmp_path)
    before = run.model.get_weights()
    fused = predict(run, heard, batch_size=7)
    for now, then in zip(run.model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)
    parts = []
    for epoch in (2, 4):
        run.model.load_weights(run.checkpoint(epoch))
        parts.append(direct(run, heard))
    assert not np.allclose(parts[0]["clip"], parts[1]["clip"], atol=1e-3)
    assert set(fused) == {"clip", "frame"}
    for key, value in fused.items():
        np.testing.assert_allclose(value, (parts[0][key] + parts[1][key]) / 2, atol=1e-6)
    np.testing.assert_allclose(predict(run, heard, (4,))["clip"], parts[1]["clip"], atol=1e-6)


def test_without_checkpoints_the_final_weights_answer(recipe, manifest, heard, tmp_path):
    run = system(recipe, manifest, tmp_path)
    np.testing.assert_allclose(predict(run, heard, ())["frame"], direct(run, heard)["frame"],
                               atol=1e-6)


def test_system_fusion_is_the_mean_over_systems_of_their_epoch_means(
        recipe, manifest, heard, tmp_path):
    one = system(recipe, manifest, tmp_path / "one", seed=1)
    cepstral = recipe.replace(frontend={**recipe.frontend, "num_coefficients": 8, "num_deltas": 1})
    two = system(cepstral, manifest, tmp_path / "two", seed=2)
    heard_two = features.extract(manifest, cepstral.features(), tmp_path / "cache", progress=False)
    fused = predict_systems([one, two], [heard, heard_two])
    for key in ("clip", "frame"):
        expected = (predict(one, heard)[key] + predict(two, heard_two)[key]) / 2
        np.testing.assert_allclose(fused[key], expected, atol=1e-6)


def test_fuse_keeps_the_outputs_that_all_have():
    fused = fuse([{"clip": np.ones((2, 3)), "frame": np.ones((2, 4, 3))},
                  {"clip": np.zeros((2, 3))}])
    assert set(fused) == {"clip"} and (fused["clip"] == 0.5).all()


def test_names_what_does_not_fit_together(recipe, manifest, heard, tmp_path):
    run = system(recipe, manifest, tmp_path)
    with pytest.raises(FileNotFoundError, match="Epoch 3 .*one every 2"):
        predict(run, heard, (2, 3))
    other = dataclasses.replace(heard, frontend=dataclasses.replace(heard.frontend, name="other"))
    with pytest.raises(ValueError, match="run's frontend 'custom'. Received: 'other'"):
        predict(run, other)
    fewer = dataclasses.replace(heard, values=heard.values[:10],
                                manifest=manifest.select(lambda clip: clip.name < "18.wav"))
    with pytest.raises(ValueError, match="same clips. Received: 30 and 10"):
        predict_systems([run, run], [heard, fewer])
    with pytest.raises(ValueError, match="same classes"):
        predict_systems([run, dataclasses.replace(run, labels=("a", "b", "c"))], [heard, heard])
    slower = dataclasses.replace(recipe.features(), hop_samples=256)
    with pytest.raises(ValueError, match=r"hops of 0.016 s and 0.032 s"):
        predict_systems([run, run], [heard, dataclasses.replace(heard, frontend=slower)])
    with pytest.raises(ValueError, match="same clips, frames and classes"):
        fuse([{"clip": np.ones((2, 3))}, {"clip": np.ones((3, 3))}])
    with pytest.raises(ValueError, match="at least one"):
        fuse([])
