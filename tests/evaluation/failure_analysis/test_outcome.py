import json
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sedzoo.evaluation.event import event_scores
from sedzoo.evaluation.failure_analysis.error_types import (
    ESTIMATED_TYPES,
    REFERENCE_TYPES,
    error_types,
)
from sedzoo.evaluation.failure_analysis.outcome import failures
from sedzoo.evaluation.failure_analysis.overlap import apart, overlaps
from sedzoo.evaluation.resampling import Summed, macro_f1, micro_f1
from sedzoo.evaluation.significance import paired_permutation
from sedzoo.evaluation.table import EventTable, tables
from sedzoo.events import Event
from sedzoo.labels import read_events

LABELS = ("cat", "dog", "rain")


@st.composite
def sounds(draw, most=8):
    """Events on a grid of 0.1 s, where many begin, end, touch or last alike."""
    events = st.tuples(st.integers(0, 30), st.integers(1, 20), st.sampled_from(LABELS))
    return {clip: [Event(onset / 10, (onset + length) / 10, label)
                   for onset, length, label in draw(st.lists(events, max_size=most))]
            for clip in ("a", "b")}


scenes = st.tuples(sounds(), sounds())
parameters = st.fixed_dictionaries({
    "collar_s": st.sampled_from([0.0, 0.1, 0.25]),
    "offset_share": st.sampled_from([None, 0.0, 0.2, 0.5]),
    "overlap": st.sampled_from([0.01, 0.3, 0.5, 1.0])})


def rows(table):
    return list(zip(table.clip.tolist(), table.label.tolist(), table.onset.tolist(),
                    table.offset.tolist(), strict=True))


def plain_seconds(left, right):
    same_clip = left[0] == right[0]
    return round(min(left[3], right[3]) - max(left[2], right[2]), 6) if same_clip else 0


def plain_overlap(left, right, share):
    shared = plain_seconds(left, right)
    shorter = min(left[3] - left[2], right[3] - right[2])
    return shared > 0 and shared >= round(share * shorter, 6)


def plain_types(wanted, found, hits, share):
    """The rules one by one, of rows and the pairs that are hits."""
    def own(left, right):
        return left[1] == right[1] and plain_overlap(left, right, share)

    of_wanted = {r: "hit" for r, _ in hits}
    of_found = {e: "hit" for _, e in hits}
    rest_r = [r for r in range(len(wanted)) if r not in of_wanted]
    rest_e = [e for e in range(len(found)) if e not in of_found]
    covering = {r: [e for e in rest_e if own(wanted[r], found[e])] for r in rest_r}
    covered = {e: [r for r in rest_r if own(wanted[r], found[e])] for e in rest_e}
    for r in rest_r:
        if len(covering[r]) > 1:
            of_wanted[r] = "split"
        elif covering[r]:
            of_wanted[r] = "merged" if len(covered[covering[r][0]]) > 1 else "boundary"
        elif any(own(wanted[r], found[e]) for _, e in hits):
            of_wanted[r] = "merged"
    for e in rest_e:
        if len(covered[e]) > 1:
            of_found[e] = "merge"
        elif covered[e]:
            of_found[e] = "fragment" if len(covering[covered[e][0]]) > 1 else "boundary"
        elif any(own(wanted[r], found[e]) for r, _ in hits):
            of_found[e] = "fragment"
    rest_r = [r for r in rest_r if r not in of_wanted]
    rest_e = [e for e in rest_e if e not in of_found]
    for r in rest_r:
        crossed = any(plain_overlap(wanted[r], found[e], share) for e in rest_e)
        of_wanted[r] = "substituted" if crossed else "missed"
    for e in rest_e:
        crossed = any(plain_overlap(wanted[r], found[e], share) for r in rest_r)
        of_found[e] = "substitution" if crossed else "false_alarm"
    return of_wanted, of_found


# -- categories --------------------------------------------------------------------------------


@given(scenes, parameters)
def test_categories_are_those_of_the_plain_rules(scene, settings):
    wanted, found = tables(*scene, LABELS)
    got = error_types(wanted, found, **settings)
    hits = [(r, int(e)) for r, e in enumerate(got.partner)
            if REFERENCE_TYPES[got.reference[r]] == "hit"]
    of_wanted, of_found = plain_types(rows(wanted), rows(found), hits, settings["overlap"])
    assert [REFERENCE_TYPES[kind] for kind in got.reference] == [
        of_wanted[r] for r in range(len(wanted))]
    assert [ESTIMATED_TYPES[kind] for kind in got.estimated] == [
        of_found[e] for e in range(len(found))]


