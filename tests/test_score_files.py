"""Frame scores come back from files to the last bit, and what is wrong with a file is said."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sedzoo.frame_scores import FrameScores
from sedzoo.frontend import Clock
from sedzoo.score_files import FORMATS, read_scores, write_scores

TABLE = "onset\toffset\tDog\tRain\n0.0\t0.5\t0.25\t1\n0.5\t1.25\t0\t0.5\n"


def folder(tmp_path, **tables):
    for name, text in tables.items():
        (tmp_path / f"{name}.tsv").write_text(text, encoding="utf-8")
    return tmp_path


def save(path, scores=((0.1, 0.2), (0.3, 0.4)), edges=(0.0, 1.0, 2.0), labels=("Dog", "Rain")):
    np.savez(path, scores=np.array(scores), edges=np.array(edges), labels=np.array(labels))


def test_a_table_is_edges_and_scores(tmp_path):
    scores = read_scores(folder(tmp_path, **{"a.wav": TABLE}))
    assert scores.labels == ("Dog", "Rain") and scores.clips == ("a.wav",)
    np.testing.assert_array_equal(scores["a.wav"], [[0.25, 1], [0, 0.5]])
    np.testing.assert_array_equal(scores.edges("a.wav"), [0, 0.5, 1.25])


def test_columns_are_found_by_name(tmp_path):
    swapped = "onset\toffset\tRain\tDog\n0\t1\t0.1\t0.9\n"
    scores = read_scores(folder(tmp_path, a=TABLE, b=swapped))
    np.testing.assert_array_equal(scores["b"], [[0.9, 0.1]])
    (tmp_path / "archives").mkdir()
    save(tmp_path / "archives" / "a.npz")
    save(tmp_path / "archives" / "b.npz", labels=("Rain", "Dog"))
    archives = read_scores(tmp_path / "archives")
    np.testing.assert_array_equal(archives["b"], archives["a"][:, ::-1])


def test_blank_lines_windows_endings_quotes_and_a_byte_order_mark_are_read(tmp_path):
    text = '\ufeffonset\toffset\t"Say ""hi"""\r\n\r\n0\t1\t0.5\r\n\r\n1\t2\t1e-3\r\n'
    (tmp_path / "a.tsv").write_bytes(text.encode())
    (tmp_path / ".DS_Store").write_text("of no concern")
    scores = read_scores(tmp_path)
    assert scores.labels == ('Say "hi"',)
    np.testing.assert_array_equal(scores["a"], [[0.5], [0.001]])


def test_archives_are_read_when_they_are_asked_for(tmp_path):
    save(tmp_path / "a.npz")
    save(tmp_path / "b.npz", scores=[[0.5, 0.5]], edges=[0, 1])
    scores = read_scores(tmp_path)
    (tmp_path / "b.npz").write_bytes(b"gone bad")
    assert scores["a"].shape == (2, 2) and "a" in scores.values
    with pytest.raises(ValueError, match=r"b\.npz: must be an \.npz"):
        scores["b"]


@st.composite
def frame_scores(draw):
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    labels = draw(st.lists(st.text(st.characters(blacklist_categories=["Cs"],
                                                 blacklist_characters="\0\r\n"), min_size=1),
                           min_size=1, max_size=3, unique=True))
    values, times = {}, {}
    for clip in draw(st.sampled_from([("a.wav",), ("b 1.5", "in/deep/ö.flac"), ("a", "a.wav")])):
        num_frames = draw(st.integers(1, 4))
        shape = num_frames, len(labels)
        width = {np.float32: 32, np.float64: 64}[dtype]
        values[clip] = np.array(draw(st.lists(st.lists(
            st.floats(0, 1, width=width), min_size=shape[1], max_size=shape[1]),
            min_size=shape[0], max_size=shape[0])), dtype).reshape(shape)
        times[clip] = np.sort(draw(st.lists(st.floats(0, 1e5), min_size=num_frames + 1,
                                            max_size=num_frames + 1, unique=True)))
    return FrameScores(labels, values, times)


@given(scores=frame_scores(), format=st.sampled_from(FORMATS))
def test_what_is_written_is_read_back_to_the_last_bit(tmp_path_factory, scores, format):
    where = tmp_path_factory.mktemp("scores")
    write_scores(where, scores, format)
    back = read_scores(where)
    assert back.labels == scores.labels and sorted(back.clips) == sorted(scores.clips)
    for clip in scores.clips:
        np.testing.assert_array_equal(back[clip], scores[clip])
        np.testing.assert_array_equal(back.edges(clip), scores.edges(clip))
        assert format == "tsv" or back[clip].dtype == scores[clip].dtype


def test_scores_on_a_clock_are_written_with_its_edges(tmp_path):
    clock = Clock(664, 16000)
    write_scores(tmp_path, FrameScores(("Dog",), {"a": np.zeros((3, 1))}, clock))
    np.testing.assert_array_equal(read_scores(tmp_path).edges("a"), clock.seconds(np.arange(4)))


