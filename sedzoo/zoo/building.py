"""What the builders of all families begin and end with."""

import keras

from sedzoo.layers import KeepFrames


def feature_inputs(input_shape, ragged):
    """Inputs of a model, features (B, T, F) with zeros where padded, and the frame mask or None.

    Args:
        input_shape: (frames or None, features F).
        ragged: bool, the inputs are {"audio": (B, T, F), "frame_mask": (B, T) bool}.
    Raises: ValueError for another `input_shape`.
    """
    if len(input_shape) != 2 or not input_shape[1]:
        raise ValueError("`input_shape` must be (frames or None, features). "
                         f"Received: input_shape={input_shape!r}")
    audio = keras.Input(input_shape, name="audio")
    if not ragged:
        return audio, audio, None
    mask = keras.Input((input_shape[0],), dtype="bool", name="frame_mask")
    return {"audio": audio, "frame_mask": mask}, KeepFrames()(audio, mask), mask


def finished(model, weights):
    """The model, with the weights of a file where there is one."""
    if weights is not None:
        model.load_weights(weights)
    return model


def check_option(key, value, options):
    if value not in options:
        raise ValueError(f"`{key}` must be one of {options}. Received: {key}={value!r}")
