"""The systems of Xu et al. 2018: gated CRNN, its ReLU baseline, and the challenge's MLP."""

import keras
from keras import layers

from sedzoo.layers import (
    AttentionLocalisation,
    BatchNorm,
    BiGRU,
    GatedBiGRU,
    GatedConv2D,
    KeepFrames,
    PoolMask,
    StackFrames,
    TimePool,
)
from sedzoo.zoo.building import check_option, feature_inputs, finished
from sedzoo.zoo.registry import ModelCard, register

_SOURCE = "Xu, Kong, Wang & Plumbley, ICASSP 2018, https://arxiv.org/abs/1710.00343"


def _space(hp):
    return {"width": hp.Int("width", 16, 64, step=16),
            "rnn_units": hp.Int("rnn_units", 32, 128, step=32),
            "dropout": hp.Float("dropout", 0.0, 0.5, step=0.1)}


@register(ModelCard(
    summary="Seven gated convolutions, a gated pair of BiGRUs, attention localisation.",
    source=f"{_SOURCE}, sections 2-3", frontend="xu2018icassp-logmel", time_stride=1,
    num_params=1_194_914,
    differs="Seven gated convolutions and a 256-filter convolution, as in the released graph (the "
            "text has three blocks of two: num_gated=6, projection=None, rnn='single'); the "
            "attention reads the recurrent features (the released graph: attention_input="
            "'classes')."), _space)
def gated_crnn(num_classes=17, input_shape=(None, 64), *, task="detection", width=64,
               rnn_units=128, num_gated=7, projection=256, rnn="gated", recurrence="keras2",
               time_pools=None, last_pool=2, attention_input="features", attention_axis="class",
               frame_output="classifier", dropout=0.0, momentum=0.99, ragged=False,
               include_top=True, weights=None, name="gated_crnn"):
    """Gated CRNN of Xu et al. 2018, for tagging or for detection.

    Args:
        num_classes: int > 0, K.
        input_shape: (frames or None, features F); any F from 16 up (log-mel 64, MFCC 120).
        task: "detection": pools over bands only and ends in AttentionLocalisation; "tagging": pools
            2 x 2 and averages the frame probabilities over time.
        width: int, filters of each gated convolution.
        rnn_units: int, per direction.
        num_gated: 6 (the text), 7 (the released graph) or 8 (what its file seems to say).
        projection: int, filters of the convolution after the gated ones, or None for none.
        rnn: "gated", GatedBiGRU, or "single", one BiGRU (the text).
        recurrence: "keras2" (the released code's) or "cudnn" (the fast one), see GatedBiGRU.
        time_pools: three ints, pooling over time after each pair of gated convolutions, or None:
            (2, 2, 2) for tagging, (1, 1, 1) for detection.
        last_pool: 2 or 3, bands pooled after the seventh gated convolution; what is left is pooled
            whole after the projection (64 bands: (1, 2) then (1, 4), or (1, 3) then (1, 2)).
        attention_input, attention_axis, frame_output: see AttentionLocalisation.
        dropout: float in [0, 1), after each pool; the paper has none.
        momentum: float, of the batch normalisation.
        ragged: True takes {"audio": (B, T, F), "frame_mask": (B, T) bool}, for clips of several
            lengths in a batch: padded frames change nothing. The weights are the same.
        include_top: False returns {"embedding": (B, T', 2 * rnn_units)} alone.
        weights: path of a .weights.h5 or .keras file, or None.

    Returns: keras.Model, standardised features (B, T, F) -> {"clip": (B, K), "frame": (B, T', K)},
        and "attention" (B, T', K) for detection; probabilities in float32. T' is T divided by the
        product of time_pools.
    Raises: ValueError naming the argument.
    """
    check_option("task", task, ("detection", "tagging"))
    check_option("num_gated", num_gated, (6, 7, 8))
    check_option("rnn", rnn, ("gated", "single"))
    pools = time_pools or ((2, 2, 2) if task == "tagging" else (1, 1, 1))
    inputs, x, mask = _image_inputs(input_shape, ragged)

    def unit(x, mask):
        return GatedConv2D(width, momentum=momentum)(x, frame_mask=mask)

    x, mask = _trunk(x, mask, unit, pools, num_extra=num_gated - 6, last_pool=last_pool,
                     projection=projection, dropout=dropout)
    if rnn == "gated":
        x = GatedBiGRU(rnn_units, recurrence, name="embedding")(x, frame_mask=mask)
    else:
        x = BiGRU(rnn_units, "tanh", recurrence, name="embedding")(x, frame_mask=mask)
    if not include_top:
        return keras.Model(inputs, {"embedding": x}, name=name)
    if task == "tagging":
        outputs = _mean_head(x, mask, num_classes)
    else:
        outputs = AttentionLocalisation(num_classes, attention_input, attention_axis, frame_output,
                                        dtype="float32", name="localisation")(x, frame_mask=mask)
    return finished(keras.Model(inputs, outputs, name=name), weights)


@register(ModelCard(
    summary="The gated CRNN's baseline: ReLU convolutions, one BiGRU, mean over time.",
    source=f"{_SOURCE}, Table 1 (CRNN-logMel)", frontend="xu2018icassp-logmel", time_stride=8,
    num_params=671_313,
    differs="ReLU after each convolution, as the text says; the released file has none "
            "(linear_conv=True)."), _space)
