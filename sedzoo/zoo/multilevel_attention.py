"""The systems of Xu 2018 on embeddings: a DNN, an LSTM, and attention at several levels."""

from dataclasses import dataclass

import keras
from keras import layers

from sedzoo.layers import BatchNorm, ClassAttention, KeepFrames, LastFrame, TimePool
from sedzoo.layers.recurrent import hard_sigmoid
from sedzoo.zoo.building import check_option, feature_inputs, finished
from sedzoo.zoo.registry import ModelCard, register

_SOURCE = ("Xu, Audio Event Classification Using Deep Learning Methods, master's thesis, Aalto "
           "University, 2018")
_CARD = {"frontend": "vggish", "extractor": "vggish", "embedding_size": 128, "input_stride": 96,
         "time_stride": 1}
_RELEASED = ("style='yu2018' is the code that its author released after that of Yu et al. 2018 "
             "(https://github.com/ZhicunXu/AudioTagger): it normalises the input and what enters "
             "every activation")
# Where the batch normalisations stand, and the axis of attention's softmax.
STYLES = {"thesis": ("hidden", "time"), "yu2018": ("all", "class")}
LEVELS = (1, 2, 3)
ACTIVATIONS = ("sigmoid", "softmax")


def _space(hp):
    return {"units": hp.Int("units", 200, 1000, step=100),
            "dropout": hp.Float("dropout", 0.0, 0.6, step=0.1),
            "style": hp.Choice("style", list(STYLES))}


def _dnn_space(hp):
    return {**_space(hp), "pooling": hp.Choice("pooling", ["decision", "feature"])}


def _attention_space(hp):
    levels = hp.Choice("levels", ["1", "2", "3", "12", "13", "23", "123"], default="123")
    return {**_space(hp), "levels": tuple(int(level) for level in levels)}


@register(ModelCard(
    summary="Hidden layers of every segment, class attention on some of them, one dense layer.",
    source=f"{_SOURCE}, section 3.2.9, eq. 22, Tables 7 and 9", num_params=3_539_876, **_CARD,
    differs=f"Softmax over time, as the text says. {_RELEASED}, and takes the softmax over "
            "classes, made a share of the clip afterwards."), _attention_space)
def multilevel_attention(num_classes=527, input_shape=(None, 128), *, levels=LEVELS, units=600,
                         dropout=0.4, style="thesis", norm=None, attention=True,
                         cla_activation="sigmoid", final_dense=True, activation="sigmoid",
                         momentum=0.99, ragged=False, include_top=True, weights=None,
                         name="multilevel_attention"):
    """h_l = dropout(ReLU(BN(W h_(l-1)))); of each level l, y = sum_t softmax_t(V h_l) f(C h_l);
    then activation(D [y ...]) of all levels' y, side by side.

    Args:
        num_classes: int > 0, K.
        input_shape: (segments or None, embedding D).
        levels: hidden layers with attention, some of (1, 2, 3) in this order; layers above the
            highest are not built.
        units: int > 0, of each hidden layer.
        dropout: float in [0, 1), after each hidden layer.
        style: "thesis", attention is the softmax over time, normalisation in the hidden layers;
            "yu2018", the released code: ClassAttention(attention_axis="class") and norm="all".
        norm: batch normalisations in the "hidden" layers alone, or in "all": of the input, and
            before every activation. None for the style's.
        attention: False is the mean over time in its place, the thesis' model of one segment.
        cla_activation: f, "sigmoid" or "relu" (the text, by one reading).
        final_dense: False is the mean of the levels' y.
        activation: of the final layer, "sigmoid" or "softmax" (one tag a clip); f stays as it is.
        momentum: float, of the batch normalisations.
        ragged: True takes {"audio": (B, T, D), "frame_mask": (B, T) bool}, for clips of several
            lengths in a batch: padded segments change nothing. The weights are the same.
        include_top: False returns {"embedding": (B, T, units)} of the highest level alone.
        weights: path of a .weights.h5 or .keras file, or None.

    Returns: keras.Model, embeddings (B, T, D) -> {"clip": (B, K), "frame": (B, T, K), f of every
        segment, mean over levels, but not with "relu", where it is no probability, "attention":
        (B, T, K), mean over levels}, float32.
    Raises: ValueError naming the argument.
    """
    _check_levels(levels)
    check_option("cla_activation", cla_activation, ("sigmoid", "relu"))
    check_option("activation", activation, ACTIVATIONS)
    if not final_dense and (cla_activation, activation) != ("sigmoid", "sigmoid"):
        raise ValueError("`final_dense` must be True unless `cla_activation` and `activation` are "
                         f"'sigmoid'. Received: final_dense={final_dense!r}, "
                         f"cla_activation={cla_activation!r}, activation={activation!r}")
    inputs, x, net = _start(input_shape, ragged, style, norm, momentum)
    hidden = net.hidden(x, max(levels), units, dropout)
    if not include_top:
        return keras.Model(inputs, {"embedding": hidden[-1]}, name=name)
    axis = STYLES[style][1] if attention else None
    clips, frames, attentions = zip(*[
        _level(net, hidden[level - 1], num_classes, cla_activation, axis) for level in levels],
        strict=True)
    if final_dense:
        clip = net.dense(layers.Concatenate(dtype="float32")(clips), num_classes)
        outputs = {"clip": _score(clip, activation, "clip")}
    else:
        outputs = {"clip": layers.Average(dtype="float32", name="clip")(clips)}
    if cla_activation == "sigmoid":
        outputs["frame"] = net.keep(layers.Average(dtype="float32")(frames), "frame", "float32")
    if attention:
        outputs["attention"] = layers.Average(dtype="float32", name="attention")(attentions)
    return finished(keras.Model(inputs, outputs, name=name), weights)


