"""The systems of Chou, Jang & Yang 2018: M&mnet and the networks it was compared with."""

import keras
from keras import layers

from sedzoo.layers import (
    ChannelAttentionPool,
    EnsemblePrediction,
    KeepFrames,
    SegmentAttention,
    SegmentPool,
    SpreadMask,
    TimePool,
)
from sedzoo.layers.segments import SPACES, WHEN
from sedzoo.zoo.building import check_option, feature_inputs, finished
from sedzoo.zoo.registry import ModelCard, register
from sedzoo.zoo.residual import Classifier, Trunk

_SOURCE = "Chou, Jang & Yang, IJCAI 2018, https://doi.org/10.24963/ijcai.2018/463"
HEADS = ("mean", "max", "wlat", "slat", "plat", "att", "spda")


def _space(hp):
    return {"width": hp.Int("width", 16, 128, step=16),
            "dropout": hp.Float("dropout", 0.0, 0.5, step=0.1)}


@register(ModelCard(
    summary="Residual network with a macro branch for clips and a micro branch for segments.",
    source=f"{_SOURCE}, sections 3-4", frontend="chou2018", time_stride=16, num_params=4_192_930,
    published_params="4.16M (4,165,760), 8M for multi_scale with 527 classes (8,303,488): kernels "
                     "of convolutions and dense layers alone, cut off after two decimals.",
    differs="Kernels of 3 in the micro branch, as its published size asks for; the attention "
            "output is a share of sum 1, the paper's a(t) over M. multi_scale=True is the best fit "
            "to what the text says of M&mnet-MS."), _space)
def mmnet(num_classes=17, input_shape=(None, 128), *, multi_scale=False, ensemble="test",
          ensemble_space="probability", alpha="softmax", width=128, pools=(4, 4), dropout=0.0,
          momentum=0.9, input_norm=True, preact_relu=False, ragged=False, include_top=True,
          weights=None, name="mmnet"):
    """M&mnet: y = f_cls(mean_t X), d(t) = f_det(X), attention a(t) of X, EP = their mean.

    Args:
        num_classes: int > 0, K.
        input_shape: (frames or None, features F), any F: features are channels.
        multi_scale: bool, M&mnet-MS: micro branches at five scales; "frame" and "attention" are of
            the third, the others are "frame_1", "attention_1", ... (1, 2, 4, 5).
        ensemble, ensemble_space: `when` and `space` of EnsemblePrediction; "never" is the row
            without EP. The space is SegmentPool's, too.
        alpha: see SegmentPool.
        width: int, channels of the first convolution; the others are 2 and 3 times it, the hidden
            layers 8 times.
        pools: two ints, pooling over time after the first and the second block: a segment is their
            product of frames.
        dropout: float in [0, 1), after each hidden layer; the paper has none.
        momentum: float, of the batch normalisation.
        input_norm: bool, batch normalisation of the features (released code).
        preact_relu: bool, ReLU after the first normalisation of each block, too.
        ragged: True takes {"audio": (B, T, F), "frame_mask": (B, T) bool}, for clips of several
            lengths in a batch.
        include_top: False returns {"embedding": (B, T', 3 * width)} alone.
        weights: path of a .weights.h5 or .keras file, or None.

    Returns: keras.Model, standardised features (B, T, F) -> {"clip": (B, K), "frame": (B, T', K),
        "attention": (B, T')}, float32; T' is T divided by the pools.
    Raises: ValueError naming the argument.
    """
    check_option("ensemble", ensemble, WHEN)
    check_option("ensemble_space", ensemble_space, SPACES)
    _check_sizes(width, pools)
    inputs, x, mask = feature_inputs(input_shape, ragged)
    *levels, (x, mask) = Trunk(mask, momentum, preact_relu).resnet12(x, width, pools, input_norm)
    if not include_top:
        return keras.Model(inputs, {"embedding": x}, name=name)
    classify = Classifier((8 * width,) * 2, num_classes, dropout, momentum)
    clip = _probability(classify(TimePool("mean")(x, frame_mask=mask)), None)
    outputs = _micro(x, mask, num_classes)
    pooled = SegmentPool(3 * width, alpha, ensemble_space, dtype="float32")(
        outputs["frame"], outputs["attention"], frame_mask=mask)
    outputs["clip"] = EnsemblePrediction(ensemble, ensemble_space, dtype="float32", name="clip")(
        clip, pooled)
    if multi_scale:
        levels += _raised(x, mask, width, pools)
        for number, (level, level_mask) in zip((1, 2, 4, 5), levels, strict=True):
            outputs |= _micro(level, level_mask, num_classes, f"_{number}")
    return finished(keras.Model(inputs, outputs, name=name), weights)


