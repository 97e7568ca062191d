"""Training on embeddings: pieces, whole clips, mixtures, and the best epoch kept."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest
from scipy.sparse import csr_array

from sedzoo import evaluation
from sedzoo.embeddings import Embeddings
from sedzoo.training import Recipe, Run, fit, fuse, predict, predict_systems
from sedzoo.training.state import has_stalled, is_best

K, D = 3, 6
ROOT = Path(__file__).parents[2]
# What there is to train, one of each kind.
KINDS = {
    "pieces": {"valid_metrics": ("auc",)},
    "whole_clips": {"segments": "clip", "model_name": "multilevel_attention",
                    "arguments": {"units": 8, "levels": (1, 2), "dropout": 0.2},
                    "steps_per_epoch": None, "batch_size": 3, "valid_metrics": ("auc",)},
    "lstm": {"segments": "clip", "model_name": "embedding_lstm", "batch_size": 5,
             "arguments": {"units": 6, "dropout": 0.2}},
    "all_pieces_of_clips": {"batch_of": "clips", "sampler": "balanced", "keep": "best",
                            "sampler_arguments": {"limits": ()}, "single_label": True,
                            "arguments": {"units": 8, "activation": "softmax"},
                            "early_stopping": {"monitor": "val_loss", "patience": 9}},
    "mixtures": {"mixtures": {"alpha": 0.4, "rate": 0.5}, "sampler": "balanced",
                 "sampler_arguments": {"limits": ()}, "keep": "best", "steps_per_epoch": None,
                 "early_stopping": {"monitor": "val_average_precision", "patience": 9},
                 "valid_metrics": ("average_precision", "lwlrap")},
    "mixup_and_frames": {"mixup_rate": 0.5, "frame_targets": "tags", "segments": 3,
                         "loss_weights": {"clip": 1.0, "frame": 0.5}},
}


def made(num_clips=36, seed=0, dtype="float32", labelled=True):
    """Clips of one to five segments; what is above the noise tells their one class."""
    draw = np.random.default_rng(seed)
    counts = draw.integers(1, 6, num_clips)
    classes = np.arange(num_clips) % K
    values = 2 * np.eye(K, D)[np.repeat(classes, counts)] + draw.normal(0, 0.5, (counts.sum(), D))
    tags = np.eye(K, dtype=np.float32)[classes]
    if not labelled:
        tags[::7] = np.nan
    if dtype == "uint8":
        values = (values * 40 + 128).round().clip(0, 255)
    scale = 128.0 if dtype == "uint8" else 1.0
    return Embeddings(
        values.astype(dtype), np.cumsum(counts) - counts, counts, csr_array(tags),
        np.array([f"{i}.wav" for i in range(num_clips)]), np.array(["0", "1"])[
            np.arange(num_clips) // K % 2], ("a", "b", "c"), name="blobs", hop_s=0.5,
        mean=128.0 if dtype == "uint8" else 0.0, std=scale)


def recipe(**fields):
    return Recipe(**{"id": "test/blobs", "model_name": "embedding_dnn", "segments": 2,
                     "arguments": {"units": 8, "dropout": 0.2}, "batch_size": 8,
                     "steps_per_epoch": 4, "epochs": 3, "learning_rate": 1e-2, "seed": 1,
                     "checkpoint_every": 1, **fields})


def halves(**kwargs):
    embeddings = made(**kwargs)
    return embeddings.of_folds(0), embeddings.of_folds(1)


def trained(directory, rule, sets, **kwargs):
    return fit(rule, *sets, directory, progress=False, **kwargs)


def untrained(rule, seed=0):
    """A run as if it had been trained, of random weights."""
    keras.utils.set_random_seed(seed)
    model = rule.model(K, D)
    model.set_weights([weight + np.random.normal(0, 0.3, weight.shape).astype(weight.dtype) ** 2
                       for weight in model.get_weights()])
    return Run(Path(), rule, model, ("a", "b", "c"), (), "", np.float32(0), np.float32(1))


def assert_same_weights(one, two):
    weights = [each.model.get_weights() for each in (one, two)]
    assert all(np.array_equal(a, b) for a, b in zip(*weights, strict=True))


def segments_of(embeddings, clip):
    start = embeddings.starts[clip]
    values = embeddings.values[start:start + embeddings.counts[clip]].astype(np.float32)
    return (values - embeddings.mean) / embeddings.std


# -- one run, looked at from all sides ---------------------------------------------------------


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """A run that stops by the validation's average precision, and what it was checked on."""
    rule = recipe(keep="best", valid_metrics=("average_precision", "auc", "d_prime"), epochs=40,
                  learning_rate=0.02,
                  early_stopping={"monitor": "val_average_precision", "patience": 2})
    sets = halves(dtype="uint8", labelled=False)
    return trained(tmp_path_factory.mktemp("stopped"), rule, sets), sets[1]