def counts_add_up(counts):
    assert counts.num_reference == (counts.num_hits + counts.num_boundary + counts.num_merged
                                    + counts.num_split + counts.num_substituted + counts.num_missed)
    assert counts.num_estimated == (
        counts.num_hits + counts.num_boundary + counts.num_merges + counts.num_fragments
        + counts.num_substitutions + counts.num_false_alarms)
    assert counts.num_boundary == counts.num_onset + counts.num_offset + counts.num_both
    return True


@given(scenes, parameters)
def test_counts_add_up_and_hits_are_those_of_event_scores(scene, settings):
    counts = failures(*scene, **settings, labels=LABELS).counts()
    del settings["overlap"]
    scores = event_scores(*scene, **settings, labels=LABELS)
    for ours, theirs in [(counts, scores),
                         *((counts.per_class[label], scores.per_class[label]) for label in LABELS)]:
        assert counts_add_up(ours)
        for name in ("num_hits", "num_reference", "num_estimated", "f1", "precision", "recall"):
            np.testing.assert_equal(getattr(ours, name), getattr(theirs, name))
    for name in ("num_boundary", "num_merged", "num_false_alarms", "num_both"):
        assert getattr(counts, name) == sum(getattr(one, name)
                                            for one in counts.per_class.values())


@given(scenes, parameters, st.randoms(use_true_random=False))
def test_the_order_of_events_clips_and_classes_changes_nothing(scene, settings, random):
    def shuffled(events):
        return {clip: random.sample(events[clip], len(events[clip]))
                for clip in random.sample(list(events), len(events))}

    reference, estimated = scene
    got = failures(reference, estimated, **settings, labels=LABELS)
    other = failures(shuffled(reference), shuffled(estimated), **settings, labels=LABELS[::-1])
    assert got.counts() == other.counts()
    assert got.counts().per_class == other.counts().per_class
    for kind in REFERENCE_TYPES + ESTIMATED_TYPES:
        assert got.events(kind) == other.events(kind)


@given(scenes, parameters)
def test_a_boundary_error_is_beyond_a_collar_and_pairs_one_with_one(scene, settings):
    got = failures(*scene, **settings, labels=LABELS)
    off = np.flatnonzero(got.types.reference == REFERENCE_TYPES.index("boundary"))
    partners = got.types.partner[off]
    np.testing.assert_array_equal(
        np.sort(partners), np.flatnonzero(got.types.estimated == ESTIMATED_TYPES.index("boundary")))
    np.testing.assert_array_equal(got.reference.group[off], got.estimated.group[partners])
    late = np.abs(got.reference.onset[off] - got.estimated.onset[partners]) > settings["collar_s"]
    assert late.sum() == got.counts().num_onset + got.counts().num_both


@pytest.mark.parametrize("wanted, found, kinds", [
    ([(1, 2)], [(1.1, 2.1)], ("hit", "hit")),
    ([(1, 2)], [(1.4, 2)], ("boundary", "boundary")),
    ([(1, 4)], [(1, 2.3), (2.7, 4)], ("split", "fragment fragment")),
    ([(1, 2), (3, 4)], [(1, 4)], ("merged merged", "merge")),
    # A chain: the first event is in a detection of two, the second one is in two parts.
    ([(0, 2), (3, 6)], [(0, 4.5), (4.6, 6)], ("merged split", "merge fragment")),
    # Found twice, and found with a neighbour's event.
    ([(1, 3)], [(1, 3), (2, 2.5)], ("hit", "hit fragment")),
    ([(1, 5), (5.1, 5.3)], [(1, 5.3)], ("hit merged", "hit")),
    # A quarter of an event is neither boundary nor merge; touching is nothing at all.
    ([(0, 4)], [(3, 7)], ("missed", "false_alarm")),
    ([(0, 4), (4.4, 8)], [(0.5, 4.5), (5, 8)], ("boundary boundary", "boundary boundary")),
    ([(1, 2)], [(2, 3)], ("missed", "false_alarm")),
    ([(1, 2)], [], ("missed", "")), ([], [(1, 2)], ("", "false_alarm")), ([], [], ("", "")),
])
def test_each_category_by_example(wanted, found, kinds):
    got = error_types(*tables(*({"a": [Event(*times, "dog") for times in side]}
                                for side in (wanted, found)), LABELS))
    assert tuple(" ".join(names[kind] for kind in side) for names, side in (
        (REFERENCE_TYPES, got.reference), (ESTIMATED_TYPES, got.estimated))) == kinds


