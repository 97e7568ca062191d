"""VGGish: patches of 0.96 s to embeddings, with a head to fine-tune it; its published weights."""

import keras
from absl import logging
from keras import layers

from sedzoo import weights as weight_files
from sedzoo.frontend import Frontend
from sedzoo.layers import (
    FramePatches,
    JoinPatches,
    KeepFrames,
    PatchMask,
    Postprocessor,
    SplitPatches,
    TimePool,
)
from sedzoo.zoo.building import check_option, feature_inputs, finished
from sedzoo.zoo.registry import ModelCard, register

PATCH_FRAMES = 96
TRAINED = ("all", "dense", "embedding", "head")
# Layers of the trunk and what they are called elsewhere, under "vggish/" or not: in the release
# and in the Keras files made of it. The last two are what Keras makes of layers without a name.
_LAYERS = {
    "conv1": ("conv1",), "conv2": ("conv2",),
    "conv3_1": ("conv3/conv3_1",), "conv3_2": ("conv3/conv3_2",),
    "conv4_1": ("conv4/conv4_1",), "conv4_2": ("conv4/conv4_2",),
    "fc1_1": ("fc1/fc1_1", "vggish_fc1/fc1_1"), "fc1_2": ("fc1/fc1_2", "vggish_fc1/fc1_2"),
    "fc2": ("vggish_fc2",),
}
_WEIGHTS = (("weights", "kernel", "W", "0"), ("biases", "bias", "b", "1"))


def _space(hp):
    return {"hidden": hp.Choice("hidden", (50, 100, 200, 400)),
            "dropout": hp.Float("dropout", 0.0, 0.5, step=0.1),
            "trainable": hp.Choice("trainable", TRAINED)}


@register(ModelCard(
    summary="Six convolutions and three dense layers on patches of 0.96 s, with a head for tags.",
    source="Hershey et al., ICASSP 2017, https://arxiv.org/abs/1609.09430, and its release VGGish; "
           "head: Xu, MSc thesis, Aalto University 2018, Table 1",
    frontend="vggish", time_stride=PATCH_FRAMES, num_params=72_158_225,
    published_params="About 72M to the embedding (72,141,184).",
    differs="A clip shorter than a patch is padded with silence to one, where the release gives "
            "nothing. ReLU in the head's hidden layer, which the thesis does not name. He's "
            "initialisation, for training without the published weights."), _space)
def vggish(num_classes=41, input_shape=(None, 64), *, width=64, units=4096, embedding_size=128,
           embedding_activation="relu", hidden=100, activation="softmax", dropout=0.0,
           trainable="all", ragged=False, include_top=True, weights=None, name="vggish"):
    """VGGish with the fine-tuning head of Xu's thesis: clip = mean over patches of what each says.

    A patch is 96 frames; those left over at a clip's end are dropped, and a clip shorter than a
    patch is padded to one with the log-mel of silence, ln 0.01.

    Args:
        num_classes: int > 0, K.
        input_shape: (frames or None, bands F); published weights need F = 64.
        width: int, filters of the first convolution; the others have 2, 4 and 8 times as many.
        units: int, of each of the two dense layers before the embedding.
        embedding_size: int, D.
        embedding_activation: "relu" (the thesis and the first release) or "linear" (the later
            release, whose head begins with the ReLU instead). The weights are the same.
        hidden: int, units of the head's hidden layer, or 0 for none.
        activation: "softmax", a class a patch, or "sigmoid", any number of them.
        dropout: float in [0, 1), after the hidden layer; the thesis has none.
        trainable: what learns, from here to the end: "all", "dense" (fc1_1 and on), "embedding"
            (fc2 and on) or "head".
        ragged: True takes {"audio": (B, T, F), "frame_mask": (B, T) bool}, for clips of several
            lengths in a batch.
        include_top: False returns {"embedding": (B, P, D)} alone.
        weights: path of a .weights.h5 or .keras file of this very model, any other path as for
            load_published, or None.

    Returns: keras.Model, log-mel (B, T, F) -> {"clip": (B, K), "frame": (B, P, K)}, float32; P is
        T // 96, and at least 1. The layer "embedding" gives (B, P, D).
    Raises: ValueError naming the argument.
    """
    check_option("embedding_activation", embedding_activation, ("relu", "linear"))
    check_option("activation", activation, ("softmax", "sigmoid"))
    check_option("trainable", trainable, TRAINED)
    inputs, x, mask = feature_inputs(input_shape, ragged)
    patches = FramePatches(PATCH_FRAMES, Frontend.preset("vggish").silence)(x, frame_mask=mask)
    mask = None if mask is None else PatchMask(PATCH_FRAMES)(mask)
    x = _trunk(SplitPatches()(patches), (width, units, embedding_size), trainable)
    x = layers.ReLU()(x) if embedding_activation == "relu" else x
    x = JoinPatches(name="embedding")(x, patches, patch_mask=mask)                   # (B, P, D)
    outputs = {"embedding": x}
    if include_top:
        x = layers.ReLU()(x) if embedding_activation == "linear" else x
        outputs = _head(x, mask, num_classes, hidden, activation, dropout)
    return _loaded(keras.Model(inputs, outputs, name=name), weights)