def test_training_stops_where_the_clips_average_precision_has_stalled(stopped):
    run, _ = stopped
    history = run.history()
    assert 3 <= len(history) < 40
    rule = run.recipe.early_stopping
    assert [has_stalled(history[:i + 1], rule) for i in range(len(history))] == [
        *[False] * (len(history) - 1), True]


def test_a_run_may_end_with_the_weights_of_its_best_epoch(stopped):
    run, valid = stopped
    values = [row["val_average_precision"] for row in run.history()]
    best = 1 + int(np.argmax(values))               # the first of equal ones
    assert best == len(values) - 2                  # patience
    assert_same_weights(run, Run.load(run.directory))
    kept = untrained(run.recipe)
    kept.model.load_weights(run.checkpoint(best))
    assert_same_weights(run, kept)
    kept.model.load_weights(run.checkpoint(len(values)))
    assert not np.array_equal(run.model.get_weights()[0], kept.model.get_weights()[0])
    found = predict(run, valid, ())["clip"]
    np.testing.assert_array_equal(found, predict(run, valid, (best,))["clip"])


def test_the_historys_metrics_are_those_of_the_labelled_clips(stopped):
    run, valid = stopped
    tags = valid.tags.toarray()
    known = np.isfinite(tags).all(axis=1)
    assert 0 < known.sum() < len(valid)
    for epoch, row in enumerate(run.history(), 1):
        clip = predict(run, valid, (epoch,))["clip"]
        for name in run.recipe.valid_metrics:
            assert row[f"val_{name}"] == pytest.approx(
                evaluation.clip_metric(name, tags[known], clip[known]), abs=1e-6)


def test_the_scale_of_eight_bits_goes_along(stopped):
    run, _ = stopped
    assert (float(run.mean), float(run.std)) == (128, 128)
    loaded = Run.load(run.directory)
    assert (float(loaded.mean), float(loaded.std), loaded.recipe) == (128, 128, run.recipe)


def test_a_finished_run_called_again_is_the_same_run(stopped):
    run, valid = stopped
    again = trained(run.directory, run.recipe, halves(dtype="uint8", labelled=False))
    assert_same_weights(again, run)
    assert again.history() == run.history()


# -- what a run says of clips ------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_of_a_clip_in_several_pieces_the_mean_is_said(dtype):
    run, heard = untrained(recipe(segments=2)), made(9, dtype=dtype)
    run = Run(*[getattr(run, key) for key in ("directory", "recipe", "model", "labels", "mids",
                                              "attribution")], heard.mean, heard.std)
    found = predict(run, heard, batch_size=4)
    assert set(found) == {"clip"} and found["clip"].shape == (9, K)
    for clip, said in enumerate(found["clip"]):
        own = segments_of(heard, clip)
        pieces = [np.resize(own[i:i + 2], (2, D)) for i in range(0, len(own), 2)]
        expected = run.model.predict_on_batch(np.stack(pieces))["clip"].mean(axis=0)
        np.testing.assert_allclose(said, expected, rtol=1e-5, atol=1e-6)


def test_of_clips_that_are_one_piece_each_all_outputs_are_said():
    run, heard = untrained(recipe(segments=5)), made(9)
    found = predict(run, heard)
    assert {key: value.shape for key, value in found.items()} == {"clip": (9, K),
                                                                  "frame": (9, 5, K)}


def test_of_whole_clips_padding_changes_nothing():
    heard = made(9)
    for name, more in (("embedding_lstm", {}), ("multilevel_attention", {"levels": (1,)})):
        run = untrained(recipe(segments="clip", model_name=name, arguments={"units": 4, **more}))
        found = predict(run, heard, batch_size=9)
        assert set(found) == {"clip"}
        for clip, said in enumerate(found["clip"]):
            x = segments_of(heard, clip)[None]
            expected = run.model.predict_on_batch(
                {"audio": x, "frame_mask": np.ones(x.shape[:2], bool)})["clip"][0]
            np.testing.assert_allclose(said, expected, rtol=1e-4, atol=1e-6)


