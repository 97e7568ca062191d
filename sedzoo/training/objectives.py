"""What a model is trained to say: its outputs, paired where a loss needs two, and their losses."""

import keras
import numpy as np
from keras import layers
from scipy import sparse

from sedzoo.layers import (
    MicroBinaryCrossentropy,
    PseudoLabelCrossentropy,
    WeightedBinaryCrossentropy,
)
from sedzoo.nearest import check_keys

# What a loss is asked of: the clip, every frame, segments under attention, segments against the
# model's own activation.
LOSSES = ("clip", "frame", "micro", "pseudo")


def objective(model, loss_weights, *, micro="paper", class_weights=None, single_label=False):
    """The model to train and its losses.

    "clip" and "frame" are binary cross-entropies of the outputs of that name; "micro" is
    MicroBinaryCrossentropy of every pair "frame", "attention" (at each scale); "pseudo" is
    PseudoLabelCrossentropy of "frame" and "activation".

    Args:
        model: keras.Model of the zoo, with dict outputs.
        loss_weights: dict of LOSSES -> float; 0 leaves a loss out.
        micro: "paper" or "repo", see MicroBinaryCrossentropy.
        class_weights: K floats of the positives, or None for 1.
        single_label: bool, "clip" and "frame" are categorical cross-entropies, of outputs that add
            up to 1.

    Returns: keras.Model that shares all weights, dict of output -> loss, dict of output -> weight.
        All outputs but "frame" learn the clip's tags.
    Raises: ValueError for an unknown loss, when the model lacks an output that a loss needs, or for
        class weights of a categorical loss.
    """
    check_keys(loss_weights, LOSSES, "`loss_weights`")
    if single_label and class_weights is not None:
        raise ValueError("`class_weights` must be None where clips have a single class.")
    outputs, losses, weights = {}, {}, {}

    def add(key, output, loss, weight):
        outputs[key], losses[key], weights[key] = output, loss, weight

    for kind in sorted(key for key, weight in loss_weights.items() if weight > 0):
        weight = loss_weights[kind]
        if kind in ("clip", "frame"):
            _require(model, kind, kind)
            add(kind, model.output[kind], keras.losses.CategoricalCrossentropy() if single_label
                else WeightedBinaryCrossentropy(class_weights), weight)
        elif kind == "micro":
            for suffix in _scales(model):
                attention = layers.Reshape((-1, 1))(model.output[f"attention{suffix}"])
                num_maps = model.get_layer(f"attention{suffix}").num_maps
                add(f"micro{suffix}", _joined(attention, model.output[f"frame{suffix}"]),
                    MicroBinaryCrossentropy(num_maps, micro, class_weights), weight)
        else:
            _require(model, kind, "activation")
            add(kind, _joined(model.output["activation"], model.output["frame"]),
                PseudoLabelCrossentropy(class_weights=class_weights), weight)
    return keras.Model(model.input, outputs), losses, weights


def _scales(model):
    """The endings of the outputs of the micro branches: "", and "_1", ... of a multi-scale one."""
    _require(model, "micro", "attention")
    if len(model.output["attention"].shape) != 2:
        raise ValueError('`loss_weights` asks for "micro", which needs attention of segments '
                         f"(B, T). Received: a model with {model.output['attention'].shape}")
    return [key.removeprefix("attention") for key in model.output if key.startswith("attention")]


def _joined(first, second):
    return layers.Concatenate(dtype="float32")([first, second])


def _require(model, kind, key):
    if key not in model.output:
        raise ValueError(f"`loss_weights` asks for {kind!r}, which needs the output {key!r}; "
                         f"{model.name} has {sorted(model.output)}")


def class_weights(tags, counting="clips"):
    """How much the positives of each class count: more in rare classes.

    "clips": w = ((p' / p) ((1 - p) / (1 - p')))^0.3, p the share of clips, p' its mean over
    classes (the paper); "labels": w = ((p' / p) ((1 - p') / (1 - p)))^0.3, p the share of labels
    (the released code).

    Args:
        tags: (N, K) of 0 and 1, dense or csr_array; clips that hold NaN are left out.
        counting: "clips", "labels" or None.
    Returns: float64 (K,), or None where `counting` is None.
    Raises: ValueError for a class without clips, or of all clips.
    Source: Chou et al. 2018, https://doi.org/10.24963/ijcai.2018/463, eq. 11.
    """
    if counting is None:
        return None
    tags = tags.toarray() if sparse.issparse(tags) else tags
    known = tags[np.isfinite(tags).all(axis=1)]
    counts = known.sum(axis=0)
    share = counts / (len(known) if counting == "clips" else counts.sum())
    if not ((share > 0) & (share < 1)).all():
        raise ValueError("`class_weights` need every class in some of the clips and not in all. "
                         f"Received: classes {np.flatnonzero((share <= 0) | (share >= 1))} with "
                         f"shares {share[(share <= 0) | (share >= 1)]}")
    mean = share.mean()
    there, absent = mean / share, (1 - share) / (1 - mean)
    return (there * (absent if counting == "clips" else 1 / absent)) ** 0.3