@register(ModelCard(
    summary="Three hidden layers of every segment, and the mean of what the segments say.",
    source=f"{_SOURCE}, section 5.1.3, Table 5 (DNN-1, DNN-2)", num_params=1_122_527, **_CARD,
    differs=f"{_RELEASED}."), _dnn_space)
def embedding_dnn(num_classes=527, input_shape=(None, 128), *, units=600, dropout=0.4,
                  pooling="decision", style="thesis", norm=None, activation="sigmoid",
                  momentum=0.99, ragged=False, include_top=True, weights=None,
                  name="embedding_dnn"):
    """The thesis' DNN; its balanced and its full training set are a matter of the recipe.

    Args: as multilevel_attention, and
        pooling: "decision", the mean over time of the segments' probabilities (released code), or
            "feature", of the last hidden layer.
        style: here the same as norm: "thesis" is "hidden", "yu2018" is "all".

    Returns: keras.Model, embeddings (B, T, D) -> {"clip": (B, K)}, and "frame" (B, T, K) where the
        pooling is of decisions; float32.
    Raises: ValueError naming the argument.
    """
    check_option("pooling", pooling, ("decision", "feature"))
    check_option("activation", activation, ACTIVATIONS)
    inputs, x, net = _start(input_shape, ragged, style, norm, momentum)
    x = net.hidden(x, len(LEVELS), units, dropout)[-1]
    if not include_top:
        return keras.Model(inputs, {"embedding": x}, name=name)
    if pooling == "feature":
        x = TimePool("mean")(x, frame_mask=net.mask)
        outputs = {"clip": _score(net.dense(x, num_classes), activation, "clip")}
    else:
        frame = _score(net.dense(x, num_classes), activation)
        clip = TimePool("mean", dtype="float32", name="clip")(frame, frame_mask=net.mask)
        outputs = {"clip": clip, "frame": net.keep(frame, "frame", "float32")}
    return finished(keras.Model(inputs, outputs, name=name), weights)


@register(ModelCard(
    summary="A long short-term memory over the segments, and a dense layer on its last state.",
    source=f"{_SOURCE}, section 5.1.3, Table 6", num_params=2_068_727, **_CARD,
    differs=f"Normalisation and dropout after the last state, where the text is silent. "
            f"{_RELEASED}; it drops inputs of the memory (one mask for all gates here, one each "
            "there), whose gates are hard sigmoids."), _space)