def test_systems_of_pieces_and_of_whole_clips_are_averaged_either_way():
    heard = made(9)
    runs = [untrained(recipe(segments=2), 1), untrained(recipe(segments="clip"), 2)]
    parts = [predict(run, heard)["clip"].astype(np.float64) for run in runs]
    assert abs(parts[0] - parts[1]).max() > 0.01
    for mean, expected in (("arithmetic", (parts[0] + parts[1]) / 2),
                           ("geometric", np.sqrt(parts[0] * parts[1]))):
        for found in (predict_systems(runs, [heard, heard], mean=mean),
                      fuse([{"clip": part} for part in parts], mean)):
            assert set(found) == {"clip"} and found["clip"].dtype == np.float32
            np.testing.assert_allclose(found["clip"], expected, rtol=1e-5)
    with pytest.raises(ValueError, match="same clips. Received: 9 and 9, or in another order"):
        predict_systems(runs, [heard, heard.select(range(8, -1, -1))])
    with pytest.raises(ValueError, match="`mean` must be one of .*'median'"):
        fuse([{"clip": parts[0]}], "median")


# -- every kind of training --------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_stopped_between_epochs_or_amid_one_it_ends_in_the_same_weights(
        kind, tmp_path, monkeypatch):
    from sedzoo.training.state import Keeper

    def stop(keeper, batch, logs=None):
        if len(keeper.history) == 2 and batch == 1:
            raise KeyboardInterrupt

    rule, sets = recipe(**KINDS[kind]), halves()
    whole = trained(tmp_path / "whole", rule, sets)
    assert len(whole.history()) == 3
    trained(tmp_path / "parts", rule.replace(epochs=1), sets)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Keeper, "on_train_batch_end", stop)
        trained(tmp_path / "parts", rule, sets)
    resumed = trained(tmp_path / "parts", rule, sets)
    assert_same_weights(resumed, whole)
    assert resumed.history() == whole.history()
    found = predict(resumed, sets[1], ())
    np.testing.assert_array_equal(found["clip"], predict(whole, sets[1], ())["clip"])
    assert found["clip"].shape == (18, K) and np.isfinite(found["clip"]).all()


@pytest.mark.slow
def test_patches_are_learned_by_a_network_that_hears_frames(tmp_path):
    draw = np.random.default_rng(0)
    counts = draw.integers(1, 4, 12)
    values = draw.normal(0, 1, (counts.sum(), 96, 64)).astype(np.float32)
    heard = Embeddings(values, np.cumsum(counts) - counts, counts, csr_array(np.eye(3)[
        np.arange(12) % 3]), np.arange(12).astype(str), np.full(12, ""), ("a", "b", "c"))
    rule = recipe(model_name="vggish", arguments={"width": 2, "units": 8, "embedding_size": 4},
                  segments=1, batch_of="clips", batch_size=3, single_label=True, epochs=1)
    found = predict(trained(tmp_path, rule, (heard, None)), heard, ())["clip"]
    assert found.shape == (12, K)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.slow
def test_validation_clips_may_have_any_lengths_in_any_order(tmp_path):
    train, valid = halves()
    valid = valid.select(np.argsort(valid.counts, kind="stable"))   # the first batches are short
    assert valid.counts[3] == valid.counts[0] < valid.counts[-1]
    rule = recipe(segments="clip", batch_size=2, epochs=1, valid_metrics=("auc",))
    run = trained(tmp_path, rule, (train, valid))
    expected = evaluation.clip_metric("auc", valid.tags.toarray(), predict(run, valid, ())["clip"])
    assert run.history()[0]["val_auc"] == pytest.approx(expected, abs=1e-6)


@pytest.mark.slow
def test_the_loss_of_clips_of_one_class_is_the_categorical_cross_entropy(tmp_path):
    train, valid = halves()
    rule = recipe(single_label=True, segments=5, epochs=2, valid_metrics=("accuracy", "map_at_3"),
                  arguments={"units": 8, "activation": "softmax"})
    run = trained(tmp_path, rule, (train, valid))
    said, tags = predict(run, valid, ())["clip"], valid.tags.toarray()
    np.testing.assert_allclose(said.sum(axis=1), 1, rtol=1e-5)
    last = run.history()[-1]
    assert last["val_loss"] == pytest.approx(-np.log((said * tags).sum(axis=1)).mean(), rel=1e-4)
    assert last["val_loss"] == pytest.approx(
        float(keras.losses.CategoricalCrossentropy()(tags, said)), rel=1e-4)
    right = (said.argmax(axis=1) == tags.argmax(axis=1)).mean()
    assert last["val_categorical_accuracy"] == pytest.approx(right, abs=1e-6)
    assert last["val_accuracy"] == pytest.approx(right, abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["mixtures", "whole_clips"])
