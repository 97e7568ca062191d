"""Each fold is left out once; what its run says of it, and what all say together."""

import dataclasses
from dataclasses import replace

import keras
import numpy as np
import pytest

from sedzoo import features
from sedzoo.answers import read_answers
from sedzoo.embeddings import Embeddings, Writer
from sedzoo.training import (
    Recipe,
    Run,
    fit_folds,
    fuse,
    out_of_fold,
    predict,
    predict_folds,
)
from sedzoo.training.cross_validation import fold_names

LABELS = ("a", "b", "c")


def embeddings(directory, num_clips, folds, seed=0):
    """Clips of one to three segments around their class's own point; folds in turn."""
    draw = np.random.default_rng(seed)
    points = 2 * np.eye(3, 6)
    with Writer(directory, (6,), np.float32) as writer:
        for i in range(num_clips):
            segments = points[i % 3] + draw.normal(0, 0.7, (draw.integers(1, 4), 6))
            writer.add(segments, f"{i}.wav", [i % 3], folds[i % len(folds)])
        writer.finish(labels=LABELS, mids=(), name="points", attribution="", hop_s=0.96, mean=0.0,
                      std=1.0, extractor={})
    return Embeddings.open(directory)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return tmp_path_factory.mktemp("folds")


@pytest.fixture(scope="module")
def train(made):
    return embeddings(made / "train", 20, ("x", "y"))


@pytest.fixture(scope="module")
def test(made):
    return embeddings(made / "test", 9, ("",), seed=1)


@pytest.fixture(scope="module")
def row():
    return Recipe(id="test/points", model_name="embedding_dnn", frontend="vggish", segments=2,
                  arguments={"units": 8, "activation": "softmax"}, single_label=True, folds=2,
                  ensemble="geometric", batch_size=5, epochs=2, learning_rate=1e-2)


@pytest.fixture(scope="module")
def runs(row, made):
    """As fit_folds returns them, of random weights."""
    found = []
    for seed, fold in enumerate(("x", "y")):
        keras.utils.set_random_seed(seed)
        model = row.model(3, 6)
        found.append(Run(made / f"fold-{fold}", row, model, LABELS, (), "", np.float32(0),
                         np.float32(1)))
    return found


@pytest.fixture(scope="module")
def fitted(row, train, made):
    return fit_folds(row, train, made / "runs", progress=False)


def same_weights(one, two):
    return all(np.array_equal(a, b) for a, b in
               zip(one.model.get_weights(), two.model.get_weights(), strict=True))


def test_folds_answer_together_by_the_recipe_s_mean(runs, test):
    parts = np.stack([predict(run, test)["clip"] for run in runs]).astype(np.float64)
    np.testing.assert_allclose(predict_folds(runs, test)["clip"],
                               np.exp(np.log(parts).mean(axis=0)), rtol=1e-5)
    np.testing.assert_allclose(predict_folds(runs, test, "arithmetic")["clip"],
                               parts.mean(axis=0), rtol=1e-5)


def test_members_answer_together_as_all_their_folds(runs, test):
    other = replace(test, values=test.values + 1)       # of another extractor
    said = fuse([predict_folds(runs, test), predict_folds(runs, other)], "geometric")["clip"]
    parts = [predict(run, data)["clip"] for run in runs for data in (test, other)]
    np.testing.assert_allclose(said, np.exp(np.log(parts).mean(axis=0)), rtol=1e-4)


def test_every_clip_is_answered_for_by_the_run_that_has_not_seen_it(runs, train):
    said = out_of_fold(runs[::-1], train)               # in any order
    assert said.shape == (20, 3) and said.dtype == np.float32
    for run, fold in zip(runs, ("x", "y"), strict=True):
        np.testing.assert_array_equal(said[train.folds == fold],
                                      predict(run, train.of_folds(fold))["clip"])


@pytest.fixture
def asked(monkeypatch):
    """What fit is asked for, in place of training."""
    asked = []
    monkeypatch.setattr("sedzoo.training.cross_validation.fit",
                        lambda recipe, train, valid, *where, **options:
                        asked.append((train, valid, where, options)))
    return asked


def test_every_fold_is_validated_on_once_by_a_run_that_learns_from_the_others(
        row, train, made, asked):
    fit_folds(row, train, made / "none", cache_dir="cache")
    assert [list(valid.folds) for _, valid, _, _ in asked] == [["x"] * 10, ["y"] * 10]
    assert [list(heard.folds) for heard, *_ in asked] == [["y"] * 10, ["x"] * 10]
    assert [where for _, _, where, _ in asked] == [
        (made / "none" / "fold-x",), (made / "none" / "fold-y",)]
    assert all(options == {"cache_dir": "cache"} for *_, options in asked)


