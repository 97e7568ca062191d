import numpy as np
import pytest
from scipy.sparse import csr_array

from sedzoo.batches import Batches
from sedzoo.embeddings.pieces import Pieces
from sedzoo.sampling import AllPieces, Sequential, Uniform

N, T, F, K = 12, 5, 3, 2


def source(seed=0, sampler=None, targets=None, **kwargs):
    draw = np.random.default_rng(0)
    targets = targets or {"clip": (draw.random((N, K)) < 0.5).astype(np.float32),
                          "frame": (draw.random((N, T, K)) < 0.5).astype(np.float32)}
    values = draw.normal(3, 2, (N, T, F)).astype(np.float32)
    return Batches(values, targets, sampler or Uniform(N, 6, 1), seed=seed,
                   **{"mean": np.full(F, 3), "std": np.array([2, 1, 0.5]), **kwargs})


def test_features_are_standardised_and_gathered():
    made = source(sampler=Sequential(N, 5))
    x, y, weight = made(2)
    np.testing.assert_allclose(x, (made.values[10:] - 3) / np.array([2, 1, 0.5]), rtol=1e-6)
    np.testing.assert_array_equal(y["clip"], made.targets["clip"][10:])
    np.testing.assert_array_equal(y["frame"], made.targets["frame"][10:])
    assert weight["clip"].shape == (2,) and weight["frame"].shape == (2, T)
    assert (weight["clip"] == 1).all() and (weight["frame"] == 1).all()


def test_mixup_is_the_weighted_sum_of_clips_and_of_their_targets():
    plain, mixed = source(), source(mixup_alpha=0.5, mixup_rate=0.6, seed=4)
    share, partner = mixed.mixing(3, 6)
    assert 0 < (share == 1).sum() < 6 and ((share >= 0) & (share <= 1)).all()
    (x, y, _), (x_mixed, y_mixed, _) = plain(3), mixed(3)
    for i in range(6):
        ours, theirs = share[i], 1 - share[i]
        np.testing.assert_allclose(x_mixed[i], ours * x[i] + theirs * x[partner[i]], atol=1e-6)
        for key in ("clip", "frame"):
            np.testing.assert_allclose(y_mixed[key][i], ours * y[key][i]
                                       + theirs * y[key][partner[i]], atol=1e-6)


def test_the_share_of_mixup_follows_its_rate_and_its_distribution():
    made = source(mixup_alpha=2.0, mixup_rate=0.25)
    share = np.concatenate([made.mixing(step, 50)[0] for step in range(100)])
    assert abs((share < 1).mean() - 0.25) < 0.02
    assert abs(share[share < 1].var() - 0.05) < 0.005            # of Beta(2, 2)
    assert (source().mixing(0, 50)[0] == 1).all()


def test_the_same_step_gives_the_same_batch_and_another_seed_another():
    one, two, three = (source(seed=seed, mixup_rate=1.0) for seed in (1, 1, 2))
    two(5)
    np.testing.assert_array_equal(one(9)[0], two(9)[0])
    assert not np.array_equal(one(9)[0], three(9)[0])


def test_what_nobody_labelled_weighs_nothing_output_by_output():
    clip, frame = np.ones((N, K), np.float32), np.ones((N, T, K), np.float32)
    clip[1], frame[1], frame[2] = np.nan, np.nan, np.nan         # 1 unlabelled, 2 weak
    _, y, weight = source(sampler=Sequential(N, 4), targets={"clip": clip, "frame": frame})(0)
    assert weight["clip"].tolist() == [1, 0, 1, 1]
    assert weight["frame"][:, 0].tolist() == [1, 0, 0, 1]
    assert all(np.isfinite(target).all() for target in y.values())


def test_mixing_with_an_unlabelled_clip_makes_an_unlabelled_clip_and_harms_no_other():
    clip = np.ones((N, K), np.float32)
    clip[0] = np.nan
    made = source(sampler=Sequential(N, N), targets={"clip": clip}, mixup_rate=0.5, seed=1)
    share, partner = made.mixing(0, N)
    lost = np.array([i == 0 or (share[i] < 1 and partner[i] == 0) for i in range(N)])
    np.testing.assert_array_equal(made(0)[2]["clip"], (~lost).astype(np.float32))


