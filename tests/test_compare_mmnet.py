"""The comparison of the M&mnet family: its scores and verdicts, and that the command runs."""

import importlib
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from sedzoo.datasets.manifest import Clip, Manifest
from sedzoo.events import Event

EXAMPLES = Path(__file__).parents[1] / "examples"
LABELS = ("bark", "rain")


@pytest.fixture
def tables(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    return importlib.import_module("compare_mmnet_tables")


def test_a_clip_counts_by_the_longest_of_its_events_of_a_class(tables):
    events = (Event(0, 0.5, "bark"), Event(1, 3.5, "bark"), Event(4, 4.2, "rain"))
    manifest = Manifest("scenes", LABELS, (Clip("a", "a", LABELS, events), Clip("b", "b", (), ())))
    np.testing.assert_allclose(tables.longest(manifest), [[2.5, 0.2], [0, 0]])


def test_bins_part_the_clips_that_have_a_class(tables):
    lengths = np.random.default_rng(0).choice([0, 0.2, 1, 2.9, 3, 8], (200, 3))
    parts = [tables.lasting(lengths, *bin_s) for bin_s in tables.BINS_S.values()]
    np.testing.assert_array_equal(np.sum(parts, axis=0), lengths > 0)
    assert not tables.lasting(np.array([[1.0]]), 0, 1) and tables.lasting(np.array([[1.0]]), 1, 3)


def test_precision_by_duration_leaves_out_clips_of_another_duration(tables):
    rng = np.random.default_rng(1)
    lengths, said = rng.choice([0, 0, 0.5, 2, 5], (300, 4)), rng.random((300, 4))
    found = tables.precision_of(lengths, said, 1, 3)
    for k, precision in enumerate(found):
        some = np.isin(lengths[:, k], [0, 2])
        assert precision == pytest.approx(
            average_precision_score(lengths[some, k] == 2, said[some, k]))


def test_a_class_with_too_few_clips_of_a_duration_has_no_precision(tables):
    lengths = np.zeros((20, 2))
    lengths[:tables.MIN_CLIPS - 1, 0] = lengths[:tables.MIN_CLIPS, 1] = 0.5
    found = tables.precision_of(lengths, np.full((20, 2), 0.5), 0, 1)
    assert math.isnan(found[0]) and found[1] == tables.MIN_CLIPS / 20


def test_thresholds_come_from_the_other_scenes(tables):
    def scenes(*tagged):
        return Manifest("scenes", ("bark",), tuple(
            Clip(str(i), "", ("bark",) * there, (Event(0, 0.5, "bark"),) * there)
            for i, there in enumerate(tagged)))

    valid, test = scenes(0, 0, 1, 1), scenes(0, 0, 0, 1, 1, 1)
    said = np.array([0.1, 0.2, 0.6, 0.7, 0.8, 0.9])[:, None]
    found = [tables.scores(valid, test, np.array(of_valid)[:, None], said)[2, 0]
             for of_valid in ([0.1, 0.2, 0.3, 0.4], [0.5, 0.64, 0.66, 0.9])]
    assert found == pytest.approx([6 / 7, 1.0])     # above 0.2 are 4 of which 3 are right


def systems_of(tables, gaps, seeds=3):
    """Each row's average precisions (S, 6, K): 0.5, and as much more as `gaps` says."""
    rng = np.random.default_rng(2)
    rows = ("convnet", "max", "mean", "wlat", "slat", "plat", "att", "spda", "mmnet", "no_ep",
            "ms", "repo")
    systems = {key: 0.5 + 0.001 * rng.standard_normal((seeds, len(tables.METRICS), 10))
               for key in rows}
    for (key, metric), gap in gaps.items():
        systems[key][:, metric] += gap
    published = {"att": (59.0, 90.5, 59.3), "mmnet": (63.2, 91.9, 63.4)}
    return systems, {key: SimpleNamespace(name=key, published=published.get(key)) for key in rows}


def test_a_claim_holds_where_the_difference_is_positive_and_sure(tables):
    systems, rows = systems_of(tables, {("mmnet", 0): 0.1, ("no_ep", 0): 0.2})
    found = {each.claim: each for each in tables.verdicts(systems, rows)}
    over_att = found["M&mnet over ResNet-ATT"]
    assert over_att.word == "holds" and over_att.mean == pytest.approx(10, abs=0.2)
    assert over_att.published == pytest.approx(4.2)
    assert (over_att.num_for, over_att.num_classes) == (10, 10)
    assert found["EP over no EP"].word == "the reverse holds"
    assert math.isnan(found["EP over no EP"].published)


def test_a_difference_of_chance_is_undecided(tables):
    systems, rows = systems_of(tables, {})
    systems["ms"][:, 0] = systems["mmnet"][:, 0] + [0.1, -0.1] * 5
    systems["ms"][:, 0, 0] += 0.01
    found = {each.claim: each for each in tables.verdicts(systems, rows)}
    assert found["M&mnet-MS over M&mnet"].word == "undecided, in favour"


def test_gains_of_short_events_are_compared_in_classes_that_have_both(tables):
    systems, rows = systems_of(tables, {("mmnet", 3): 0.2, ("mmnet", 5): 0.05, ("ms", 5): 0.1})
    for one in systems.values():
        one[:, 5, :2] = math.nan
    gains = tables.verdicts(systems, rows)[-len(tables.GAINS):]
    assert [each.word for each in gains[:2]] == ["holds", "the reverse holds"]
    assert gains[0].mean == pytest.approx(15, abs=0.3) and gains[0].num_classes == 8


def test_a_claim_about_no_class_is_not_tested(tables):
    systems, rows = systems_of(tables, {})
    for one in systems.values():
        one[:, 5] = math.nan
    gains = tables.verdicts(systems, rows)[-len(tables.GAINS):]
    assert {each.word for each in gains} == {"not tested"} and gains[0].num_classes == 0


def test_tables_say_every_row_and_claim_once(tables):
    systems, rows = systems_of(tables, {})
    events = tuple(Event(i, i + length_s, "bark") for i, length_s in ((0, 0.5), (2, 4)))
    test = Manifest("scenes", LABELS, tuple(
        Clip(str(i), "", ("bark",), events[i % 2:i % 2 + 1]) for i in range(12)))
    said = tables.tables(systems, rows, test)
    for part in ("scores", "durations"):
        names = [line.split(" | ")[0].strip("| ") for line in said[part].splitlines()[2:]]
        assert names[:12] == list(rows)
    assert said["durations"].splitlines()[-1] == "| Their positive clips | 6 | 0 | 6 |"
    for each in tables.verdicts(systems, rows):
        assert said["claims"].count(f"| {each.claim} |") == said["summary"].count(each.claim) == 1


def test_what_cannot_be_scored_is_a_dash_and_one_seed_has_no_deviation(tables):
    assert tables.spread(np.full((3, 4), math.nan)) == "-"
    assert tables.spread(np.array([[0.5, 0.7, math.nan]])) == "60.0"
    assert tables.spread(np.array([[0.5], [0.7]])) == "60.0 ± 14.1"


@pytest.mark.slow
def test_the_comparison_runs_on_unseen_clips_and_goes_on(shared_data, tmp_path):
    command = [sys.executable, EXAMPLES / "compare_mmnet.py", f"--esc10={shared_data / 'esc10'}",
               f"--work={tmp_path / 'work'}", f"--out={tmp_path / 'table.md'}", "--num_scenes=80",
               "--num_valid=30", "--num_test=30", "--epochs=1", "--width=2", "--seeds=1"]
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    subprocess.run(command, check=True, env=environment)
    text = (tmp_path / "table.md").read_text(encoding="utf-8")
    assert "--num_scenes=80" in text and text.count("| M&mnet without EP |") == 2

    recordings = []
    for part in ("train", "valid", "test"):
        made = tmp_path / "work" / "esc10" / "scenes" / part / "short" / "made.json"
        _, *clips = json.loads(made.read_text(encoding="utf-8"))["source"]
        recordings.append({clip.split("-")[1] for clip in clips})
    assert not (recordings[0] & recordings[1] or recordings[0] & recordings[2]
                or recordings[1] & recordings[2])

    runs = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("state.npz")}
    subprocess.run(command, check=True, env=environment)
    assert runs == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("state.npz")}
    assert len(runs) == 11                      # with and without EP are one training
    assert (tmp_path / "table.md").read_text(encoding="utf-8") == text
