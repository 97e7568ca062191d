"""sedzoo evaluate: of an export, and of anybody's system by its files."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
import tone_model

from sedzoo import audio, cli
from sedzoo.evaluation.tuning.decisions import Decisions
from sedzoo.events import Decoder, Event
from sedzoo.frame_scores import FrameScores
from sedzoo.frontend import Clock
from sedzoo.labels import write_events
from sedzoo.score_files import write_scores

TRUTH = {"a.wav": [Event(0.5, 1.5, "Dog"), Event(2.0, 3.0, "Cat")], "b.wav": [],
         "c.wav": [Event(0.0, 2.0, "Cat")]}


def evaluate(capsys, *argv):
    """Exit code, standard output, standard error."""
    code = cli.main(["evaluate", *map(str, argv)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def numbers(capsys, *argv):
    """The scores by name."""
    code, out, err = evaluate(capsys, *argv, "--json")
    assert code == 0 and not err
    return {entry["name"]: entry for entry in json.loads(out)["scores"]}


@pytest.fixture
def files(tmp_path):
    """A folder of the truth, durations and a good system's output in every layout."""
    write_events(tmp_path / "truth.tsv", TRUTH)
    rows = [f"{clip}\t4.0\n" for clip in TRUTH]
    (tmp_path / "durations.tsv").write_text("".join(["filename\tduration\n", *rows]))
    values = {clip: np.full((40, 2), 0.1) for clip in TRUTH}
    for clip, events in TRUTH.items():
        for event in events:
            column = ("Cat", "Dog").index(event.label)
            values[clip][int(event.onset * 10):int(event.offset * 10), column] = 0.7
    scores = FrameScores(("Cat", "Dog"), values, Clock(1, 10))
    for format in ("tsv", "npz"):
        write_scores(tmp_path / format, scores, format)
    (tmp_path / "points").mkdir()
    for threshold in (0.3, 0.5, 0.9):
        found = {clip: Decoder(threshold).decode(values[clip], scores.labels, scores.times)
                 for clip in TRUTH}
        write_events(tmp_path / "points" / f"found_{threshold}.tsv", found)
    write_events(tmp_path / "found.csv", TRUTH)
    return tmp_path


@pytest.mark.parametrize(("scores", "psds"), [("tsv", True), ("npz", True), ("points", True),
                                              ("found.csv", False)])
def test_every_layout_of_a_perfect_system_is_scored(capsys, files, scores, psds):
    found = numbers(capsys, f"--scores={files / scores}", f"--truth={files / 'truth.tsv'}",
                    f"--durations={files / 'durations.tsv'}")
    assert ("PSDS1" in found) == psds and (not psds or found["PSDS1"]["all"]["value"] == 1)
    for name in ("segment", "event", "intersection", "clip"):
        assert found[name]["micro"]["f1"] == found[name]["per_class"]["Cat"]["f1"] == 1


def test_the_table_says_every_parameter(capsys, files):
    code, out, _ = evaluate(capsys, f"--scores={files / 'tsv'}", f"--truth={files / 'truth.tsv'}",
                            "--threshold=0.6", "--segment_s=0.5", "--collar_s=0.1",
                            "--offset_share=0.5", "--dtc=0.6", "--gtc=0.7", "--cttc=0.4",
                            "--thresholds=50")
    assert code == 0
    for words in ("3 clips of 0.00333 h, 3 events of 2 classes", "segments of 0.5 s; threshold 0.6",
                  "onset within 0.1 s, offset within 0.1 s or 50 % of the event; threshold 0.6",
                  "dtc 0.6, gtc 0.7, cttc 0.4; threshold 0.6", "50 operating points"):
        assert words in out
    assert re.search(r"^PSDS1 +1\.0000 ", out, re.MULTILINE)
    assert "offsets not compared" in evaluate(
        capsys, f"--scores={files / 'tsv'}", f"--truth={files / 'truth.tsv'}", "--onsets_only")[1]


def test_tables_may_be_named_one_by_one(capsys, files):
    points = sorted((files / "points").iterdir())
    found = numbers(capsys, f"--truth={files / 'truth.tsv'}", "--scores", points[0], *points[1:],
                    f"--durations={files / 'durations.tsv'}", "--threshold=0.9")
    assert found["PSDS2"]["all"]["num_thresholds"] == 3
    assert found["event"]["micro"]["f1"] == 0                   # nothing is above 0.9


