"""TensorFlow kernels that stand in for a few keras.ops; each has a test that both agree."""

import tensorflow as tf


def normalise_batch(x, gamma, beta, epsilon):
    """Batch normalisation by the batch's own statistics, and those statistics.

    Args:
        x: (B, T, F, C), float32, float16 or bfloat16.
        gamma, beta: (C,) scale and shift.
        epsilon: float.
    Returns: y like x; mean and population variance, float32 (C,).
    """
    y, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=x, scale=tf.cast(gamma, tf.float32), offset=tf.cast(beta, tf.float32),
        mean=tf.zeros([0]), variance=tf.zeros([0]), epsilon=epsilon, is_training=True)
    # The kernel gives the sample variance (n - 1); Keras keeps the population's (n).
    count = tf.cast(tf.size(x) // tf.shape(x)[-1], tf.float32)
    return y, mean, variance * (count - 1.0) / count


def normalise(x, gamma, beta, mean, variance, epsilon):
    """Batch normalisation by given statistics; shapes as in normalise_batch."""
    return tf.raw_ops.FusedBatchNormV3(
        x=x, scale=tf.cast(gamma, tf.float32), offset=tf.cast(beta, tf.float32),
        mean=tf.cast(mean, tf.float32), variance=tf.cast(variance, tf.float32),
        epsilon=epsilon, is_training=False).y
