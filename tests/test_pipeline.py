import numpy as np
import pytest
import tensorflow as tf
from scipy.sparse import csr_array

from sedzoo import pipeline
from sedzoo.batches import Batches
from sedzoo.embeddings.pieces import Pieces
from sedzoo.sampling import AllPieces, Sequential, Uniform

N, T, F, K = 12, 40, 20, 2


@pytest.fixture(scope="module")
def source():
    draw = np.random.default_rng(0)
    targets = {"clip": (draw.random((N, K)) < 0.5).astype(np.float32),
               "frame": (draw.random((N, T // 8, K)) < 0.5).astype(np.float32)}
    values = draw.normal(3, 2, (N, T, F)).astype(np.float32)
    return Batches(values, targets, Uniform(N, 5, 1), mean=np.full(F, 3), std=np.full(F, 2),
                   mixup_rate=0.5, seed=3)


def taken(stream, count):
    return [tf.nest.map_structure(np.asarray, batch) for batch in stream.take(count)]


def same(one, two):
    return all(np.array_equal(a, b) for a, b in zip(tf.nest.flatten(one), tf.nest.flatten(two),
                                                    strict=True))


def test_the_stream_gives_the_batches_step_by_step(source):
    stream = pipeline.batches(source, num_steps=4)
    got = taken(stream, 10)
    assert len(got) == 4
    for step, batch in enumerate(got):
        assert same(batch, source(step))
    x, y, weight = stream.element_spec
    assert x.shape.as_list() == [None, T, F]
    assert y["frame"].shape.as_list() == [None, T // 8, K]
    assert weight["frame"].shape.as_list() == [None, T // 8]


def test_a_stream_resumed_at_a_step_goes_on_as_the_undisturbed_one(source):
    make = [pipeline.SpecAugment(T, F, time_width=10, freq_width=5, seed=3) for _ in range(2)]
    whole = taken(pipeline.batches(source, spec_augment=make[0]), 9)
    rest = taken(pipeline.batches(source, first_step=6, spec_augment=make[1]), 3)
    assert same(whole[6:], rest)
    assert not same(whole[:3], rest)


COUNTS = np.array([2, 2, 2, 2, 5, 1, 3])


def pieces_of(length):
    """Seven clips of eight bits, whole or in pieces."""
    codes = np.random.default_rng(0).integers(0, 256, (COUNTS.sum(), F)).astype(np.uint8)
    return Pieces(codes, np.cumsum(COUNTS) - COUNTS, COUNTS, length, pad=128)


def test_clips_of_different_lengths_keep_their_mask():
    made = Batches(pieces_of(None), {"clip": csr_array(np.eye(7, K))}, Sequential(7, 2), mean=128,
                   std=128)
    stream = pipeline.batches(made, num_steps=4)
    got = taken(stream, 10)
    assert [batch[0]["audio"].shape for batch in got] == [(2, 2, F), (2, 2, F), (2, 5, F),
                                                          (1, 3, F)]
    for step, batch in enumerate(got):
        assert same(batch, made(step))
    x, y, weight = stream.element_spec
    assert x["audio"].shape.as_list() == [None, None, F] and x["audio"].dtype == tf.float32
    assert x["frame_mask"].shape.as_list() == [None, None] and x["frame_mask"].dtype == tf.bool
    assert y["clip"].shape.as_list() == [None, K] and weight["clip"].shape.as_list() == [None]


def test_batches_of_all_pieces_vary_in_number():
    pieces = pieces_of(2)
    made = Batches(pieces, {"clip": csr_array(np.eye(7, K)[pieces.owner])},
                   AllPieces(Uniform(7, 2, 1), pieces), mean=128, std=128)
    got = taken(pipeline.batches(made, first_step=1), 5)
    assert len({len(batch[0]) for batch in got}) > 1
    for step, batch in enumerate(got):
        assert same(batch, made(1 + step))


def test_masks_are_zeros_no_wider_than_asked_and_touch_nothing_else():
    augment = pipeline.SpecAugment(T, F, time_width=10, freq_width=5, seed=0)
    x = np.random.default_rng(0).normal(1, 0.1, (200, T, F)).astype(np.float32)
    y = augment(tf.constant(x), tf.constant(4, tf.int64)).numpy()
    masked = y != x
    assert (y[masked] == 0).all()
    rows, columns = masked.all(axis=2), masked.all(axis=1)                # (B, T), (B, F)
    np.testing.assert_array_equal(masked, rows[:, :, None] | columns[:, None, :])
    assert set(rows.sum(axis=1)) == set(range(10))                         # every width there is
    assert set(columns.sum(axis=1)) == set(range(5))
    for mask in (*rows, *columns):                                         # one run each
        assert np.count_nonzero(np.diff(np.pad(mask.astype(int), 1))) in (0, 2)


def test_number_of_masks_is_an_argument():
    x = tf.ones((100, T, F))
    none = pipeline.SpecAugment(T, F, num_time=0, num_freq=0)
    assert (none(x, tf.constant(0, tf.int64)).numpy() == 1).all()
    one, three = (pipeline.SpecAugment(T, F, num_time=num, num_freq=0)(
        x, tf.constant(0, tf.int64)).numpy() for num in (1, 3))
    assert (three == 0).mean() > 1.5 * (one == 0).mean() > 0


def test_masks_leave_the_global_random_numbers_alone():
    tf.random.set_seed(1)
    expected = tf.random.uniform((3,)).numpy()
    tf.random.set_seed(1)
    pipeline.SpecAugment(T, F, seed=9)
    np.testing.assert_array_equal(tf.random.uniform((3,)).numpy(), expected)


def test_names_the_bad_argument(source):
    with pytest.raises(ValueError, match="time_width=41"):
        pipeline.SpecAugment(T, F, time_width=41)
    with pytest.raises(ValueError, match="must be a Batches"):
        pipeline.batches(source.values)
    whole = Batches(pieces_of(None), {}, Sequential(7, 2), mean=128, std=128)
    with pytest.raises(ValueError, match="`spec_augment` must be None for clips of different"):
        pipeline.batches(whole, spec_augment=pipeline.SpecAugment(T, F))
