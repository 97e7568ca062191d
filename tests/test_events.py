import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from sedzoo.events import Decoder, Event, encode
from sedzoo.frontend import PRESETS, Clock

LABELS = ("dog", "car", "rain")
clocks = st.one_of(
    st.sampled_from([preset.clock(stride) for preset in PRESETS.values() for stride in (1, 8)]),
    st.builds(Clock, hop_samples=st.integers(1, 10_000), sample_rate=st.integers(1000, 200_000)))
activities = hnp.arrays(bool, st.tuples(st.integers(0, 60), st.just(len(LABELS))))
scores_of = hnp.arrays(np.float32, st.tuples(st.integers(0, 60), st.just(len(LABELS))),
                       elements=st.floats(0, 1, width=32))


def runs(active):
    """(start, stop) of the runs of True, by a plain loop."""
    found, start = [], None
    for i, on in enumerate([*active, False]):
        if on and start is None:
            start = i
        if not on and start is not None:
            found.append((start, i))
            start = None
    return found


# -- encode and decode are inverses ------------------------------------------------------------


@given(activities, clocks)
def test_targets_survive_the_way_through_events(active, clock):
    targets = active.astype(np.float32)
    events = Decoder().decode(targets, LABELS, clock)
    np.testing.assert_array_equal(encode(events, LABELS, clock, len(targets)), targets)


@given(activities, clocks, st.sampled_from([0, 1, 999, 30_000]))
def test_events_on_the_grid_survive_the_way_through_targets(active, clock, first):
    # `first`: events late in a long clip, where a running sum of hops would have drifted.
    events = [
        Event(float(clock.seconds(first + start)), float(clock.seconds(first + stop)), label)
        for label, column in zip(LABELS, active.T, strict=True) for start, stop in runs(column)]
    events.sort(key=lambda event: (event.onset, event.offset))       # else by class order
    targets = encode(events, LABELS, clock, first + len(active))
    assert Decoder().decode(targets, LABELS, clock) == events


@given(st.floats(0, 100), st.floats(1e-3, 100), clocks)
def test_a_frame_is_on_when_its_centre_lies_inside(onset, duration, clock):
    event = Event(onset, onset + duration, "dog")
    num_frames = int(clock.frame(event.offset)) + 2
    assume(num_frames < 10 ** 6)
    targets = encode([event], LABELS, clock, num_frames)
    assert not targets[:, 1:].any()
    centres = clock.centres(num_frames)
    inside = (event.onset < centres) & (centres < event.offset)
    # A centre on an edge, to the last bit, may fall on either side.
    clear = np.minimum(abs(centres - event.onset), abs(centres - event.offset)) > 1e-9
    if (inside | ~clear).any():
        np.testing.assert_array_equal(targets[clear, 0], inside[clear])
    else:
        frame = int(np.flatnonzero(targets[:, 0])[0])
        assert targets.sum() == 1
        assert abs(frame * clock.hop_s - event.onset) <= clock.hop_s * (1 + 1e-9)


def test_overlapping_events_join_and_what_is_past_the_end_is_cut():
    clock = Clock(100, 1000)
    events = [Event(0.1, 0.4, "dog"), Event(0.3, 0.6, "dog"), Event(0.8, 9.0, "car")]
    expected = np.zeros((10, 3))
    expected[1:6, 0] = expected[8:, 1] = 1
    targets = encode(events, LABELS, clock, 10)
    assert targets.dtype == np.float32
    np.testing.assert_array_equal(targets, expected)


# -- the decoder's steps -----------------------------------------------------------------------


def fill_gaps(active, longest):
    active = list(active)
    for (_, stop), (start, _) in zip(runs(active)[:-1], runs(active)[1:], strict=True):
        if start - stop <= longest:
            active[stop:start] = [True] * (start - stop)
    return active


def drop_short(active, shortest):
    active = list(active)
    for start, stop in runs(active):
        if stop - start < shortest:
            active[start:stop] = [False] * (stop - start)
    return active


@given(activities, st.integers(0, 12), st.integers(1, 12))
def test_gaps_are_filled_and_then_short_runs_dropped(active, gap, shortest):
    decoder = Decoder(max_gap_frames=gap, min_frames=shortest)
    expected = [drop_short(fill_gaps(column, gap), shortest) for column in active.T]
    np.testing.assert_array_equal(decoder.activity(active.astype(np.float32)),
                                  np.array(expected, bool).T.reshape(active.shape))


@given(scores_of, st.tuples(*[st.floats(0, 1)] * 3), st.tuples(*[st.integers(0, 30)] * 3))
def test_thresholds_and_medians_are_the_classes_own(scores, thresholds, halves):
    lengths = tuple(2 * half + 1 for half in halves)
    got = Decoder(thresholds=thresholds, median_frames=lengths).activity(scores)
    for k, (threshold, length) in enumerate(zip(thresholds, lengths, strict=True)):
        on = scores[:, k] > np.float32(threshold)
        if len(on):
            padded = np.pad(on, length // 2, mode="symmetric")
            on = [sum(padded[i:i + length]) > length // 2 for i in range(len(scores))]
        np.testing.assert_array_equal(got[:, k], on)


@given(scores_of.filter(len), st.integers(0, 10))
def test_the_median_of_the_decisions_is_the_decision_on_the_median(scores, half):
    length = 2 * half + 1
    assume(length <= 4 * len(scores))       # scipy's is wrong where the clip is much shorter
    got = Decoder(thresholds=0.4, median_frames=length).activity(scores)
    smooth = np.stack([ndimage.median_filter(column, size=length, mode="reflect")
                       for column in scores.T], axis=1)
    np.testing.assert_array_equal(got, smooth > np.float32(0.4))


def test_a_score_equal_to_its_threshold_is_off_in_any_precision():
    for dtype in (np.float16, np.float32, np.float64):
        scores = np.full((3, 1), 0.3, dtype)
        assert not Decoder(thresholds=0.3).activity(scores).any()


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64])
def test_decisions_of_any_type_are_taken_as_scores(dtype):
    decisions = np.array([[0, 1, 0], [1, 1, 0]], dtype)
    np.testing.assert_array_equal(Decoder().activity(decisions), decisions.astype(bool))


