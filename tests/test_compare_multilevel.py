"""The comparison of systems on embeddings: its scores and findings, and that the command runs."""

import importlib
import math
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.sparse import csr_array

from sedzoo.evaluation.clip_metrics import class_metric
from sedzoo.training.recipes.xu2018thesis import PUBLISHED_P

EXAMPLES = Path(__file__).parents[1] / "examples"
LABELS = tuple("abcdefghij")
ROWS = {key: SimpleNamespace(name=key, of=of, quoted=quoted) for key, of, quoted in (
    ("vggish", "6-segment-mixup-0.2", False), ("a", "1-segment", True), ("b", "lstm", True),
    ("c", "6-segment", True), ("d", "6-segment-pitch", True),
    ("mixed", "6-segment-mixup-0.2", False), ("f", "6-segment-mixup-0.2", True),
    *((f"level-{levels}", f"level-{levels}", True) for levels in ("1", "2", "3", "12", "13", "23")),
    *((f"{length}-segment", f"{length}-segment-mixup-0.2", length < 3) for length in (1, 2, 3)),
    ("all", "all-segments", True), ("whole", "6-segment-pitch", False), ("dnn", "lstm", False),
    ("yu2018", "6-segment-mixup-0.2", False), ("direct", "6-segment-mixup-0.2", False))}