def test_another_class_at_the_time_is_a_substitution_unless_it_is_explained():
    reference = {"a": [Event(1, 2, "dog"), Event(5, 7, "rain"), Event(5.5, 6, "cat")]}
    estimated = {"a": [Event(0.5, 2.5, "cat"), Event(5, 7, "rain"), Event(8, 9, "dog")]}
    got = failures(reference, estimated)
    counts = got.counts()
    assert (counts.num_substituted, counts.num_substitutions) == (1, 1)
    assert (counts.num_hits, counts.num_missed, counts.num_false_alarms) == (1, 1, 1)
    assert got.events("substituted") == {"a": [Event(1, 2, "dog")]}
    assert got.events("substitution") == {"a": [Event(0.5, 2.5, "cat")]}
    assert got.events("missed") == {"a": [Event(5.5, 6, "cat")]}


# -- overlaps ----------------------------------------------------------------------------------


@given(st.tuples(sounds(20), sounds(20)))
def test_overlaps_are_all_that_there_are(scene):
    wanted, found = tables(*scene, LABELS)
    got = {(int(r), int(e)): round(float(s), 6) for r, e, s in
           zip(*overlaps(wanted, found), strict=True)}
    assert got == {(r, e): plain_seconds(left, right) for r, left in enumerate(rows(wanted))
                   for e, right in enumerate(rows(found)) if plain_seconds(left, right) > 0}


def activity(table):
    """Tenths of a second in which each class of a clip is on, bool (groups, 60)."""
    active = np.zeros((len(table.clips) * len(table.labels), 60), int)
    for group, onset, offset in zip(table.group, table.onset, table.offset, strict=True):
        active[group, round(10 * onset):round(10 * offset)] += 1
    return active


@given(sounds(20))
def test_events_cut_apart_cover_the_same_seconds_once(events):
    table = tables(events, {}, LABELS)[0]
    got = apart(table)
    np.testing.assert_array_equal(activity(got), activity(table) > 0)
    assert (got.onset <= got.offset).all()


# -- durations ---------------------------------------------------------------------------------


@given(scenes, st.integers(1, 6) | st.lists(st.sampled_from([0.1, 0.3, 0.5, 1, 1.7]),
                                            unique=True).map(sorted))
def test_every_event_is_in_the_bin_of_its_duration(scene, bins):
    got = failures(*scene, labels=LABELS)
    found = got.by_duration(bins)
    assert (found[0].from_s, found[-1].to_s) == (0, math.inf)
    assert [one.to_s for one in found[:-1]] == [one.from_s for one in found[1:]]
    for one in found:
        for table, types, names, counted, num_events in (
                (got.reference, got.types.reference, REFERENCE_TYPES, one.reference,
                 one.num_reference),
                (got.estimated, got.types.estimated, ESTIMATED_TYPES, one.estimated,
                 one.num_estimated)):
            inside = [names[kind] for kind, (_, _, onset, offset) in
                      zip(types, rows(table), strict=True)
                      if one.from_s <= round(offset - onset, 6) < one.to_s]
            assert counted == {**dict.fromkeys(names, 0), **Counter(inside)}
            assert num_events == len(inside)
        np.testing.assert_equal(one.recall, one.reference["hit"] / one.num_reference
                                if one.num_reference else math.nan)
    if isinstance(bins, int):
        assert len(found) <= bins and (len(found) == 1 or all(one.num_reference for one in found))


def test_an_int_makes_bins_of_equally_many_events():
    lengths = np.random.default_rng(1).permutation(100) / 10 + 0.1
    reference = {str(n): [Event(0, float(length), "dog")] for n, length in enumerate(lengths)}
    got = failures(reference, {}).by_duration(4)
    assert [one.num_reference for one in got] == [25] * 4
    assert [one.from_s for one in got] == [0, 2.6, 5.1, 7.6]


# -- cross triggers ----------------------------------------------------------------------------


@given(scenes, st.sampled_from([0.1, 0.3, 0.5, 1.0]))
def test_cross_triggers_are_false_detections_by_what_is_there(scene, cttc):
    got = failures(*scene, labels=LABELS)
    crossed = got.cross_triggers(cttc)
    active = activity(got.reference).reshape(2, 3, 60) > 0
    counts, background = np.zeros((3, 3), int), np.zeros(3, int)
    for kind, (clip, label, onset, offset) in zip(got.types.estimated, rows(got.estimated),
                                                  strict=True):
        if ESTIMATED_TYPES[kind] in ("substitution", "false_alarm"):
            shares = active[clip, :, round(10 * onset):round(10 * offset)].mean(axis=1)
            counts[label] += shares >= cttc - 1e-9
            background[label] += not (shares >= cttc - 1e-9).any()
    np.testing.assert_array_equal(crossed.counts, counts)
    np.testing.assert_array_equal(crossed.background, background)
    assert crossed.num_false.sum() == (got.counts().num_substitutions
                                       + got.counts().num_false_alarms)


