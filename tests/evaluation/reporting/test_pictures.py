"""Pictures show what they are about, for none, ten or hundreds of classes."""

import subprocess
import sys

import numpy as np
import pytest
from matplotlib.image import imread

from sedzoo.evaluation.event import event_scores
from sedzoo.evaluation.failure_analysis.cross_triggers import CrossTriggers
from sedzoo.evaluation.failure_analysis.outcome import failures
from sedzoo.evaluation.psd_roc import PSDS1, psds_of_points
from sedzoo.evaluation.reporting.pictures import (
    plot_classes,
    plot_cross_triggers,
    plot_durations,
    plot_psd_roc,
)
from sedzoo.events import Event

BLUE = (0x00, 0x72, 0xB2)


def clips(num_classes, shift=0.0):
    return {f"clip {n}": [Event(n % 5 + shift, n % 5 + 0.2 + n % 3 + shift,
                                f"class number {n % num_classes}")]
            for n in range(2 * num_classes)}


def share_of(path, rgb):
    image = imread(path)[..., :3]
    return (np.abs(image - np.array(rgb) / 255) < 0.05).all(axis=-1).mean()


def texts(path):
    """The texts of an SVG, whose glyphs are paths after a comment of the text."""
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("num_classes", [1, 10, 60])
def test_the_curve_of_a_perfect_system_is_high_and_that_of_a_deaf_one_is_not(tmp_path, num_classes):
    truth = clips(num_classes)
    for name, points in (("perfect", [truth]), ("deaf", [{}])):
        result = psds_of_points(points, truth, 20.0)
        plot_psd_roc(result, tmp_path / f"{name}.svg", "small print")
        plot_psd_roc(result, tmp_path / f"{name}.png")
        text = texts(tmp_path / f"{name}.svg")
        assert f"PSDS1 = {result.value:.4f}" in text and "small print" in text
        assert ("class number 0" in text) == (num_classes <= 24)
    # Rows of pixels that hold the bold curve.
    heights = [np.flatnonzero((np.abs(imread(tmp_path / f"{name}.png")[..., :3]
                                      - np.array(BLUE) / 255) < 0.05).all(axis=-1).any(axis=1))
               for name in ("perfect", "deaf")]
    assert heights[0].min() < heights[1].min()


def test_a_score_of_no_class_is_drawn_as_such(tmp_path):
    result = psds_of_points([{}], {"a": []}, 10.0, PSDS1)
    plot_psd_roc(result, tmp_path / "none.svg")
    assert "no class with events" in texts(tmp_path / "none.svg")
    assert "PSDS1 = none" in texts(tmp_path / "none.svg")


@pytest.mark.parametrize("num_classes", [1, 10, 60, 300])
def test_each_class_has_a_bar_the_best_one_first(tmp_path, num_classes):
    truth = clips(num_classes)
    found = {clip: events for clip, events in truth.items()
             if events[0].label != "class number 0"}
    per_class = event_scores(truth, found).per_class
    plot_classes(per_class, tmp_path / "bars.svg", title="Bars")
    text = texts(tmp_path / "bars.svg")
    assert text.index("class number 0") > max(text.find("class number 1"), 0)
    assert ("100 best and worst of 300" in text) == (num_classes == 300)


def test_a_bar_is_as_long_as_f1(tmp_path):
    truth = clips(10)
    for name, found in (("all", truth), ("none", {})):
        plot_classes(event_scores(truth, found).per_class, tmp_path / f"{name}.png")
    shares = [share_of(tmp_path / f"{name}.png", (0x26, 0x87, 0xBE)) for name in ("all", "none")]
    assert shares[0] > 0.25 and shares[1] < 0.02


def test_no_classes_and_classes_without_scores_are_drawn(tmp_path):
    plot_classes({}, tmp_path / "none.svg")
    assert "no classes" in texts(tmp_path / "none.svg")
    per_class = event_scores({"a": []}, {}, labels=("Dog",)).per_class
    plot_classes(per_class, tmp_path / "unscored.svg")
    assert "Dog" in texts(tmp_path / "unscored.svg") and "none" in texts(tmp_path / "unscored.svg")


def test_durations_show_recall_and_counts(tmp_path):
    truth = clips(10)
    plot_durations(failures(truth, truth).by_duration(), tmp_path / "hits.png")
    plot_durations(failures(truth, {}).by_duration(), tmp_path / "misses.png")
    assert share_of(tmp_path / "hits.png", BLUE) > share_of(tmp_path / "misses.png", BLUE) + 0.1
    plot_durations(failures({"a": []}, {}).by_duration(), tmp_path / "nothing.png")
    plot_durations(failures(truth, clips(10, 0.1)).by_duration(), tmp_path / "some.svg", "note")
    assert all(word in texts(tmp_path / "some.svg") for word in ("merged", "5 or more", "note"))


@pytest.mark.parametrize("num_classes", [0, 1, 10, 60, 300])
def test_confusions_are_counts_of_the_classes_that_have_most(tmp_path, num_classes):
    labels = tuple(f"class {k}" for k in range(num_classes))
    counts = np.zeros((num_classes, num_classes), np.int64)
    background = np.zeros(num_classes, np.int64)
    if num_classes:
        counts[-1, 0], background[-1] = 4321, 7
    plot_cross_triggers(CrossTriggers(labels, counts, background, background + counts.sum(axis=1),
                                      0.3), tmp_path / "map.svg")
    text = texts(tmp_path / "map.svg")
    assert ("4,321" in text) == ("nothing" in text) == (num_classes > 0)
    assert ("no classes" in text) == (num_classes == 0)
    assert ("the 60 classes with most of them, of 300" in text) == (num_classes == 300)
    assert num_classes == 0 or f"class {num_classes - 1}" in text


def test_matplotlib_is_imported_when_something_is_drawn():
    code = ("import sys, sedzoo.evaluation.reporting.pictures\n"
            "assert 'matplotlib' not in sys.modules")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True)
    assert done.returncode == 0, done.stderr
