"""An extractor and a head on its embeddings, as one model of features."""

import keras

from sedzoo.layers import Standardise


def stacked(extractor, head, *, postprocessor=None, scale=None, name="stacked"):
    """head((post(extractor(x)) - mean) / std): what was trained on embeddings hears features.

    The weights of all three are shared with the new model. `export.save` takes it; its embedding is
    the extractor's.

    Args:
        extractor: keras.Model, features (B, T, F) -> {"embedding": (B, P, D)}, such as
            create_model("vggish", include_top=False).
        head: keras.Model, embeddings (B, P, D') -> dict of outputs, such as
            create_model("multilevel_attention").
        postprocessor: layer, (B, P, D) -> (B, P, D'), such as layers.Postprocessor for a head that
            was trained on AudioSet's released embeddings. None for none, and D' = D.
        scale: (mean, std), each a float or D' floats, by which the head was trained to take them,
            as `mean` and `std` of Embeddings. None for (0, 1).
        name: str.

    Returns: keras.Model, features (B, T, F) -> the head's outputs, with a layer "embedding" that
        gives (B, P, D).
    Raises: ValueError naming the argument.
    """
    for key, model in (("extractor", extractor), ("head", head)):
        if len(model.inputs) != 1:
            raise ValueError(f"`{key}` must take one input. Received: {key} of "
                             f"{[tensor.name for tensor in model.inputs]}")
    outputs = extractor.output if isinstance(extractor.output, dict) else {}
    if "embedding" not in outputs:
        raise ValueError('`extractor` must give "embedding". Received: extractor of '
                         f"{sorted(outputs) or extractor.output}")
    inputs = keras.Input(extractor.input_shape[1:], name="audio")
    x = keras.layers.Identity(name="embedding")(extractor(inputs)["embedding"])
    if postprocessor is not None:
        x = postprocessor(x)
    if scale is not None:
        x = Standardise(*scale)(x)
    if x.shape[-1] != head.input_shape[-1]:
        raise ValueError(f"`head` must take embeddings of {x.shape[-1]} numbers. "
                         f"Received: head of {head.input_shape[-1]}")
    return keras.Model(inputs, head(x), name=name)
