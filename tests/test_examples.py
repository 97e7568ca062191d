"""The examples run, at a size for tests."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.mark.slow
def test_training_on_esc10_leaves_a_scored_export(shared_data, tmp_path):
    out = tmp_path / "gated_crnn_esc10" / "1"
    subprocess.run(
        [sys.executable, EXAMPLES / "train_esc10.py", f"--esc10={shared_data / 'esc10'}",
         f"--work={tmp_path / 'work'}", f"--out={out}", "--epochs=1", "--steps=1",
         "--num_scenes=4"],
        check=True, env={**os.environ, "PYTHONWARNINGS": "ignore"})
    card = json.loads((out / "assets" / "card.json").read_text(encoding="utf-8"))
    splits = {metric["split"] for metric in card["metrics"]}
    assert splits == {"fold 4, bare 5 s clips", "fold 4, 4 composed scenes"}
    assert {metric["metric"] for metric in card["metrics"]} >= {
        "clip_accuracy", "segment_f1", "segment_error_rate", "event_f1"}
    assert "Piczak" in card["attribution"]
