"""What a system left behind is told apart, and its names find the clips they mean."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sedzoo.events import Event
from sedzoo.frame_scores import FrameScores
from sedzoo.frontend import Clock
from sedzoo.labels import write_events
from sedzoo.outputs import match_names, read_durations, read_output, read_points
from sedzoo.score_files import write_scores

FOUND = {"a.wav": [Event(0.0, 1.0, "Dog")]}


def tables(tmp_path, *names):
    for name in names:
        write_events(tmp_path / name, FOUND)
    return tmp_path


def test_the_number_in_a_tables_name_is_its_threshold(tmp_path):
    tables(tmp_path, "run2_0.9.tsv", "run2_0.50.csv", "v1.2_.05.json", "run2_1.0.tsv")
    assert read_points(tmp_path) == [(t, FOUND) for t in (0.05, 0.5, 0.9, 1.0)]


@pytest.mark.parametrize("name", ["found.tsv", "run_2019.tsv", "v2.5.csv", "1.2.3.tsv", "1.tsv"])
def test_a_name_without_one_has_no_threshold(tmp_path, name):
    assert read_points(tables(tmp_path, name) / name) == [(None, FOUND)]


def test_tables_without_thresholds_are_points_too(tmp_path):
    tables(tmp_path, "b.tsv", "a.csv")
    assert read_points(tmp_path) == [(None, FOUND)] * 2
    assert read_points([tmp_path / "b.tsv", tmp_path / "a.csv"]) == [(None, FOUND)] * 2


def test_a_truth_among_tables_with_thresholds_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"truth\.csv: its name must hold a threshold.* 2 other"):
        read_points(tables(tmp_path, "x_0.1.csv", "x_0.2.csv", "truth.csv"))


def test_two_tables_at_one_threshold_are_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"threshold of its own.*x_0\.5\.tsv, .*y_0\.50\.tsv"):
        read_points(tables(tmp_path, "x_0.5.tsv", "y_0.50.tsv", "y_0.6.tsv"))


def test_each_kind_of_output_is_told_apart(tmp_path):
    tables(tmp_path, "found.csv")
    assert read_output([tmp_path / "found.csv"]) == [(None, FOUND)]
    (tmp_path / "points").mkdir()
    columns = "onset\toffset\tevent_label\tfilename\n0\t1\tDog\ta.wav\n"
    (tmp_path / "points" / "x_0.5.tsv").write_text(columns)
    assert read_output([tmp_path / "points"]) == [(0.5, FOUND)]
    scores = FrameScores(("Dog",), {"a.wav": np.ones((2, 1))}, Clock(1, 2))
    for format in ("tsv", "npz"):
        write_scores(tmp_path / format, scores, format)
        (back,) = read_output([tmp_path / format]).values.items()
        assert back[0] == "a.wav" and (back[1] == 1).all()


def test_real_operating_points_are_read(shared_data):
    files = sorted((shared_data / "psds_dcase2019_baseline").glob("baseline_*.csv"))
    points = read_points(files)
    assert [threshold for threshold, _ in points] == [i / 10 for i in range(1, 11)]
    counts = [sum(map(len, point.values())) for _, point in points]
    assert counts == [3829, 3362, 3138, 3010, 2904, 2767, 2635, 2567, 2384, 0]
    with pytest.raises(ValueError, match=r"dcase2019t4_gt\.csv: its name must hold a threshold"):
        read_points(files[0].parent)


def test_real_durations_with_repeated_rows_are_read(shared_data):
    durations = read_durations(shared_data / "psds_dcase2019_baseline" / "dcase2019t4_meta.csv")
    assert len(durations) == 1168 and set(durations.values()) == {10.0}


@pytest.mark.parametrize(("rows", "reason"), [
    ("", "line 1: the header lacks filename, duration"),
    ("filename\tduration\n", "no durations"),
    ("filename\tduration\na.wav\n", r"line 2: must have a file name.*'a\.wav', ''"),
    ("filename\tduration\na.wav\tlong\n", "line 2: must have"),
    ("filename\tduration\na.wav\t0\n", "line 2: must have"),
    ("filename\tduration\na.wav\t-1\n", "line 2: must have"),
    ("filename\tduration\na.wav\tnan\n", "line 2: must have"),
    ("filename\tduration\na.wav\tinf\n", "line 2: must have"),
    ("filename\tduration\n\t10\n", "line 2: must have"),
    ("filename\tduration\na.wav\t10\nb.wav\t9\na.wav\t9.5\n",
     r"line 4: 'a\.wav' lasts 9\.5 s here and 10 s above"),
])
def test_bad_durations_are_named_with_their_line(tmp_path, rows, reason):
    (tmp_path / "meta.tsv").write_text(rows)
    with pytest.raises(ValueError, match=rf"meta\.tsv.*{reason}"):
        read_durations(tmp_path / "meta.tsv")


@pytest.mark.parametrize(("name", "clips", "clip"), [
    ("a.wav", ["a.wav", "a.flac", "x/a.wav"], "a.wav"),
    ("a", ["a.wav"], "a.wav"),
    ("a.wav", ["a"], "a"),
    ("some/where/a.FLAC", ["a.wav"], "a.wav"),
    ("where\\a.wav", ["audio/a.wav"], "audio/a.wav"),
    ("Y1_30.000_40.000", ["Y1_30.000_40.000.wav"], "Y1_30.000_40.000.wav"),
    ("Y1_30.000", ["Y1_30.000_40.000.wav"], None),
    ("a.txt", ["a.wav"], None),
    ("A.wav", ["a.wav"], None),
])
def test_a_name_means_its_clip(name, clips, clip):
    assert match_names([name], clips) == {name: clip}


def test_an_ambiguous_name_is_an_error():
    with pytest.raises(ValueError, match=r"'a' could mean 'a\.wav' or 'a\.flac'"):
        match_names(["a"], ["a.wav", "b.wav", "a.flac"])
    with pytest.raises(ValueError, match=r"'a' and 'a\.wav' both mean 'a\.wav'"):
        match_names(["a", "a.wav"], ["a.wav"])


@given(st.lists(st.sampled_from(["a", "a.wav", "b.wav", "x/a.wav", "b", "c"]), unique=True))
def test_clips_mean_themselves(clips):
    assert match_names(clips, clips) == {clip: clip for clip in clips}
