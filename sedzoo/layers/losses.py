"""Cross-entropies of clip labels, for the clip and for its segments."""

import keras
from keras import ops

_EPSILON = 1e-7


@keras.saving.register_keras_serializable("sedzoo")
class WeightedBinaryCrossentropy(keras.losses.Loss):
    """Binary cross-entropy whose positives count more in rare classes.

    xi(y, p) = -(w y log p + (1 - y) log(1 - p)), mean over clips and classes.

    Args:
        class_weights: K floats > 0, w, or None for 1.

    Call: y, (batch, K) or (batch, frames, K) in [0, 1]; p, the same shape -> float.
    Source: Chou et al. 2018, https://doi.org/10.24963/ijcai.2018/463, eq. 3 and 10.
    """

    def __init__(self, class_weights=None, name="binary_crossentropy",
                 reduction="mean_with_sample_weight", dtype=None):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.class_weights = _plain_weights(class_weights)

    def call(self, y_true, y_pred):
        return ops.mean(crossentropy(y_true, y_pred, self.class_weights), axis=-1)

    def get_config(self):
        return {**super().get_config(), "class_weights": self.class_weights}


@keras.saving.register_keras_serializable("sedzoo")
class MicroBinaryCrossentropy(keras.losses.Loss):
    """Micro supervision: the clip's labels asked of every segment, as much as it matters.

    "paper": sum_t a(t) xi(y, d(t)), a the attention's share of sum 1, mean over clips and classes;
        the gradient goes through a.
    "repo": mean over clips, classes and a clip's segments of
        -(M a(t) w y log d + (1 - y) log(1 - d)), the gradient stops at a: attention weighs
        positives alone, as in the released code.

    Args:
        num_maps: int, M, attention maps behind the share; "repo" alone asks for it.
        recipe: "paper" or "repo".
        class_weights: K floats > 0, or None for 1.

    Call: y, (batch, K); p, float (batch, frames, 1 + K): the share, then the segment probabilities
        (padded frames hold zeros) -> float.
    Raises: ValueError for another `recipe`.
    Source: Chou et al. 2018, eq. 7. Differs: the paper's a(t) is M times the share, which would
        make the micro loss M times the macro loss.
    """

    def __init__(self, num_maps=1, recipe="paper", class_weights=None, name="micro",
                 reduction="mean_with_sample_weight", dtype=None):
        if recipe not in ("paper", "repo"):
            raise ValueError(f'`recipe` must be "paper" or "repo". Received: recipe={recipe!r}')
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.num_maps = num_maps
        self.recipe = recipe
        self.class_weights = _plain_weights(class_weights)

    def call(self, y_true, y_pred):
        share, segments = y_pred[:, :, :1], y_pred[:, :, 1:]
        y_true = ops.broadcast_to(y_true[:, None], ops.shape(segments))
        if self.recipe == "paper":
            errors = share * crossentropy(y_true, segments, self.class_weights)
            return ops.mean(ops.sum(errors, axis=1), axis=-1)
        weight = self.num_maps * ops.stop_gradient(share)
        positive, negative = _parts(y_true, segments, self.class_weights)
        return _mean_of_segments(weight * positive + negative, y_pred)

    def get_config(self):
        return {**super().get_config(), "num_maps": self.num_maps, "recipe": self.recipe,
                "class_weights": self.class_weights}


@keras.saving.register_keras_serializable("sedzoo")
class PseudoLabelCrossentropy(keras.losses.Loss):
    """Segments learn the clip's labels where the network's own activation is strong.

    ybar(t) = y . [c(t) >= threshold max_t c(t)] of the class activation c, without gradient;
    mean over clips, a clip's segments and classes of xi(ybar(t), d(t)).

    Args:
        threshold: float in [0, 1], share of the largest activation. Defaults to 0.5.
        class_weights: K floats > 0, or None for 1.

    Call: y, (batch, K); p, float (batch, frames, 2 K): activation, then segment probabilities
        (padded frames hold zeros) -> float.
    Source: the row ResNet-PLAT of Chou et al. 2018; the paper gives neither activation nor
        threshold.
    """

    def __init__(self, threshold=0.5, class_weights=None, name="pseudo",
                 reduction="mean_with_sample_weight", dtype=None):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.threshold = threshold
        self.class_weights = _plain_weights(class_weights)

    def call(self, y_true, y_pred):
        activation, segments = ops.split(y_pred, 2, axis=-1)
        activation = ops.stop_gradient(activation)
        strong = activation >= self.threshold * ops.max(activation, axis=1, keepdims=True)
        strong = ops.logical_and(strong, activation > 0)
        labels = y_true[:, None] * ops.cast(strong, y_true.dtype)
        return _mean_of_segments(crossentropy(labels, segments, self.class_weights), y_pred)

    def get_config(self):
        return {**super().get_config(), "threshold": self.threshold,
                "class_weights": self.class_weights}


def crossentropy(y, p, class_weights=None):
    """-(w y log p + (1 - y) log(1 - p)), element by element."""
    positive, negative = _parts(y, p, class_weights)
    return positive + negative


def _parts(y, p, class_weights):
    p = ops.clip(p, _EPSILON, 1 - _EPSILON)
    weight = 1.0 if class_weights is None else ops.convert_to_tensor(class_weights, p.dtype)
    return -weight * y * ops.log(p), -(1 - y) * ops.log1p(-p)


def _mean_of_segments(errors, y_pred):
    """(B, T, K) -> (B,): the mean over classes, and over the segments that are no padding."""
    counts = ops.cast(ops.any(ops.not_equal(y_pred, 0), axis=-1), errors.dtype)         # (B, T)
    total = ops.sum(counts * ops.mean(errors, axis=-1), axis=1)
    return total / ops.maximum(ops.sum(counts, axis=1), 1)


def _plain_weights(class_weights):
    """K floats that JSON can hold, or None."""
    return None if class_weights is None else [float(weight) for weight in class_weights]
