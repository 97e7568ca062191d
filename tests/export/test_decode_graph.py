"""The decoder in the graph gives the events of the decoder in NumPy."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from sedzoo.events import Decoder
from sedzoo.export import decode_graph
from sedzoo.frontend import Clock

CLOCK = Clock(hop_samples=664, sample_rate=16000)
MAX_EVENTS = 64


@functools.cache
def graph(max_events=MAX_EVENTS):
    """The decoder as one graph for scores of any shape."""
    @tf.function(input_signature=[tf.TensorSpec((None, None, None)), tf.TensorSpec((None,)),
                                  tf.TensorSpec((None,), tf.int32), tf.TensorSpec((), tf.int32),
                                  tf.TensorSpec((), tf.int32)])
    def run(scores, thresholds, median_frames, max_gap_frames, min_frames):
        return decode_graph.decode(scores, CLOCK, max_events, thresholds=thresholds,
                                   median_frames=median_frames, max_gap_frames=max_gap_frames,
                                   min_frames=min_frames)
    return run


def decode(scores, decoder, max_events=MAX_EVENTS):
    """(B, T, K) -> dict of arrays, by the graph."""
    num_classes = scores.shape[2]
    tensors = graph(max_events)(
        scores, np.broadcast_to(np.float32(decoder.thresholds), num_classes),
        np.broadcast_to(np.int32(decoder.median_frames), num_classes),
        np.int32(decoder.max_gap_frames), np.int32(decoder.min_frames))
    return {key: value.numpy() for key, value in tensors.items()}


def rows(tensors, clip):
    """Events of one clip, as tuples."""
    return [tuple(float(tensors[key][clip, i]) for key in ("onset", "offset", "class_index",
                                                           "score"))
            for i in range(min(tensors["num_events"][clip], tensors["onset"].shape[1]))]


def reference(scores, decoder):
    labels = [f"class {k}" for k in range(scores.shape[1])]
    return [(event.onset, event.offset, labels.index(event.label), event.score)
            for event in decoder.decode(scores, labels, CLOCK)]


def random_case(rng):
    """A decoder and a score matrix in runs, as models give them, of any small size."""
    num_frames, num_classes = rng.integers(1, 90), rng.integers(1, 7)
    held = rng.random((num_frames, num_classes)).cumsum(0) // rng.uniform(0.5, 6)
    scores = np.take_along_axis(rng.random((100, num_classes)), held.astype(int), axis=0)
    decoder = Decoder(
        thresholds=tuple(rng.uniform(0.1, 0.9, num_classes).astype(np.float32)),
        median_frames=tuple(2 * rng.integers(0, rng.choice([1, 8, 80]), num_classes) + 1),
        max_gap_frames=int(rng.integers(0, 6)), min_frames=int(rng.integers(1, 6)))
    return decoder, scores.astype(np.float32)


def test_a_thousand_random_score_matrices_give_the_same_events():
    rng = np.random.default_rng(1)
    total = 0
    for _ in range(1000):
        decoder, scores = random_case(rng)
        expected = reference(scores, decoder)
        found = decode(scores[None], decoder, max_events=256)
        assert found["num_events"][0] == len(expected), decoder
        np.testing.assert_allclose(rows(found, 0), expected or [], rtol=1e-6, atol=1e-6,
                                   err_msg=str(decoder))
        total += len(expected)
    assert total > 3000  # the comparison was about something


def test_clips_of_a_batch_do_not_mix():
    rng = np.random.default_rng(2)
    scores = rng.random((5, 40, 3), np.float32)
    scores[2] = 0  # and one without events stays without
    decoder = Decoder(thresholds=0.6, median_frames=(1, 3, 5), max_gap_frames=1, min_frames=2)
    found = decode(scores, decoder)
    assert found["num_events"][2] == 0
    for clip in range(5):
        np.testing.assert_allclose(rows(found, clip), reference(scores[clip], decoder), rtol=1e-6)


def test_events_at_the_same_time_come_in_class_order():
    scores = np.ones((1, 4, 12), np.float32)
    assert decode(scores, Decoder())["class_index"][0, :12].tolist() == list(range(12))
    # Alphabetical order would put "class 10" before "class 2".
    assert [row[2] for row in reference(scores[0], Decoder())] == list(range(12))


def test_what_is_too_many_is_counted_and_the_first_are_returned():
    scores = np.tile([[0.0], [1.0]], (50, 1)).astype(np.float32)  # 50 events of one frame
    found = decode(scores[None], Decoder(), max_events=8)
    assert found["num_events"][0] == 50
    assert found["onset"].shape == (1, 8)
    np.testing.assert_allclose(rows(found, 0), reference(scores, Decoder())[:8], rtol=1e-6)


def test_empty_places_say_so():
    found = decode(np.zeros((2, 7, 3), np.float32), Decoder())
    assert (found["class_index"] == -1).all()
    assert found["class_index"].shape == (2, MAX_EVENTS)
    assert not found["onset"].any() and not found["offset"].any() and not found["score"].any()


@pytest.mark.parametrize("shape", [(0, 7, 3), (1, 1, 1)])
def test_no_clips_and_one_frame_are_no_special_case(shape):
    found = decode(np.ones(shape, np.float32), Decoder(median_frames=5))
    assert found["num_events"].tolist() == [1] * shape[0]
