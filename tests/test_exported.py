"""The committed exports are what their cards say."""

import json
from pathlib import Path

import numpy as np
import pytest

from sedzoo.assess import score_clips
from sedzoo.datasets import esc10
from sedzoo.serving import Detector

EXPORTED = Path(__file__).parents[1] / "exported"
EXPORTS = sorted(path.parent.parent for path in EXPORTED.glob("*/*/assets/card.json"))


@pytest.fixture(params=EXPORTS, ids=lambda path: f"{path.parent.name}-{path.name}")
def export(request):
    return request.param


def test_there_are_exports():
    assert EXPORTS


def test_the_card_names_data_licence_scores_and_how_they_were_made(export):
    card = json.loads((export / "assets" / "card.json").read_text(encoding="utf-8"))
    assert card["name"] == export.parent.name
    assert card["data"] and card["licence"] and card["attribution"] and card["paper"]
    assert card["metrics"]
    for metric in card["metrics"]:
        assert metric["dataset"] and metric["split"] and metric["command"] and metric["commit"]


def test_it_is_small_enough_for_git(export):
    size = sum(path.stat().st_size for path in export.rglob("*") if path.is_file())
    assert size < 12e6


def test_silence_holds_no_events(export):
    detector = Detector(export)
    assert detector.detect(np.zeros(10 * detector.sample_rate, np.float32)) == []


@pytest.mark.slow
def test_the_esc10_detector_scores_on_fold_4_what_its_card_says(shared_data):
    export = EXPORTED / "gated_crnn_esc10" / "1"
    card = json.loads((export / "assets" / "card.json").read_text(encoding="utf-8"))
    stated = {metric["metric"]: metric["value"] for metric in card["metrics"]}
    scores = score_clips(Detector(export), esc10(shared_data / "esc10").folds(4))
    assert scores["clip_accuracy"] == pytest.approx(stated["clip_accuracy"], abs=0.013)
    assert scores["clip_accuracy"] >= 0.75
