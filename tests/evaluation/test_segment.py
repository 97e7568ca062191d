import json
import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sedzoo.evaluation import segment_scores
from sedzoo.events import Event
from sedzoo.labels import read_events

with warnings.catch_warnings():
    warnings.simplefilter("ignore")          # of its dependencies' pkg_resources
    sed_eval = pytest.importorskip("sed_eval")

LABELS = ["dog", "car", "rain", "bird"]


def events_in(duration_s):
    # Times on a grid hit the segments' edges, others do not.
    times = st.one_of(st.floats(0, duration_s), st.integers(0, 10 * duration_s).map(
        lambda tenths: tenths / 10))
    return st.lists(st.builds(
        lambda a, b, label: Event(min(a, b), max(a, b) + 0.05, label),
        times, times, st.sampled_from(LABELS)), max_size=6)


@st.composite
def cases(draw):
    """Reference, estimate and durations of a few clips, events reaching past the end."""
    durations = draw(st.lists(st.integers(1, 12), min_size=1, max_size=4))
    durations = {f"{i}.wav": float(duration) for i, duration in enumerate(durations)}
    reference, estimated = ({name: draw(events_in(int(duration) + 1))
                             for name, duration in durations.items()} for _ in range(2))
    return reference, estimated, durations


def by_sed_eval(reference, estimated, durations, segment_s, labels=LABELS):
    scorer = sed_eval.sound_event.SegmentBasedMetrics(list(labels), time_resolution=segment_s)
    for name in reference:
        lists = ([{"event_label": event.label, "onset": event.onset, "offset": event.offset,
                   "file": name} for event in events.get(name, ())]
                 for events in (reference, estimated))
        scorer.evaluate(*lists, evaluated_length_seconds=durations and durations[name])
    return scorer.results_overall_metrics(), scorer.overall


def check(got, reference, estimated, durations, segment_s, labels=LABELS):
    expected, counts = by_sed_eval(reference, estimated, durations, segment_s, labels)
    assert (got.num_hits, got.num_estimated, got.num_reference) == tuple(
        counts[key] for key in ("Ntp", "Nsys", "Nref"))
    for key in ("precision", "recall"):
        np.testing.assert_allclose(getattr(got, key), expected["f_measure"][key], atol=1e-9)
    # The stated differences: F1 is 0 where sed_eval has NaN, but for two empty lists.
    f1 = expected["f_measure"]["f_measure"]
    if got.num_estimated + got.num_reference:
        f1 = np.nan_to_num(f1)
    np.testing.assert_allclose(got.f1, f1, atol=1e-9)
    for key in ("error_rate", "substitution_rate", "deletion_rate", "insertion_rate"):
        if got.num_reference:
            np.testing.assert_allclose(getattr(got, key), expected["error_rate"][key], atol=1e-9)
        else:
            assert getattr(got, key) == math.inf or math.isnan(getattr(got, key))


@settings(deadline=None, max_examples=100)
@given(cases(), st.sampled_from([1.0, 0.1, 0.25, 0.3, 2.0, 100.0]))
def test_scores_are_those_of_sed_eval(case, segment_s):
    reference, estimated, durations = case
    got = segment_scores(reference, estimated, durations, segment_s=segment_s)
    check(got, reference, estimated, durations, segment_s)


@settings(deadline=None, max_examples=50)
@given(cases())
def test_without_durations_clips_end_as_in_sed_eval(case):
    reference, estimated, _ = case
    # sed_eval cannot score a clip without any event.
    reference = {name: events for name, events in reference.items()
                 if events or estimated[name]}
    estimated = {name: estimated[name] for name in reference}
    check(segment_scores(reference, estimated), reference, estimated, None, 1.0)


def perturbed(files, labels, rng):
    """Detections of a system that errs: events shifted, missed, mistaken and made up."""
    estimated = {}
    for name, events in files.items():
        of_file = []
        for event in events:
            onset = max(0.0, event.onset + rng.normal(0, 0.7))
            offset = onset + max(0.05, event.duration_s + rng.normal(0, 0.7))
            if rng.random() < 0.8:
                label = rng.choice(labels) if rng.random() < 0.2 else event.label
                of_file.append(Event(onset, offset, str(label)))
        for _ in range(rng.poisson(0.3)):
            onset = rng.uniform(0, 9)
            of_file.append(Event(onset, onset + 1.5, str(rng.choice(labels))))
        if of_file:
            estimated[name] = of_file
    return estimated


@pytest.mark.parametrize("part", ["evaluation", "testing"])
def test_scores_on_dcase_2017_are_those_of_sed_eval(part, shared_data):
    reference = read_events(
        shared_data / "dcase2017_task4" / f"groundtruth_strong_label_{part}_set.csv")
    labels = sorted({event.label for events in reference.values() for event in events})
    estimated = perturbed(reference, labels, np.random.default_rng(4))
    # The clips nobody marked stay in: what is detected there is wrong.
    assert any(not events and estimated.get(name) for name, events in reference.items())
    durations = dict.fromkeys(reference, 10.0)
    got = segment_scores(reference, estimated, 10.0)
    assert 0.4 < got.f1 < 0.9 and got.num_segments == 10 * len(reference)
    check(got, reference, estimated, durations, 1.0, labels)


def test_a_second_worked_by_hand():
    reference = {"a.wav": [Event(0, 2.1, "dog"), Event(0.5, 1, "car")], "b.wav": []}
    estimated = {"a.wav": [Event(0.9, 1.5, "dog"), Event(0, 0.1, "rain")]}
    got = segment_scores(reference, estimated, {"a.wav": 4, "b.wav": 2})
    # Segments of a.wav: dog hit, car for rain; dog hit; dog missed; nothing.
    assert (got.num_hits, got.num_estimated, got.num_reference) == (2, 3, 4)
    assert got.num_segments == 6
    assert (got.substitution_rate, got.deletion_rate, got.insertion_rate) == (0.25, 0.25, 0)
    assert got.error_rate == 0.5
    assert got.f1 == pytest.approx(4 / 7)


def test_perfect_detection_has_no_errors():
    reference = {"a.wav": [Event(0.3, 2.1, "dog")]}
    got = segment_scores(reference, reference, 10.0)
    assert (got.f1, got.error_rate) == (1, 0)


def test_rates_of_nothing_are_none_in_json():
    got = segment_scores({"a.wav": []}, {"a.wav": [Event(0, 1, "dog")]}, 2.0)
    assert got.error_rate == got.insertion_rate == math.inf and got.f1 == 0
    fields = json.loads(json.dumps(got.to_dict(), allow_nan=False))
    assert fields["error_rate"] is None and fields["recall"] is None
    assert fields["precision"] == 0 and fields["segment_s"] == 1.0


# -- errors ------------------------------------------------------------------------------------


def test_the_bad_argument_is_named():
    clip = {"a.wav": [Event(0, 1, "dog")]}
    with pytest.raises(ValueError, match="1 clips that `reference` has not, such as 'b.wav'"):
        segment_scores(clip, {"b.wav": []}, 10.0)
    with pytest.raises(ValueError, match="Received: None for 'a.wav'"):
        segment_scores(clip, {}, {"b.wav": 10.0})
    for bad in (0, -1, math.nan, math.inf):
        with pytest.raises(ValueError, match="`durations` must be positive"):
            segment_scores(clip, {}, bad)
        with pytest.raises(ValueError, match="`segment_s` must be positive"):
            segment_scores(clip, {}, 10.0, segment_s=bad)
    with pytest.raises(ValueError, match="average='macro'"):
        segment_scores(clip, {}, 10.0, average="macro")