def test_scores_and_pictures_are_written_too(capsys, files):
    assert evaluate(capsys, f"--scores={files / 'npz'}", f"--truth={files / 'truth.tsv'}",
                    f"--out={files / 'scores.json'}", f"--plots={files / 'plots'}")[0] == 0
    content = json.loads((files / "scores.json").read_text())
    assert content["num_clips"] == 3 and content["notes"] == []
    assert {path.suffix for path in (files / "plots").iterdir()} == {".png"}
    assert len(list((files / "plots").iterdir())) == 8


def test_tuned_decisions_are_found_by_class_and_said(capsys, files):
    decisions = Decisions(labels=("Dog", "Cat"), thresholds=(0.5, 0.9), median_frames=(1, 3),
                          metric="event_f1", value=0.5, split="validation", num_clips=7)
    (files / "decisions.json").write_text(json.dumps(decisions.to_dict()))
    arguments = (f"--scores={files / 'tsv'}", f"--truth={files / 'truth.tsv'}",
                 f"--decisions={files / 'decisions.json'}")
    found = numbers(capsys, *arguments)["event"]["per_class"]
    assert found["Dog"]["f1"] == 1 and found["Cat"]["num_estimated"] == 0
    assert "0.5000 on validation (7 clips)" in evaluate(capsys, *arguments)[1]


def test_classes_that_the_truth_lacks_can_be_left_out(capsys, files):
    values = {clip: np.full((40, 3), 0.9) for clip in TRUTH}
    write_scores(files / "more", FrameScores(("Bird", "Cat", "Dog"), values, Clock(1, 10)))
    arguments = f"--scores={files / 'more'}", f"--truth={files / 'truth.tsv'}"
    assert set(numbers(capsys, *arguments)["event"]["per_class"]) == {"Bird", "Cat", "Dog"}
    few = numbers(capsys, *arguments, "--truth_classes")["event"]
    assert set(few["per_class"]) == {"Cat", "Dog"} and few["micro"]["num_estimated"] == 6


def test_clips_without_scores_are_counted(capsys, files):
    (files / "tsv" / "c.wav.tsv").rename(files / "tsv" / "d.wav.tsv")
    code, _, err = evaluate(capsys, f"--scores={files / 'tsv'}", f"--truth={files / 'truth.tsv'}")
    assert code == 1 and "1 clips of the truth have no scores, such as 'c.wav'" in err
    code, out, _ = evaluate(capsys, f"--scores={files / 'tsv'}", f"--truth={files / 'truth.tsv'}",
                            f"--durations={files / 'durations.tsv'}")
    assert code == 0 and "1 clips have no scores" in out and "not scored, such as d.wav" in out


@pytest.mark.parametrize(("argv", "reason"), [
    ((), "one of --scores and --model"),
    (("--scores={0}/tsv", "--model=x"), "one of --scores and --model"),
    (("--scores={0}/tsv",), "--truth is needed"),
    (("--scores={0}/nowhere", "--truth={0}/truth.tsv"), "nowhere"),
    (("--scores={0}/tsv", "--truth={0}/nowhere.tsv"), "nowhere.tsv"),
    (("--scores={0}", "--truth={0}/truth.tsv"), "a.wav.npz: must not lie here"),
    (("--scores={0}/points", "--truth={0}/truth.tsv", "{0}/found.csv"), "must hold a threshold"),
    (("--scores={0}/tsv", "--truth={0}/durations.tsv"), "durations.tsv, line 1: the header lacks"),
    (("--scores={0}/tsv", "--truth={0}/truth.tsv", "--durations={0}/truth.tsv"), "truth.tsv"),
    (("--scores={0}/points", "--truth={0}/truth.tsv", "--threshold=0.4"), "at 0.3, 0.5, 0.9"),
    (("--scores={0}/points", "--truth={0}/truth.tsv", "--thresholds=50"), "are detections"),
    (("--scores={0}/tsv", "--truth={0}/truth.tsv", "--thresholds=a,b"), "Received: a,b"),
    (("--scores={0}/tsv", "--truth={0}/truth.tsv", "--decisions=x", "--threshold=0.5"), "one of"),
    (("--scores={0}/tsv", "--truth={0}/truth.tsv", "--decisions={0}/truth.tsv"),
     "holds no decisions"),
    (("--scores={0}/tsv", "--truth={0}/truth.tsv", "--segment_s=0"), "`segment_s`"),
    (("--model={0}", "--truth={0}/truth.tsv"), "--audio"),
    (("--task=dcase2017-tagging", "--scores={0}/found.csv", "--truth={0}/truth.tsv", "more"),
     "one prediction"),
])
def test_a_mistake_is_one_line_and_an_exit_code(capsys, files, argv, reason):
    code, out, err = evaluate(capsys, *(part.format(files) for part in argv))
    assert code == 1 and not out
    assert err.count("\n") == 1 and reason in err and "Traceback" not in err


