"""Serialised SequenceExamples of embeddings, as AudioSet released them, to clips: many at once."""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import tensorflow as tf

SIZE = 128              # bytes of a segment
# Why a record is left out.
FORMAT = "no SequenceExample with such features"
NO_ID, NO_SEGMENT, NO_LABEL = "no video_id", "no segment", "no label"
SEGMENT = f"a segment that is not {SIZE} bytes"
LABEL = "a label that the class list does not have"
_KINDS = {"video_id": tf.string, "start_time_seconds": tf.float32, "end_time_seconds": tf.float32,
          "labels": tf.int64}


@dataclass(frozen=True)
class Block:
    """N clips, with S segments and L tags.

    Args:
        values: uint8 (S, 128); counts: int64 (N,), segments of each clip.
        classes: int64 (L,), ascending in each clip; num_tags: int64 (N,).
        names: str (N,); numbers: int64 (N,), of their records in the file.
    """

    values: np.ndarray
    counts: np.ndarray
    classes: np.ndarray
    num_tags: np.ndarray
    names: np.ndarray
    numbers: np.ndarray

    def __len__(self):
        return len(self.names)

    def only(self, keep):
        """The clips of which `keep`, bool (N,), is True."""
        if keep.all():
            return self
        return Block(self.values[np.repeat(keep, self.counts)], self.counts[keep],
                     self.classes[np.repeat(keep, self.num_tags)], self.num_tags[keep],
                     self.names[keep], self.numbers[keep])


def clips_of(numbers, records, num_classes, damaged):
    """The clips of some records of a file.

    Args:
        numbers: ints, of the records, for the report; records: bytes.
        num_classes: int > 0, K; labels must lie in [0, K).
        damaged: list, which gets (number, reason) of each record that is left out.
    Returns: list of Block, of all records at once, or of the parts around those that cannot be
        parsed.
    """
    try:
        with tf.device("CPU"):
            parsed = [part.numpy() for part in _parse(tf.constant(records))]
    except tf.errors.InvalidArgumentError:
        if len(records) == 1:
            damaged.append((numbers[0], FORMAT))
            return []
        half = len(records) // 2
        return [block for part in (slice(None, half), slice(half, None))
                for block in clips_of(numbers[part], records[part], num_classes, damaged)]
    return [_checked(np.array(numbers), *parsed, num_classes, damaged)]


@tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
def _parse(records):
    """Id, start, end (N,); labels (L,), how many (N,); segments (S, 128), their sizes (S,), how
    many (N,)."""
    ragged = partial(tf.io.RaggedFeature, row_splits_dtype=tf.int64)
    context, lists, _ = tf.io.parse_sequence_example(
        records, {key: ragged(kind) for key, kind in _KINDS.items()},
        {"audio_embedding": ragged(tf.string)})
    labels, segments = context["labels"], lists["audio_embedding"]      # (N, ?), (N, ?, ?)
    content = _first(segments.values, "")
    # A segment of other than one value has no size.
    sizes = tf.where(segments.values.row_lengths() == 1, tf.strings.length(content), -1)
    return (_first(context["video_id"], ""), _first(context["start_time_seconds"], np.nan),
            _first(context["end_time_seconds"], np.nan), labels.values, labels.row_lengths(),
            tf.io.decode_raw(content, tf.uint8, fixed_length=SIZE), sizes, segments.row_lengths())


def _first(ragged, default):
    """The first value of every row."""
    return ragged.to_tensor(default, shape=(None, 1))[:, 0]


def _checked(numbers, ids, starts, ends, labels, num_labels, values, sizes, counts, num_classes,
             damaged):
    """A Block of those that are as they should be."""
    rows = np.arange(len(numbers))
    row_of_label = np.repeat(rows, num_labels)

    def has(wrong, row):
        return np.bincount(row, wrong, len(rows)) > 0

    reasons = np.select(
        [ids == b"", counts == 0, has(sizes != SIZE, np.repeat(rows, counts)), num_labels == 0,
         has((labels < 0) | (labels >= num_classes), row_of_label)],
        [NO_ID, NO_SEGMENT, SEGMENT, NO_LABEL, LABEL], "")
    good = reasons == ""
    damaged += [(int(numbers[row]), str(reasons[row])) for row in np.flatnonzero(~good)]
    names = np.array([_name(*row) for row in zip(ids, starts.tolist(), ends.tolist(),
                                                 strict=True)], np.str_)
    block = Block(values, counts, labels, num_labels, names, numbers).only(good)
    # Ascending, each once.
    row, classes = divmod(np.unique(np.repeat(np.arange(len(block)), block.num_tags) * num_classes
                                    + block.classes), num_classes)
    return replace(block, classes=classes, num_tags=np.bincount(row, minlength=len(block)))


def _name(video, start, end):
    """As datasets.audioset names the clip."""
    video = video.decode("utf-8", "surrogateescape")
    if np.isnan(start) or np.isnan(end):
        return f"{video}.wav"
    return f"{video}_{start:.3f}_{end:.3f}.wav"
