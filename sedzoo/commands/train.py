"""sedzoo train --recipe ID --data KIND --audio FOLDER --out FOLDER: train a recipe on a data set.

KIND is soundscapes (composed on the spot; --audio may name ESC-10 as their material), esc10, esc50,
folder (a folder of class folders), dcase2017_task4, audioset, fsdkaggle2018 or audioset_embeddings
(the last four with --metadata). A recipe with folds leaves a run for each of them, fold-0 and so
on. A run that was stopped goes on where it was when the same command is given again.
"""

from absl import flags

from sedzoo.cli import UserError
from sedzoo.commands import train_data

FRAMEWORK = "keras"


def define(values):
    flags.DEFINE_string("recipe", None, "Recipe id, such as xu2018icassp/gated-crnn-logmel-sed.",
                        flag_values=values)
    train_data.define(values)
    flags.DEFINE_string("out", None, "Folder of the run.", flag_values=values)
    flags.DEFINE_multi_string("set", [], "Change a field of the recipe, such as --set epochs=3 or "
                              "--set arguments.width=16.", flag_values=values)
    flags.DEFINE_bool("resume", True, "Go on with what is in --out.", flag_values=values)


def run(values, arguments):
    if not (values.recipe and values.data and values.out):
        raise UserError("--recipe, --data and --out are all needed")
    from sedzoo.training import fit, fit_folds, recipe

    row = _changed(recipe(values.recipe), values.set)
    if row.model_name is None:
        row.model()             # says why there is none
    train, valid = train_data.open_data(values, row)
    print(f"{row.id}: {len(train)} training clips, {len(valid)} for validation, "
          f"{len(train.labels)} classes" + (", in folds" if row.folds else ""))
    options = {"resume": values.resume, "cache_dir": train_data.cache_dir(values)}
    runs = (fit_folds(row, train, values.out, valid=valid, **options) if row.folds
            else [fit(row, train, valid, values.out, **options)])
    for run in runs:
        print(f"{run.directory}  (sedzoo {_next(row)})".replace("RUN", str(run.directory)))


def _next(row):
    """What to do with a run."""
    from sedzoo.zoo.registry import model_card

    extractor = " --extractor EXTRACTOR" if model_card(row.model_name).extractor else ""
    return f"export --run RUN --out exported/NAME/1{extractor}"


def _changed(row, settings):
    """The recipe with each KEY=VALUE in place; VALUE is JSON, or else a plain word."""
    import json

    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals:
            raise UserError(f"--set takes KEY=VALUE. Received: {setting}")
        try:
            value = json.loads(text)
        except json.JSONDecodeError:
            value = text
        key, dot, inner = key.partition(".")
        if dot:
            value = {**(row.to_dict().get(key) or {}), inner: value}
        row = row.replace(**{key: value})
    return row
