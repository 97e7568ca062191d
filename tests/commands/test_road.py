"""The whole road through the command line: train, export, detect, evaluate; and the demo."""

import json

import pytest

from sedzoo import cli

TINY = ["--set=arguments.width=4", "--set=arguments.rnn_units=4", "--set=epochs=1",
        "--set=steps_per_epoch=2", "--set=batch_size=2", "--set=sampler=uniform"]


@pytest.mark.slow
def test_train_export_detect_and_evaluate(tmp_path, capsys):
    run, export = tmp_path / "run", tmp_path / "exported" / "tiny" / "1"
    assert cli.main(["train", "--recipe=xu2018icassp/gated-crnn-logmel-sed", "--data=soundscapes",
                     "--num_scenes=4", f"--out={run}", *TINY]) == 0
    assert cli.main(["export", f"--run={run}", f"--out={export}"]) == 0
    scenes = run / "scenes" / "validation"
    assert cli.main(["detect", str(scenes / "audio" / "00000.flac"), f"--model={export}"]) == 0
    capsys.readouterr()
    assert cli.main(["evaluate", f"--model={export}", f"--truth={scenes / 'strong.tsv'}",
                     f"--audio={scenes / 'audio'}", f"--out={tmp_path / 's.json'}"]) == 0
    scores = json.loads((tmp_path / "s.json").read_text())
    assert scores["num_clips"] == 20 and 0 <= scores["clip_head"]["clip_f1"] <= 1
    assert "error rate" in capsys.readouterr().out
    assert cli.main(["card", str(export.parent)]) == 0
    assert json.loads(capsys.readouterr().out)["model"] == "gated_crnn"


@pytest.mark.slow
def test_the_demo_leaves_an_export_events_and_a_picture(tmp_path, capsys):
    assert cli.main(["demo", f"--out={tmp_path}", "--num_scenes=8", "--epochs=1"]) == 0
    assert (tmp_path / "gated_crnn_demo" / "1" / "saved_model.pb").is_file()
    assert (tmp_path / "events.tsv").is_file() and (tmp_path / "events.png").is_file()
    card = json.loads((tmp_path / "gated_crnn_demo" / "1" / "assets" / "card.json").read_text())
    assert {metric["metric"] for metric in card["metrics"]} >= {"clip_f1", "segment_f1"}
    assert "Done in" in capsys.readouterr().out
