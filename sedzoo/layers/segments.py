"""Micro heads: from what each segment says to what the clip says."""

import keras
from keras import ops

from sedzoo.layers.pooling import keep_frames

WHEN = ("test", "always", "never")
SPACES = ("probability", "logit")


@keras.saving.register_keras_serializable("sedzoo")
class SegmentAttention(keras.layers.Layer):
    """How much each segment matters, as a share: attention maps, each a softmax over time, added.

    a(t) = sum_m softmax_t(v(t, m)) over M maps; the output is a(t) / M.

    Call: v, float (batch, frames, M); frame_mask, bool (batch, frames) or None
        -> float32 (batch, frames), >= 0, of sum 1 over the frames that count (0 without any).
    Source: Chou et al. 2018, https://doi.org/10.24963/ijcai.2018/463, eq. 5-6. Differs: divided by
        M, so that the numbers do not depend on the width.
    """

    def __init__(self, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.num_maps = None

    def build(self, v_shape):
        self.num_maps = v_shape[-1]

    def call(self, v, frame_mask=None):
        if frame_mask is not None:
            # Not -inf: a clip without any frame would give NaN.
            v = ops.where(frame_mask[:, :, None], v, ops.cast(-1e9, v.dtype))
        attention = ops.mean(ops.softmax(v, axis=1), axis=-1)
        return keep_frames(attention, frame_mask)

    def compute_output_shape(self, v_shape, frame_mask_shape=None):
        return tuple(v_shape[:2])


@keras.saving.register_keras_serializable("sedzoo")
class SegmentPool(keras.layers.Layer):
    """Clip probabilities as the mean of segment probabilities under attention.

    y = sum_t alpha(t) d(t), of probabilities, or of logits before the sigmoid;
    alpha = softmax_t(M a) of the share a, or a itself.

    Args:
        num_maps: int > 0, M, of the attention maps behind the share.
        alpha: "softmax" (the paper; maps that agree put almost all weight on one segment) or
            "linear".
        space: "probability" (the paper) or "logit" (the released code).

    Call: d, float (batch, frames, K) in [0, 1]; attention, float (batch, frames), of sum 1;
        frame_mask, bool (batch, frames) or None -> float (batch, K) in [0, 1]. A clip without any
        frame scores 0, or 0.5 in "logit" space, where that is no say in the ensemble.
    Raises: ValueError naming the option that is not one of these.
    Source: Chou et al. 2018, section 2.4, below eq. 9.
    """

    def __init__(self, num_maps, alpha="softmax", space="probability", **kwargs):
        _check_options(alpha=(alpha, ("softmax", "linear")), space=(space, SPACES))
        super().__init__(**kwargs)
        self.num_maps = num_maps
        self.alpha = alpha
        self.space = space

    def call(self, d, attention, frame_mask=None):
        attention = ops.cast(attention, d.dtype)
        if self.alpha == "softmax":
            attention = self.num_maps * attention
            if frame_mask is not None:
                attention = ops.where(frame_mask, attention, ops.cast(-3e4, d.dtype))
            attention = keep_frames(ops.softmax(attention, axis=1), frame_mask)
        d = keep_frames(d, frame_mask)
        if self.space == "probability":
            return ops.sum(attention[:, :, None] * d, axis=1)
        logits = ops.sum(ops.cast(attention, "float32")[:, :, None] * _logit(d), axis=1)
        return ops.cast(ops.sigmoid(logits), d.dtype)

    def compute_output_shape(self, d_shape, attention_shape=None, frame_mask_shape=None):
        return (d_shape[0], d_shape[-1])


@keras.saving.register_keras_serializable("sedzoo")
class ChannelAttentionPool(keras.layers.Layer):
    """Features pooled over time, each channel under attention of its own.

    y(c) = sum_t softmax_t(v(t, c)) h(t, c).

    Call: h, v, float (batch, frames, C); frame_mask, bool (batch, frames) or None
        -> float (batch, C). A clip without any frame gives 0.
    Source: Zhang et al. 2016, SPDA-CNN, https://doi.org/10.1109/CVPR.2016.129, as a head of Chou
        et al. 2018 (a reading of its row ResNet-SPDA, which the text does not spell out).
    """

    def call(self, h, v, frame_mask=None):
        if frame_mask is not None:
            v = ops.where(frame_mask[:, :, None], v, ops.cast(-3e4, v.dtype))
        return ops.sum(ops.softmax(v, axis=1) * keep_frames(h, frame_mask), axis=1)

    def compute_output_shape(self, h_shape, v_shape=None, frame_mask_shape=None):
        return (h_shape[0], h_shape[-1])


@keras.saving.register_keras_serializable("sedzoo")
class EnsemblePrediction(keras.layers.Layer):
    """The clip branch and the segment branch of one network, averaged.

    y = mu y_clip + (1 - mu) y_segments, of probabilities, or of logits before the sigmoid.

    Args:
        when: "test", only outside of training (the paper: both branches learn on their own),
            "always" (the released code), or "never": the clip branch alone.
        space: "probability" (the paper) or "logit" (the released code).
        mu: float in [0, 1]. Defaults to 0.5.

    Call: y_clip, y_segments, float (batch, K) in [0, 1] -> float (batch, K) in [0, 1].
    Raises: ValueError naming the option that is not one of these.
    Source: Chou et al. 2018, eq. 9.
    """

    def __init__(self, when="test", space="probability", mu=0.5, **kwargs):
        _check_options(when=(when, WHEN), space=(space, SPACES))
        if not 0 <= mu <= 1:
            raise ValueError(f"`mu` must lie in [0, 1]. Received: mu={mu!r}")
        super().__init__(**kwargs)
        self.when = when
        self.space = space
        self.mu = mu

    def call(self, y_clip, y_segments, training=None):
        if self.when == "never" or (self.when == "test" and training):
            return y_clip
        if self.space == "probability":
            return self.mu * y_clip + (1 - self.mu) * y_segments
        logits = self.mu * _logit(y_clip) + (1 - self.mu) * _logit(y_segments)
        return ops.cast(ops.sigmoid(logits), y_clip.dtype)

    def compute_output_shape(self, y_clip_shape, y_segments_shape=None):
        return tuple(y_clip_shape)


def _check_options(**options):
    for key, (value, known) in options.items():
        if value not in known:
            raise ValueError(f"`{key}` must be one of {known}. Received: {key}={value!r}")


def _logit(y):
    # In float16, 1 - 1e-7 is 1, whose logit is infinite.
    y = ops.clip(ops.cast(y, "float32"), 1e-7, 1 - 1e-7)
    return ops.log(y) - ops.log1p(-y)


@keras.saving.register_keras_serializable("sedzoo")
class SpreadMask(keras.layers.Layer):
    """The frame mask of frames that were each spread over `size`: the inverse of PoolMask.

    Args:
        size: int > 0.

    Call: frame_mask, bool (batch, frames) -> bool (batch, frames * size).
    """

    def __init__(self, size, **kwargs):
        super().__init__(**{"dtype": "bool", **kwargs})
        self.size = size

    def call(self, frame_mask):
        return ops.repeat(frame_mask, self.size, axis=1)

    def compute_output_shape(self, input_shape):
        frames = input_shape[1]
        return (input_shape[0], None if frames is None else frames * self.size)
