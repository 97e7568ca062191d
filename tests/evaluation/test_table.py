import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sedzoo.evaluation.table import EventTable, pairs, spread, tables
from sedzoo.events import Event

CLIPS, LABELS = ("a", "b", "c"), ("dog", "rain")
events = st.lists(st.builds(lambda onset, length, label: Event(onset, onset + length, label),
                            st.integers(0, 9), st.integers(1, 5), st.sampled_from(LABELS)),
                  max_size=8)
dicts = st.dictionaries(st.sampled_from(CLIPS), events)


@given(dicts)
def test_a_table_holds_every_event_in_order(found):
    table = EventTable.of(found, CLIPS, LABELS)
    got = [(CLIPS[n], LABELS[k], onset, offset) for n, k, onset, offset in
           zip(table.clip, table.label, table.onset, table.offset, strict=True)]
    assert got == sorted((clip, event.label, event.onset, event.offset)
                         for clip, of_clip in found.items() for event in of_clip)
    for n, clip in enumerate(CLIPS):
        assert table.bounds[n + 1] - table.bounds[n] == len(found.get(clip, ()))
    for k, label in enumerate(LABELS):
        lengths = [event.duration_s for of_clip in found.values() for event in of_clip
                   if event.label == label]
        assert (table.num_events[k], table.seconds[k]) == (len(lengths), sum(lengths))


@given(dicts)
def test_overlapping_events_are_those_that_begin_inside_an_earlier_one(found):
    table = EventTable.of(found, CLIPS, LABELS)
    expected = [i for i in range(len(table)) if any(
        table.group[j] == table.group[i] and table.offset[j] > table.onset[i] for j in range(i))]
    assert table.overlapping().tolist() == expected


@given(st.lists(st.integers(0, 5), max_size=9).map(sorted),
       st.lists(st.integers(0, 5), max_size=9).map(sorted))
def test_pairs_are_all_of_the_same_key(left, right):
    got = list(zip(*pairs(np.array(left, int), np.array(right, int)), strict=True))
    assert got == [(i, j) for i, a in enumerate(left) for j, b in enumerate(right) if a == b]


def test_ranges_are_spread():
    which, member = spread(np.array([3, 0, 7]), np.array([5, 0, 8]))
    assert (which.tolist(), member.tolist()) == ([0, 0, 2], [3, 4, 7])


def test_the_reference_says_which_clips_and_all_events_which_classes():
    reference, estimated = tables({"a": [Event(0, 1, "rain")], "b": []},
                                  {"b": [Event(0, 1, "dog")]})
    assert reference.clips == estimated.clips == ("a", "b")
    assert reference.labels == estimated.labels == ("dog", "rain")
    assert (len(reference), len(estimated)) == (1, 1)


def test_unknown_clips_and_classes_are_named():
    with pytest.raises(ValueError, match="`estimated` has 1 clips that are not scored.*'z'"):
        tables({"a": []}, {"z": []})
    with pytest.raises(ValueError, match="`reference`: the class 'dgo' in 'a'.*mean 'dog'"):
        tables({"a": [Event(0, 1, "dgo")]}, {}, labels=LABELS)