def test_other_clips_may_stand_in_for_the_fold(row, train, made, asked):
    fit_folds(row, train, made / "none", valid=train.select(np.arange(5)), progress=False)
    assert [list(valid.names) for _, valid, _, _ in asked] == [
        ["0.wav", "2.wav", "4.wav"], ["1.wav", "3.wav"]]
    assert [len(heard) for heard, *_ in asked] == [10, 10]
    assert [options for *_, options in asked] == [
        {"progress": False, "cache_dir": made / "none" / "cache"}] * 2


def test_data_that_cannot_be_cross_validated_are_named(row, train, test, runs, made):
    with pytest.raises(ValueError, match=r"one of two folds or more.*folds \[''\]"):
        fit_folds(row, test, made / "none")
    with pytest.raises(ValueError, match=r"folds \['x'\]"):
        fit_folds(row, train.of_folds("x"), made / "none")
    with pytest.raises(ValueError, match="clips of every fold. Received: none of 'y'"):
        fit_folds(row, train, made / "none", valid=train.of_folds("x"))
    with pytest.raises(ValueError, match="that left out fold 'y'. Received: fold-x"):
        out_of_fold(runs[:1], train)


def in_folds(manifest):
    return dataclasses.replace(manifest, clips=tuple(
        dataclasses.replace(clip, fold=i % 3) for i, clip in enumerate(manifest.clips)))


def test_folds_of_a_manifest_are_numbers_or_words(manifest):
    assert fold_names(in_folds(manifest)) == ["0", "1", "2"]
    with pytest.raises(ValueError, match=r"folds \[''\]"):
        fold_names(manifest)


@pytest.mark.slow
def test_every_fold_is_left_out_once(fitted, train, made):
    assert [run.directory for run in fitted] == [made / "runs" / "fold-x", made / "runs" / "fold-y"]
    seen = []
    for run, fold in zip(fitted, ("x", "y"), strict=True):
        held = read_answers(run.directory / "valid_answers.npz")
        assert list(held.names) == list(train.of_folds(fold).names) and held.labels == LABELS
        np.testing.assert_array_equal(held.targets, train.of_folds(fold).tags.toarray())
        np.testing.assert_allclose(
            held.probabilities, predict(run, train.of_folds(fold))["clip"], atol=1e-6)
        seen += list(held.names)
    assert sorted(seen) == sorted(train.names) and not same_weights(*fitted)


@pytest.mark.slow
def test_a_run_has_learned_from_the_other_folds_alone(row, train, fitted, made):
    unlike = train.values.copy()
    here = np.concatenate([np.arange(start, start + count) for start, count in zip(
        *(getattr(train.of_folds("x"), key) for key in ("starts", "counts")), strict=True)])
    unlike[here] = 7
    again = fit_folds(row, replace(train, values=unlike), made / "unlike", progress=False)
    assert same_weights(again[0], fitted[0]) and not same_weights(again[1], fitted[1])


@pytest.mark.slow
def test_called_again_it_trains_what_is_missing_and_nothing_else(row, train, fitted, made):
    states = [run.directory / "state.npz" for run in fitted]
    kept = states[0].stat().st_mtime_ns
    states[1].unlink()
    again = fit_folds(row, train, made / "runs", progress=False)
    assert states[0].stat().st_mtime_ns == kept and states[1].is_file()
    assert all(same_weights(one, two) for one, two in zip(again, fitted, strict=True))
    assert same_weights(Run.load(fitted[1].directory), fitted[1])


@pytest.mark.slow
def test_features_are_cross_validated_too(recipe, manifest, tmp_path):
    labelled = in_folds(manifest.select(lambda clip: clip.labels is not None))
    row = recipe.replace(epochs=1, fusion_epochs=(), spec_augment=None)
    runs = fit_folds(row, labelled, tmp_path / "runs", progress=False)
    heard = features.extract(labelled, row.features(), tmp_path / "cache", progress=False)
    said = out_of_fold(runs, heard)
    for fold, run in enumerate(runs):
        held = read_answers(run.directory / "valid_answers.npz")
        here = [clip.fold == fold for clip in heard.manifest.clips]
        assert list(held.names) == [clip.name for clip in labelled.folds(fold).clips]
        np.testing.assert_allclose(held.probabilities, said[here], atol=1e-6)
    together = predict_folds(runs, heard, "geometric")
    assert together["frame"].shape[0] == len(labelled)
