"""Roads from a data set on disk to batches of embeddings and tags: sedzoo's, tf.data's and HDF5's.

Each function gets ready and returns one that starts an iterator of a pass' batches (x, y, ...).
"""

import os

import embedding_files
import numpy as np
import timing

BATCH = 500
SHUFFLED = 10_000       # records in the buffer of tf.data


def source(folder):
    """Class-balanced Batches of the store, and the steps of a pass."""
    from sedzoo.batches import Batches
    from sedzoo.embeddings import Embeddings
    store = Embeddings.open(folder / "store")
    batches = Batches(store.pieces(embedding_files.SEGMENTS), {"clip": store.tags},
                      plan(store.tags), mean=store.mean, std=store.std)
    return batches, -(-len(store) // BATCH)


def plan(tags):
    """All classes equally often."""
    from sedzoo.sampling import Balanced
    return Balanced(tags, BATCH, limits=())


def of_stream(folder, cold=False):
    from sedzoo import pipeline
    if cold:
        _forget(folder / "store" / "values.bin")

    def start():
        batches, num_steps = source(folder)
        return iter(pipeline.batches(batches, num_steps=num_steps))

    return start


def _forget(path):
    """Have the system drop a file from its page cache."""
    if not hasattr(os, "posix_fadvise"):
        raise timing.Missing("this system cannot be asked to drop a file from its cache")
    with open(path, "rb+") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def of_thread(folder):
    def start():
        batches, num_steps = source(folder)
        return map(batches, range(num_steps))

    return start


def of_tf_data(folder, vectorised=False):
    """As tf.data's guides have it: a map parses records, or whole batches of them."""
    import tensorflow as tf
    segments = {"audio_embedding": tf.io.FixedLenSequenceFeature((), tf.string)}
    labels = {"labels": tf.io.VarLenFeature(tf.int64)}
    parse = tf.io.parse_sequence_example if vectorised else tf.io.parse_single_sequence_example

    def example(record):
        context, lists = parse(record, labels, segments)[:2]
        x = tf.io.decode_raw(lists["audio_embedding"], tf.uint8)
        y = tf.sparse.to_indicator(context["labels"], embedding_files.CLASSES)
        return (tf.cast(x, tf.float32) - 128) / 128, tf.cast(y, tf.float32)

    def start():
        files = sorted(map(str, (folder / "records").rglob("*.tfrecord")))
        read = tf.data.TFRecordDataset(files, num_parallel_reads=tf.data.AUTOTUNE)
        read = read.shuffle(SHUFFLED, seed=1)
        read = read.batch(BATCH) if vectorised else read
        read = read.map(example, num_parallel_calls=tf.data.AUTOTUNE)
        read = read if vectorised else read.batch(BATCH)
        return iter(read.prefetch(tf.data.AUTOTUNE))

    return start


def of_hdf5(folder, in_memory=False):
    import h5py

    from sedzoo.embeddings import Embeddings

    def start():
        drawn = plan(Embeddings.open(folder / "store").tags)
        with h5py.File(folder / "packed.h5") as file:
            data = {key: file[key][:] for key in file} if in_memory else file
            for step in range(-(-len(data["x"]) // BATCH)):
                # HDF5 wants rows in ascending order, each once.
                rows, place = np.unique(drawn(step), return_inverse=True)
                x, y = data["x"][rows][place], data["y"][rows][place]
                yield (x.astype(np.float32) - 128) / 128, y.astype(np.float32)

    return start
