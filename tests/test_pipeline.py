import numpy as np
import pytest
import tensorflow as tf

from sedzoo import pipeline
from sedzoo.batches import Batches
from sedzoo.sampling import Uniform

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