@pytest.fixture
def tables(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    return importlib.import_module("compare_multilevel_tables")


def answered(seed, num_clips=20):
    """What one extractor's systems said, and who they heard."""
    draw = np.random.default_rng(seed)
    said, heard = {}, {}
    for part in ("held", "unseen"):
        tags = np.eye(4)[draw.permutation(np.arange(num_clips) % 4)]
        heard[part] = SimpleNamespace(tags=csr_array(tags))
        said[part] = draw.dirichlet(np.ones(4), num_clips).astype(np.float32)
    return said, SimpleNamespace(**heard)


def test_fold_4_is_answered_together_and_the_other_folds_each_by_itself(tables):
    said, heard = zip(*(answered(seed) for seed in range(3)), strict=True)
    for each in heard:
        each.unseen = heard[0].unseen
    found = tables.scores(said, heard)
    tags = heard[0].unseen.tags.toarray()
    mean = np.prod([each["unseen"] for each in said], axis=0, dtype=np.float64) ** (1 / 3)
    for row, name in enumerate(("map_at_3", "accuracy", "average_precision")):
        np.testing.assert_allclose(found[row], class_metric(name, tags, mean))
    np.testing.assert_allclose(found[tables.ONE], np.mean(
        [class_metric("map_at_3", tags, each["unseen"]) for each in said], axis=0))
    ranks = [np.argsort(-row).tolist().index(tag) for part, each in zip(said, heard, strict=True)
             for row, tag in zip(part["held"], each.held.tags.toarray().argmax(1), strict=True)]
    assert found[tables.HELD].mean() == pytest.approx(      # every class has as many clips
        np.mean([1 / (rank + 1) if rank < 3 else 0 for rank in ranks]))


def systems_of(tables, gaps, seeds=3):
    """Each row's MAP@3 (S, 5, K): 0.5, and as much more as `gaps` says."""
    draw = np.random.default_rng(2)
    systems = {key: 0.5 + 0.001 * draw.standard_normal((seeds, len(tables.METRICS), len(LABELS)))
               for key in ROWS}
    for (key, metric), gap in gaps.items():
        systems[key][:, metric] += gap
    return systems


def found_in(tables, systems):
    return {each.claim: each for each in tables.findings(systems, ROWS)}


def test_a_claim_holds_where_the_difference_is_positive_and_sure(tables):
    found = found_in(tables, systems_of(tables, {
        ("f", tables.MAP_AT_3): 0.1, ("level-1", tables.MAP_AT_3): 0.2, ("f", tables.HELD): 0.05}))
    over_2 = found["level-123 over level-2"]
    assert over_2.word == "holds" and over_2.mean == pytest.approx(10, abs=0.2)
    assert over_2.held == pytest.approx(5, abs=0.2)
    assert (over_2.num_for, over_2.num_classes) == (10, 10)
    assert found["level-123 over level-1"].word == "the reverse holds"
    assert found["Pitch shift over none"].word.startswith("undecided")


def test_what_the_thesis_printed_stands_beside_it(tables):
    found = found_in(tables, systems_of(tables, {}))
    over_23 = found["level-123 over level-23"]
    assert over_23.published == pytest.approx(0.8) and over_23.published_p == 0.012
    assert found["5 segments over 1"].published == pytest.approx(1.9)
    assert found["5 segments over 1"].published_p == 0.037
    assert found["5 segments over all lengths together"].published_p == PUBLISHED_P["Table 15"][
        "xu2018thesis/6-segment-mixup-0.2", "xu2018thesis/all-segments"]
    assert found[tables.ENSEMBLE].published == pytest.approx(90.3 - (87.0 + 86.4 + 85.8 + 87.2) / 4)
    assert math.isnan(found["Final dense over none"].published)
    assert math.isnan(found["5 segments over 3"].published_p)


def test_an_ensemble_is_compared_with_its_extractors_alone(tables):
    found = found_in(tables, systems_of(tables, {("a", tables.ONE): -0.1}))[tables.ENSEMBLE]
    assert found.word == "holds" and found.mean == pytest.approx(10, abs=0.2)
    assert math.isnan(found.held)


def test_claims_about_rows_that_were_not_trained_are_left_out(tables):
    systems = systems_of(tables, {})
    few = {key: systems[key] for key in ("b", "c", "f", "level-1")}
    assert list(found_in(tables, few)) == ["Attention on 5 segments over LSTM",
                                           "level-123 over level-1"]


def test_tables_say_every_row_and_claim_once(tables):
    systems = systems_of(tables, {("f", tables.MAP_AT_3): 0.1})
    said = tables.tables(systems, ROWS, LABELS)
    for part in ("scores", "precisions"):
        names = [line.split(" | ")[0].strip("| ") for line in said[part].splitlines()[2:]]
        assert names == list(ROWS)
    assert "| b | 50.0 ± 0.0 (91.4) |" in said["scores"]
    *verdicts, sure, same = (part.split(":** ")[1].rstrip(".").split("; ")
                             for part in said["summary"].split("\n\n"))
    claims = found_in(tables, systems)
    assert sorted(claims) == sorted(claim for part in verdicts for claim in part)
    assert all(said["claims"].count(f"| {claim} |") == 1 for claim in claims)
    assert "level-123 over level-2" in sure and "LSTM over 1 segment" not in sure
    num_same = sum(each.mean * each.held > 0 for each in claims.values())
    assert same == [f"{num_same} of {len(tables.CLAIMS)}"]      # but for the ensemble


@pytest.mark.slow
def test_the_comparison_learns_from_no_unseen_clip_and_goes_on(shared_data, tmp_path):
    command = [sys.executable, EXAMPLES / "compare_multilevel.py",
               f"--esc10={shared_data / 'esc10'}", f"--work={tmp_path / 'work'}",
               f"--out={tmp_path / 'table.md'}", "--epochs=1", "--width=1", "--units=4",
               "--quota=25", "--seeds=1", "--only=vggish,b,f"]
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    subprocess.run(command, check=True, env=environment)
    text = (tmp_path / "table.md").read_text(encoding="utf-8")
    assert "--only=vggish,b,f" in text and text.count("| B: LSTM |") == 2

    copies = [path.name for path in (tmp_path / "work" / "pitch_shifted").iterdir()]
    assert len(copies) == 10 and not any(name.startswith("4-") for name in copies)
    made = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")
            if path.name == "state.npz" or path.name.endswith(("_1.npz", "_2.npz", "_3.npz"))}
    assert len(made) == 3 + 2 * 3               # extractors, and two systems on each
    subprocess.run(command, check=True, env=environment)
    assert made == {path: path.stat().st_mtime_ns for path in made}
    assert (tmp_path / "table.md").read_text(encoding="utf-8") == text
