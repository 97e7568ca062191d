"""What a Manifest answers for, whatever the data set."""

import numpy as np
import pytest

from sedzoo.datasets import Clip, Manifest
from sedzoo.events import Event
from sedzoo.frontend import Clock

CLIPS = (Clip("a", "a.wav", ("x", "y"), (Event(0.0, 1.0, "y"),), 1), Clip("b", "b.wav", ("x",)),
         Clip("c", "c.wav"), Clip("d", "d.wav", (), ()))


def test_tags_are_unknown_only_for_unlabelled_clips():
    tags = Manifest("m", ("x", "y"), CLIPS).tags()
    np.testing.assert_array_equal(tags, [[1, 1], [1, 0], [np.nan, np.nan], [0, 0]])


def test_frame_targets_are_unknown_only_for_clips_without_marked_times():
    targets = Manifest("m", ("x", "y"), CLIPS).frame_targets(Clock(8000, 16000), 4)
    assert np.isnan(targets[1:3]).all()
    assert targets[0].tolist() == [[0, 1], [0, 1], [0, 0], [0, 0]] and not targets[3].any()


def test_class_counts_leave_unlabelled_clips_out():
    assert Manifest("m", ("x", "y"), CLIPS).class_counts().tolist() == [2, 1]


@pytest.mark.parametrize("change, message", [
    ({"labels": ("x", "y", "x")}, "`labels` must differ"),
    ({"mids": ("/m/1",)}, "`mids` must be one per label"),
    ({"sustained": ("z",)}, "`sustained` must hold labels of 'm'. Received: ..z"),
    ({"labels": ("x",)}, "Clip 'a' has labels that 'm' does not know: ..y"),
])
def test_a_manifest_that_contradicts_itself_is_an_error(change, message):
    with pytest.raises(ValueError, match=message):
        Manifest(**{"name": "m", "labels": ("x", "y"), "clips": CLIPS, **change})


def test_nothing_left_is_an_error_that_names_a_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="'m'.*4 missing, such as a.wav"):
        Manifest("m", ("x", "y"), CLIPS).present(tmp_path / "missing_files.tsv")
    assert len((tmp_path / "missing_files.tsv").read_text().splitlines()) == 5
