"""Frame probabilities to events inside a TensorFlow graph: events.Decoder, tensor by tensor."""

import tensorflow as tf


def decode(scores, clock, max_events, *, thresholds, median_frames, max_gap_frames, min_frames):
    """Frame probabilities -> padded event tensors; the same events as events.Decoder gives.

    Events come by onset, then offset, then class index. Where a clip has more than `max_events`,
    the first `max_events` in that order are returned and `num_events` tells the true number.

    Args:
        scores: float32 (B, T, K) in [0, 1].
        clock: frontend.Clock of the frames.
        max_events: int > 0, M.
        thresholds: float32 (K,); a frame is on when its probability is above.
        median_frames: int32 (K,), odd; an even length works as the next odd one.
        max_gap_frames, min_frames: int32 scalars, as in events.Decoder.
    Returns: dict of onset, offset (B, M) float32 seconds, class_index (B, M) int32 (-1 where there
        is no event), score (B, M) float32, num_events (B,) int32.
    """
    num_clips, num_frames, num_classes = tf.unstack(tf.shape(scores, out_type=tf.int64))

    def by_row(x):  # (B, T, K) -> (B K, T)
        return tf.reshape(tf.transpose(x, (0, 2, 1)), (num_clips * num_classes, num_frames))

    active = by_row(_median(scores > thresholds, median_frames))
    row, start, stop = _tidy(*_runs(active), max_gap_frames, min_frames)       # (N,) each
    score = _means(by_row(scores), row, start, stop)

    # One integer per event that sorts by clip, onset, offset and class.
    clip, class_index = row // num_classes, row % num_classes
    span = num_frames + 1
    order = tf.argsort(((clip * span + start) * span + stop) * num_classes + class_index)

    def padded(values, fill):  # (N,) -> (B, M)
        ragged = tf.RaggedTensor.from_value_rowids(tf.gather(values, order), tf.gather(clip, order),
                                                   nrows=num_clips)
        return ragged.to_tensor(fill, shape=(None, max_events))

    return {
        "onset": padded(_seconds(start, clock), 0.0),
        "offset": padded(_seconds(stop, clock), 0.0),
        "class_index": padded(tf.cast(class_index, tf.int32), -1),
        "score": padded(score, 0.0),
        "num_events": tf.math.unsorted_segment_sum(tf.ones_like(clip, tf.int32), clip, num_clips),
    }


def _seconds(frame, clock):
    """Frame edges (N,) int64 -> seconds, exact before the last rounding to float32."""
    samples = tf.cast(frame * clock.hop_samples, tf.float64)
    return tf.cast(samples / clock.sample_rate, tf.float32)


def _median(active, median_frames):
    """Median of decisions, bool (B, T, K), with a length per class and the clip mirrored.

    A median of zeros and ones is a majority, so it is two look-ups in a running count. The
    mirrored clip (scipy's "reflect": d c b a | a b c d | d c b a) repeats after 2 T frames; the
    count at any place is then whole periods and a remainder, however long the filter.
    """
    num_frames = tf.shape(active)[1]
    period = tf.concat([active, tf.reverse(active, [1])], axis=1)              # (B, 2T, K)
    counts = tf.cumsum(tf.cast(period, tf.int32), axis=1)
    counts = tf.pad(counts, ((0, 0), (1, 0), (0, 0)))                          # (B, 2T + 1, K)
    whole = counts[:, -1:]                                                     # (B, 1, K)
    reach = median_frames // 2                                                 # (K,)
    place = tf.range(num_frames)[:, None]                                      # (T, 1)

    def before(edge):  # decisions that are on before `edge`, (T, K) -> (B, T, K)
        periods, rest = edge // (2 * num_frames), edge % (2 * num_frames)
        by_class = tf.gather(tf.transpose(counts, (2, 1, 0)), tf.transpose(rest), batch_dims=1)
        return periods * whole + tf.transpose(by_class, (2, 1, 0))

    inside = before(place + reach + 1) - before(place - reach)
    return 2 * inside > 2 * reach + 1


def _runs(active):
    """Row, start and stop (exclusive) of each run of True in bool (R, T), in reading order."""
    padded = tf.cast(tf.pad(active, ((0, 0), (1, 1))), tf.int8)
    steps = padded[:, 1:] - padded[:, :-1]                                     # (R, T + 1)
    row, start = tf.unstack(tf.where(steps == 1), axis=1)
    return row, start, tf.where(steps == -1)[:, 1]


def _tidy(row, start, stop, max_gap_frames, min_frames):
    """Join runs of one row over short gaps, then drop short runs."""
    apart = ((row[1:] != row[:-1])
             | (start[1:] - stop[:-1] > tf.cast(max_gap_frames, tf.int64)))    # (N - 1,)
    some = tf.ones_like(row[:1], tf.bool)                                      # none when N = 0
    opens, closes = tf.concat([some, apart], 0), tf.concat([apart, some], 0)
    row, start, stop = row[opens], start[opens], stop[closes]
    keep = stop - start >= tf.cast(min_frames, tf.int64)
    return row[keep], start[keep], stop[keep]


def _means(scores, row, start, stop):
    """Mean of (R, T) over each run, float32 (N,); summed in float64, as clips may be long."""
    sums = tf.pad(tf.cumsum(tf.cast(scores, tf.float64), axis=1), ((0, 0), (1, 0)))
    total = (tf.gather_nd(sums, tf.stack([row, stop], 1))
             - tf.gather_nd(sums, tf.stack([row, start], 1)))
    return tf.cast(total / tf.cast(stop - start, tf.float64), tf.float32)
