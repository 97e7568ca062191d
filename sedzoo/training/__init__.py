"""Training: recipes, which need no framework, and what runs them, loaded when it is asked for."""

import importlib

from sedzoo.training.recipe import Recipe, list_recipes, recipe

_LATER = {
    "Run": "sedzoo.training.run",
    "fit": "sedzoo.training.fitting",
    "fit_folds": "sedzoo.training.cross_validation",
    "fuse": "sedzoo.training.fusion",
    "out_of_fold": "sedzoo.training.cross_validation",
    "predict": "sedzoo.training.fusion",
    "predict_folds": "sedzoo.training.cross_validation",
    "predict_systems": "sedzoo.training.fusion",
}

__all__ = ["Recipe", "list_recipes", "recipe", *_LATER]


def __getattr__(name):
    if name in _LATER:
        return getattr(importlib.import_module(_LATER[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
