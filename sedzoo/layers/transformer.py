"""Blocks of a transformer: attention and a feed-forward network on a residual path."""

import keras
from keras import KerasTensor, layers

from sedzoo.layers.attention import MultiHeadAttention, check_counts
from sedzoo.layers.pooling import keep_frames

NORMS = ("post", "pre")


@keras.saving.register_keras_serializable("sedzoo")
class FeedForward(keras.layers.Layer):
    """Two dense layers, frame by frame, back to the input's size.

    y = dropout(W_2 dropout(a(W_1 x + b_1)) + b_2).

    Args:
        units: int > 0, of the first.
        activation: str, a. Defaults to "relu".
        dropout: float in [0, 1), after each. Defaults to 0.1.

    Call: x, float (batch, frames, D) -> like x.
    Raises: ValueError when `units` is no positive int.
    Source: Vaswani et al. 2017, https://arxiv.org/abs/1706.03762, eq. 2.
    """

    def __init__(self, units, activation="relu", dropout=0.1, **kwargs):
        check_counts(units=units)
        super().__init__(**kwargs)
        self.inner = layers.Dense(units, activation, dtype=self.dtype_policy, name="inner")
        self.drop = layers.Dropout(dropout, dtype=self.dtype_policy)

    def build(self, input_shape):
        self.outer = layers.Dense(input_shape[-1], dtype=self.dtype_policy, name="outer")
        self.inner.build(input_shape)
        self.outer.build((*input_shape[:-1], self.inner.units))

    def call(self, x, training=None):
        x = self.drop(self.inner(x), training=training)
        return self.drop(self.outer(x), training=training)

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)


class _Block(keras.layers.Layer):
    """What the two blocks share: their arguments, and sublayers f on a residual path.

    "post": x <- norm(x + f(x));  "pre": x <- x + f(norm(x)).
    """

    num_sublayers = 2

    def __init__(self, num_heads=3, key_dim=128, ff_units=128, activation="relu", dropout=0.1,
                 norm="post", function="softmax", epsilon=1e-6, attention=None, **kwargs):
        if norm not in NORMS:
            raise ValueError(f"`norm` must be one of {NORMS}. Received: norm={norm!r}")
        super().__init__(**kwargs)
        self.arguments = {
            "num_heads": num_heads, "key_dim": key_dim, "ff_units": ff_units,
            "activation": activation, "dropout": dropout, "norm": norm, "function": function,
            "epsilon": epsilon}
        self.norm = norm
        self.attention = self._attention(attention, "attention")
        self.feed_forward = FeedForward(ff_units, activation, dropout, dtype=self.dtype_policy)
        self.drop = layers.Dropout(dropout, dtype=self.dtype_policy)
        self.norms = [layers.LayerNormalization(epsilon=epsilon, dtype=self.dtype_policy)
                      for _ in range(self.num_sublayers)]

    def get_config(self):
        # By hand: Keras writes no configuration by itself when a layer is among the arguments.
        return {**super().get_config(), **self.arguments}

    def _attention(self, given, key):
        """The layer given (or its configuration, from a saved model), or the usual attention."""
        if given is None:
            self.arguments[key] = None
            shared = ("num_heads", "key_dim", "function", "dropout")
            return MultiHeadAttention(**{argument: self.arguments[argument] for argument in shared},
                                      dtype=self.dtype_policy, name=key)
        layer = keras.saving.deserialize_keras_object(given) if isinstance(given, dict) else given
        self.arguments[key] = keras.saving.serialize_keras_object(layer)
        return layer

    def _build(self, x_shape):
        self.attention.build(x_shape)
        self.feed_forward.build(x_shape)
        for norm in self.norms:
            norm.build(x_shape)

    def _before(self, k, x):
        """What sublayer k reads."""
        return self.norms[k](x) if self.norm == "pre" else x

    def _after(self, k, x, y):
        """The path x, and what sublayer k made of it."""
        return x + y if self.norm == "pre" else self.norms[k](x + y)

    def _attend_to_itself(self, x, frame_mask, training):
        y = self.attention(self._before(0, x), key_mask=frame_mask, training=training)
        return self._after(0, x, self.drop(y, training=training))

    def _feed_forward(self, x, frame_mask, training):
        y = self.feed_forward(self._before(-1, x), training=training)
        return keep_frames(self._after(-1, x, y), frame_mask)