# -- real systems ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def baseline(shared_data):
    def of(threshold):
        return read_events(folder / f"baseline_{threshold}.csv")

    folder = shared_data / "psds_dcase2019_baseline"
    return read_events(folder / "dcase2019t4_gt.csv"), of


def test_on_a_real_system_all_adds_up(baseline):
    reference, of = baseline
    got = failures(reference, of(0.5))
    counts = got.counts()
    assert all(counts_add_up(one) for one in (counts, *counts.per_class.values()))
    assert counts.num_hits == event_scores(reference, of(0.5)).num_hits == 851
    assert (counts.num_reference, counts.num_estimated) == (4236, 2904)
    for bins in ((0.25, 0.5, 1, 2, 5), 7):
        rows_of = got.by_duration(bins)
        assert sum(one.reference["missed"] for one in rows_of) == counts.num_missed
        assert sum(one.estimated["false_alarm"] for one in rows_of) == counts.num_false_alarms
    # Short events are the ones that are missed, and that are merged with others, not split.
    _, short, *_, long = got.by_duration()
    assert short.recall < 0.15 < 0.24 < long.recall
    assert short.reference["missed"] > 0.5 * short.num_reference
    assert long.reference["missed"] < 0.2 * long.num_reference
    assert short.reference["split"] < 5 < 50 < long.reference["split"]
    crossed = got.cross_triggers()
    assert crossed.num_false.sum() == counts.num_substitutions + counts.num_false_alarms
    assert (crossed.counts.sum(axis=1) + crossed.background >= crossed.num_false).all()
    assert [row["label"] for row in got.report()] == list(crossed.labels)
    assert json.loads(json.dumps(got.to_dict(), allow_nan=False))["counts"]["num_hits"] == 851


def test_a_higher_threshold_trades_false_alarms_for_misses(baseline):
    reference, of = baseline
    low, high = (failures(reference, of(threshold)).counts() for threshold in (0.1, 0.9))
    assert low.num_false_alarms > 5 * high.num_false_alarms
    assert 2 * low.num_missed < high.num_missed + 100
    assert low.num_merges > high.num_merges


def test_counts_by_clip_are_for_significance(baseline):
    reference, of = baseline
    labels = sorted({event.label for events in reference.values() for event in events})
    first, second = (failures(reference, of(threshold), labels=labels) for threshold in (0.9, 0.5))
    counts = np.stack([first.counts_by_clip(), second.counts_by_clip()])
    assert counts.shape == (2, 1168, 10, 3)
    micro = paired_permutation(Summed(micro_f1, counts), num_rounds=199)
    assert (micro.first, micro.second) == (first.counts().f1, second.counts().f1)
    assert micro.p_value == 1 / 200 and micro.difference > 0.02
    macro = paired_permutation(Summed(macro_f1, counts), num_rounds=199)
    assert macro.second == pytest.approx(
        np.mean([one.f1 for one in second.counts().per_class.values()]))


# -- errors ------------------------------------------------------------------------------------


def test_bad_arguments_are_named():
    reference = {"a": [Event(0, 1, "dog")]}
    for wrong in ({"collar_s": -1}, {"offset_share": math.nan}, {"overlap": 0}, {"overlap": 1.5}):
        (name, value), = wrong.items()
        with pytest.raises(ValueError, match=f"{name}.*{value}"):
            failures(reference, reference, **wrong)
    with pytest.raises(ValueError, match="'b'"):
        failures(reference, {"b": []})
    with pytest.raises(ValueError, match="'dog'"):
        failures(reference, {}, labels=["cat"])
    got = failures(reference, reference)
    for bins in (0, (0.0, 1.0), (2, 1), (1, 1), (1, math.inf), (math.nan,), ((1, 2), (3, 4))):
        with pytest.raises(ValueError, match="bins"):
            got.by_duration(bins)
    with pytest.raises(ValueError, match="cttc=0"):
        got.cross_triggers(0)
    with pytest.raises(ValueError, match="'mised'"):
        got.events("mised")


def test_nothing_at_all_is_no_error():
    got = failures({}, {})
    assert got.counts().num_reference == 0 and got.report() == []
    assert got.cross_triggers().counts.shape == (0, 0)
    assert got.counts_by_clip().shape == (0, 0, 3)
    assert [one.num_reference for one in got.by_duration(3)] == [0]
    empty = EventTable.of({}, ("a",), LABELS)
    assert len(apart(empty)) == 0 and len(overlaps(empty, empty)[0]) == 0
    json.dumps(got.to_dict(), allow_nan=False)
