import csv
import json
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from sedzoo.training import Run, fit
from sedzoo.training.state import Keeper


def weights(run):
    return [np.asarray(weight) for weight in run.model.get_weights()]


def assert_same_weights(one, two):
    assert all(np.array_equal(a, b) for a, b in zip(weights(one), weights(two), strict=True))


@pytest.fixture
def cache(manifest, tmp_path_factory):
    return tmp_path_factory.getbasetemp() / "features"


@pytest.fixture(scope="module")
def kept():
    """A place for what several tests look at, made by the first of them."""
    return {}


@pytest.fixture
def undisturbed(kept, recipe, manifest, cache, tmp_path_factory):
    if "run" not in kept:
        directory = tmp_path_factory.mktemp("undisturbed")
        kept["run"] = fit(recipe, manifest, manifest, directory, progress=False, cache_dir=cache)
    return kept["run"]


def test_a_run_leaves_what_the_next_steps_need(undisturbed, recipe, manifest):
    directory = undisturbed.directory
    classes = json.loads((directory / "classes.json").read_text())
    assert classes == {"labels": ["low", "middle", "high"], "mids": ["/m/1", "/m/2", "/m/3"],
                       "attribution": "made here"}
    assert sorted(path.name for path in (directory / "checkpoints").iterdir()) == [
        "epoch-0002.weights.h5", "epoch-0004.weights.h5"]
    assert not list(directory.rglob("partial-*"))
    with open(directory / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4"]
    assert {"loss", "val_loss", "clip_loss", "frame_loss"} <= set(rows[0])
    assert undisturbed.history()[0]["loss"] == float(rows[0]["loss"])


def test_load_gives_the_run_back(undisturbed):
    loaded = Run.load(undisturbed.directory)
    assert_same_weights(loaded, undisturbed)
    assert (loaded.recipe, loaded.labels, loaded.mids, loaded.attribution) == (
        undisturbed.recipe, undisturbed.labels, undisturbed.mids, undisturbed.attribution)
    np.testing.assert_array_equal(loaded.mean, undisturbed.mean)
    np.testing.assert_array_equal(loaded.std, undisturbed.std)
    x = np.random.default_rng(0).normal(size=(2, 32, 16)).astype(np.float32)
    outputs = loaded.model.predict_on_batch(x)
    assert set(outputs) == {"clip", "frame"}
    np.testing.assert_array_equal(outputs["clip"], undisturbed.model.predict_on_batch(x)["clip"])


def test_tensorboard_finds_training_and_validation(undisturbed):
    for part in ("train", "validation"):
        logs = undisturbed.directory / "logs" / part
        steps = set()
        for path in logs.iterdir():
            events = EventAccumulator(str(path)).Reload()
            steps |= {event.step for event in events.Tensors("epoch_loss")}
        assert steps == {1, 2, 3, 4}


def test_another_seed_gives_other_weights(undisturbed, recipe, manifest, cache, tmp_path):
    other = fit(recipe.replace(seed=6, epochs=1), manifest, None, tmp_path, progress=False,
                cache_dir=cache)
    assert not np.allclose(weights(other)[0], weights(undisturbed)[0], atol=0.01)


def test_stopped_between_epochs_and_resumed_it_ends_in_the_same_weights(
        undisturbed, recipe, manifest, cache, tmp_path):
    fit(recipe.replace(epochs=1), manifest, manifest, tmp_path, progress=False, cache_dir=cache)
    resumed = fit(recipe, manifest, manifest, tmp_path, progress=False, cache_dir=cache)
    assert_same_weights(resumed, undisturbed)
    assert resumed.history() == undisturbed.history()


@pytest.mark.slow
def test_stopped_amid_an_epoch_and_resumed_it_ends_in_the_same_weights(
        undisturbed, recipe, manifest, cache, tmp_path, monkeypatch):
    def stop(keeper, batch, logs=None):
        if len(keeper.history) == 2 and batch == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Keeper, "on_train_batch_end", stop)
        fit(recipe, manifest, manifest, tmp_path, progress=False, cache_dir=cache)
    with pytest.raises(FileNotFoundError, match="model.keras is missing"):
        Run.load(tmp_path)
    resumed = fit(recipe, manifest, manifest, tmp_path, progress=False, cache_dir=cache)
    assert_same_weights(resumed, undisturbed)
    assert resumed.history() == undisturbed.history()