@pytest.mark.parametrize(("text", "reason"), [
    ("", r"line 1: must begin with onset and offset"),
    ("0\t1\t0.5\n", r"line 1: must begin with onset and offset"),
    ("onset\toffset\n0\t1\n", r"line 1: the columns after offset must be one or more"),
    ("onset\toffset\tDog\tDog\n0\t1\t0\t0\n", r"all different. Received: \['Dog'\]"),
    ("onset\toffset\tDog\t\n0\t1\t0\t0\n", r"with a name each"),
    ("onset\toffset\tDog\n", "has no frames"),
    ("onset\toffset\tDog\n0\t1\t0.5\n\n1\t2\tloud\n", "line 4: could not convert.*'loud'"),
    ("onset\toffset\tDog\n0\t1\t0.5\n1\t2\n", "line 3: has 2 fields, its header has 3"),
    ("onset\toffset\tDog\n0\t1\n1\t2\n", "line 2: has 2 fields, its header has 3"),
    ("onset\toffset\tDog\n0\t1\t\n", "line 2: could not convert"),
    ("onset\toffset\tDog\n0\t1\tnan\n", "line 2: must be finite"),
    ("onset\toffset\tDog\n0\tinf\t0\n", "line 2: must be finite"),
    ("onset\toffset\tDog\n-1\t1\t0\n", "line 2: the onset must be >= 0"),
    ("onset\toffset\tDog\n\n0\t1\t0\n1\t1\t0\n", "line 4: a frame must end after it begins"),
    ("onset\toffset\tDog\n0\t1\t0\n1.5\t2\t0\n", "line 3: a frame must begin where"),
    ("onset\toffset\tDog\n1\t2\t0\n0\t1\t0\n", "line 3: a frame must begin where"),
    ("onset\toffset\tDog\n0\t1\t1.5\n", r"line 2: scores must lie in \[0, 1\]"),
    ("onset\toffset\tDog\n0\t1\t-0.1\n", r"line 2: scores must lie in \[0, 1\]"),
])
def test_a_bad_table_is_named_with_its_line(tmp_path, text, reason):
    with pytest.raises(ValueError, match=rf"bad\.tsv.*{reason}"):
        read_scores(folder(tmp_path, bad=text))


@pytest.mark.parametrize(("arrays", "reason"), [
    ({"scores": [[0.1, np.nan], [0, 0]]}, "frame 0: must be finite"),
    ({"scores": [[0.1, 0.1], [0, 2]]}, r"frame 1: scores must lie"),
    ({"scores": [[0.1, 0.1]]}, r"numbers \(2 frames, 2 classes\)"),
    ({"scores": [[0.1], [0.1]]}, r"numbers \(2 frames, 2 classes\)"),
    ({"scores": [0.1, 0.1]}, r"numbers \(2 frames, 2 classes\)"),
    ({"scores": [["a", "b"], ["a", "b"]]}, r"numbers \(2 frames, 2 classes\)"),
    ({"edges": [0.0, 0.0, 1.0]}, "frame 0: a frame must end"),
    ({"edges": [0.0]}, "`edges` must be"),
    ({"edges": [0.0, np.nan, 1.0]}, "frame 0: must be finite"),
    ({"labels": ["Dog", "Dog"]}, "all different"),
    ({"labels": [1, 2]}, "`labels` must be"),
    ({"labels": np.array(["Dog", None], object)}, "must be an .npz"),
])
def test_a_bad_archive_is_named(tmp_path, arrays, reason):
    save(tmp_path / "bad.npz", **arrays)
    with pytest.raises(ValueError, match=rf"bad\.npz.*{reason}"):
        read_scores(tmp_path)["bad"]


def test_an_archive_that_lacks_an_array_says_which(tmp_path):
    np.savez(tmp_path / "bad.npz", scores=np.zeros((1, 1)), labels=np.array(["Dog"]))
    with pytest.raises(ValueError, match=r"bad\.npz.*lacks edges"):
        read_scores(tmp_path)


def test_a_file_with_other_classes_is_named_with_the_difference(tmp_path):
    other = "onset\toffset\tDog\tRian\n0\t1\t0\t0\n"
    with pytest.raises(ValueError, match=r"b\.tsv: its classes must be those of .*a\.tsv; it lacks "
                                         r"\['Rain'\] and has beyond them \['Rian'\].*'Rain'"):
        read_scores(folder(tmp_path, a=TABLE, b=other))


def test_a_folder_of_other_things_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no folder"):
        read_scores(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="holds no files"):
        read_scores(tmp_path)
    save(folder(tmp_path, a=TABLE) / "a.npz")
    with pytest.raises(ValueError, match="one kind"):
        read_scores(tmp_path)
    (tmp_path / "readme.md").write_text("hello")
    with pytest.raises(ValueError, match=r"readme\.md: must not lie here"):
        read_scores(tmp_path)


@pytest.mark.parametrize("clip", ["", "/", "//", "/etc/a", "../a", "a/../b", "./a", "a//b", "a/",
                                  ".hidden"])
def test_a_clip_name_that_no_file_can_have_is_refused(tmp_path, clip):
    with pytest.raises(ValueError, match="clip name"):
        write_scores(tmp_path / "in", FrameScores(("Dog",), {clip: np.zeros((1, 1))}, Clock(1, 1)))
    assert not list(tmp_path.iterdir())


def test_scores_that_would_not_be_read_are_not_written(tmp_path):
    with pytest.raises(ValueError, match=r"'a', frame 0: scores must lie"):
        write_scores(tmp_path, FrameScores(("Dog",), {"a": np.full((1, 1), 2.0)}, Clock(1, 1)))
    with pytest.raises(ValueError, match="with a name each"):
        write_scores(tmp_path, FrameScores(("Dog", ""), {"a": np.zeros((1, 2))}, Clock(1, 1)))
    with pytest.raises(ValueError, match="`format`"):
        write_scores(tmp_path, FrameScores(("Dog",), {}, Clock(1, 1)), "csv")
    assert not list(tmp_path.iterdir())