@register(ModelCard(
    summary="The residual networks that M&mnet was compared with: pooling, attention, depth.",
    source=f"{_SOURCE}, Tables 1, 3 and 4", frontend="chou2018", time_stride=16,
    num_params=3_730_577,
    published_params="Mean, max, WLAT and SLAT 3.70M (3,703,808), PLAT 3.72M (3,723,392), ATT "
                     "4.14M (4,146,176), SPDA 6.84M (6,849,536); with 527 classes ATT 4M "
                     "(4,668,416), ResNet-28 16M (16,251,904), ResNet-50 20M (19,643,392): kernels "
                     "of convolutions and dense layers alone, cut off (the last one rounded).",
    differs="head='spda', depth=28 and depth=50 are what fits the published sizes; the text does "
            "not give them."), _space)
def mmnet_resnet(num_classes=17, input_shape=(None, 128), *, head="mean", depth=12, width=None,
                 pools=(4, 4), dropout=0.0, momentum=0.9, input_norm=True, preact_relu=False,
                 ragged=False, include_top=True, weights=None, name="mmnet_resnet"):
    """Residual network with one of the heads of Chou et al. 2018.

    Args: as mmnet, and
        head: "mean" or "max" of the features over time; "wlat", mean of the segments'
            probabilities, and "slat", the same for a network whose segments are trained with the
            clip's labels; "plat", a detector of segments beside the clip branch, for training with
            pseudo labels; "att", segments' probabilities under attention; "spda", hidden features
            under attention.
        depth: 12, 28 or 50.
        width: int, channels of the first convolution; None for 128, or 64 at depth 50.
        pools: as mmnet; depth 50 pools by 2 four times instead.
        input_norm, preact_relu: as mmnet, at depth 12 alone.

    Returns: keras.Model, standardised features (B, T, F) -> {"clip": (B, K)}, and "frame"
        (B, T', K) for all but "mean", "max" and "spda"; "attention" (B, T') for "att";
        "activation" (B, T', K) for "plat". Float32.
    Raises: ValueError naming the argument.
    """
    check_option("head", head, HEADS)
    check_option("depth", depth, (12, 28, 50))
    width = (64 if depth == 50 else 128) if width is None else width
    _check_sizes(width, pools)
    inputs, x, mask = feature_inputs(input_shape, ragged)
    trunk = Trunk(mask, momentum, preact_relu)
    if depth == 12:
        x = trunk.resnet12(x, width, pools, input_norm)[-1][0]
    else:
        x = trunk.resnet28(x, width, pools) if depth == 28 else trunk.resnet50(x, width)
    if not include_top:
        return keras.Model(inputs, {"embedding": x}, name=name)
    hidden = (16 if depth == 50 else 8) * width
    classify = Classifier((hidden, hidden), num_classes, dropout, momentum)
    outputs = _head(head, x, trunk.mask, classify)
    return finished(keras.Model(inputs, outputs, name=name), weights)


@register(ModelCard(
    summary="The plain convolutional network that M&mnet was compared with.",
    source=f"{_SOURCE}, Tables 1 and 3, ConvNet", frontend="chou2018", time_stride=16,
    num_params=1_553_937,
    published_params="1.54M (1,541,120): kernels of convolutions and dense layers alone.",
    differs="The one regular plan of eight layers that has the published size; the text does not "
            "give it."), _space)
