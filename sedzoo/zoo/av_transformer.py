"""The audiovisual transformer of Boes and Van hamme 2019: one stream reads another."""

import keras
from keras import layers

from sedzoo.layers import (
    DecoderBlock,
    EncoderBlock,
    KeepFrames,
    SinusoidalPositions,
    StackWeights,
    TimePool,
)
from sedzoo.layers.attention import FUNCTIONS, check_counts
from sedzoo.nearest import nearest
from sedzoo.zoo.building import check_option, finished
from sedzoo.zoo.registry import ModelCard, register

# VGGish's last layer, and VGG16's.
STREAMS = {"audio": 128, "video": 4096}
POOLS = ("mean", "max")


def _space(hp):
    positions = hp.Choice("positions", ["", "audio", "video", "audio video"], default="video")
    return {"attention": hp.Choice("attention", list(FUNCTIONS)),
            "pool": hp.Choice("pool", list(POOLS)),
            "positions": tuple(positions.split()),
            "width": hp.Int("width", 64, 256, step=64),
            "num_heads": hp.Int("num_heads", 1, 4),
            "depth": hp.Int("depth", 1, 4),
            "ff_units": hp.Int("ff_units", 128, 512, step=128),
            "dropout": hp.Float("dropout", 0.0, 0.3, step=0.1)}


@register(ModelCard(
    summary="A transformer whose encoder reads one stream and whose decoder another, audio or "
            "video.",
    source="Boes and Van hamme, Audiovisual Transformer Architectures for Large-Scale "
           "Classification and Synchronization of Weakly Labeled Audio Events, ACM Multimedia "
           "2019, https://arxiv.org/abs/1912.02615, section 2, Figure 3, Table 1",
    frontend="vggish", extractor="vggish", embedding_size=128, input_stride=96, time_stride=1,
    streams=STREAMS, num_params=2_526_097,
    differs="Where the text is silent: heads of 128 numbers each, biases in all linear maps, "
            "epsilon 1e-7 in the normalised sigmoid and 1e-6 in layer normalisation. A mask of "
            "padded frames, where the paper has none."), _space)
def av_transformer(num_classes=17, input_sizes=None, *, first="audio", second="video",
                   positions=("video",), attention="softmax", pool="mean", width=128, num_heads=3,
                   depth=3, ff_units=128, dropout=0.1, ragged=False, return_attention=False,
                   include_top=True, weights=None, name="av_transformer"):
    """memory = encoder(first); x = decoder(second, memory); frame = sigmoid(W x + b); clip = pool.

    Each stream passes a linear layer, dropout and perhaps positional encodings; encoder and decoder
    are EncoderBlock and DecoderBlock, normalised after each sublayer. A model of one stream has it
    in both places, through two linear layers.

    Args:
        num_classes: int > 0, K.
        input_sizes: dict of stream -> size of a frame, where not {"audio": 128, "video": 4096}, or
            None.
        first: the encoder's stream, "audio" or "video"; second: the decoder's, whose frames the
            outputs follow. These are the inputs, and no other.
        positions: streams with sinusoidal positions; one that the model does not take is of no
            effect. The paper's best are ("video",), and for audio alone ().
        attention: "softmax", "sigmoid" or "normalised_sigmoid", see MultiHeadAttention.
        pool: "mean" or "max" over frames.
        width: int > 0, D, of all frames and of each head.
        num_heads: int > 0.
        depth: int > 0, blocks of the encoder, and of the decoder.
        ff_units: int > 0, of the blocks' feed-forward networks.
        dropout: float in [0, 1), after the linear layers at the input and in all blocks.
        ragged: True takes "frame_mask" (B, T) bool beside the streams, for clips of several
            lengths in a batch. It holds for both streams, which then share their frames. Padded
            frames change nothing; the weights are the same.
        return_attention: True adds what the decoder's frames see of the encoder's.
        include_top: False returns {"embedding": (B, T, D)} of the decoder alone.
        weights: path of a .weights.h5 or .keras file, or None.

    Returns: keras.Model, {"audio": (B, T', 128), "video": (B, T, 4096)} ->
        {"clip": (B, K), "frame": (B, T, K), with return_attention "attention":
        (B, T, depth, num_heads, T')}, float32. Unless ragged, the streams may differ in frames:
        T' of the first, T of the second.
    Raises: ValueError naming the argument.
    """
    sizes = {**STREAMS, **(input_sizes or {})}
    _check_streams(sizes, first=[first], second=[second], positions=positions)
    check_option("attention", attention, FUNCTIONS)
    check_option("pool", pool, POOLS)
    check_counts(width=width, num_heads=num_heads, depth=depth, ff_units=ff_units)
    inputs = {stream: keras.Input((None, sizes[stream]), name=stream)
              for stream in sizes if stream in (first, second)}
    mask = keras.Input((None,), dtype="bool", name="frame_mask") if ragged else None

    def embedded(stream):
        x = layers.Dense(width)(_kept(inputs[stream], mask))
        x = layers.Dropout(dropout)(x)
        return (SinusoidalPositions() if stream in positions else layers.Identity())(x)

    block = {"num_heads": num_heads, "key_dim": width, "ff_units": ff_units, "dropout": dropout,
             "function": attention}
    memory = embedded(first)                                                 # (B, T', D)
    for _ in range(depth):
        memory = EncoderBlock(**block)(memory, frame_mask=mask)
    x, seen = embedded(second), []
    for _ in range(depth):
        x, weights_of_block = DecoderBlock(**block)(
            x, memory, frame_mask=mask, memory_mask=mask, return_weights=True)
        seen.append(weights_of_block)                                        # (B, H, T, T')
    x = layers.Identity(name="embedding")(x)                                 # (B, T, D)
    if ragged:
        inputs = {**inputs, "frame_mask": mask}
    if not include_top:
        return keras.Model(inputs, {"embedding": x}, name=name)
    frame = layers.Dense(num_classes, "sigmoid", dtype="float32")(x)
    frame = _kept(frame, mask, name="frame", dtype="float32")
    outputs = {"clip": TimePool(pool, dtype="float32", name="clip")(frame, frame_mask=mask),
               "frame": frame}
    if return_attention:
        outputs["attention"] = StackWeights(name="attention")(seen, frame_mask=mask)
    return finished(keras.Model(inputs, outputs, name=name), weights)


def _kept(x, mask, **options):
    """Zeros where padded."""
    # As many layers without a mask as with one: Keras orders the weights by depth.
    if mask is None:
        return layers.Identity(**options)(x)
    return KeepFrames(**options)(x, mask)


def _check_streams(sizes, **arguments):
    for key, streams in arguments.items():
        for stream in streams:
            if stream not in sizes:
                raise ValueError(f"`{key}` must name streams of the input. "
                                 f"Received: {stream!r}." + nearest(stream, sizes))
