"""sedzoo: audio tagging and sound event detection in Keras.

    audio file -> waveform -> log-mel -> batches -> model -> scores -> events -> numbers
                                                      |
                                                      +-> SavedModel -> serving -> events

    0  audio video frontend events card     NumPy: sound files, feature recipes, events
    1  layers datasets weights              keras.ops; public data sets and composed scenes
    2  zoo                                  builders by name
    3  evaluation features embeddings sampling pipeline
    4  training                             recipes, fitting, fusion
    5  export                               SavedModels
    6  serving                              TensorFlow and floor 0 only
    7  cli commands                         the command line

A module imports lower floors or its own package. Importing sedzoo imports no framework: the names
below are looked up when they are used.
"""

import importlib

__version__ = "0.1.0"

_PLACES = {
    "create_model": "sedzoo.zoo.registry",
    "list_models": "sedzoo.zoo.registry",
    "model_card": "sedzoo.zoo.registry",
    "recipe": "sedzoo.training.recipe",
    "list_recipes": "sedzoo.training.recipe",
    "load": "sedzoo.serving:Detector",
    "Frontend": "sedzoo.frontend",
    "Event": "sedzoo.events",
    "Decoder": "sedzoo.events",
}

__all__ = sorted(_PLACES)


def __getattr__(name):
    if name not in _PLACES:
        raise AttributeError(f"module 'sedzoo' has no attribute {name!r}")
    module, _, attribute = _PLACES[name].partition(":")
    return getattr(importlib.import_module(module), attribute or name)


def __dir__():
    return [*__all__, "__version__"]
