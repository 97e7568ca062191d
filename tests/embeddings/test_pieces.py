import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sedzoo.embeddings.pieces import Pieces, mean_of

LENGTHS = st.integers(1, 5)


@st.composite
def cases(draw, length=LENGTHS):
    """Pieces of a few clips, of vectors or of frames, in a memory where other clips lie between."""
    counts = draw(st.lists(st.integers(1, 9), min_size=1, max_size=5))
    gaps = draw(st.lists(st.integers(0, 3), min_size=len(counts), max_size=len(counts)))
    frames = draw(st.sampled_from([(), (2,)]))
    starts = np.cumsum(counts) - counts + np.cumsum(gaps)
    order = draw(st.permutations(range(len(counts))))           # as select() may have left them
    values = np.random.default_rng(0).normal(size=(starts[-1] + counts[-1] + 2, *frames, 3))
    return Pieces(values.astype(np.float32), starts[order], np.array(counts)[order],
                  draw(length))


def naive(pieces):
    """(clip, its segments) of every piece, in loops."""
    made = []
    for clip, (start, count) in enumerate(zip(pieces.starts, pieces.counts, strict=True)):
        segments = [pieces.values[start + i] for i in range(count)]
        length = pieces.length or count
        for first in range(0, count, length):
            part = segments[first:first + length]
            filled = []
            while len(filled) < length:
                filled += part
            made.append((clip, np.stack(filled[:length])))
    return made


def joined(segments):
    """(L, t, F) or (L, D) as the frames that a model hears."""
    return segments.reshape(-1, segments.shape[-1])


@given(cases())
def test_long_clips_are_cut_and_what_is_short_is_repeated(pieces):
    expected = naive(pieces)
    assert len(pieces) == len(expected)
    assert pieces.owner.tolist() == [clip for clip, _ in expected]
    found = pieces[np.arange(len(pieces))]
    assert found.shape == pieces.shape and found.dtype == np.float32
    np.testing.assert_array_equal(found, [joined(segments) for _, segments in expected])
    assert pieces.frame_mask(np.arange(len(pieces))) is None
    assert pieces.one_each == (pieces.counts <= pieces.length).all()


@given(cases(st.none()), st.data())
def test_whole_clips_are_padded_to_the_longest_of_a_batch(pieces, data):
    clips = np.array(data.draw(st.lists(st.integers(0, len(pieces) - 1), min_size=1)))
    assert pieces.one_each and pieces.shape == (len(pieces.counts), None, 3)
    expected = [joined(naive(pieces)[clip][1]) for clip in clips]
    found, mask = pieces[clips], pieces.frame_mask(clips)
    assert found.shape[:2] == mask.shape == (len(clips), max(map(len, expected)))
    for i, own in enumerate(expected):
        np.testing.assert_array_equal(found[i, :len(own)], own)
        assert (found[i, len(own):] == 0).all()
        assert mask[i].tolist() == [True] * len(own) + [False] * (found.shape[1] - len(own))


@given(cases(), st.data())
def test_the_pieces_of_clips_come_clip_after_clip_as_often_as_asked(pieces, data):
    clips = data.draw(st.lists(st.integers(0, len(pieces.counts) - 1), min_size=1))
    expected = [i for clip in clips for i in range(len(pieces)) if pieces.owner[i] == clip]
    assert pieces.of_clips(np.array(clips)).tolist() == expected


@given(cases(), st.sampled_from(["arithmetic", "geometric"]))
def test_what_is_said_of_a_clip_is_the_mean_over_its_pieces(pieces, mean):
    scores = np.random.default_rng(1).random((len(pieces), 4)).astype(np.float32)
    found = pieces.over_clips(scores, mean)
    assert found.shape == (len(pieces.counts), 4) and found.dtype == np.float32
    for clip, own in enumerate(found):
        said = scores[pieces.owner == clip].astype(np.float64)
        expected = (said.mean(axis=0) if mean == "arithmetic"
                    else said.prod(axis=0) ** (1 / len(said)))
        np.testing.assert_allclose(own, expected, rtol=1e-5)


def test_codes_of_eight_bits_stay_codes_and_are_padded_with_the_code_of_zero():
    pieces = Pieces(np.arange(12, dtype=np.uint8).reshape(6, 2), np.array([0, 1]),
                    np.array([1, 5]), None, pad=128)
    found = pieces[np.array([0, 1])]
    assert found.dtype == np.uint8
    assert found[0].tolist() == [[0, 1]] + [[128, 128]] * 4


def test_a_piece_reads_only_what_it_needs():
    class Counting:
        """Segments that remember which of them were asked for."""

        shape, ndim, seen = (1_000_000, 2), 2, set()

        def __getitem__(self, rows):
            self.seen |= set(rows.ravel().tolist())
            return np.zeros((*rows.shape, 2))

    values = Counting()
    pieces = Pieces(values, np.array([0, 500_000]), np.array([4, 7]), 3)
    assert pieces[np.array([3])].shape == (1, 3, 2)
    assert values.seen == {500_003, 500_004, 500_005}


def test_no_rows_are_an_empty_batch():
    for length, frames in ((2, 2), (None, 1)):
        pieces = Pieces(np.zeros((3, 5)), np.array([0]), np.array([3]), length)
        assert pieces[np.array([], np.int64)].shape == (0, frames, 5)


def test_no_zero_is_a_veto_over_a_geometric_mean():
    scores = np.array([[0.0, 0.5], [1.0, 0.5]])
    found = mean_of(lambda x: x.mean(axis=0), scores, "geometric")
    np.testing.assert_allclose(found, [np.sqrt(1e-7), 0.5], rtol=1e-6)


def test_names_the_bad_argument():
    values, starts = np.zeros((3, 2)), np.array([0])
    for length in (0, -1, 2.0):
        with pytest.raises(ValueError, match=f"`length` must be an int > 0, or None.*{length}"):
            Pieces(values, starts, np.array([3]), length)
    with pytest.raises(ValueError, match="`counts` must be 1 or more"):
        Pieces(values, starts, np.array([0]), 2)
    pieces = Pieces(values, starts, np.array([3]), 2)
    with pytest.raises(ValueError, match=r"one row per piece \(2\). Received: 3"):
        pieces.over_clips(np.zeros((3, 4)))
    for length in (2, 3):               # several pieces a clip, and one
        with pytest.raises(ValueError, match="`mean` must be one of .*'harmonic'"):
            Pieces(values, starts, np.array([3]), length).over_clips(
                np.zeros((4 - length, 4)), "harmonic")
