"""The folders of training runs that never were: random weights under a recipe."""

from sedzoo.training.run import write_json, write_scale


def write_run(directory, recipe, model, labels, mean=0.0, std=1.0):
    """What training.Run.load reads; mean and std, numbers or dicts of them by stream."""
    write_json(directory / "recipe.json", recipe.to_dict())
    write_json(directory / "classes.json", {"labels": labels, "mids": [], "attribution": ""})
    write_scale(directory / "standardise.npz", mean, std)
    model.save(directory / "model.keras")
    return directory