def crnn(num_classes=17, input_shape=(None, 64), *, width=64, rnn_units=128, linear_conv=False,
         recurrence="keras2", dropout=0.0, momentum=0.99, ragged=False, include_top=True,
         weights=None, name="crnn"):
    """CRNN baseline of Xu et al. 2018; balanced or unbalanced batches are a matter of the recipe.

    Args: as gated_crnn; linear_conv, bool, leaves the activation after the convolutions out.
    Returns: keras.Model, standardised features (B, T, F) ->
        {"clip": (B, K), "frame": (B, T // 8, K)}.
    """
    inputs, x, mask = _image_inputs(input_shape, ragged)

    def unit(x, mask):
        x = layers.Conv2D(width, 3, padding="same", use_bias=False)(x)
        x = BatchNorm(momentum=momentum)(x)
        return x if linear_conv else layers.ReLU()(x)

    x, mask = _trunk(x, mask, unit, (2, 2, 2), num_extra=1, last_pool=3, projection=256,
                     dropout=dropout)
    x = BiGRU(rnn_units, "relu", recurrence, name="embedding")(x, frame_mask=mask)
    if not include_top:
        return keras.Model(inputs, {"embedding": x}, name=name)
    return finished(keras.Model(inputs, _mean_head(x, mask, num_classes), name=name), weights)


@register(ModelCard(
    summary="The DCASE 2017 challenge's baseline: two dense layers on five frames.",
    source=f"{_SOURCE}, Tables 1-2; DCASE 2017 baseline system (task 4)",
    frontend="dcase2017-mlp", time_stride=1, num_params=13_467,
    differs="The clip output is the largest frame probability, which is what tagging by 'at least "
            "one event' amounts to before the median filter."))
def dcase2017_mlp(num_classes=17, input_shape=(None, 40), *, num_context=5, width=50, dropout=0.2,
                  ragged=False, include_top=True, weights=None, name="dcase2017_mlp"):
    """The multilayer perceptron of DCASE 2017: clip tags copied to every frame in training.

    Args:
        num_classes: int > 0, K.
        input_shape: (frames or None, F).
        num_context: odd int, frames looked at together.
        width: int, units of each hidden layer.
        dropout: float in [0, 1).
        ragged, include_top, weights: as gated_crnn.

    Returns: keras.Model, standardised features (B, T, F) ->
        {"clip": (B, K), "frame": (B, T, K)}.
    """
    inputs, x, mask = feature_inputs(input_shape, ragged)
    x = StackFrames(num_context)(x, frame_mask=mask)                         # (B, T, 5 F)
    spread = keras.initializers.RandomUniform(-0.05, 0.05)
    for layer_name in (None, "embedding"):
        x = layers.Dense(width, "relu", kernel_initializer=spread.clone(), name=layer_name)(x)
        x = layers.Dropout(dropout)(x)
    if not include_top:
        return keras.Model(inputs, {"embedding": x}, name=name)
    frame = layers.Dense(num_classes, "sigmoid", kernel_initializer=spread.clone(),
                         dtype="float32", name="frame")(x)
    frame = frame if mask is None else KeepFrames(dtype="float32")(frame, mask)
    clip = TimePool("max", dtype="float32", name="clip")(frame, frame_mask=mask)
    return finished(keras.Model(inputs, {"clip": clip, "frame": frame}, name=name), weights)


# -- what the three share ----------------------------------------------------------------------


def _image_inputs(input_shape, ragged):
    """Inputs of the model, features as an image (B, T, F, 1), and the frame mask or None."""
    inputs, x, mask = feature_inputs(input_shape, ragged)
    return inputs, layers.Reshape((-1, input_shape[1], 1))(x), mask


def _trunk(x, mask, unit, time_pools, *, num_extra, last_pool, projection, dropout):
    """(B, T, F, 1) -> (B, T', D): pairs of units and pools, then the bands are pooled away."""
    def step(x):
        x = unit(x, mask)
        return x if mask is None else KeepFrames()(x, mask)

    for time_pool in time_pools:
        x = step(step(x))
        x = layers.MaxPooling2D((time_pool, 2))(x)                           # (B, T/p, F/2, C)
        if mask is not None and time_pool > 1:
            mask = PoolMask(time_pool)(mask)
            x = KeepFrames()(x, mask)  # a pool astride the clip's end held some of its frames
        x = layers.Dropout(dropout)(x) if dropout else x
    for _ in range(num_extra):
        x = step(x)
    if projection:
        x = layers.MaxPooling2D((1, last_pool))(x)
        x = layers.Conv2D(projection, 3, padding="same", activation="relu")(x)
        x = layers.MaxPooling2D((1, x.shape[2]))(x)                          # (B, T', 1, C')
        x = layers.Dropout(dropout)(x) if dropout else x
    return layers.Reshape((-1, x.shape[2] * x.shape[3]))(x), mask


def _mean_head(x, mask, num_classes):
    """Frame probabilities, and their mean over time."""
    frame = layers.Dense(num_classes, "sigmoid", dtype="float32", name="frame")(x)
    frame = frame if mask is None else KeepFrames(dtype="float32")(frame, mask)
    return {"clip": TimePool("mean", dtype="float32", name="clip")(frame, frame_mask=mask),
            "frame": frame}