def test_what_can_be_learned_is_learned(kind, tmp_path):
    train, valid = halves()
    rule = recipe(**{**KINDS[kind], "epochs": 12, "steps_per_epoch": 8, "batch_size": 8})
    run = trained(tmp_path, rule, (train, valid))
    found = evaluation.class_metric("auc", valid.tags.toarray(), predict(run, valid, ())["clip"])
    assert found.min() > 0.95


_CHILD = """
import json, sys
from sedzoo.embeddings import Embeddings
from sedzoo.training import Recipe, fit
folder = sys.argv[1]
with open(folder + "/recipe.json") as file:
    recipe = Recipe.from_dict(json.load(file))
heard = Embeddings.open(folder + "/embeddings")
fit(recipe, heard.of_folds(0), heard.of_folds(1), folder + "/run", progress=False)
"""


def job(folder, rule):
    made().save(folder / "embeddings")
    (folder / "recipe.json").write_text(json.dumps(rule.to_dict()))


@pytest.mark.slow
def test_killed_and_called_again_it_ends_in_the_same_weights(tmp_path):
    rule = recipe(**KINDS["mixtures"])
    job(tmp_path, rule)
    call = [sys.executable, "-c", _CHILD, str(tmp_path)]
    child = subprocess.Popen(call, cwd=ROOT, env=dict(os.environ))
    history = tmp_path / "run" / "history.csv"
    while child.poll() is None and not history.is_file():
        time.sleep(0.02)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    assert not (tmp_path / "run" / "model.keras").exists()
    subprocess.run(call, check=True, cwd=ROOT)
    whole = trained(tmp_path / "whole", rule, halves())
    killed = Run.load(tmp_path / "run")
    assert_same_weights(killed, whole)
    assert killed.history() == whole.history()