_ELSEWHERE = """
import pickle, sys
sys.modules["tensorflow"] = None
import numpy as np
from sedzoo.training import Recipe, fit
with open(sys.argv[1], "rb") as file:
    fields, manifest = pickle.load(file)
recipe = Recipe.from_dict({**fields, "spec_augment": None})
whole = fit(recipe, manifest, manifest, sys.argv[2] + "/a", progress=False, cache_dir=sys.argv[3])
for epochs in (2, 4):
    resumed = fit(recipe.replace(epochs=epochs), manifest, manifest, sys.argv[2] + "/b",
                  progress=False, cache_dir=sys.argv[3])
assert resumed.history() == whole.history() and len(whole.history()) == 4
for a, b in zip(resumed.model.get_weights(), whole.model.get_weights(), strict=True):
    assert np.array_equal(a, b)
masked = recipe.replace(spec_augment={"time_width": 4})
try:
    fit(masked, manifest, None, sys.argv[2] + "/c", progress=False, cache_dir=sys.argv[3])
except ValueError as error:
    assert "`spec_augment` needs TensorFlow" in str(error)
else:
    raise AssertionError("masks without TensorFlow")
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_without_tensorflow_it_trains_and_is_resumed_to_the_same_weights(
        backend, recipe, manifest, cache, tmp_path):
    pytest.importorskip(backend)
    job = tmp_path / "job"
    job.write_bytes(pickle.dumps((recipe.to_dict(), manifest)))
    # The child asserts that no TensorFlow came in and that both runs end alike.
    done = subprocess.run([sys.executable, "-c", _ELSEWHERE, str(job), str(tmp_path), str(cache)],
                          cwd=Path(__file__).parents[2],
                          env={**os.environ, "KERAS_BACKEND": backend})
    assert done.returncode == 0


_CHILD = """
import pickle, sys
from sedzoo.training import Recipe, fit
with open(sys.argv[1], "rb") as file:
    fields, manifest = pickle.load(file)
fit(Recipe.from_dict(fields), manifest, manifest, sys.argv[2], progress=False,
    cache_dir=sys.argv[3])
