"""Batches as a tf.data stream, prefetched and masked: the place of tf.data."""

import warnings

import numpy as np
import tensorflow as tf

from sedzoo.batches import Batches

_DECK = 2048            # masks drawn beforehand, of each kind


def batches(source, *, first_step=0, num_steps=None, spec_augment=None):
    """The batches of steps first_step, first_step + 1, ... as a tf.data.Dataset.

    Everything random depends on (seed, step) alone, the masks too: a stream that starts at step n
    gives what an undisturbed one gives from there on.

    Args:
        source: Batches.
        first_step: int >= 0.
        num_steps: int, or None for an endless stream.
        spec_augment: SpecAugment, or None.
    Returns: Dataset of x (B, T, F) or a dict with the frame mask, y {output: (B, ...)}, weight
        {output: (B,) or (B, T')}, as Batches gives them.
    Raises: ValueError for another source, or masks over clips of different lengths or streams.
    """
    if not isinstance(source, Batches):
        raise ValueError(f"`source` must be a Batches. Received: {source!r}")
    if spec_augment is not None and isinstance(source.x_shape, dict):
        raise ValueError("`spec_augment` must be None for clips of different lengths, and streams. "
                         f"Received: {spec_augment!r}")
    keys, shapes = sorted(source.targets), source.x_shape
    names = sorted(shapes) if isinstance(shapes, dict) else None
    kinds = [tf.bool if name == "frame_mask" else tf.float32 for name in names or ("",)]

    def load(step):
        x, y, weight = source(step)
        x = [x[name] for name in names] if names else [x]
        return *x, *(y[key] for key in keys), *(weight[key] for key in keys)

    def gather(step):
        found = tf.numpy_function(load, [step], kinds + [tf.float32] * 2 * len(keys))
        x, rest = found[:len(kinds)], found[len(kinds):]
        for part, shape in zip(x, [shapes[name] for name in names] if names else [shapes],
                               strict=True):
            part.set_shape((None, *shape))
        x = dict(zip(names, x, strict=True)) if names else x[0]
        y, weight = dict(zip(keys, rest, strict=False)), dict(zip(keys, rest[len(keys):],
                                                                  strict=True))
        for key in keys:
            shape = source.targets[key].shape[1:]
            y[key].set_shape((None, *shape))
            weight[key].set_shape((None, *shape[:-1]))
        return x, y, weight

    stop = np.iinfo(np.int64).max if num_steps is None else first_step + num_steps
    steps = tf.data.Dataset.range(first_step, stop)
    stream = steps.map(gather, num_parallel_calls=2, deterministic=True)
    if spec_augment is not None:
        stream = tf.data.Dataset.zip(steps, stream).map(
            lambda step, batch: (spec_augment(batch[0], step), *batch[1:]))
    return stream.prefetch(2)


class SpecAugment:
    """Masks of zero over bands and over frames, each clip its own.

    tensorflow-io's masks take their place and width from TensorFlow's stateful random numbers,
    which cannot be wound forward to step n. So a deck of them is drawn once, in a graph of its own
    that leaves the global seed alone, and each clip of step n is dealt its masks by random numbers
    that depend on (seed, n) only.

    Args:
        frames, bands: ints, T and F.
        time_width, freq_width: ints >= 1; a mask is narrower than this, its width drawn evenly
            from 0 up.
        num_time, num_freq: ints >= 0, masks a clip.
        seed: int >= 0.

    Call: x (B, T, F), step -> the same shape.
    Raises: ValueError when a mask is not narrower than the axis it lies on.
    Source: Park et al. 2019, https://arxiv.org/abs/1904.08779.
    """

    def __init__(self, frames, bands, *, time_width=24, freq_width=8, num_time=1, num_freq=1,
                 seed=0):
        for key, width, size in (("time_width", time_width, frames),
                                 ("freq_width", freq_width, bands)):
            if not 1 <= width <= size:
                raise ValueError(f"`{key}` must be 1 or more and at most {size}. "
                                 f"Received: {key}={width!r}")
        self.num_time = num_time
        self.num_freq = num_freq
        self.seed = seed
        self._time, self._freq = _deck(frames, bands, time_width, freq_width, seed)

    def __call__(self, x, step):
        num_clips = tf.shape(x)[0]
        seed = tf.stack([tf.cast(self.seed, tf.int64), tf.cast(step, tf.int64)])
        deal = tf.random.stateless_uniform((num_clips, self.num_time + self.num_freq), seed,
                                           maxval=_DECK, dtype=tf.int32)
        time, freq = tf.split(deal, [self.num_time, self.num_freq], axis=1)
        keep = (tf.reduce_all(tf.gather(self._time, time), axis=1)[:, :, None]
                & tf.reduce_all(tf.gather(self._freq, freq), axis=1)[:, None, :])     # (B, T, F)
        return tf.where(keep, x, tf.zeros((), x.dtype))


def _deck(frames, bands, time_width, freq_width, seed):
    """Masks as bool (deck, T) and (deck, F), False where something is masked."""
    masks = _tensorflow_io().audio
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tf.random.set_seed(seed)                              # of this graph only
        draws = [
            tf.map_fn(draw, tf.range(_DECK), fn_output_signature=tf.float32, parallel_iterations=1)
            for draw in (lambda _: masks.time_mask(tf.ones((frames, 1)), time_width)[:, 0],
                         lambda _: masks.freq_mask(tf.ones((1, bands)), freq_width)[0])]
        return [keep > 0 for keep in session.run(draws)]


def _tensorflow_io():
    """tensorflow_io, without its complaint that its native library does not fit (not used here)."""
    with warnings.catch_warnings():
        for message in ("unable to load libtensorflow_io", "file system plugins are not loaded"):
            warnings.filterwarnings("ignore", message, UserWarning)
        import tensorflow_io
    return tensorflow_io
