"""An index as large as AudioSet's: TFRecord files of random embeddings and likely labels; HDF5."""

import multiprocessing
import os
from functools import partial
from pathlib import Path

import numpy as np

RECORDS, CLASSES, SEGMENTS, SIZE = 2_000_000, 527, 10, 128
PER_FILE = 500
_BLOCK = 10_000         # records packed together
_FIRST_ID = 10 ** 10    # ids have eleven characters


def write(directory, num_records):
    """Files of 500 records in `directory`/unbal_train, as AudioSet's; their size in bytes.

    Segments are noise of 8 bits; each class is drawn at its own rate.
    """
    folder = Path(directory, "unbal_train")
    folder.mkdir(parents=True)
    firsts = range(0, num_records, PER_FILE)
    context = multiprocessing.get_context("spawn")
    with context.Pool(os.cpu_count(), _quieten) as pool:
        return sum(pool.imap_unordered(partial(_write_file, folder, num_records), firsts, 16))


def class_rates():
    """How likely a clip has each class, float (K,).

    Music and Speech in half of the clips each, the other classes from 6 % to 0.004 %, near
    AudioSet's own counts: two labels a clip, the rarest classes in less than a hundred clips.
    """
    rank = np.arange(1, CLASSES - 1)
    return np.concatenate([[0.5, 0.5], 0.06 * rank ** -0.7 * np.exp(-(rank / 300) ** 2)])


def labels_of(random, num_records):
    """Labels of every record, one or more each: list of int arrays."""
    drawn = random.random((num_records, CLASSES), np.float32) < class_rates()
    drawn[~drawn.any(axis=1), 0] = True
    return np.split(np.nonzero(drawn)[1], np.cumsum(drawn.sum(axis=1))[:-1])


def _quieten():
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # start-up notices; errors go through the pool


def _write_file(folder, num_records, first):
    import tensorflow as tf
    path = folder / f"{first // PER_FILE:05d}.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records(first, min(PER_FILE, num_records - first)):
            writer.write(record)
    return path.stat().st_size


def records(first, num_records):
    """Serialised SequenceExamples of clips number `first` and after it."""
    import tensorflow as tf
    random = np.random.default_rng(first)
    labels = labels_of(random, num_records)
    form, places = _form(tf)
    lists = np.tile(form, (num_records, 1))
    for place in places:
        lists[:, place:place + SIZE] = random.integers(0, 256, (num_records, SIZE), np.uint8)
    for number, (mine, content) in enumerate(zip(labels, lists, strict=True), first):
        # The parts of a serialised message may be joined as they are.
        yield _context(tf, f"{_FIRST_ID + number}", mine) + content.tobytes()


def _form(tf):
    """The segments' part of a record, uint8, and where in it each segment starts."""
    marks = [bytes([0xAA + k]) * SIZE for k in range(SEGMENTS)]
    features = [tf.train.Feature(bytes_list=tf.train.BytesList(value=[mark])) for mark in marks]
    form = tf.train.SequenceExample(feature_lists=tf.train.FeatureLists(feature_list={
        "audio_embedding": tf.train.FeatureList(feature=features)})).SerializeToString()
    return np.frombuffer(form, np.uint8), [form.index(mark) for mark in marks]


def _context(tf, name, labels):
    feature = tf.train.Feature
    return tf.train.SequenceExample(context=tf.train.Features(feature={
        "video_id": feature(bytes_list=tf.train.BytesList(value=[name.encode()])),
        "start_time_seconds": feature(float_list=tf.train.FloatList(value=[30.0])),
        "end_time_seconds": feature(float_list=tf.train.FloatList(value=[40.0])),
        "labels": feature(int64_list=tf.train.Int64List(value=labels)),
    })).SerializeToString()


def pack(store, path):
    """Embeddings of `store` as HDF5: "x" uint8 (N, 10, 128) and "y" bool (N, K)."""
    import h5py

    from sedzoo.embeddings import Embeddings
    store = Embeddings.open(store)
    x = store.values.reshape(-1, SEGMENTS, SIZE)
    with h5py.File(path, "w") as file:
        file.create_dataset("x", x.shape, np.uint8)
        file.create_dataset("y", store.tags.shape, bool)
        for first in range(0, len(x), _BLOCK):
            rows = slice(first, first + _BLOCK)
            file["x"][rows], file["y"][rows] = x[rows], store.tags[rows].toarray() > 0
