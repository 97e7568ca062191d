import json
import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sed_eval_rates import assert_rates

from sedzoo.evaluation import segment, segment_scores
from sedzoo.evaluation.segment import count_segments, segment_counts
from sedzoo.evaluation.table import tables
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
    return scorer


def assert_same(reference, estimated, durations, segment_s=1.0, labels=LABELS):
    """Overall, class-wise and averaged scores against sed_eval's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")                     # of sed_eval's means of nothing
        scorer = by_sed_eval(reference, estimated, durations, segment_s, labels)
        theirs = scorer.results()
    options = {"segment_s": segment_s, "labels": labels}
    micro = segment_scores(reference, estimated, durations, **options)
    assert_rates(micro, theirs["overall"]["f_measure"], theirs["overall"]["error_rate"])
    assert (micro.num_hits, micro.num_estimated, micro.num_reference, micro.num_substitutions,
            micro.num_deletions, micro.num_insertions) == tuple(
        scorer.overall[key] for key in ("Ntp", "Nsys", "Nref", "S", "D", "I"))
    for label in labels:
        class_wise = theirs["class_wise"][label]
        assert_rates(micro.per_class[label], class_wise["f_measure"], class_wise["error_rate"])

    macro = segment_scores(reference, estimated, durations, average="macro", **options)
    per_class = macro.per_class.values()
    assert macro.num_skipped == sum(math.isnan(one.f1) for one in per_class)
    for key in ("f1", "precision", "recall", "error_rate", "deletion_rate", "insertion_rate"):
        rates = [getattr(one, key) for one in per_class if math.isfinite(getattr(one, key))]
        np.testing.assert_allclose(getattr(macro, key), np.mean(rates) if rates else math.nan,
                                   atol=1e-9)
    if all(one.num_reference and one.num_estimated for one in per_class):
        assert_rates(macro, *(theirs["class_wise_average"][key]
                             for key in ("f_measure", "error_rate")))
    return micro, macro


@settings(max_examples=150)
@given(cases(), st.sampled_from([1.0, 0.1, 0.25, 0.3, 2.0, 100.0]))
def test_scores_are_those_of_sed_eval(case, segment_s):
    assert_same(*case, segment_s)


@settings(max_examples=50)
@given(cases())
def test_without_durations_clips_end_as_in_sed_eval(case):
    reference, estimated, _ = case
    # sed_eval cannot score a clip without any event.
    reference = {name: events for name, events in reference.items()
                 if events or estimated[name]}
    estimated = {name: estimated[name] for name in reference}
    assert_same(reference, estimated, None)


@settings(max_examples=60)
@given(cases(), st.sampled_from([1.0, 0.1, 0.3, 7.0]))
def test_counts_are_those_of_arrays_of_segments(case, segment_s):
    reference, estimated, durations = case
    wanted, found = tables(reference, estimated, LABELS)
    num_segments = count_segments(wanted, found, durations, segment_s)
    on = np.zeros((2, len(durations), num_segments.max(), len(LABELS)), bool)
    for active, table in zip(on, (wanted, found), strict=True):
        for clip, label, onset, offset in zip(table.clip, table.label, table.onset, table.offset,
                                              strict=True):
            start, stop = math.floor(onset / segment_s), math.ceil(offset / segment_s)
            active[clip, start:min(stop, num_segments[clip]), label] = True
    expected = [pairs.sum(axis=(0, 1)) for pairs in (on.all(axis=0), on[1], on[0])]
    np.testing.assert_array_equal(segment_counts(wanted, found, num_segments, segment_s), expected)


@settings(max_examples=60)
@given(cases(), st.randoms())
def test_neither_the_order_of_events_nor_blocks_of_clips_change_a_score(case, random):
    reference, estimated, durations = case
    expected = segment_scores(reference, estimated, durations)
    shuffled = [{name: random.sample(events[name], len(events[name])) for name in random.sample(
        list(events), len(events))} for events in (reference, estimated)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segment, "_BLOCK", 1)
        got = segment_scores(*shuffled, durations)
    assert repr(got.to_dict()) == repr(expected.to_dict())


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
    micro, macro = assert_same(reference, estimated, dict.fromkeys(reference, 10.0), labels=labels)
    assert 0.4 < micro.f1 < 0.9 and macro.num_skipped == 0
    assert micro.num_segments == 10 * len(reference)


def test_scores_on_desed_are_those_of_sed_eval(shared_data):
    reference = read_events(shared_data / "desed_metadata" / "validation" / "validation.tsv")
    labels = sorted({event.label for events in reference.values() for event in events})
    estimated = perturbed(reference, labels, np.random.default_rng(5))
    micro, _ = assert_same(reference, estimated, dict.fromkeys(reference, 10.0), 0.5, labels)
    assert micro.num_segments == 20 * len(reference)


@pytest.mark.parametrize("threshold, segment_s", [(0.1, 1.0), (0.5, 1.0), (0.9, 0.2), (1.0, 1.0)])
def test_scores_of_a_real_system_are_those_of_sed_eval(threshold, segment_s, shared_data):
    folder = shared_data / "psds_dcase2019_baseline"
    reference = read_events(folder / "dcase2019t4_gt.csv")
    estimated = read_events(folder / f"baseline_{threshold}.csv")
    labels = sorted({event.label for events in reference.values() for event in events})
    if threshold < 1:
        assert max(event.offset for events in estimated.values() for event in events) > 10
    assert_same(reference, estimated, dict.fromkeys(reference, 10.0), segment_s, labels)


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


def test_macro_averages_classes_and_counts_those_it_skips():
    reference = {"a.wav": [Event(0, 4, "dog"), Event(0, 2, "car")]}
    estimated = {"a.wav": [Event(0, 2, "dog"), Event(3, 4, "rain")]}
    got = segment_scores(reference, estimated, 4, average="macro",
                         labels=["dog", "car", "rain", "bird"])
    assert got.average == "macro" and list(got.per_class) == ["dog", "car", "rain", "bird"]
    assert [one.f1 for one in got.per_class.values()][:3] == [2 / 3, 0, 0]
    assert got.num_skipped == 1                                     # bird: neither here nor there
    assert got.f1 == pytest.approx(2 / 9)
    assert got.error_rate == (0.5 + 1) / 2                          # rain: no reference
    assert (got.num_hits, got.num_estimated, got.num_reference) == (2, 3, 6)
    dog = got.per_class["dog"]
    assert (dog.average, dog.per_class, dog.num_deletions, dog.deletion_rate) == ("class", {}, 2,
                                                                                  0.5)


def test_events_of_a_class_that_overlap_are_one_activity():
    apart = {"a.wav": [Event(0, 3, "dog")]}
    overlapping = {"a.wav": [Event(0, 2, "dog"), Event(1, 3, "dog"), Event(1, 1.5, "dog")]}
    got = segment_scores(overlapping, apart, 5)
    assert (got.num_hits, got.num_reference, got.error_rate) == (3, 3, 0)


def test_what_lies_past_the_end_of_a_clip_is_not_scored():
    reference = {"a.wav": [Event(8, 30, "dog")], "b.wav": [Event(0, 1, "dog")]}
    estimated = {"a.wav": [Event(9.5, 10.2, "dog"), Event(10.5, 11, "dog")]}
    got = segment_scores(reference, estimated, 10)
    assert (got.num_reference, got.num_estimated, got.num_segments) == (3, 1, 20)


def test_nothing_scores_nothing():
    for labels in (None, (), ["dog"]):
        for average in ("micro", "macro"):
            got = segment_scores({}, {}, average=average, labels=labels)
            assert math.isnan(got.f1) and got.num_segments == got.num_reference == 0
    got = segment_scores({"a.wav": []}, {"a.wav": []})
    assert got.num_segments == 0 and math.isnan(got.error_rate)


def test_many_short_segments_of_long_clips_need_no_array_of_them():
    day = {"a.wav": [Event(0, 43200, "dog")]}
    got = segment_scores(day, {"a.wav": [Event(21600, 86400, "dog")]}, 86400, segment_s=1e-6)
    assert (got.num_hits, got.num_reference) == (21_600_000_000, 43_200_000_000)


# -- errors ------------------------------------------------------------------------------------


def test_the_bad_argument_is_named():
    clip = {"a.wav": [Event(0, 1, "dog")]}
    with pytest.raises(ValueError, match="`estimated` has 1 clips .*such as 'b.wav'"):
        segment_scores(clip, {"b.wav": []}, 10.0)
    with pytest.raises(ValueError, match="Received: None for 'a.wav'"):
        segment_scores(clip, {}, {"b.wav": 10.0})
    for bad in (0, -1, math.nan, math.inf):
        with pytest.raises(ValueError, match="`durations` must be positive"):
            segment_scores(clip, {}, bad)
        with pytest.raises(ValueError, match="`segment_s` must be positive"):
            segment_scores(clip, {}, 10.0, segment_s=bad)
    for durations in (10.0, None):
        with pytest.raises(ValueError, match="long enough to count segments"):
            segment_scores(clip, {}, durations, segment_s=1e-300)
    with pytest.raises(ValueError, match="average='weighted'"):
        segment_scores(clip, {}, 10.0, average="weighted")
    with pytest.raises(ValueError, match="`estimated`: the class 'dogs' in 'a.wav'.*'dog'"):
        segment_scores(clip, {"a.wav": [Event(0, 1, "dogs")]}, 10.0, labels=["dog"])
