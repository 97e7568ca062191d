"""sedzoo list [PATTERN] [--recipes]: names of models (or of recipes) that match a shell pattern."""

from absl import flags


def define(values):
    flags.DEFINE_bool("recipes", False, "List recipes, rows of the papers' tables, not models.",
                      flag_values=values)


def run(values, arguments):
    from sedzoo.training.recipe import list_recipes
    from sedzoo.zoo.registry import list_models

    names = (list_recipes if values.recipes else list_models)(*arguments[:1] or ("*",))
    print("\n".join(names))
    return 0 if names else 1