"""


@pytest.mark.slow
def test_killed_and_called_again_it_ends_in_the_same_weights(
        undisturbed, recipe, manifest, cache, tmp_path):
    job = tmp_path / "job"
    job.write_bytes(pickle.dumps((recipe.to_dict(), manifest)))
    call = [sys.executable, "-c", _CHILD, str(job), str(tmp_path / "run"), str(cache)]
    child = subprocess.Popen(call, cwd=Path(__file__).parents[2], env=dict(os.environ))
    history = tmp_path / "run" / "history.csv"
    while child.poll() is None and not history.is_file():
        time.sleep(0.02)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    assert not (tmp_path / "run" / "model.keras").exists()
    subprocess.run(call, check=True, cwd=Path(__file__).parents[2])
    assert_same_weights(Run.load(tmp_path / "run"), undisturbed)


@pytest.mark.slow
def test_the_gated_crnn_too_is_resumed_to_the_same_weights(recipe, manifest, cache, tmp_path):
    gated = recipe.replace(model_name="gated_crnn", arguments={"width": 4, "rnn_units": 4})
    whole = fit(gated, manifest, manifest, tmp_path / "a", progress=False, cache_dir=cache)
    fit(gated.replace(epochs=2), manifest, manifest, tmp_path / "b", progress=False,
        cache_dir=cache)
    resumed = fit(gated, manifest, manifest, tmp_path / "b", progress=False, cache_dir=cache)
    assert_same_weights(resumed, whole)
    assert "attention" in resumed.model.output          # needs no target, and is there all the same


def test_a_finished_run_called_again_is_the_same_run(undisturbed, recipe, manifest, cache):
    before = (undisturbed.directory / "history.csv").read_bytes()
    again = fit(recipe, manifest, manifest, undisturbed.directory, progress=False, cache_dir=cache)
    assert_same_weights(again, undisturbed)
    assert (undisturbed.directory / "history.csv").read_bytes() == before


def test_another_recipe_or_other_classes_do_not_take_over_a_run(
        undisturbed, recipe, manifest, cache):
    with pytest.raises(ValueError, match="differs in learning_rate .recipe.json."):
        fit(recipe.replace(learning_rate=1e-4), manifest, None, undisturbed.directory,
            progress=False, cache_dir=cache)
    other = type(manifest)(manifest.name, manifest.labels[::-1], manifest.clips, manifest.mids)
    with pytest.raises(ValueError, match="differs in labels"):
        fit(recipe, other, None, undisturbed.directory, progress=False, cache_dir=cache)


def test_resume_false_starts_anew(recipe, manifest, cache, tmp_path):
    short = recipe.replace(epochs=1, seed=9)
    fit(short, manifest, None, tmp_path, progress=False, cache_dir=cache)
    anew = fit(short.replace(learning_rate=1e-3), manifest, None, tmp_path, resume=False,
               progress=False, cache_dir=cache)
    assert len(anew.history()) == 1 and anew.recipe.learning_rate == 1e-3


@pytest.mark.slow
def test_the_loss_falls(recipe, manifest, cache, tmp_path):
    learning = recipe.replace(epochs=6, steps_per_epoch=12, mixup_rate=0.0, spec_augment=None,
                              sampler="balanced")
    history = fit(learning, manifest, None, tmp_path, progress=False, cache_dir=cache).history()
    assert history[-1]["loss"] < 0.7 * history[0]["loss"]


def test_frames_can_learn_the_clips_tags_and_training_can_stop_early(
        recipe, manifest, cache, tmp_path):
    rule = {"monitor": "binary_accuracy", "patience": 2, "min_delta": 1.0}
    mlp = recipe.replace(loss_weights={"frame": 1.0}, frame_targets="tags", epochs=6,
                         early_stopping=rule)
    run = fit(mlp, manifest, manifest, tmp_path, progress=False, cache_dir=cache)
    assert len(run.history()) == 3          # the first counts as a gain, then two without one
    again = fit(mlp, manifest, manifest, tmp_path, progress=False, cache_dir=cache)
    assert len(again.history()) == 3


def test_a_loss_that_is_no_number_stops_with_a_clear_error(recipe, manifest, cache, tmp_path):
    with pytest.raises(FloatingPointError, match="nan in epoch 1, step .*learning_rate"):
        fit(recipe.replace(learning_rate=1e30, epochs=2), manifest, None, tmp_path, progress=False,
            cache_dir=cache)


def test_what_cannot_be_learned_is_an_error(recipe, manifest, cache, tmp_path):
    weak = manifest.select(lambda clip: clip.events is None)
    with pytest.raises(ValueError, match="'frame', but no clip of 'tones' has labels"):
        fit(recipe, weak, None, tmp_path, progress=False, cache_dir=cache)
    swapped = type(manifest)(manifest.name, manifest.labels[::-1], manifest.clips)
    with pytest.raises(ValueError, match="`valid` must have the labels"):
        fit(recipe, manifest, swapped, tmp_path, progress=False, cache_dir=cache)


def test_without_a_terminal_there_is_a_line_an_epoch(recipe, manifest, cache, tmp_path, capsys):
    fit(recipe.replace(epochs=2), manifest, None, tmp_path, cache_dir=cache)
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("epoch ")]
    assert len(lines) == 2 and lines[1].startswith("epoch 2/2: ") and "loss 0." in lines[1]
