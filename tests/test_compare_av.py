"""The audiovisual comparison: what is simulated, what is measured, and that the command runs."""

import importlib
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.metrics import f1_score

from sedzoo.datasets.manifest import Clip, Manifest
from sedzoo.events import Event

EXAMPLES = Path(__file__).parents[1] / "examples"
T = 10


@pytest.fixture
def of_example(monkeypatch):
    """Modules of the example by the end of their name."""
    monkeypatch.syspath_prepend(EXAMPLES)
    return lambda name: importlib.import_module(f"compare_av_{name}")


def heard(*clips, labels):
    """A Manifest of clips, each given by its events."""
    return Manifest("scenes", tuple(labels), tuple(
        Clip(f"{i}.flac", "", tuple(dict.fromkeys(event.label for event in events)), events)
        for i, events in enumerate(clips)))


# -- what is simulated -------------------------------------------------------------------------


def test_twins_share_their_sounds_and_are_told_by_a_coin(of_example):
    scenes = of_example("scenes")
    sounds = [(Event(1, 2, "Siren"), Event(3, 4, "Rain"), Event(5, 6, "Siren"))] * 200
    found = scenes.with_twins(heard(*sounds, labels=("Rain", "Siren")), seed=0)
    assert found.labels == scenes.LABELS and len(scenes.LABELS) == len(set(scenes.LABELS)) == 14
    twins = [event.label for clip in found.clips for event in clip.events
             if event.label != "Rain"]
    assert set(twins) == set(scenes.TWINS["Siren"])
    assert 150 < twins.count(scenes.TWINS["Siren"][0]) < 250
    assert all(set(clip.labels) == {event.label for event in clip.events} and "Rain" in clip.labels
               and [event.onset for event in clip.events] == [1, 3, 5] for clip in found.clips)
    assert found == scenes.with_twins(heard(*sounds, labels=("Rain", "Siren")), seed=0)


def test_a_still_shows_what_sounds_at_its_time(of_example):
    scenes = of_example("scenes")
    view = scenes.View(shown=1.0, hid=0.0, lag_s=0.0, num_silent=0.0, ground=0, noise=0, instance=0)
    manifest = heard((Event(1.0, 3.0, "Telephone"), Event(2.5, 5.0, "Rain")),
                     (Event(0, 9, "Telephone"),), labels=scenes.LABELS)
    stills, shows = scenes.watch(manifest, view, seed=1)
    phone = scenes.LABELS.index("Telephone")
    # Stills are taken at 0.48 s, 1.44 s, 2.4 s, 3.36 s, ...
    assert np.flatnonzero(shows[0, :, phone]).tolist() == [1, 2]
    assert shows.sum() == 2 + 9, "rain is never seen"
    assert np.flatnonzero(np.abs(stills[0]).sum(axis=1)).tolist() == [1, 2]
    # One look of a class, in every scene.
    np.testing.assert_allclose(stills[0, 1], stills[1, 5], rtol=1e-6)


def test_what_is_in_the_picture_follows_the_view(of_example):
    scenes = of_example("scenes")
    manifest = heard(*[(Event(0, 9.6, "Footsteps"),)] * 2000, labels=scenes.LABELS)
    view = scenes.View(shown=0.7, hid=0.2, lag_s=0.0, num_silent=0.0)
    stills, shows = scenes.watch(manifest, view, seed=1)
    there = shows[:, :, scenes.LABELS.index("Footsteps")]
    assert there.any(axis=1).mean() == pytest.approx(0.7, abs=0.04)
    assert there[there.any(axis=1)].mean() == pytest.approx(0.8, abs=0.02)
    # What is not shown is ground and noise alone.
    assert stills[~there].std() == pytest.approx(np.hypot(view.ground, view.noise), rel=0.02)
    silent, _ = scenes.watch(manifest, scenes.View(shown=0.0, num_silent=2.0), seed=1)
    assert silent.std() > 1.1 * stills[~there].std()


