"""Multi-head attention, with the function that turns scores into weights as an option."""

import keras
from keras import KerasTensor, layers, ops

from sedzoo.layers.pooling import keep_frames

FUNCTIONS = ("softmax", "sigmoid", "normalised_sigmoid")
EPSILON = 1e-7


@keras.saving.register_keras_serializable("sedzoo")
class MultiHeadAttention(keras.layers.Layer):
    """For each query a mean of values, head by head, weighted by how well their keys fit it.

    y = [f(Q_1 K_1^T / sqrt(d)) V_1 ... f(Q_H K_H^T / sqrt(d)) V_H] W + b, with Q linear in the
    query, K and V in the memory. Over the scores s of a query, f is softmax, or
    sigmoid: sigmoid(s_j), of any sum;
    normalised_sigmoid: sigmoid(s_j) / (sum_i sigmoid(s_i) + 1e-7).

    Args:
        num_heads: int > 0, H. Defaults to 3.
        key_dim: int > 0, d, size of a query and of a key in one head. Defaults to 128.
        value_dim: int > 0, size of a value in one head. Defaults to None: key_dim.
        output_size: int > 0. Defaults to None: the query's size.
        function: f, "softmax", "sigmoid" or "normalised_sigmoid".
        dropout: float in [0, 1), share of the weights left out in training.
        use_bias: bool, of the four linear maps.

    Call: query, float (batch, queries, C); memory, float (batch, keys, C'), or None for the query
        itself; key_mask, bool (batch, keys), or None -> float (batch, queries, output_size). With
        return_weights=True also f, before the dropout, float32 (batch, H, queries, keys). Masked
        keys weigh 0 whatever they hold; a query without any other gets b.
    Raises: ValueError naming the argument.
    Source: Vaswani et al. 2017, https://arxiv.org/abs/1706.03762, eq. 1; Boes and Van hamme 2019,
        https://arxiv.org/abs/1912.02615, eq. 1-2. Differs: the biases, of which both are silent.
    """

    def __init__(self, num_heads=3, key_dim=128, value_dim=None, output_size=None,
                 function="softmax", dropout=0.0, use_bias=True, **kwargs):
        value_dim = key_dim if value_dim is None else value_dim
        check_counts(num_heads=num_heads, key_dim=key_dim, value_dim=value_dim,
                     output_size=1 if output_size is None else output_size)
        if function not in FUNCTIONS:
            raise ValueError(f"`function` must be one of {FUNCTIONS}. "
                             f"Received: function={function!r}")
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.key_dim = key_dim
        self.value_dim = value_dim
        self.output_size = output_size
        self.function = function
        self.use_bias = use_bias
        self.query = self._linear(num_heads * key_dim, "query")
        self.key = self._linear(num_heads * key_dim, "key")
        self.value = self._linear(num_heads * value_dim, "value")
        self.drop = layers.Dropout(dropout, dtype=self.dtype_policy)

    def build(self, query_shape, memory_shape=None):
        memory_shape = memory_shape or query_shape
        self.out = self._linear(self.output_size or query_shape[-1], "out")
        self.query.build(query_shape)
        self.key.build(memory_shape)
        self.value.build(memory_shape)
        self.out.build((*query_shape[:-1], self.num_heads * self.value_dim))

    def call(self, query, memory=None, key_mask=None, training=None, return_weights=False):
        # Zeros before the maps, not after: NaN times 0 is NaN in the gradients of the kernels.
        if memory is None:
            query = memory = keep_frames(query, key_mask)
        else:
            memory = keep_frames(memory, key_mask)
        q, k, v = (self._heads(linear(x)) for linear, x in
                   ((self.query, query), (self.key, memory), (self.value, memory)))
        weights = attention_weights(self.scores(q, k), self.function, key_mask)  # (B, H, Tq, Tk)
        dropped = self.drop(ops.cast(weights, self.compute_dtype), training=training)
        y = ops.matmul(dropped, ops.transpose(v, (0, 2, 1, 3)))                  # (B, H, Tq, d)
        y = self.out(ops.reshape(ops.transpose(y, (0, 2, 1, 3)),
                                 (-1, ops.shape(y)[2], self.num_heads * self.value_dim)))
        return (y, weights) if return_weights else y

    def scores(self, q, k):
        """(B, Tq, H, d), (B, Tk, H, d) -> (B, H, Tq, Tk); what relative attention replaces."""
        # Divided before the product, which float16 has less room for.
        return ops.matmul(ops.transpose(q * self.key_dim ** -0.5, (0, 2, 1, 3)),
                          ops.transpose(k, (0, 2, 3, 1)))

    def compute_output_shape(self, query_shape, memory_shape=None, key_mask_shape=None):
        return (*query_shape[:-1], self.output_size or query_shape[-1])

    def compute_output_spec(self, query, memory=None, key_mask=None, training=None,
                            return_weights=False):
        y = KerasTensor(self.compute_output_shape(query.shape), self.compute_dtype)
        num_keys = (query if memory is None else memory).shape[1]
        weights = (query.shape[0], self.num_heads, query.shape[1], num_keys)
        return (y, KerasTensor(weights, "float32")) if return_weights else y

    def _linear(self, units, name):
        return layers.Dense(units, use_bias=self.use_bias, dtype=self.dtype_policy, name=name)

    def _heads(self, x):
        return ops.reshape(x, (-1, ops.shape(x)[1], self.num_heads, x.shape[-1] // self.num_heads))


def attention_weights(scores, function, key_mask=None):
    """Scores (B, H, Tq, Tk) -> weights of the keys, float32, 0 where masked."""
    half = keras.backend.standardize_dtype(scores.dtype) == "float16"
    scores = ops.cast(scores, "float32")
    if half:
        # Products past its largest number are infinite, and inf - inf is no weight.
        scores = ops.clip(scores, -6e4, 6e4)
    if function == "softmax":
        if key_mask is not None:
            scores = ops.where(key_mask[:, None, None, :], scores, -1e9)
        # Of a single key Keras' softmax warns.
        weights = ops.softmax(scores) if scores.shape[-1] != 1 else ops.ones_like(scores)
    else:
        weights = ops.sigmoid(scores)
    if key_mask is not None:
        weights = ops.where(key_mask[:, None, None, :], weights, 0.0)
    if function == "normalised_sigmoid":
        weights = weights / (ops.sum(weights, axis=-1, keepdims=True) + EPSILON)
    return weights


@keras.saving.register_keras_serializable("sedzoo")
class StackWeights(keras.layers.Layer):
    """The weights of several attentions side by side, frame by frame of the queries.

    Call: weights, list of N floats (batch, H, queries, keys); frame_mask, bool (batch, queries) or
        None -> float32 (batch, queries, N, H, keys), 0 where masked.
    """

    def __init__(self, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})

    def call(self, weights, frame_mask=None):
        stack = ops.transpose(ops.stack(weights, axis=1), (0, 3, 1, 2, 4))
        return keep_frames(stack, frame_mask)

    def compute_output_shape(self, weights_shape, frame_mask_shape=None):
        batch, num_heads, queries, keys = weights_shape[0]
        return (batch, queries, len(weights_shape), num_heads, keys)


def check_counts(**counts):
    """Raise ValueError for the first argument that is not a positive int."""
    for key, value in counts.items():
        if not (isinstance(value, int) and value > 0):
            raise ValueError(f"`{key}` must be an int > 0. Received: {key}={value!r}")