def test_a_number_out_of_range_is_a_wrong_call(capsys, files):
    code, _, err = evaluate(capsys, f"--scores={files / 'tsv'}", "--threshold=1.5")
    assert code == 2 and "threshold" in err


def test_scores_are_read_without_a_framework(files):
    code = ("import sys; from sedzoo import cli\n"
            f"assert cli.main(['evaluate', '--scores={files / 'tsv'}', "
            f"'--truth={files / 'truth.tsv'}']) == 0\n"
            "loaded = {'tensorflow', 'keras', 'matplotlib', 'pandas', 'rich'} & set(sys.modules)\n"
            "assert not loaded, loaded")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_official_scorer_prints_what_it_printed(capsys, shared_data):
    folder = shared_data / "dcase2017_task4" / "official_evaluation"
    arguments = ("--task=dcase2017-tagging",
                 f"--truth={folder / 'groundtruth' / 'groundtruth_weak_label_testing_set.csv'}",
                 f"--scores={folder / 'prediction' / 'perfect_prediction.csv'}")
    code, out, _ = evaluate(capsys, *arguments)
    expected = (folder / "output" / "output_perfect_prediction.csv").read_text().strip()
    assert code == 0 and out.startswith(expected)
    content = json.loads(evaluate(capsys, *arguments, "--json")[1])
    assert content["micro"]["f1"] == content["macro"]["f1"] == 1


def test_an_export_is_scored_as_its_own_score_tables_are(capsys, tmp_path):
    model = tone_model.save(tmp_path / "exported" / "tones" / "1")
    recordings = tmp_path / "audio"
    recordings.mkdir()
    truth = {"one.wav": [Event(0.5, 1.0, "Low tone"), Event(2.2, 2.6, "Middle tone")],
             "two.wav": [Event(1.0, 3.0, "High tone")], "lost.wav": []}
    for name, bursts in (("one.wav", ((0, 0.5, 1.0), (1, 2.2, 2.6))), ("two.wav", ((2, 1, 3),))):
        audio.save(recordings / name, tone_model.sound(4.0, *bursts), tone_model.RATE)
    write_events(tmp_path / "truth.tsv", truth)
    arguments = f"--truth={tmp_path / 'truth.tsv'}", f"--model={model}", f"--audio={recordings}"
    code, out, err = evaluate(capsys, *arguments, f"--out={tmp_path / 'scores.json'}")
    assert code == 0 and "clip_f1        1.0000" in out
    assert "threshold 0.3 to 0.5 by class, median 3 frames" in out
    assert "1 clips of the truth have no audio file: not scored" in out and "lost.wav" in out
    of_model = json.loads((tmp_path / "scores.json").read_text())
    assert of_model["num_clips"] == 2 and of_model["clip_head"]["clip_f1"] == 1

    assert cli.main(["detect", str(recordings), f"--model={model}", "--format=tsv",
                     f"--out={tmp_path / 'found.tsv'}", f"--scores_out={tmp_path / 'tables'}"]) == 0
    write_events(tmp_path / "truth.tsv", {name: truth[name] for name in ("one.wav", "two.wav")})
    rows = "filename\tduration\none.wav\t4.0\ntwo.wav\t4.0\n"
    (tmp_path / "durations.tsv").write_text(rows)
    arguments = (f"--truth={tmp_path / 'truth.tsv'}", f"--durations={tmp_path / 'durations.tsv'}")
    of_model = {entry["name"]: entry for entry in of_model["scores"]}
    of_tables = numbers(capsys, *arguments, f"--scores={tmp_path / 'tables'}")
    assert of_tables["PSDS1"]["all"] == of_model["PSDS1"]["all"]
    assert of_tables["ranking"]["macro"] == of_model["ranking"]["macro"]
    of_events = numbers(capsys, *arguments, f"--scores={tmp_path / 'found.tsv'}")
    assert of_events["event"]["micro"] == of_model["event"]["micro"]
    assert of_events["segment"]["macro"] == of_model["segment"]["macro"]


def test_recordings_of_one_name_cannot_share_a_score_table(capsys, tmp_path):
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        audio.save(tmp_path / folder / "a.wav", np.zeros(16000, np.float32), 16000)
    code = cli.main(["detect", str(tmp_path), "--model=none", f"--scores_out={tmp_path}/out"])
    assert code == 1 and "same name" in capsys.readouterr().err