def test_what_is_heard_are_means_and_deviations_of_patches(of_example):
    extractor = of_example("scenes").PooledPatches()
    found = extractor(np.random.default_rng(0).normal(0, 0.1, 160000).astype(np.float32))
    assert found.shape == (T, 128) and np.isfinite(found).all()
    assert (found[:, 64:] > 0).all() and extractor.hop_s == pytest.approx(0.96)


# -- where attention goes ----------------------------------------------------------------------


def pointed(of_example, weights, keys, queries):
    return of_example("attention").pointing(
        np.asarray(weights, float), np.asarray(queries), np.asarray(keys))


def random_intervals(num_clips, seed=0):
    draw = np.random.default_rng(seed)
    starts, lengths = draw.integers(0, T - 4, num_clips), draw.integers(1, 5, num_clips)
    place = np.arange(T)
    return (starts[:, None] <= place) & (place < (starts + lengths)[:, None])


def test_a_head_that_looks_anywhere_has_the_mass_of_chance(of_example):
    keys = random_intervals(50)
    found = pointed(of_example, np.full((50, T, 2, T), 0.7), keys, keys)
    np.testing.assert_allclose(found.mass, np.repeat(found.chance[:, None], 2, axis=1))
    np.testing.assert_allclose(found.lift(), 1)
    assert (found.p_value > 0.2).all()


def test_a_head_that_looks_at_the_event_is_told_from_one_that_does_not(of_example):
    keys = random_intervals(50)
    weights = np.full((50, T, 3, T), 0.1)
    weights[:, :, 0] = keys[:, None]                            # all mass, whoever asks
    weights[:, :, 1] = np.where(keys[:, :, None], keys[:, None], ~keys[:, None])
    weights[:, :, 2, :3] = 5                                    # the first frames, of any clip
    found = pointed(of_example, weights, keys, keys)
    np.testing.assert_allclose(found.mass[:, :2], 1)
    np.testing.assert_allclose(found.outside[:, 0], 1)
    np.testing.assert_allclose(found.outside[:, 1], 0, atol=1e-12)
    assert (found.p_value[:2] == 0.001).all() and found.p_value[2] == 1
    assert (found.lift()[:2] > 2).all()


def test_shares_are_of_the_queries_inside_and_of_weights_that_add_up_to_one(of_example):
    weights = np.zeros((1, T, 1, T))
    weights[0, :, 0, 0] = 1
    weights[0, 3, 0, :2] = 0.2, 0.6                             # a sigmoid's, of any sum
    keys, queries = np.zeros((2, 1, T), bool)
    keys[0, 1], queries[0, 3] = True, True
    found = pointed(of_example, weights, keys, queries)
    assert found.mass[0, 0] == pytest.approx(0.75) and found.outside[0, 0] == 0
    assert found.chance[0] == pytest.approx(0.1)


def test_shuffled_is_the_mass_on_the_frames_of_all_others(of_example):
    keys = random_intervals(4)
    weights = np.random.default_rng(1).random((4, T, 1, T))
    found = pointed(of_example, weights, keys, np.ones((4, T), bool))
    shares = (weights / weights.sum(axis=-1, keepdims=True)).mean(axis=1)[:, 0]     # (4, T)
    expected = [np.mean([shares[i] @ keys[j] for j in range(4) if j != i]) for i in range(4)]
    np.testing.assert_allclose(found.shuffled[:, 0], expected)
    np.testing.assert_allclose(found.other_chance[0], keys[1:].mean())


def test_pointing_is_measured_on_single_events_that_are_seen(of_example):
    scenes = of_example("scenes")
    manifest = heard((Event(1, 3, "Telephone"),), (Event(1, 3, "Rain"),),
                     (Event(0, 9.6, "Telephone"),),
                     (Event(1, 3, "Telephone"), Event(5, 6, "Rain")), (Event(4, 6, "Footsteps"),),
                     labels=scenes.LABELS)
    shows = np.zeros((5, T, 14), bool)
    shows[0, 2, scenes.LABELS.index("Telephone")] = True
    shows[2, :5, scenes.LABELS.index("Telephone")] = True
    clips, frames = of_example("attention").intervals(manifest, shows)
    assert clips.tolist() == [0]            # rain is not seen, 2 too long, 3 not alone, 4 off
    assert np.flatnonzero(frames["audio"][0]).tolist() == [1, 2]
    assert np.flatnonzero(frames["video"][0]).tolist() == [2]


