import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sedzoo.evaluation.detections import Timeline, num_changes
from sedzoo.events import runs
from sedzoo.frame_scores import FrameScores
from sedzoo.frontend import Clock

CLOCK = Clock(hop_samples=1, sample_rate=4)

# Few distinct values make plateaus and ties, many make none.
clips = st.lists(st.lists(st.one_of(st.integers(0, 4).map(lambda n: n / 4), st.floats(0, 1)),
                          min_size=1, max_size=17), min_size=1, max_size=5)


def laid_out(clips):
    scores = FrameScores(("a",), {str(n): np.array(clip, np.float64)[:, None]
                                  for n, clip in enumerate(clips)}, CLOCK)
    timeline = Timeline(scores)
    return timeline, timeline.laid(scores.stacked()[:, 0])


@given(clips)
def test_the_detections_alive_at_a_threshold_are_the_runs_above_it(clips):
    timeline, laid = laid_out(clips)
    found = timeline.detections(laid)
    for threshold in {-1.0, *(score for clip in clips for score in clip)}:
        alive = (found.low <= threshold) & (threshold < found.high)
        got = sorted(zip(found.clip[alive], found.onset[alive], found.offset[alive], strict=True))
        assert got == sorted((n, float(CLOCK.seconds(start)), float(CLOCK.seconds(stop)))
                             for n, clip in enumerate(clips)
                             for start, stop in runs(np.array(clip) > threshold))


@given(clips)
def test_there_are_at_most_as_many_as_frames_and_each_once(clips):
    timeline, laid = laid_out(clips)
    found = timeline.detections(laid)
    assert len(found) <= sum(map(len, clips))
    assert len({*zip(found.clip, found.onset, found.offset, strict=True)}) == len(found)
    assert (found.low < found.high).all()
    assert (np.diff(found.clip) >= 0).all()


@given(clips)
def test_changes_add_up_to_the_number_of_runs(clips):
    _, laid = laid_out(clips)
    change = num_changes(laid)
    for threshold in {-1.0, *(score for clip in clips for score in clip)}:
        assert change[laid > threshold].sum() == sum(len(runs(np.array(clip) > threshold))
                                                     for clip in clips)


@given(clips, st.integers(0, 4))
def test_clips_that_do_not_matter_are_left_out(clips, which):
    timeline, laid = laid_out(clips)
    mask = np.arange(len(clips)) == which
    found, everything = timeline.detections(laid, mask), timeline.detections(laid)
    assert (found.clip == which).all()
    assert len(found) == (everything.clip == which).sum()


def test_no_clips_give_no_detections():
    timeline = Timeline(FrameScores(("a",), {}, CLOCK))
    assert len(timeline.detections(timeline.laid(np.zeros(0)))) == 0


def test_edges_need_not_be_even():
    scores = FrameScores(("a",), {"x": np.array([[0.2], [0.9], [0.8]])},
                         {"x": [0.0, 1.0, 1.5, 4.0]})
    timeline = Timeline(scores)
    found = timeline.detections(timeline.laid(scores.stacked()[:, 0]))
    assert sorted(zip(found.onset, found.offset, found.low, found.high, strict=True)) == [
        (0.0, 4.0, -np.inf, 0.2), (1.0, 1.5, 0.8, 0.9), (1.0, 4.0, 0.2, 0.8)]
