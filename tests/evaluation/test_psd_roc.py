"""PSDS and intersection scores against the definition, one threshold and one event at a time."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sedzoo.evaluation.intersection import intersection_scores, merged
from sedzoo.evaluation.psd_roc import PSDS1, PSDS2, THRESHOLDS_50, Setting, psds, psds_of_points
from sedzoo.events import Event, runs
from sedzoo.frame_scores import FrameScores
from sedzoo.frontend import Clock

LABELS = ("dog", "rain", "siren", "bell")
CLOCK = Clock(hop_samples=1, sample_rate=5)


@st.composite
def cases(draw):
    """Scores, reference and durations of a few clips; on the grid of frames or off it."""
    rng = np.random.default_rng(draw(st.integers(0, 2 ** 32 - 1)))
    labels = LABELS[:draw(st.integers(1, 4))]
    on_grid, decimals = draw(st.booleans()), draw(st.sampled_from([1, 2, 8]))
    values, reference, durations = {}, {}, {}
    for n in range(draw(st.integers(1, 4))):
        num_frames = int(rng.integers(1, 30))
        values[f"{n}.wav"] = np.round(rng.random((num_frames, len(labels))), decimals)
        durations[f"{n}.wav"] = duration_s = num_frames / 5 + rng.random() / 5
        events = []
        for label in labels:
            edges = np.sort(rng.uniform(0, duration_s, 2 * rng.integers(0, 4)))
            if on_grid:
                edges = np.unique(np.round(edges * 5) / 5)
            edges = edges[:len(edges) // 2 * 2].reshape(-1, 2)
            events += [Event(float(a), float(b), label) for a, b in edges
                       if a < b and a < duration_s]
        reference[f"{n}.wav"] = events
    return FrameScores(labels, values, CLOCK), reference, durations


def overlap(one, other):
    return max(0.0, min(one.offset, other.offset) - max(one.onset, other.onset))


def reaches(seconds, wanted):
    return round(seconds, 6) >= round(wanted, 6)


def plain_counts(reference, estimated, label, labels, setting):
    """Hits, false detections and cross triggers by class, as the definition says."""
    hits, false, crosses = 0, 0, dict.fromkeys(labels, 0)
    for clip, events in reference.items():
        own = [event for event in events if event.label == label]
        found = [event for event in estimated.get(clip, ()) if event.label == label]
        relevant = [one for one in found if reaches(sum(overlap(one, event) for event in own),
                                                    setting.dtc * one.duration_s)]
        hits += sum(reaches(sum(overlap(one, event) for one in relevant),
                            setting.gtc * event.duration_s) for event in own)
        for one in found:
            if one in relevant:
                continue
            false += 1
            for other in labels:
                seconds = sum(overlap(one, event) for event in events if event.label == other)
                if other != label and setting.cttc and seconds and reaches(
                        seconds, setting.cttc * one.duration_s):
                    crosses[other] += 1
    return hits, false, crosses


def detect(scores, threshold):
    found = {}
    for clip in scores.clips:
        edges, active = scores.edges(clip), scores[clip] > threshold
        found[clip] = [Event(edges[start], edges[stop], label)
                       for k, label in enumerate(scores.labels)
                       for start, stop in runs(active[:, k])]
    return found


def plain_psds(points, reference, durations, labels, setting):
    """The area under the curve of detections at some operating points."""
    hours = sum(durations.values()) / 3600
    seconds = {label: sum(event.duration_s for events in reference.values() for event in events
                          if event.label == label) for label in labels}
    labels = [label for label in labels if seconds[label]]
    if not labels:
        return math.nan
    curves = []
    for label in labels:
        num_events = sum(event.label == label for events in reference.values() for event in events)
        curve = [(0.0, 0.0)]
        for estimated in points:
            hits, false, crosses = plain_counts(reference, estimated, label, labels, setting)
            rates = [crosses[other] / (seconds[other] / 3600) for other in labels if other != label]
            efpr = false / hours + (setting.alpha_ct * np.mean(rates) if rates else 0)
            curve.append((efpr, hits / num_events))
        curves.append(curve)
    x = sorted({efpr for curve in curves for efpr, _ in curve if efpr <= setting.max_efpr})
    area = 0.0
    for start, stop in zip(x, [*x[1:], setting.max_efpr], strict=True):
        tpr = [max(rate for efpr, rate in curve if efpr <= start + 1e-9) for curve in curves]
        area += (stop - start) * max(0.0, np.mean(tpr) - setting.alpha_st * np.std(tpr))
    return area / setting.max_efpr


# A short test set has thousands of false alarms an hour.
SETTINGS = [Setting("strict", dtc=0.7, gtc=0.7, max_efpr=5000.0),
            Setting("lenient", dtc=0.1, gtc=0.1, cttc=0.3, alpha_ct=0.5, max_efpr=5000.0),
            Setting("mean", dtc=0.5, gtc=0.3, cttc=0.5, alpha_ct=1.0, alpha_st=0.0, max_efpr=2e4)]


@settings(max_examples=150)
@given(cases(), st.sampled_from(SETTINGS))
def test_psds_is_the_area_over_every_threshold(case, setting):
    scores, reference, durations = case
    thresholds = np.unique(np.append(scores.stacked(), -1.0))
    expected = plain_psds([detect(scores, threshold) for threshold in thresholds], reference,
                          durations, scores.labels, setting)
    np.testing.assert_allclose(psds(scores, reference, durations, setting).value, expected,
                               atol=1e-9)


@settings(max_examples=100)
@given(cases(), st.sampled_from(SETTINGS))
def test_operating_points_are_those_of_their_detections(case, setting):
    scores, reference, durations = case
    points = [detect(scores, threshold) for threshold in THRESHOLDS_50[::7]]
    expected = plain_psds(points, reference, durations, scores.labels, setting)
    got = psds(scores, reference, durations, setting, thresholds=THRESHOLDS_50[::7])
    np.testing.assert_allclose(got.value, expected, atol=1e-9)
    of_tables = psds_of_points(points, reference, durations, setting, labels=scores.labels)
    np.testing.assert_allclose(of_tables.value, expected, atol=1e-9)
    assert got.num_thresholds == of_tables.num_thresholds == 8


@settings(max_examples=100)
@given(cases(), st.sampled_from(SETTINGS), st.floats(0.1, 0.9))
def test_intersection_scores_follow_the_definition(case, setting, threshold):
    scores, reference, durations = case
    estimated = detect(scores, threshold)
    got = intersection_scores(reference, estimated, durations, dtc=setting.dtc, gtc=setting.gtc,
                              cttc=setting.cttc or 1.0, labels=scores.labels, average="micro")
    rates, total = [], np.zeros(3, int)
    for k, label in enumerate(scores.labels):
        hits, false, crosses = plain_counts(reference, estimated, label, scores.labels,
                                            Setting("", setting.dtc, setting.gtc,
                                                    setting.cttc or 1.0, 1.0))
        events = sum(event.label == label for found in reference.values() for event in found)
        one = got.per_class[label]
        assert (one.num_hits, one.num_false, one.num_reference) == (hits, false, events)
        assert got.cross_triggers[k].tolist() == list(crosses.values())
        if hits + false + events:
            rates.append(2 * hits / (hits + false + events))
        total += hits, false, events
    np.testing.assert_allclose(got.f1, 2 * total[0] / total.sum() if total.sum() else np.nan)
    macro = intersection_scores(reference, estimated, dtc=setting.dtc, gtc=setting.gtc,
                                cttc=setting.cttc or 1.0, labels=scores.labels)
    np.testing.assert_allclose(macro.f1, np.mean(rates) if rates else np.nan)
    assert macro.num_skipped == len(scores.labels) - len(rates)


# -- what must hold ----------------------------------------------------------------------------


def perfect():
    reference = {"a": [Event(1, 3, "dog"), Event(4, 6, "rain")], "b": [Event(0, 2, "rain")],
                 "c": []}
    values = {clip: np.zeros((50, 2)) for clip in reference}
    for clip, events in reference.items():
        for event in events:
            values[clip][int(event.onset * 5):int(event.offset * 5),
                         LABELS.index(event.label)] = 0.8
    return FrameScores(LABELS[:2], values, CLOCK), reference


@pytest.mark.parametrize("setting", [PSDS1, PSDS2], ids=lambda setting: setting.name)
def test_a_perfect_system_has_one_and_a_silent_one_none(setting):
    scores, reference = perfect()
    assert psds(scores, reference, 10.0, setting).value == 1
    silent = FrameScores(scores.labels, {clip: np.zeros((50, 2)) for clip in scores.clips}, CLOCK)
    assert psds(silent, reference, 10.0, setting).value == 0
    # Detections everywhere: one false detection of each class in each clip, beyond 100 an hour.
    assert psds_of_points([{}], reference, 10.0, setting).value == 0


def test_cross_triggers_cost():
    scores, reference = perfect()
    swapped = FrameScores(("rain", "dog"), scores.values, CLOCK)
    got = intersection_scores(reference, detect(swapped, 0.5), labels=("dog", "rain"))
    assert got.cross_triggers.tolist() == [[0, 2], [1, 0]]
    assert got.f1 == 0
    # A class heard with 0.4 in the other's place is a false alarm, and worse where that counts.
    bad = {clip: value + 0.5 * value[:, ::-1] for clip, value in scores.values.items()}
    free = Setting("free", 0.5, 0.5, max_efpr=1e4)
    dear = Setting("dear", 0.5, 0.5, 0.3, 1.0, max_efpr=1e4)
    late = {clip: np.where(value > 0.5, 0.3, value) for clip, value in bad.items()}
    values = [psds(FrameScores(LABELS[:2], late, CLOCK), reference, 10.0, setting).value
              for setting in (free, dear)]
    assert 0 < values[1] < values[0] < 1


def test_a_class_without_events_is_left_out_and_counted():
    scores, reference = perfect()
    wider = FrameScores((*LABELS[:2], "bell"), {clip: np.pad(value, ((0, 0), (0, 1)))
                                                for clip, value in scores.values.items()}, CLOCK)
    got = psds(wider, reference, 10.0)
    assert (got.value, got.num_classes, got.num_skipped) == (1, 2, 1)
    assert set(got.per_class) == {"dog", "rain"}
    assert math.isnan(psds(wider, dict.fromkeys(reference, ()), 10.0).value)


def test_many_classes_are_taken_in_blocks(monkeypatch):
    rng = np.random.default_rng(0)
    values = {str(n): rng.random((20, 4)) for n in range(6)}
    reference = {str(n): [Event(0.4, 1.8, LABELS[n % 4]), Event(2.2, 3.0, LABELS[n % 3])]
                 for n in range(6)}
    scores = FrameScores(LABELS, values, CLOCK)
    setting = SETTINGS[1]
    whole = psds(scores, reference, 4.0, setting)
    for module in ("psd_roc", "staircase", "intersection"):
        monkeypatch.setattr(f"sedzoo.evaluation.{module}._BLOCK", 3)
    parts = psds(scores, reference, 4.0, setting)
    assert parts.value == pytest.approx(whole.value, abs=1e-12)
    np.testing.assert_allclose(parts.etpr, whole.etpr)


def test_a_result_is_plain_json():
    scores, reference = perfect()
    plain = json.loads(json.dumps(psds(scores, reference, 10.0).to_dict(), allow_nan=False))
    assert plain["value"] == 1 and plain["setting"]["dtc"] == 0.7
    assert plain["per_class"]["dog"]["tpr"] == [1.0]


def test_merged_events_do_not_overlap():
    events = {"a": [Event(0, 2, "dog", 0.2), Event(1, 3, "dog", 0.9), Event(3, 4, "dog"),
                    Event(1, 2, "rain"), Event(1.5, 1.6, "dog")]}
    assert merged(events) == {"a": [Event(0, 3, "dog", 1.0), Event(1, 2, "rain"),
                                    Event(3, 4, "dog")]}


# -- bad input ---------------------------------------------------------------------------------


def test_what_does_not_fit_is_named():
    scores, reference = perfect()
    good = reference["a"]
    with pytest.raises(ValueError, match="`reference` lacks 2 clips of `scores`, such as 'b'"):
        psds(scores, {"a": good}, 10.0)
    with pytest.raises(ValueError, match="`reference` has 1 clips that are not scored.*'d'"):
        psds(scores, {**reference, "d": []}, 10.0)
    with pytest.raises(ValueError, match="class 'bell' in 'a'"):
        psds(scores, {**reference, "a": [Event(0, 1, "bell")]}, 10.0)
    with pytest.raises(ValueError, match="overlap an earlier one.*'dog' at 2 s in 'a'"):
        psds(scores, {**reference, "a": [*good, Event(2, 4, "dog")]}, 10.0)
    with pytest.raises(ValueError, match="begin after the end.*'dog' at 20 s in 'b' of 10 s"):
        psds(scores, {**reference, "b": [Event(20, 21, "dog")]}, 10.0)
    with pytest.raises(ValueError, match="`durations` must be positive.*None for 'b'"):
        psds(scores, reference, {"a": 10.0})
    with pytest.raises(ValueError, match="`durations` must be positive.*nan"):
        psds(scores, reference, math.nan)
    with pytest.raises(ValueError, match="'a' must be finite"):
        psds(FrameScores(scores.labels, {**scores.values, "a": np.full((5, 2), np.nan)}, CLOCK),
             reference, 10.0)
    with pytest.raises(ValueError, match="`thresholds` must be one or more"):
        psds(scores, reference, 10.0, thresholds=[])
    with pytest.raises(ValueError, match=r"`points\[0\]` has 1 events that overlap"):
        psds_of_points([{"a": [Event(0, 2, "dog"), Event(1, 3, "dog")]}], reference, 10.0)
    with pytest.raises(ValueError, match="at least one operating point"):
        psds_of_points([], reference, 10.0)


@pytest.mark.parametrize(("arguments", "message"), [
    ({"dtc": 0.0, "gtc": 0.5}, "`dtc` must lie in"), ({"dtc": 0.5, "gtc": 1.5}, "`gtc`"),
    ({"dtc": 0.5, "gtc": 0.5, "alpha_st": -1}, "`alpha_st` must be >= 0"),
    ({"dtc": 0.5, "gtc": 0.5, "alpha_ct": 1.0}, "`cttc` is needed"),
    ({"dtc": 0.5, "gtc": 0.5, "cttc": 0.3}, "`cttc` is needed"),
    ({"dtc": 0.5, "gtc": 0.5, "max_efpr": math.inf}, "`max_efpr`"),
])
def test_settings_that_make_no_sense_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Setting("bad", **arguments)