def _trunk(x, sizes, trainable):
    """Patches (N, t, F, 1) -> embeddings before their activation, (N, D)."""
    width, units, embedding_size = sizes
    begins = TRAINED.index(trainable)

    def conv(x, factor, name):
        return layers.Conv2D(factor * width, 3, padding="same", activation="relu", name=name,
                             kernel_initializer="he_normal", trainable=begins < 1)(x)

    def pool(x):
        return layers.MaxPooling2D(2, padding="same")(x)

    x = pool(conv(x, 1, "conv1"))
    x = pool(conv(x, 2, "conv2"))
    x = pool(conv(conv(x, 4, "conv3_1"), 4, "conv3_2"))
    x = pool(conv(conv(x, 8, "conv4_1"), 8, "conv4_2"))                      # (N, t/16, F/16, 8 w)
    x = layers.Flatten()(x)
    for layer_name in ("fc1_1", "fc1_2"):
        x = layers.Dense(units, "relu", kernel_initializer="he_normal", name=layer_name,
                         trainable=begins < 2)(x)
    return layers.Dense(embedding_size, kernel_initializer="he_normal", name="fc2",
                        trainable=begins < 3)(x)


def _head(x, mask, num_classes, hidden, activation, dropout):
    """Embeddings (B, P, D) -> what each patch says, and their mean."""
    x = layers.Dense(hidden, "relu", name="hidden")(x) if hidden else x
    x = layers.Dropout(dropout)(x) if dropout else x
    frame = layers.Dense(num_classes, activation, dtype="float32", name="frame")(x)
    frame = frame if mask is None else KeepFrames(dtype="float32")(frame, mask)
    return {"clip": TimePool("mean", dtype="float32", name="clip")(frame, frame_mask=mask),
            "frame": frame}


# -- published files ---------------------------------------------------------------------------


def load_published(model, path, *, partial=False):
    """Load the trunk of a VGGish model from a file that others made; the head stays as it is.

    Args:
        model: keras.Model of `vggish`, any options; published weights need the default sizes.
        path: path of the release's checkpoint (vggish_model.ckpt, or one fine-tuned from it), of
            a Keras .h5 with the usual layer names, or any other that sedzoo.weights.read knows.
        partial: bool, see sedzoo.weights.assign; for files without dense layers, for example.

    Returns: sedzoo.weights.Report, which goes to the log as well.
    Raises: ValueError naming the path, with the table of layers where they do not fit.
    """
    arrays = weight_files.read(path)
    try:
        report = weight_files.assign(model, arrays, _source_names(), partial=partial)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    logging.info("%s into %s:\n%s", path, model.name, report)
    return report


def postprocessor_from(path):
    """The release's post-processor of embeddings, from its vggish_pca_params.npz.

    Args:
        path: path of an .npz with `pca_eigen_vectors` (D, D) and `pca_means` (D, 1) or (D,).
    Returns: sedzoo.layers.Postprocessor, embeddings (..., D) -> uint8 (..., D). They must be of the
        `embedding_activation` that the parameters were made for.
    Raises: ValueError naming the path, and what it must hold.
    """
    arrays = weight_files.read(path)
    keys = ("pca_means", "pca_eigen_vectors")
    if not set(keys) <= set(arrays):
        raise ValueError(f"{path}: must hold {', '.join(keys)}. Received: {', '.join(arrays)}")
    mean, components = (arrays[key] for key in keys)
    try:
        return Postprocessor(mean[:, 0] if mean.ndim == 2 and mean.shape[1] == 1 else mean,
                             components)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _source_names():
    """Of every weight of the trunk, the names that it goes by in published files."""
    names, counts = {}, {"conv2d": 0, "dense": 0}
    for number, (layer, known) in enumerate(_LAYERS.items()):
        kind = "conv2d" if layer.startswith("conv") else "dense"
        unnamed = f"{kind}_{counts[kind]}" if counts[kind] else kind
        counts[kind] += 1
        places = [f"{prefix}{name}" for name in (*known, layer) for prefix in ("vggish/", "")]
        places += [unnamed, f"layer_with_weights-{number}"]
        names[layer] = [[f"{place}/{word}" for place in places for word in words]
                        for words in _WEIGHTS]
    return names


def _loaded(model, weights):
    """The model, with its own weights or the published trunk where there is a file."""
    if weights is None or str(weights).endswith((".weights.h5", ".keras")):
        return finished(model, weights)
    load_published(model, weights)
    return model
