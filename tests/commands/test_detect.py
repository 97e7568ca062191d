"""sedzoo detect on files good and bad."""

import json
import os

import numpy as np
import pytest
import tone_model
from bad_audio import CASES

from sedzoo import audio, cli
from sedzoo.labels import read_events

BURSTS = ((0, 0.5, 1.0), (1, 2.2, 2.6))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(tone_model.save(tmp_path_factory.mktemp("exported") / "tones" / "1"))


@pytest.fixture
def recording(tmp_path):
    path = tmp_path / "two tones.wav"
    audio.save(path, tone_model.sound(3.0, *BURSTS), tone_model.RATE)
    return path


def detect(capsys, model, *argv):
    code = cli.main(["detect", *map(str, argv), f"--model={model}"])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_a_table_for_people(capsys, model, recording):
    code, out, err = detect(capsys, model, recording)
    assert code == 0 and not err
    assert "two tones.wav" in out and "Low tone" in out and "Middle tone" in out


@pytest.mark.parametrize("form", ["tsv", "csv", "json", "audacity"])
def test_every_format_is_read_back_as_the_same_events(capsys, model, recording, tmp_path, form):
    suffix = {"audacity": "txt"}.get(form, form)
    out = tmp_path / f"events.{suffix}"
    assert detect(capsys, model, recording, f"--format={form}", f"--out={out}")[0] == 0
    (events,) = read_events(out, form).values()
    assert [event.label for event in events] == ["Low tone", "Middle tone"]
    np.testing.assert_allclose([event.onset for event in events], [0.5, 2.2], atol=0.1)


def test_the_picture_is_a_png(capsys, model, recording, tmp_path):
    assert detect(capsys, model, recording, f"--plot={tmp_path}/p.png")[0] == 0
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")


def test_a_threshold_above_every_score_finds_nothing(capsys, model, recording):
    code, out, _ = detect(capsys, model, recording, "--threshold=1")
    assert code == 0 and "no events" in out
    assert cli.main(["detect", str(recording), f"--model={model}", "--threshold=2"]) == 2


def test_a_folder_is_searched_and_a_damaged_file_stops_nothing(capsys, model, recording, tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "broken.wav").write_bytes(b"RIFF")
    (tmp_path / "notes.txt").write_text("no audio")
    code, out, err = detect(capsys, model, tmp_path, f"--plot={tmp_path}/pictures",
                            "--format=json")
    assert code == 1
    assert list(json.loads(out)) == [str(recording)]
    assert "broken.wav" in err and "1 of 2 files" in err and "Traceback" not in err
    assert [path.name for path in (tmp_path / "pictures").iterdir()] == ["two tones.png"]


def test_a_folder_without_audio_is_an_error(capsys, model, tmp_path):
    code, _, err = detect(capsys, model, tmp_path)
    assert code == 1 and "no audio files" in err


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name[:2])
def test_each_of_the_53_inputs_has_its_outcome(capsys, model, tmp_path, case):
    if case.name.startswith("50"):
        pytest.skip("two hours: tests/test_serving.py detects in them")
    path = case.make(tmp_path)
    if case.name.startswith("47"):
        code, _, err = detect(capsys, model, path)     # a folder is searched, and holds nothing
        assert code == 1 and "no audio files" in err
        return
    code, out, err = detect(capsys, model, os.fspath(path), "--format=json")
    if isinstance(case.outcome, str):
        (events,) = json.loads(out).values()
        assert code == 0 and all(np.isfinite(event["score"]) for event in events)
        assert bool(err.strip()) == (case.outcome == "warns")
    else:
        assert code == 1 and err.count("\n") == 1 and "Traceback" not in err
