"""sedzoo export --run DIR --out exported/NAME/VERSION: a finished training run as a SavedModel."""

from absl import flags

from sedzoo.cli import UserError

FRAMEWORK = "keras"


def define(values):
    flags.DEFINE_string("run", None, "Folder of the training run (sedzoo train --out).",
                        flag_values=values)
    flags.DEFINE_string("out", None, "Folder to write, exported/NAME/VERSION.", flag_values=values)
    flags.DEFINE_bool("overwrite", False, "Replace what is there.", flag_values=values)


def run(values, arguments):
    if not values.run or not values.out:
        raise UserError("--run and --out are both needed")
    from sedzoo import export

    path = export.from_run(values.run, values.out, overwrite=values.overwrite)
    print(path)
