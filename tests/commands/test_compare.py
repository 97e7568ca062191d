"""sedzoo compare: from files of answers to a table of p-values."""

import json
import subprocess
import sys

import numpy as np
import pytest
from scipy.stats import ttest_rel

from sedzoo import cli
from sedzoo.answers import read_answers, write_answers
from sedzoo.evaluation import class_metric, holm

LABELS = tuple("abcdefgh")
TARGETS = np.eye(8)[np.arange(80) % 8]


def write(path, skill, seed=0, rows=slice(None), labels=LABELS):
    path.parent.mkdir(parents=True, exist_ok=True)
    said = np.random.default_rng(seed).random(TARGETS.shape) + skill * TARGETS
    names = np.array([f"{i}.wav" for i in range(80)])
    write_answers(path, names[rows], labels, TARGETS[rows], said[rows] / 3)
    return path


@pytest.fixture
def runs(tmp_path):
    """Folders of two runs, a cross-validation's, and a file."""
    write(tmp_path / "level-1" / "valid_answers.npz", 0.1, 1)
    write(tmp_path / "level-0.2" / "valid_answers.npz", 0.6, 2)
    for fold in range(2):
        for name, skill in (("folds", 0.3), ("others", 0.7)):
            write(tmp_path / name / f"fold-{fold}" / "valid_answers.npz", skill, 3,
                  np.arange(80) // 40 == fold)
    write(tmp_path / "third.npz", 0.4, 4)
    return tmp_path


def call(capsys, *argv):
    """Exit code, standard output, standard error."""
    code = cli.main(["compare", *map(str, argv)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def classes(path, metric="average_precision"):
    said = read_answers(path)
    return class_metric(metric, said.targets, said.probabilities)


def cells(out):
    return [[cell.strip() for cell in line.strip("|").split("|")]
            for line in out.splitlines() if line.startswith("| ")]


def test_the_matrix_holds_scores_p_values_and_their_correction(runs, capsys):
    paths = [runs / "level-1", runs / "level-0.2", runs / "third.npz"]
    code, out, err = call(capsys, *paths)
    assert code == 0 and not err
    assert "over 8 classes, by average_precision, two-sided" in out and "for 3 pairs" in out
    scores = [classes(path / "valid_answers.npz" if path.is_dir() else path) for path in paths]
    p = [ttest_rel(scores[i], scores[j]).pvalue for i, j in ((0, 1), (0, 2), (1, 2))]
    corrected = holm(p)

    def shown(value):
        text = f"{value:.3f}" if value >= 0.001 else f"{value:.1e}"
        return f"**{text}**" if value < 0.05 else text

    assert cells(out) == [
        ["", "level-1", "level-0.2", "third"],
        ["average_precision", *(f"{score.mean():.4f}" for score in scores)],
        ["level-1", "", shown(p[0]), shown(p[1])],
        ["level-0.2", shown(corrected[0]), "", shown(p[2])],
        ["third", shown(corrected[1]), shown(corrected[2]), ""]]
    assert sum("**" in shown(value) for value in p) in (1, 2, 3)


def test_one_sided_p_is_half_and_the_mark_is_where_it_is_told_to_be(runs, capsys):
    two = runs / "two.tsv"
    one = runs / "one.tsv"
    paths = [runs / "level-1", runs / "third.npz"]
    call(capsys, *paths, f"--out={two}", "--metric=map_at_3")
    code, out, _ = call(capsys, *paths, f"--out={one}", "--metric=map_at_3", "--one_sided",
                        "--alpha=1")
    assert code == 0 and "one-sided; bold where p < 1" in out and out.count("**") == 4
    rows = [dict(zip(*(line.split("\t") for line in path.read_text().splitlines()), strict=True))
            for path in (two, one)]
    assert float(rows[0]["p"]) == 2 * float(rows[1]["p"]) == pytest.approx(
        ttest_rel(*(classes(path, "map_at_3") for path in
                    (runs / "level-1" / "valid_answers.npz", runs / "third.npz"))).pvalue)
    assert rows[0]["first"] == "level-1" and rows[0]["num_classes"] == "8"
    assert float(rows[0]["mean_difference"]) == pytest.approx(
        float(rows[0]["first_score"]) - float(rows[0]["second_score"]))     # ten clips a class


def test_folds_and_named_runs_are_several_runs_of_one_system(runs, capsys):
    named = "again=" + ",".join(str(runs / "folds" / f"fold-{fold}") for fold in range(2))
    out_file = runs / "all.json"
    code, out, _ = call(capsys, runs / "folds", runs / "others", named, f"--out={out_file}")
    assert code == 0 and "Runs, averaged by class: folds 2, others 2, again 2" in out
    found = json.loads(out_file.read_text())
    assert found["names"] == ["folds", "others", "again"] and found["alpha"] == 0.05
    expected = np.mean([classes(runs / "folds" / f"fold-{fold}" / "valid_answers.npz")
                        for fold in range(2)], axis=0)
    np.testing.assert_allclose(found["class_scores"][0], expected)
    assert found["p_values"][0][2] == 1 and found["statistics"][0][2] == 0      # the same runs


def test_markdown_is_written_as_it_is_shown(runs, capsys):
    code, out, _ = call(capsys, runs / "level-1", runs / "third.npz", f"--out={runs / 'x.md'}")
    assert code == 0 and (runs / "x.md").read_text() == out


def test_classes_that_cannot_be_scored_are_counted(tmp_path, capsys):
    rows = np.arange(80) % 8 != 5
    code, out, _ = call(capsys, write(tmp_path / "a.npz", 0.2, 1, rows),
                        write(tmp_path / "b.npz", 0.5, 2, rows))
    assert code == 0 and "7 of 8 classes (the others cannot be scored)" in out


@pytest.mark.parametrize("argv, reason", [
    (["level-1"], "two systems or more"),
    (["level-1", "third.npz", "--out=x.csv"], "--out must end in .md, .tsv, .json"),
    (["level-1", "third.npz", "--metric=map"], "No metric of clips named 'map'"),
    (["level-1", "nowhere"], "nowhere"),
    (["level-1", "empty"], "empty holds no answers: neither valid_answers.npz"),
    (["level-1", "text.npz"], "text.npz holds no answers"),
    (["level-1", "level-1"], "two systems are called 'level-1'"),
    (["level-1", "folds"], "same clips"),
    (["level-1", "other.npz"], "same classes"),
])
def test_a_mistake_is_one_line_and_an_exit_code(runs, capsys, monkeypatch, argv, reason):
    (runs / "empty").mkdir()
    (runs / "text.npz").write_text("text")
    write(runs / "other.npz", 0.5, labels=tuple("ABCDEFGH"))
    if reason == "same clips":
        (runs / "folds" / "fold-1" / "valid_answers.npz").unlink()
    monkeypatch.chdir(runs)
    code, out, err = call(capsys, *argv)
    assert code == 1 and not out
    assert err.count("\n") == 1 and reason in err


def test_it_needs_no_framework(runs):
    code = ("import sys; from sedzoo import cli; "
            f"code = cli.main(['compare', r'{runs / 'level-1'}', r'{runs / 'third.npz'}'])\n"
            "assert not {'keras', 'tensorflow', 'torch', 'jax'} & set(sys.modules); sys.exit(code)")
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
