import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from sedzoo.embeddings.pieces import Pieces
from sedzoo.mixing import Mixed, with_mixtures

M, T, F, K = 40, 3, 2, 4
VALUES = np.random.default_rng(0).normal(size=(M, T, F)).astype(np.float32)
TAGS = np.eye(K, dtype=np.float32)[np.arange(M) % K]


def assert_rows_are_the_formula(mixed, values, rows):
    """Every row of a batch by the equation, in float64."""
    found = mixed[np.array(rows)]
    assert found.dtype == np.float32
    for x, row in zip(found, rows, strict=True):
        if row < len(values):
            np.testing.assert_array_equal(x, values[row])
        else:
            q = row - len(values)
            share = np.float64(mixed.share[q])
            np.testing.assert_allclose(
                x, share * values[mixed.first[q]] + (1 - share) * values[mixed.second[q]],
                rtol=1e-4, atol=1e-5)


@given(st.lists(st.integers(0, 2 * M - 1), min_size=1, max_size=8))
def test_behind_the_rows_stand_mixtures_of_two_of_them(rows):
    mixed, _ = with_mixtures(VALUES, TAGS, alpha=1.0)
    assert len(mixed) == 2 * M and mixed.shape == (2 * M, T, F)
    assert_rows_are_the_formula(mixed, VALUES, rows)


@pytest.mark.parametrize("rows", [range(3), range(4, 9), (0, 4, 3, 8)])
def test_pieces_of_eight_bits_are_mixed_as_numbers(rows):
    codes = np.random.default_rng(1).integers(0, 256, (9, F)).astype(np.uint8)
    pieces = Pieces(codes, np.array([0, 3, 5]), np.array([3, 2, 4]), 3)
    mixed, tags = with_mixtures(pieces, sparse.csr_array(TAGS[pieces.owner]), alpha=1.0,
                                rate=5 / 4)
    assert mixed.shape == (9, 3, F) and tags.shape == (9, K)
    assert_rows_are_the_formula(mixed, pieces[np.arange(4)].astype(np.float64), rows)
    assert isinstance(mixed, Mixed) and mixed.values is pieces          # nothing was copied


def test_tags_are_mixed_by_the_same_shares_dense_or_sparse():
    mixed, tags = with_mixtures(VALUES, TAGS, alpha=0.4, rate=2.5)
    assert tags.format == "csr" and tags.shape == (M + 100, K) == (len(mixed), K)
    expected = (mixed.share[:, None] * TAGS[mixed.first]
                + (1 - mixed.share[:, None]) * TAGS[mixed.second])
    np.testing.assert_array_equal(tags[:M].toarray(), TAGS)
    np.testing.assert_allclose(tags[M:].toarray(), expected, atol=1e-6)
    _, again = with_mixtures(VALUES, sparse.csr_array(TAGS), alpha=0.4, rate=2.5)
    np.testing.assert_array_equal(again.toarray(), tags.toarray())


def test_a_mixture_with_an_unlabelled_row_is_unlabelled():
    tags = TAGS.copy()
    tags[::3] = np.nan
    mixed, found = with_mixtures(VALUES, tags, alpha=0.1, rate=5)
    lost = (mixed.first % 3 == 0) | (mixed.second % 3 == 0)
    np.testing.assert_array_equal(np.isnan(found[M:].toarray()),
                                  np.broadcast_to(lost[:, None], (5 * M, K)))


def test_the_same_seed_gives_the_same_mixtures_and_another_seed_others():
    (one, _), (two, _), (three, _) = (with_mixtures(VALUES, TAGS, alpha=0.2, seed=seed)
                                      for seed in (4, 4, 5))
    np.testing.assert_array_equal(one[np.arange(2 * M)], two[np.arange(2 * M)])
    assert not np.array_equal(one[np.arange(M, 2 * M)], three[np.arange(M, 2 * M)])


@pytest.mark.parametrize("alpha", [0.1, 0.2, 0.4, 1.0])
def test_shares_follow_their_distribution_and_rows_are_drawn_evenly(alpha):
    mixed, _ = with_mixtures(VALUES, TAGS, alpha=alpha, rate=1000)
    assert abs(mixed.share.mean() - 0.5) < 0.01
    assert abs(mixed.share.var() - 1 / (4 * (2 * alpha + 1))) < 0.005        # of Beta(alpha, alpha)
    for drawn in (mixed.first, mixed.second):
        counts = np.bincount(drawn, minlength=M)
        assert counts.min() > 850 and counts.max() < 1150                    # 1000 +- 5 deviations
    together = np.corrcoef(mixed.first, mixed.second)[0, 1]
    assert abs(together) < 0.03


def test_so_few_that_there_are_none():
    mixed, tags = with_mixtures(VALUES, TAGS, alpha=0.2, rate=0.01)
    assert len(mixed) == M and tags.shape == (M, K)
    np.testing.assert_array_equal(mixed[np.arange(M)], VALUES)


def test_names_the_bad_argument():
    with pytest.raises(ValueError, match="`alpha` must be positive. Received: alpha=0"):
        with_mixtures(VALUES, TAGS, alpha=0)
    with pytest.raises(ValueError, match="`rate` must be positive. Received: rate=-1"):
        with_mixtures(VALUES, TAGS, alpha=1.0, rate=-1)
    ragged = Pieces(np.zeros((3, 2)), np.array([0, 1]), np.array([1, 2]), None)
    with pytest.raises(ValueError, match="`values` must be of one length"):
        with_mixtures(ragged, TAGS[:2], alpha=1.0)