def embedding_lstm(num_classes=527, input_shape=(None, 128), *, units=600, dropout=0.4,
                   style="thesis", norm=None, activation="sigmoid", momentum=0.99, ragged=False,
                   include_top=True, weights=None, name="embedding_lstm"):
    """The thesis' LSTM, whose last state at the clip's end is all that the clip's tags see.

    Args: as multilevel_attention, and
        dropout: float in [0, 1), see style.
        style: "thesis", dropout after the last state, gates are sigmoids; "yu2018", dropout of the
            inputs, the same ones in every segment of a clip, and hard sigmoids (Keras 2's).
        norm: "hidden" is of the last state.

    Returns: keras.Model, embeddings (B, T, D) -> {"clip": (B, K)}, float32. include_top=False gives
        the state after every segment.
    Raises: ValueError naming the argument.
    """
    check_option("activation", activation, ACTIVATIONS)
    inputs, x, net = _start(input_shape, ragged, style, norm, momentum)
    _check_units(units)
    released = {"dropout": dropout, "recurrent_activation": hard_sigmoid}
    x = layers.LSTM(units, return_sequences=True, **(released if style == "yu2018" else {}))(x)
    x = net.keep(x, "embedding")
    if not include_top:
        return keras.Model(inputs, {"embedding": x}, name=name)
    x = LastFrame()(x, frame_mask=net.mask)
    if not net.everywhere:
        x = net.norm(x)
    if style == "thesis":
        x = layers.Dropout(dropout)(x)
    clip = _score(net.dense(x, num_classes), activation, "clip")
    return finished(keras.Model(inputs, {"clip": clip}, name=name), weights)


def _level(net, h, num_classes, cla_activation, axis):
    """A hidden layer (B, T, units) -> clip (B, K), frame (B, T, K), attention (B, T, K) or None."""
    frame = _score(net.dense(h, num_classes), cla_activation)
    if axis is None:
        return TimePool("mean", dtype="float32")(frame, frame_mask=net.mask), frame, None
    pooled = ClassAttention(axis)(frame, net.dense(h, num_classes), frame_mask=net.mask)
    return pooled["clip"], frame, pooled["attention"]


# -- what the three share ----------------------------------------------------------------------


@dataclass(frozen=True)
class _Net:
    """Dense layers and normalisations that leave padded segments out.

    Args:
        mask: keras tensor, bool (B, T), or None.
        momentum: float.
        everywhere: bool, dense layers of class scores are normalised, too.
    """

    mask: object
    momentum: float
    everywhere: bool

    def norm(self, x):
        return BatchNorm(momentum=self.momentum)(
            x, frame_mask=self.mask if len(x.shape) == 3 else None)

    def dense(self, x, num_classes):
        """Class scores before their activation."""
        x = layers.Dense(num_classes)(x)
        return self.norm(x) if self.everywhere else x

    def hidden(self, x, num, units, dropout):
        """Outputs (B, T, units) of every hidden layer, the last one under the embedding's name."""
        _check_units(units)
        levels = []
        for _ in range(num):
            x = layers.ReLU()(self.norm(layers.Dense(units)(x)))
            levels.append(x := layers.Dropout(dropout)(x))
        return [*levels[:-1], self.keep(x, "embedding")]

    def keep(self, x, name, dtype=None):
        """Zeros where padded, under a name."""
        # As many layers without a mask as with one: Keras orders the weights by depth.
        if self.mask is None:
            return layers.Identity(name=name, dtype=dtype)(x)
        return KeepFrames(name=name, dtype=dtype)(x, self.mask)


def _start(input_shape, ragged, style, norm, momentum):
    """The inputs of a model, the embeddings as its first layer takes them, and its _Net."""
    check_option("style", style, tuple(STYLES))
    check_option("norm", norm, (None, "hidden", "all"))
    inputs, x, mask = feature_inputs(input_shape, ragged)
    net = _Net(mask, momentum, everywhere=(norm or STYLES[style][0]) == "all")
    return inputs, net.norm(x) if net.everywhere else x, net


def _check_units(units):
    if not (isinstance(units, int) and units > 0):
        raise ValueError(f"`units` must be an int > 0. Received: units={units!r}")


def _check_levels(levels):
    if not (isinstance(levels, tuple | list) and levels
            and list(levels) == [level for level in LEVELS if level in levels]):
        raise ValueError(f"`levels` must be some of {LEVELS}, in this order. "
                         f"Received: levels={levels!r}")


def _score(logits, activation, name=None):
    """In float32 under any dtype policy."""
    return layers.Activation(activation, dtype="float32", name=name)(logits)