_ELSEWHERE = """
import json, sys
sys.modules["tensorflow"] = None
import numpy as np
from sedzoo.embeddings import Embeddings
from sedzoo.evaluation import clip_metric
from sedzoo.training import Recipe, fit, predict
folder = sys.argv[1]
with open(folder + "/recipe.json") as file:
    recipe = Recipe.from_dict(json.load(file))
heard = Embeddings.open(folder + "/embeddings")
train, valid = heard.of_folds(0), heard.of_folds(1)
whole = fit(recipe, train, valid, folder + "/a", progress=False)
for epochs in (1, 3):
    resumed = fit(recipe.replace(epochs=epochs), train, valid, folder + "/b", progress=False)
assert resumed.history() == whole.history() and len(whole.history()) == 3
for a, b in zip(resumed.model.get_weights(), whole.model.get_weights(), strict=True):
    assert np.array_equal(a, b)
for epoch, row in enumerate(whole.history(), 1):
    clip = predict(whole, valid, (epoch,))["clip"]
    for name in recipe.valid_metrics:
        assert abs(row["val_" + name] - clip_metric(name, valid.tags.toarray(), clip)) < 1e-6
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["mixtures", "whole_clips"])
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_without_tensorflow_it_trains_and_is_resumed_to_the_same_weights(backend, kind, tmp_path):
    pytest.importorskip(backend)
    job(tmp_path, recipe(**{**KINDS[kind], "batch_size": 9}))       # JAX compiles every length
    # The child asserts that no TensorFlow came in and that both runs end alike.
    done = subprocess.run([sys.executable, "-c", _ELSEWHERE, str(tmp_path)], cwd=ROOT,
                          env={**os.environ, "KERAS_BACKEND": backend})
    assert done.returncode == 0


# -- what cannot be ----------------------------------------------------------------------------


def test_each_recipe_names_the_data_that_it_takes(tmp_path, manifest):
    heard = made(6)
    with pytest.raises(ValueError, match=r"'test/blobs' takes Embeddings \(embeddings.extract "
                                         r"makes them.*Received: Manifest"):
        fit(recipe(), manifest, None, tmp_path, progress=False)
    features = recipe(segments=None, model_name="dcase2017_mlp", arguments={})
    with pytest.raises(ValueError, match="'test/blobs' takes a Manifest. Received: Embeddings"):
        fit(features, heard, None, tmp_path, progress=False)
    with pytest.raises(ValueError, match="takes Embeddings"):
        fit(recipe(), heard, manifest.__class__("other", heard.labels, manifest.clips[:0]),
            tmp_path, progress=False)


def test_what_embeddings_cannot_teach_is_an_error(tmp_path):
    heard = made(6)

    def refused(match, train=heard, valid=None, **fields):
        with pytest.raises(ValueError, match=match):
            fit(recipe(**fields), train, valid, tmp_path, progress=False)

    both = {"loss_weights": {"clip": 1.0, "frame": 1.0}}
    refused('`frame_targets` must be "tags" for embeddings: \'blobs\' has no marked times', **both)
    refused("`mixtures` are for the loss \"clip\" alone.*'clip', 'frame'",
            frame_targets="tags", mixtures={"alpha": 0.2}, **both)
    refused("`class_weights` must be None where clips have a single class", single_label=True,
            class_weights="clips")
    refused("Unknown key 'map' in `valid_metrics`.*Known: average_precision, auc, ", valid=heard,
            valid_metrics=("map",))
    other = Embeddings(**{**vars(heard), "labels": ("a", "c", "b")})
    refused("`valid` must have the labels of `train` in the same order", valid=other)
    unlabelled = Embeddings(**{**vars(heard), "tags": csr_array(np.full((6, K), np.nan))})
    refused("'clip', but no clip of 'blobs' has labels for it", train=unlabelled)


@pytest.mark.parametrize("fields, message", [
    ({"segments": 0}, '`segments` must be a positive int, "clip" or None. Received: segments=0'),
    ({"segments": "whole"}, "`segments` must be .*'whole'"),
    ({"segments": True}, "`segments` must be .*True"),
    ({"folds": 1}, "`folds` must be 0, or an int of 2 or more. Received: folds=1"),
    ({"pitch_quota": 0}, "`pitch_quota` must be a positive int or None. Received: pitch_quota=0"),
    ({"batch_of": "pieces"}, "`batch_of` must be one of 'rows', 'clips'. .*'pieces'"),
    ({"batch_of": "clips", "segments": None}, '`batch_of` must be "rows" where there are no'),
    ({"keep": "first"}, "`keep` must be one of 'last', 'best'. .*'first'"),
    ({"keep": "best"}, '`keep` must be "last" without `early_stopping`. .*\'best\''),
    ({"ensemble": "harmonic"}, "`ensemble` must be one of 'arithmetic', 'geometric'"),
    ({"early_stopping": {"monitor": "val_auc"}},
     "`early_stopping` must be None, or a dict with `monitor` and `patience`"),
    ({"mixtures": {"alpha": 0.2, "rat": 1}}, "Unknown key 'rat' in mixtures .*mean 'rate'"),
    ({"mixtures": {"rate": 1.0}}, "`mixtures` must be None, or of an `alpha` > 0"),
    ({"mixtures": {"alpha": 0.0}}, "`mixtures` must be None, or of an `alpha` > 0"),
    ({"mixtures": {"alpha": 0.2}, "batch_of": "clips"}, '`mixtures` must be .*batch_of="rows"'),
    ({"mixtures": {"alpha": 0.2}, "segments": "clip"}, "`mixtures` must be off where `segments`"),
    ({"mixup_rate": 0.5, "segments": "clip"}, "`mixup_rate` must be off where .*mixup_rate=0.5"),
    ({"spec_augment": {}, "segments": "clip"}, "`spec_augment` must be off where `segments` are"),
    ({"loss_weights": {"clip": 1.0, "frame": 1.0}, "segments": "clip"},
     '`loss_weights` must be of "clip" alone where `segments` are "clip"'),
])
def test_a_recipe_names_what_is_wrong_with_it(fields, message):
    with pytest.raises(ValueError, match=message):
        recipe(**fields)


def test_a_metric_that_is_no_number_is_no_gain_and_no_end():
    rule = {"monitor": "val_auc", "patience": 2}
    nan = float("nan")

    def history(*values):
        return [{"val_auc": value} for value in values]

    assert is_best(history(nan), rule)                          # or there would be none to keep
    assert is_best(history(nan, 0.2), rule) and not is_best(history(0.2, nan), rule)
    assert has_stalled(history(nan, nan, nan), rule)
    assert not has_stalled(history(nan, nan, 0.1, nan), rule)