# -- scores ------------------------------------------------------------------------------------


def made_answers(of_example, tags, skill, seed=0):
    draw = np.random.default_rng(seed)
    said = {part: np.clip(0.3 + skill * some + draw.normal(0, 0.15, some.shape), 0, 1)
            for part, some in tags.items()}
    attention = {f"attention_{part}": draw.random((6, T, 2, T)) for part in tags}
    return of_example("tables").Answers(**said, **attention, num_epochs=20, num_weights=100)


@pytest.fixture
def tags():
    draw = np.random.default_rng(3)
    return {part: (draw.random((200, 14)) < 0.2).astype(float) for part in ("valid", "test")}


def test_f1_is_at_the_threshold_of_the_other_scenes(of_example, tags):
    one = made_answers(of_example, tags, 0.3)
    scores = {threshold: f1_score(tags["valid"].ravel(), one.valid.ravel() > threshold)
              for threshold in np.linspace(0, 1, 201)}
    threshold = max(scores, key=scores.get)
    expected = f1_score(tags["test"].ravel(), one.test.ravel() > threshold)
    assert one.f1(tags) == pytest.approx(expected, abs=0.02)
    some = of_example("tables").COLUMNS["hidden"]
    assert one.f1(tags, some) == pytest.approx(
        f1_score(tags["test"][:, some].ravel(), one.test[:, some].ravel() > threshold), abs=0.03)


def test_tables_say_which_systems_are_better(of_example, tags):
    tables = of_example("tables")
    rules = {key: SimpleNamespace(
        arguments={"first": first, "second": second, "positions": (), "attention": "softmax"},
        published={"evaluation_with_video": {"f1": 50.5}})
        for key, first, second in (("audio", "audio", "audio"), ("video", "video", "video"),
                                   ("good", "audio", "video"), ("poor", "video", "audio"))}
    skills = {"audio": 0.2, "video": 0.2, "good": 0.5, "poor": 0.19}
    systems = {key: [made_answers(of_example, tags, skill, seed) for seed in (1, 2)]
               for key, skill in skills.items()}
    keys = random_intervals(6)
    where = {part: (np.arange(6), {"audio": keys, "video": keys}) for part in tags}
    said = tables.tables(systems, rules, tags, where)
    assert "Holm's correction: `good`. Not so: `poor`." in said["verdict"]
    assert said["scores"].count("(50.5)") == 4 and said["scores"].count("| 20/20 | 100 |") == 4
    assert len(said["comparisons"].splitlines()) == len(said["attention"].splitlines()) + 2 == 6
    assert "| `good` | `audio` | +" in said["comparisons"]
    assert "in 2 of 2 seeds" not in said["attention_words"], "random weights point nowhere"
    assert (said["num_pointed"], said["num_pointed_valid"]) == (6, 6)


@pytest.mark.slow
def test_the_comparison_runs_and_goes_on(tmp_path):
    command = [sys.executable, EXAMPLES / "compare_av.py", f"--work={tmp_path / 'work'}",
               f"--out={tmp_path / 'table.md'}", "--num_scenes=40", "--num_valid=60",
               "--num_test=60", "--epochs=1", "--steps=1", "--width=4", "--seeds=1"]
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    subprocess.run(command, check=True, env=environment)
    text = (tmp_path / "table.md").read_text(encoding="utf-8")
    assert "--num_scenes=40" in text and text.count("| video | audio | none | sigmoid |") == 2
    assert (tmp_path / "table_attention.webp").stat().st_size > 10_000
    assert "](table_attention.webp)" in text
    runs = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("state.npz")}
    assert len(runs) == 7
    subprocess.run(command, check=True, env=environment)
    assert runs == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("state.npz")}
    assert (tmp_path / "table.md").read_text(encoding="utf-8") == text
