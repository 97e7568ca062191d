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


def gru(p, kernel, bias, activations, reset_after):
    """N gated recurrent units side by side: one loop forward, one back, for all directions.

    TensorFlow's own gradient of a loop sums the weights' gradients step by step, and Keras runs a
    loop for each direction; this is several times as fast on a CPU.

    z, r = gate(p + U h);  c = act(p + U (r h)), or act(p + r (U h + bias)) with reset_after;
    h <- z h + (1 - z) c, from h = 0.

    Args:
        p: float32 (T, N, B, 3U), the inputs' part, gates in the order z, r, c.
        kernel: float32 (N, U, 3U), recurrent. bias: float32 (N, 3U), recurrent, reset_after only.
        activations: N of "linear", "tanh", "sigmoid", "relu", of the candidate c. The gates are
            Keras 2's hard sigmoid, or the sigmoid with reset_after.
        reset_after: bool, where the reset gate stands.
    Returns: h, float32 (T, N, B, U).
    """
    gate = "sigmoid" if reset_after else "hard_sigmoid"

    @tf.custom_gradient
    def loop(p, kernel, bias):
        h, *kept = _gru_forward(p, kernel, bias, activations, gate, reset_after)
        return h, lambda dh: _gru_backward(dh, h, *kept, kernel, activations, gate, reset_after)

    return loop(p, kernel, bias)


def _gru_forward(p, kernel, bias, activations, gate, reset_after):
    """h, z, r, c and what r multiplies or has multiplied, each (T, N, B, U)."""
    units, num_frames = kernel.shape[1], tf.shape(p)[0]
    inputs = _array(num_frames, kernel.shape[0], 3 * units).unstack(p)
    kernel_zr, kernel_c = tf.split(kernel, [2 * units, units], axis=2)
    act = _ACTIVATIONS[gate][0]

    def step(t, h, *written):
        p_zr, p_c = tf.split(inputs.read(t), [2 * units, units], axis=2)
        if reset_after:
            u_zr, inner = tf.split(_matmuls(h, kernel) + bias[:, None], [2 * units, units], axis=2)
            z, r = tf.split(act(p_zr + u_zr), 2, axis=2)
            c = _apply(0, p_c + r * inner, activations)
        else:
            z, r = tf.split(act(p_zr + _matmuls(h, kernel_zr)), 2, axis=2)
            inner = r * h
            c = _apply(0, p_c + _matmuls(inner, kernel_c), activations)
        h = z * h + (1.0 - z) * c
        return t + 1, h, *(array.write(t, value) for array, value in
                           zip(written, (h, z, r, c, inner), strict=True))

    arrays = [_array(num_frames, kernel.shape[0], units) for _ in range(5)]
    start = (0, tf.zeros((kernel.shape[0], tf.shape(p)[2], units)), *arrays)
    _, _, *arrays = tf.while_loop(lambda t, *_: t < num_frames, step, start,
                                  maximum_iterations=num_frames)
    return [array.stack() for array in arrays]


def _gru_backward(dh, h, z, r, c, inner, kernel, activations, gate, reset_after):
    """Gradients of p, kernel and bias; the weights' in one product after the loop."""
    num, units, num_frames = kernel.shape[0], kernel.shape[1], tf.shape(dh)[0]
    before = tf.concat([tf.zeros_like(h[:1]), h[:-1]], 0)
    slope = _ACTIVATIONS[gate][1]
    kernel_zr, kernel_c = tf.split(kernel, [2 * units, units], axis=2)
    # What does not depend on the recurrent gradient is made for all steps at once.
    by_z, by_c, by_r, zs, rs, dhs = (_array(num_frames, num, units).unstack(x) for x in (
        (before - c) * slope(z), (1.0 - z) * _apply(1, c, activations),
        (inner if reset_after else before) * slope(r), z, r, dh))

    def step(t, g, written):
        g = g + dhs.read(t)
        dc, dz = g * by_c.read(t), g * by_z.read(t)
        if reset_after:
            dr = dc * by_r.read(t)
            g = g * zs.read(t) + _matmuls(tf.concat([dz, dr, dc * rs.read(t)], 2), kernel, True)
        else:
            d_inner = _matmuls(dc, kernel_c, True)
            dr = d_inner * by_r.read(t)
            g = (g * zs.read(t) + d_inner * rs.read(t)
                 + _matmuls(tf.concat([dz, dr], 2), kernel_zr, True))
        return t - 1, g, written.write(t, tf.concat([dz, dr, dc], 2))

    start = (num_frames - 1, tf.zeros_like(dh[0]), _array(num_frames, num, 3 * units))
    *_, written = tf.while_loop(lambda t, *_: t >= 0, step, start, maximum_iterations=num_frames)
    dp = written.stack()                                                   # (T, N, B, 3U)

    def rows(x):                                                           # (N, T B, ...)
        return tf.reshape(tf.transpose(x, (1, 0, 2, 3)), (num, -1, x.shape[-1]))

    d_zr, d_c = tf.split(dp, [2 * units, units], axis=3)
    if reset_after:
        d = rows(tf.concat([d_zr, d_c * r], 3))
        return dp, tf.matmul(rows(before), d, transpose_a=True), tf.reduce_sum(d, 1)
    d_kernel = tf.concat([tf.matmul(rows(before), rows(d_zr), transpose_a=True),
                          tf.matmul(rows(inner), rows(d_c), transpose_a=True)], 2)
    return dp, d_kernel, tf.zeros((num, 3 * units))


# Each function, and its slope as a function of its value.
_ACTIVATIONS = {
    "linear": (tf.identity, tf.ones_like),
    "tanh": (tf.tanh, lambda y: 1.0 - y * y),
    "sigmoid": (tf.sigmoid, lambda y: y * (1.0 - y)),
    "relu": (tf.nn.relu, lambda y: tf.cast(y > 0, y.dtype)),
    "hard_sigmoid": (lambda x: tf.clip_by_value(0.2 * x + 0.5, 0.0, 1.0),
                     lambda y: 0.2 * tf.cast((y > 0) & (y < 1), y.dtype)),
}


def _apply(which, x, activations):
    """Each of N activations (0) or slopes (1) to its own part of (..., N, B, U)."""
    parts = tf.unstack(x, num=len(activations), axis=-3)
    return tf.stack([_ACTIVATIONS[name][which](part)
                     for name, part in zip(activations, parts, strict=True)], axis=-3)


def _array(size, num, width):
    return tf.TensorArray(tf.float32, size=size, element_shape=(num, None, width))


def _matmuls(a, b, transpose_b=False):
    """(N, B, i) x (N, i, o): N products; one batched product is slower here."""
    return tf.stack([tf.matmul(x, y, transpose_b=transpose_b) for x, y in
                     zip(tf.unstack(a, num=a.shape[0]), tf.unstack(b, num=a.shape[0]),
                         strict=True)])
