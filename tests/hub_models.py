"""Small SavedModels in the shapes of published ones, whose every number can be computed here."""

import numpy as np
import tensorflow as tf

MOMENTUM, PENALTY = 0.9, 0.1
WAVEFORM = tf.TensorSpec((None,), tf.float32, name="waveform")


def weights(*shape, seed=0):
    return np.random.default_rng(seed).normal(0, shape[0] ** -0.5, shape).astype(np.float32)


def save_reusable(directory, kernel=None):
    """(B, 4) -> {"embedding": normalise(x) W (B, 3), "total": its sums (B, 1)}, with L2 on W.

    In training the mean is the batch's, the kept one moves towards it, and dropout halves the rest.
    """
    obj = tf.train.Checkpoint()
    obj.kernel = tf.Variable(weights(4, 3) if kernel is None else kernel, name="dense/kernel")
    obj.mean = tf.Variable(np.zeros(4, np.float32), trainable=False, name="norm/mean")
    obj.num_steps = tf.Variable(0, trainable=False, dtype=tf.int64, name="num_steps")

    @tf.function
    def call(x, training=False):
        mean = obj.mean
        if training:
            mean = tf.reduce_mean(x, axis=0)
            obj.mean.assign(MOMENTUM * obj.mean + (1 - MOMENTUM) * mean)
            obj.num_steps.assign_add(1)
        x = x - mean
        if training:
            x = tf.nn.dropout(x, 0.5)
        embedding = x @ obj.kernel
        return {"embedding": embedding, "total": tf.reduce_sum(embedding, 1, keepdims=True)}

    for training in (False, True):
        call.get_concrete_function(tf.TensorSpec((None, 4), tf.float32), training=training)
    obj.__call__ = call
    obj.variables = [obj.kernel, obj.mean, obj.num_steps]
    obj.trainable_variables = [obj.kernel]
    obj.regularization_losses = [tf.function(
        lambda: PENALTY * tf.reduce_sum(tf.square(obj.kernel)), input_signature=[])]
    return _saved(obj, directory)


def save_yamnet(directory):
    """Whole waveforms -> (scores (T, 521), embeddings (T, 1024), log-mel (n, 64))."""
    obj = tf.Module()
    obj.kernel = tf.Variable(weights(64, 1024), name="layer/kernel")
    obj.classes = tf.Variable(weights(1024, 521, seed=1), name="classes/kernel")

    @tf.function(input_signature=[WAVEFORM])
    def call(waveform):
        missing = tf.maximum(15_600 - tf.size(waveform), 0)      # YAMNet pads to one patch
        bands = _bands(tf.pad(waveform, [[0, missing]]))
        embeddings = _patches(bands, 48) @ obj.kernel
        return tf.sigmoid(embeddings @ obj.classes), embeddings, bands

    obj.__call__ = call
    return _saved(obj, directory)


def save_vggish(directory, width=128, seed=0):
    """Whole waveforms -> (T, 128) of consecutive patches; of less than one patch nothing."""
    obj = tf.Module()
    obj.kernel = tf.Variable(weights(64, width, seed=seed), name="fc/kernel")
    obj.__call__ = tf.function(lambda waveform: _patches(_bands(waveform), 96) @ obj.kernel,
                               input_signature=[WAVEFORM], autograph=False)
    return _saved(obj, directory)


def save_openl3(directory, axes=(None, 48_000), width=512):
    """Windows of a second at 48 kHz -> (T, 512)."""
    obj = tf.Module()
    obj.kernel = tf.Variable(weights(100, width), name="dense/kernel")

    def call(windows):
        parts = tf.reshape(windows, (tf.shape(windows)[0], -1, 100))
        return tf.reduce_mean(tf.abs(parts), axis=1) @ obj.kernel

    obj.__call__ = tf.function(call, input_signature=[tf.TensorSpec(axes, tf.float32)],
                               autograph=False)
    return _saved(obj, directory)


def _bands(waveform):
    """(S,) -> (n, 64), frames of 25 ms every 10 ms at 16 kHz."""
    return tf.abs(tf.signal.frame(waveform, 400, 160)[:, :64])


def _patches(bands, hop):
    """(n, 64) -> (T, 64), the mean of each 96 frames."""
    return tf.reduce_mean(tf.signal.frame(bands, 96, hop, axis=0), axis=1)


def _saved(obj, directory):
    tf.saved_model.save(obj, str(directory))
    return str(directory)