def test_the_rule_of_xu2018icassp():
    # Gaps of 9 frames are filled and of 10 not; runs of 10 are dropped and of 11 not.
    scores = np.zeros((100, 3), np.float32)
    for start, stop in ((0, 5), (14, 20), (30, 40), (50, 61), (75, 80), (89, 95)):
        scores[start:stop, 0] = 0.31
    scores[:, 1] = 0.3
    expected = np.zeros_like(scores)
    expected[0:20, 0] = expected[50:61, 0] = expected[75:95, 0] = 1
    decoder = Decoder.xu2018icassp()
    np.testing.assert_array_equal(decoder.activity(scores), expected)
    clock = PRESETS["xu2018icassp-logmel"].clock()
    events = decoder.decode(scores, LABELS, clock)
    np.testing.assert_allclose([(event.onset, event.offset) for event in events],
                               0.0415 * np.array([(0, 20), (50, 61), (75, 95)]), rtol=1e-12)


def test_an_event_scores_the_mean_of_its_frames_and_events_come_by_onset():
    scores = np.array([[0, 0.6], [0.75, 0.6], [1, 0.2], [0, 0.2]])
    events = Decoder().decode(scores, ("dog", "car"), Clock(500, 1000))
    assert events == [Event(0, 1, "car", 0.6), Event(0.5, 1.5, "dog", 0.875)]


@settings(max_examples=50)
@given(scores_of)
def test_decoding_leaves_the_scores_as_they_are(scores):
    before = scores.copy()
    Decoder(0.5, 3, 2, 2).decode(scores, LABELS, Clock(1, 10))
    np.testing.assert_array_equal(scores, before)


# -- errors ------------------------------------------------------------------------------------


@pytest.mark.parametrize("onset, offset", [(1, 1), (2, 1), (-1, 1), (float("nan"), 1),
                                           (0, float("nan")), (0, float("inf"))])
def test_events_have_an_onset_before_their_offset(onset, offset):
    with pytest.raises(ValueError, match=f"onset={onset!r}, offset={offset!r}"):
        Event(onset, offset, "dog")


def test_duration_is_the_time_between():
    assert Event(1.5, 4, "dog").duration_s == 2.5


def test_an_unknown_label_is_named():
    with pytest.raises(ValueError, match="'cat' is not among the classes"):
        encode([Event(0, 1, "cat")], LABELS, Clock(1, 10), 10)


@pytest.mark.parametrize("arguments, message", [
    ({"median_frames": 4}, "median_frames=4"), ({"median_frames": (3, 0)}, r"median_frames=\(3, 0"),
    ({"thresholds": 1.5}, "thresholds=1.5"), ({"thresholds": (0.5, float("nan"))}, "nan"),
    ({"max_gap_frames": -1}, "max_gap_frames=-1"), ({"min_frames": 0}, "min_frames=0")])
def test_a_decoder_names_the_bad_argument(arguments, message):
    with pytest.raises(ValueError, match=message):
        Decoder(**arguments)


@pytest.mark.parametrize("arguments, message", [
    ({"thresholds": (0.5, 0.5)}, "`thresholds` must be one number or one for each of 3"),
    ({"median_frames": (3, 3, 3, 3)}, "`median_frames` must be one number or one for each of 3")])
def test_per_class_arguments_must_fit_the_classes(arguments, message):
    with pytest.raises(ValueError, match=message):
        Decoder(**arguments).decode(np.zeros((5, 3)), LABELS, Clock(1, 10))


@pytest.mark.parametrize("shape", [(5,), (5, 2), (1, 5, 3)])
def test_scores_must_have_a_column_a_class(shape):
    with pytest.raises(ValueError, match=r"shape \(frames, 3\)"):
        Decoder().decode(np.zeros(shape), LABELS, Clock(1, 10))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_scores_must_be_finite(bad):
    scores = np.zeros((5, 3))
    scores[2, 1] = bad
    with pytest.raises(ValueError, match="finite"):
        Decoder().decode(scores, LABELS, Clock(1, 10))


@pytest.mark.parametrize("num_frames", [0, 1, 2, 3, 4, 7, 20])
@pytest.mark.parametrize("length", [1, 3, 17, 31, 401])
def test_the_median_is_the_majority_of_the_mirrored_clip_however_short_it_is(num_frames, length):
    scores = np.random.default_rng(num_frames).random((num_frames, 1))
    active = scores[:, 0] > 0.5
    mirrored = np.tile(np.concatenate([active, active[::-1]]), 500) if num_frames else active
    start = 2 * num_frames * 250
    expected = [2 * mirrored[start + t - length // 2:start + t + length // 2 + 1].sum() > length
                for t in range(num_frames)]
    assert Decoder(0.5, length).activity(scores)[:, 0].tolist() == expected
