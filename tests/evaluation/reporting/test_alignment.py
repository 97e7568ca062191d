"""A truth and an output meet on the same clips and classes, and nothing is dropped unsaid."""

import numpy as np
import pytest

from sedzoo.evaluation.reporting.alignment import align
from sedzoo.events import Event
from sedzoo.frame_scores import FrameScores
from sedzoo.frontend import Clock

DOG, CAT = Event(0.0, 1.0, "Dog"), Event(1.0, 3.5, "Cat")
TRUTH = {"a.wav": [DOG], "b.wav": [CAT], "c.wav": []}


def scores(*clips, labels=("Dog", "Cat"), clock=True):
    values = {clip: np.full((3, len(labels)), [0.1 * (k + 1) for k in range(len(labels))])
              for clip in clips}
    times = Clock(1, 1) if clock else {clip: np.array([0.0, 0.5, 1.0, 3.0]) for clip in clips}
    return FrameScores(labels, values, times)


def said(aligned):
    return [(note.count, note.example) for note in aligned.notes]


def test_scores_get_the_truths_names_in_its_order():
    aligned = align(TRUTH, scores("c", "a", "dir/b.flac"))
    assert aligned.scores.clips == ("a.wav", "b.wav", "c.wav")
    assert aligned.reference == TRUTH and aligned.labels == ("Dog", "Cat") and not aligned.notes
    np.testing.assert_array_equal(aligned.scores["b.wav"], scores("x")["x"])


def test_without_durations_a_clip_ends_with_its_last_frame_or_a_later_event():
    assert align(TRUTH, scores("a", "b", "c")).durations == {"a.wav": 3, "b.wav": 3.5, "c.wav": 3}
    assert align(TRUTH, [(None, {"a": [DOG]})]).durations is None


@pytest.mark.parametrize("clock", [True, False])
def test_a_clip_without_scores_is_silent_for_its_duration(clock):
    durations = {"a": 3, "b": 4, "c": 2}
    aligned = align(TRUTH, scores("a", "c", clock=clock), durations)
    assert said(aligned) == [(1, "b.wav")] and "nothing was detected" in aligned.notes[0].what
    assert not aligned.scores["b.wav"].any()
    assert aligned.scores.edges("b.wav")[[0, -1]].tolist() == [0, 4]
    assert aligned.scores["a.wav"].any() and len(aligned.scores.bounds) == 4
    with pytest.raises(ValueError, match=r"1 clips of the truth have no scores, such as 'b\.wav'"):
        align(TRUTH, scores("a", "c", clock=clock))


def test_clips_of_durations_alone_are_scored_as_clips_without_events():
    durations = dict.fromkeys(["a", "b", "c", "d.wav"], 10.0)
    aligned = align(TRUTH, [(0.5, {"d": [DOG], "e": [CAT]})], durations)
    assert aligned.reference == {**TRUTH, "d.wav": []}
    assert aligned.points == [(0.5, {"d.wav": [DOG]})]
    assert said(aligned) == [(1, "d.wav"), (1, "e"), (3, "a.wav")]
    assert aligned.durations["a.wav"] == 10


def test_a_clip_without_duration_is_an_error():
    with pytest.raises(ValueError, match=r"lacks 2 clips of the truth, such as 'b\.wav'"):
        align(TRUTH, [(None, {})], {"a": 10.0})


def test_an_output_of_other_clips_is_an_error():
    with pytest.raises(ValueError, match=r"No clip.*it has 'x', the truth 'a\.wav'"):
        align(TRUTH, scores("x", "y"))
    with pytest.raises(ValueError, match="could mean"):
        align({"a.wav": [], "a.flac": []}, scores("a"))


def test_a_system_that_detects_nothing_is_no_error():
    aligned = align(TRUTH, [(0.9, {})])
    assert aligned.labels == ("Cat", "Dog") and said(aligned) == [(3, "a.wav")]


def test_a_class_that_the_scores_lack_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match="lack 1 classes.*'Cat'.*Did you mean 'cat'"):
        align(TRUTH, scores("a", "b", "c", labels=("Dog", "cat")))


def test_classes_of_detections_are_all_that_occur():
    bird = Event(0, 1, "Bird")
    assert align(TRUTH, [(0.5, {"a": [bird]}), (0.6, {})]).labels == ("Bird", "Cat", "Dog")


def test_of_given_classes_alone_events_and_columns_are_kept():
    aligned = align(TRUTH, scores("a", "b", "c", labels=("Dog", "Bird", "Cat")), labels=("Cat",))
    assert aligned.labels == aligned.scores.labels == ("Cat",)
    assert aligned.reference == {"a.wav": [], "b.wav": [CAT], "c.wav": []}
    np.testing.assert_allclose(aligned.scores["a.wav"], np.full((3, 1), 0.3))
    assert said(aligned) == [(1, "Dog")]
    aligned = align(TRUTH, [(0.5, {"a": [DOG, CAT]})], labels=("Cat",))
    assert aligned.points == [(0.5, {"a.wav": [CAT]})]
    assert said(aligned) == [(2, "b.wav"), (1, "Dog"), (1, "Dog")]


def test_scores_are_read_only_when_they_are_asked_for():
    class Lazy(dict):
        reads = 0

        def __getitem__(self, clip):
            Lazy.reads += 1
            return super().__getitem__(clip)

    lazy = FrameScores(("Dog", "Cat"), Lazy(scores("a", "b", "c").values), Clock(1, 1))
    aligned = align(TRUTH, lazy, dict.fromkeys("abc", 4.0))
    assert Lazy.reads == 0
    aligned.scores["a.wav"]
    assert Lazy.reads == 1