@keras.saving.register_keras_serializable("sedzoo")
class EncoderBlock(_Block):
    """Every frame looks at all frames of its clip, then is worked on by itself.

    x <- norm(x + dropout(attention(x))); x <- norm(x + feed_forward(x)); with norm="pre"
    x <- x + dropout(attention(norm(x))); x <- x + feed_forward(norm(x)), which leaves a last
    normalisation to the model.

    Args:
        num_heads: int > 0. Defaults to 3.
        key_dim: int > 0, of one head. Defaults to 128.
        ff_units: int > 0, of the feed-forward network. Defaults to 128.
        activation: str, of the feed-forward network. Defaults to "relu".
        dropout: float in [0, 1), of attention's weights, of what it adds to x, and of both layers
            of the feed-forward network. Defaults to 0.1.
        norm: "post" (default) or "pre", where the layer normalisations stand.
        function: see MultiHeadAttention.
        epsilon: float, of the normalisations. Defaults to 1e-6.
        attention: keras layer with the call of MultiHeadAttention, to stand in its place, where
            num_heads, key_dim and function are of no effect. Defaults to None.

    Call: x, float (batch, frames, D); frame_mask, bool (batch, frames) or None -> like x, 0 in
        masked frames, which no other frame sees.
    Raises: ValueError naming the argument.
    Source: Vaswani et al. 2017, https://arxiv.org/abs/1706.03762, section 3.1.
    """

    def build(self, x_shape):
        self._build(x_shape)

    def call(self, x, frame_mask=None, training=None):
        x = self._attend_to_itself(keep_frames(x, frame_mask), frame_mask, training)
        return self._feed_forward(x, frame_mask, training)

    def compute_output_shape(self, x_shape, frame_mask_shape=None):
        return tuple(x_shape)


@keras.saving.register_keras_serializable("sedzoo")
class DecoderBlock(_Block):
    """Every frame looks at its clip, then at a memory, then is worked on by itself.

    As EncoderBlock, with x <- norm(x + dropout(cross_attention(x, memory))) in between. Frames see
    later ones, too: a clip is there as a whole.

    Args: as EncoderBlock, and
        cross_attention: keras layer with the call of MultiHeadAttention, as `attention`.

    Call: x, float (batch, frames, D); memory, float (batch, keys, D'); frame_mask, bool
        (batch, frames), and memory_mask, bool (batch, keys), or None -> like x, 0 in masked frames.
        With return_weights=True also what each frame sees of the memory, float32
        (batch, num_heads, frames, keys).
    Raises: ValueError naming the argument.
    Source: Vaswani et al. 2017, section 3.1. Differs: no frame is hidden from earlier ones.
    """

    num_sublayers = 3

    def __init__(self, num_heads=3, key_dim=128, ff_units=128, activation="relu", dropout=0.1,
                 norm="post", function="softmax", epsilon=1e-6, attention=None,
                 cross_attention=None, **kwargs):
        super().__init__(num_heads, key_dim, ff_units, activation, dropout, norm, function, epsilon,
                         attention, **kwargs)
        self.cross_attention = self._attention(cross_attention, "cross_attention")

    def build(self, x_shape, memory_shape):
        self._build(x_shape)
        self.cross_attention.build(x_shape, memory_shape)

    def call(self, x, memory, frame_mask=None, memory_mask=None, training=None,
             return_weights=False):
        x = self._attend_to_itself(keep_frames(x, frame_mask), frame_mask, training)
        y, weights = self.cross_attention(self._before(1, x), memory, key_mask=memory_mask,
                                          training=training, return_weights=True)
        x = self._after(1, x, self.drop(y, training=training))
        x = self._feed_forward(x, frame_mask, training)
        return (x, weights) if return_weights else x

    def compute_output_shape(self, x_shape, memory_shape=None, frame_mask_shape=None,
                             memory_mask_shape=None):
        return tuple(x_shape)

    def compute_output_spec(self, x, memory, frame_mask=None, memory_mask=None, training=None,
                            return_weights=False):
        y = KerasTensor(x.shape, self.compute_dtype)
        if not return_weights:
            return y
        return y, self.cross_attention.compute_output_spec(x, memory, return_weights=True)[1]