def mmnet_convnet(num_classes=17, input_shape=(None, 128), *, width=128, pools=(4, 4), dropout=0.0,
                  momentum=0.9, ragged=False, include_top=True, weights=None,
                  name="mmnet_convnet"):
    """Six convolutions, mean over time, one hidden layer.

    Args: as mmnet.
    Returns: keras.Model, standardised features (B, T, F) -> {"clip": (B, K)}, float32.
    """
    _check_sizes(width, pools)
    inputs, x, mask = feature_inputs(input_shape, ragged)
    trunk = Trunk(mask, momentum)
    for factor, pool in zip((1, 2, 3), (*pools, None), strict=True):
        for _ in range(2):
            x = layers.ReLU()(trunk.norm(trunk.conv(x, factor * width)))
        x = x if pool is None else trunk.pool(x, pool)
    x = trunk.finish(x)
    if not include_top:
        return keras.Model(inputs, {"embedding": x}, name=name)
    classify = Classifier((8 * width,), num_classes, dropout, momentum)
    clip = _probability(classify(TimePool("mean")(x, frame_mask=trunk.mask)), "clip")
    return finished(keras.Model(inputs, {"clip": clip}, name=name), weights)


# -- heads -------------------------------------------------------------------------------------


def _head(head, x, mask, classify):
    """Features (B, T', C) -> outputs of a row of Table 1."""
    if head in ("mean", "max", "plat"):
        pool = "max" if head == "max" else "mean"
        outputs = {"clip": _probability(classify(TimePool(pool)(x, frame_mask=mask)), "clip")}
        if head == "plat":
            outputs["frame"] = _segments(_conv(x, classify.num_classes), mask, "frame")
            # As at test, so that the hidden layers' statistics stay those of clips.
            outputs["activation"] = _segments(classify(x, at_test=True), mask, "activation")
        return outputs
    if head == "spda":
        hidden = classify.hidden(x, mask)
        hidden = hidden if mask is None else KeepFrames()(hidden, mask)
        pooled = ChannelAttentionPool()(hidden, _conv(hidden, hidden.shape[-1]), frame_mask=mask)
        return {"clip": _probability(classify.last(pooled), "clip")}
    frame = _segments(classify(x, mask), mask, "frame")
    if head == "att":
        attention = SegmentAttention(name="attention")(_conv(x, x.shape[-1]), frame_mask=mask)
        clip = SegmentPool(x.shape[-1], "linear", dtype="float32", name="clip")(
            frame, attention, frame_mask=mask)
        return {"clip": clip, "frame": frame, "attention": attention}
    return {"clip": TimePool("mean", dtype="float32", name="clip")(frame, frame_mask=mask),
            "frame": frame}


def _micro(x, mask, num_classes, suffix=""):
    """The micro branch of one scale: as many attention maps as features."""
    return {f"frame{suffix}": _segments(_conv(x, num_classes), mask, f"frame{suffix}"),
            f"attention{suffix}": SegmentAttention(name=f"attention{suffix}")(
                _conv(x, x.shape[-1]), frame_mask=mask)}


def _raised(x, mask, width, pools):
    """X at the resolution of the second and of the first block, by transposed convolutions."""
    for factor, size in zip((2, 1), reversed(pools), strict=True):
        x = layers.Conv1DTranspose(factor * width, size, size, kernel_initializer="he_normal")(x)
        mask = mask if mask is None else SpreadMask(size)(mask)
        x = layers.Identity()(x) if mask is None else KeepFrames()(x, mask)
        yield x, mask


def _check_sizes(width, pools):
    if not _is_size(width):
        raise ValueError(f"`width` must be an int > 0. Received: width={width!r}")
    if len(pools) != 2 or not all(_is_size(pool) for pool in pools):
        raise ValueError(f"`pools` must be two ints > 0. Received: pools={pools!r}")


def _is_size(value):
    return isinstance(value, int) and value > 0


def _conv(x, filters):
    return layers.Conv1D(filters, 3, padding="same", kernel_initializer="he_normal")(x)


def _probability(logits, name):
    return layers.Activation("sigmoid", dtype="float32", name=name)(logits)


def _segments(logits, mask, name):
    """Probabilities of segments under their name, zero where padded."""
    # Keras would call it "activation", which is the name of an output.
    frame = _probability(logits, f"every_{name}")
    # As many layers without a mask as with one: Keras orders the weights by depth.
    if mask is None:
        return layers.Identity(dtype="float32", name=name)(frame)
    return KeepFrames(dtype="float32", name=name)(frame, mask)