def test_sparse_targets_equal_dense_ones():
    clip = (np.random.default_rng(0).random((N, K)) < 0.5).astype(np.float32)
    clip[::4] = np.nan
    for rate in (0.0, 0.5):
        for step in range(3):
            dense, sparse = (source(targets={"clip": tags}, mixup_rate=rate, seed=2)(step)
                             for tags in (clip, csr_array(clip)))
            np.testing.assert_array_equal(sparse[0], dense[0])
            for one, other in zip(sparse[1:], dense[1:], strict=True):
                np.testing.assert_array_equal(one["clip"], other["clip"])
                assert type(one["clip"]) is np.ndarray and one["clip"].dtype == np.float32


def test_codes_of_eight_bits_lie_between_minus_one_and_one_to_the_bit():
    codes = np.arange(256, dtype=np.uint8).reshape(4, 8, 8)
    made = Batches(codes, {}, Sequential(4, 4), mean=128.0, std=128.0)
    x, y, weight = made(0)
    assert x.dtype == np.float32 and (y, weight) == ({}, {})
    np.testing.assert_array_equal(x.ravel(), (np.arange(256) - 128) / 128)


COUNTS = np.array([3, 1, 5, 2])


def ragged(dtype, batch_size=2):
    """Four clips of three numbers a segment, whole."""
    values = np.random.default_rng(0).integers(0, 256, (11, F)).astype(dtype)
    pieces = Pieces(values, np.cumsum(COUNTS) - COUNTS, COUNTS, None, pad=128)
    return Batches(pieces, {"clip": np.eye(4, K)}, Sequential(4, batch_size), mean=128.0, std=64.0)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_clips_of_different_lengths_come_with_a_mask_and_zeros_behind(dtype):
    made = ragged(dtype)
    assert made.is_ragged and not source().is_ragged
    for step, lengths in ((0, (3, 1)), (1, (5, 2))):
        x, y, weight = made(step)
        assert x["audio"].shape == (2, max(lengths), F) and x["audio"].dtype == np.float32
        assert x["frame_mask"].dtype == bool
        for i, length in enumerate(lengths):
            clip = 2 * step + i
            start = made.values.starts[clip]
            expected = (made.values.values[start:start + length].astype(np.float32) - 128) / 64
            np.testing.assert_array_equal(x["audio"][i, :length], expected)
            assert (x["audio"][i, length:] == 0).all()
            assert x["frame_mask"][i].tolist() == [j < length for j in range(max(lengths))]
        np.testing.assert_array_equal(y["clip"], np.eye(4, K)[2 * step:2 * step + 2])
        assert weight["clip"].tolist() == [1, 1]


def test_all_pieces_of_the_drawn_clips_make_a_batch():
    pieces = Pieces(np.arange(11)[:, None], np.cumsum(COUNTS) - COUNTS, COUNTS, 2)
    made = Batches(pieces, {"clip": np.eye(4)[pieces.owner]},
                   AllPieces(Sequential(4, 2), pieces), mean=0.0, std=1.0)
    (first, y, _), (second, _, _) = made(0), made(1)
    assert first[..., 0].tolist() == [[0, 1], [2, 2], [3, 3]]
    assert second[..., 0].tolist() == [[4, 5], [6, 7], [8, 8], [9, 10]]
    np.testing.assert_array_equal(y["clip"], np.eye(4)[[0, 0, 1]])


def test_names_the_bad_argument():
    with pytest.raises(ValueError, match="`mixup_rate` must be 0 for clips of different lengths"):
        Batches(ragged("uint8").values, {}, Sequential(4, 2), mean=0, std=1, mixup_rate=0.1)
    with pytest.raises(ValueError, match=r"targets\['clip'\].*\(12\). Received: 3"):
        source(targets={"clip": csr_array(np.zeros((3, K)))})
    with pytest.raises(ValueError, match="mixup_rate=1.5"):
        source(mixup_rate=1.5)
    with pytest.raises(ValueError, match="mixup_alpha=0"):
        source(mixup_rate=1.0, mixup_alpha=0)
    with pytest.raises(ValueError, match=r"targets\['clip'\]"):
        source(targets={"clip": np.zeros((3, K))})
