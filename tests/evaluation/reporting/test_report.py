"""A report holds every score, says with what parameters, and what it left out."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sedzoo.evaluation.clip import clip_scores
from sedzoo.evaluation.event import event_scores
from sedzoo.evaluation.intersection import intersection_scores, merged
from sedzoo.evaluation.psd_roc import PSDS1, PSDS2, Setting, psds, psds_of_points
from sedzoo.evaluation.ranking import ranking_scores
from sedzoo.evaluation.reporting.pictures import plot_report
from sedzoo.evaluation.reporting.report import Options, decoder_for, report
from sedzoo.evaluation.reporting.text import describe_decoder, report_text
from sedzoo.evaluation.segment import segment_scores
from sedzoo.events import Decoder, Event
from sedzoo.frame_scores import FrameScores
from sedzoo.frontend import Clock
from sedzoo.labels import read_events
from sedzoo.outputs import read_durations, read_points

LABELS = ("Cat", "Dog", "Rain")
CLOCK = Clock(1, 10)


def example(seed=0, num_clips=12):
    """Truth and frame scores that know something of it."""
    rng = np.random.default_rng(seed)
    truth, values = {}, {}
    for n in range(num_clips):
        clip = f"clip {n}"
        events = [Event(round(onset, 1), round(onset + rng.uniform(0.2, 3), 1), label)
                  for label in LABELS for onset in [rng.uniform(0, 7)] if rng.random() < 0.6]
        values[clip] = rng.random((100, 3)) * 0.6
        for event in events:
            values[clip][int(event.onset * 10):int(event.offset * 10),
                         LABELS.index(event.label)] += 0.4
        truth[clip] = events
    return truth, FrameScores(LABELS, values, CLOCK)


def parts(result):
    return {part.name: part.results for part in result.parts}


def test_of_frame_scores_every_score_is_that_of_its_own_function():
    truth, scores = example()
    result = report(truth, scores)
    durations = dict.fromkeys(truth, 10.0)
    found = {clip: Decoder().decode(scores[clip], LABELS, CLOCK) for clip in truth}
    tags, decided = (np.array([[any(event.label == label for event in events[clip])
                                for label in LABELS] for clip in truth])
                     for events in (truth, found))
    peaks = np.array([scores[clip].max(axis=0) for clip in truth])
    expected = {
        "PSDS1": {"all": psds(scores, truth, durations, PSDS1)},
        "PSDS2": {"all": psds(scores, truth, durations, PSDS2)},
        "ranking": {"macro": ranking_scores(tags, peaks, labels=LABELS)}}
    for average in ("micro", "macro"):
        options = {"average": average, "labels": LABELS}
        expected.setdefault("segment", {})[average] = segment_scores(truth, found, durations,
                                                                     **options)
        expected.setdefault("event", {})[average] = event_scores(truth, found, **options)
        expected.setdefault("intersection", {})[average] = intersection_scores(truth, found,
                                                                               **options)
        expected.setdefault("clip", {})[average] = clip_scores(tags, decided, **options)
    assert parts(result) == expected
    assert result.duration_s == 120 and result.labels == LABELS and not result.notes
    assert result.num_events == sum(map(len, truth.values())) == sum(
        result.num_events_of.values()) == result.failures.counts().num_reference


def test_options_are_those_of_the_scores():
    truth, scores = example(1)
    setting = Setting("mine", 0.5, 0.5, max_efpr=1000)
    decoder = Decoder(thresholds=(0.3, 0.6, 0.5), median_frames=5)
    result = report(truth, scores, options=Options(
        decoder=decoder, segment_s=0.5, collar_s=0.5, offset_share=None, dtc=0.3, gtc=0.2,
        settings=(setting,), thresholds=(0.2, 0.5, 0.8), tuned="chosen elsewhere"))
    found = {clip: decoder.decode(scores[clip], LABELS, CLOCK) for clip in truth}
    results = parts(result)
    assert results["segment"]["micro"] == segment_scores(truth, found, 10.0, segment_s=0.5)
    assert results["event"]["micro"] == event_scores(truth, found, collar_s=0.5, offset_share=None)
    assert results["intersection"]["macro"] == intersection_scores(truth, found, dtc=0.3, gtc=0.2)
    assert results["mine"]["all"] == psds(scores, truth, 10.0, setting, thresholds=(0.2, 0.5, 0.8))
    text = report_text(result)
    for words in ("threshold 0.3 to 0.6 by class, median 5 frames; chosen elsewhere",
                  "segments of 0.5 s", "onset within 0.5 s, offsets not compared",
                  "dtc 0.3, gtc 0.2, cttc 0.3", "max_efpr 1000 an hour; 3 operating points"):
        assert words in text


def test_of_given_classes_each_has_its_own_decisions():
    truth, scores = example(2)
    decoder = Decoder(thresholds=(0.3, 0.6, 0.5), median_frames=(1, 3, 5))
    result = report(truth, scores, options=Options(decoder=decoder, labels=("Rain", "Cat")))
    rain = decoder_for(decoder, LABELS, ("Rain",))
    assert rain == Decoder(thresholds=(0.5,), median_frames=(5,))
    truth_of_it, found = ({clip: [event for event in events if event.label == "Rain"]
                           for clip, events in each.items()} for each in (truth, {
                               clip: decoder.decode(scores[clip], LABELS, CLOCK)
                               for clip in truth}))
    expected = event_scores(truth_of_it, found, labels=("Rain",)).per_class["Rain"]
    assert parts(result)["event"]["micro"].per_class["Rain"] == expected
    with pytest.raises(ValueError, match="no decisions for 1 classes, such as 'Rian'.*'Rain'"):
        decoder_for(decoder, LABELS, ("Rian",))


@settings(max_examples=20)
@given(st.integers(0, 10**6))
def test_operating_points_of_scores_give_the_psds_of_the_scores_there(seed):
    truth, scores = example(seed, 6)
    thresholds = (0.2, 0.4, 0.5, 0.7)
    points = [(threshold, {clip: Decoder(threshold).decode(scores[clip], LABELS, CLOCK)
                           for clip in truth}) for threshold in thresholds]
    classes = Options(thresholds=thresholds, labels=LABELS)
    of_scores = parts(report(truth, scores, options=classes))
    of_points = parts(report(truth, points, dict.fromkeys(truth, 10.0), Options(labels=LABELS)))
    for name in ("PSDS1", "PSDS2"):
        assert of_points[name]["all"].value == pytest.approx(of_scores[name]["all"].value,
                                                             nan_ok=True, abs=1e-12)
    for name in ("segment", "event", "intersection", "clip"):
        assert repr(of_points[name]) == repr(of_scores[name])         # unlike NaN, equals itself


def test_the_operating_point_of_the_threshold_is_the_one_that_is_decided():
    truth, scores = example(3)
    points = [(t, {clip: Decoder(t).decode(scores[clip], LABELS, CLOCK) for clip in truth})
              for t in (0.3, 0.5)]
    result = report(truth, points, options=Options(decoder=Decoder(0.3)))
    assert parts(result)["event"]["micro"] == event_scores(truth, points[0][1])
    assert result.decisions == "detections at threshold 0.3"
    with pytest.raises(ValueError, match=r"None of 2 .* at the threshold 0.4.* 0\.3, 0\.5"):
        report(truth, points, options=Options(decoder=Decoder(0.4)))
    with pytest.raises(ValueError, match="their names do not tell"):
        report(truth, [(None, {}), (None, {})])


def test_one_table_of_detections_has_all_but_psds():
    truth, _ = example(4)
    result = report(truth, truth, dict.fromkeys(truth, 10.0))
    assert set(parts(result)) == {"segment", "event", "intersection", "clip"}
    assert all(one.f1 == 1 for results in parts(result).values() for one in results.values())
    assert "PSDS            -   needs frame scores, or" in report_text(result)
    assert result.decisions == "detections as given"


def test_what_was_left_out_is_counted_and_said():
    truth = {"a": [Event(0, 2, "Dog"), Event(1, 3, "Dog")], "b": [Event(0, 1, "Cat")]}
    found = {"a": [Event(0, 2, "Dog"), Event(1, 3, "Dog"), Event(9, 9.5, "Dog"),
                   Event(12, 13, "Dog")], "b": [Event(0, 1, "Bird")], "x": [Event(0, 1, "Dog")]}
    result = report(truth, [(0.5, found), (0.9, {})], {"a": 10.0, "b": 10.0, "c": 10.0})
    notes = [str(note) for note in result.notes]
    assert notes == [
        "1 clips with a duration are not in the truth: scored as clips without events, such as c",
        "1 clips of the output are not in the truth: not scored, such as x",
        "1 clips have no detections, such as c",
        "1 events of the truth overlap an earlier one of their class: made one for PSDS and "
        "intersections, such as a",
        "1 detections begin after the end of their clip: left out of PSDS, such as a",
        "1 detections overlap an earlier one of their class: made one for PSDS and intersections, "
        "such as a",
        "1 classes have no events in the truth: PSDS, ranking and macro clip F1 leave them out, "
        "other F1 of one that is detected is 0, such as Bird"]
    assert all(note in report_text(result) for note in notes)
    apart, points = merged(truth), [merged({"a": found["a"][:3], "b": found["b"]}), {}]
    apart["c"] = []
    assert parts(result)["PSDS1"]["all"] == psds_of_points(
        points, apart, 10.0, labels=("Bird", "Cat", "Dog"))
    without = report(truth, [(0.5, found), (0.9, {})])
    assert any("detections overlap" in note.what for note in without.notes)


def test_the_report_is_json_without_curves(tmp_path):
    truth, scores = example(5)
    result = report(truth, scores)
    plain = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    by_name = {entry["name"]: entry for entry in plain["scores"]}
    assert by_name["event"]["macro"]["f1"] == parts(result)["event"]["macro"].f1
    assert by_name["PSDS1"]["per_class"]["Dog"]["value"] == parts(result)["PSDS1"][
        "all"].per_class["Dog"].value
    assert by_name["event"]["per_class"]["Dog"]["num_reference"] == result.num_events_of["Dog"]
    assert not any("tpr" in str(key) for entry in plain["scores"] for key in entry["per_class"])
    assert plain["failures"]["counts"]["num_reference"] == result.num_events
    assert len(json.dumps(plain)) < 30_000


def test_the_text_has_every_number_and_every_class():
    truth, scores = example(6)
    result = report(truth, scores)
    text = report_text(result)
    for part in result.parts:
        assert part.parameters in text
        for one in part.results.values():
            value = next(getattr(one, key) for key in ("value", "f1", "average_precision")
                         if hasattr(one, key))
            assert f"{value:.4f}" in text
    rows = {line.split()[0]: line.split() for line in text.splitlines() if line}
    assert all(rows[label][1] == str(result.num_events_of[label]) for label in LABELS)
    assert rows["Dog"][2] == f"{parts(result)['PSDS1']['all'].per_class['Dog'].value:.4f}"


def test_nothing_at_all_is_a_report_of_nothing():
    result = report({"a": [], "b": []}, {"a": [], "b": []})
    assert (result.num_clips, result.num_events, result.labels) == (2, 0, ())
    assert "2 clips, 0 events of 0 classes" in report_text(result)
    assert json.dumps(result.to_dict(), allow_nan=False)


def test_scores_above_nothing_and_classes_without_events_have_a_report():
    truth = {"a": [], "b": []}
    result = report(truth, FrameScores(("Dog",), {clip: np.zeros((5, 1)) for clip in truth}, CLOCK))
    assert np.isnan(parts(result)["PSDS1"]["all"].value)
    line = next(line for line in report_text(result).splitlines() if line.startswith("PSDS1"))
    assert line.split()[1] == "-"


def test_every_picture_of_a_report_is_drawn(tmp_path):
    truth, scores = example(7)
    paths = plot_report(report(truth, scores), tmp_path / "pictures", "svg")
    assert sorted(path.name for path in paths) == sorted(
        path.name for path in (tmp_path / "pictures").iterdir())
    assert {path.stem for path in paths} == {
        "psds1", "psds2", "segment_f1", "event_f1", "intersection_f1", "clip_f1", "durations",
        "cross_triggers"}
    assert "threshold 0.5" in (tmp_path / "pictures" / "event_f1.svg").read_text()


@pytest.mark.parametrize(("decoder", "words"), [
    (Decoder(), "threshold 0.5"),
    (Decoder((0.1, 0.2), (3, 3)), "threshold 0.1 to 0.2 by class, median 3 frames"),
    (Decoder.xu2018icassp(), "threshold 0.3, gaps of up to 9 frames filled, runs under 11 frames "
                             "dropped")])
def test_decisions_are_told_in_words(decoder, words):
    assert describe_decoder(decoder) == words


def test_a_real_system_has_its_known_scores(shared_data):
    """Values of sed_eval 0.2.1 for segments and events, at the threshold 0.5."""
    folder = shared_data / "psds_dcase2019_baseline"
    result = report(read_events(folder / "dcase2019t4_gt.csv"),
                    read_points(sorted(folder.glob("baseline_*.csv"))),
                    read_durations(folder / "dcase2019t4_meta.csv"))
    assert (result.num_clips, result.num_events, len(result.labels)) == (1168, 4236, 10)
    assert [note.count for note in result.notes] == [92, 12]
    results = parts(result)
    found = [getattr(results[name][average], rate) for name in ("event", "segment")
             for average, rate in (("micro", "f1"), ("macro", "f1"), ("micro", "error_rate"))]
    expected = [0.238375350140056, 0.21649708602613468, 1.2566100094428707,
                0.6416947520462205, 0.5576999664765097, 0.5261044176706827]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)
