"""sedzoo export --run DIR --out exported/NAME/VERSION: a finished training run as a SavedModel.

A run on embeddings needs --extractor, what made them: the folder of a training run, or vggish.
"""

from absl import flags

from sedzoo.cli import UserError
from sedzoo.commands import extractors

FRAMEWORK = "keras"


def define(values):
    flags.DEFINE_string("run", None, "Folder of the training run (sedzoo train --out).",
                        flag_values=values)
    flags.DEFINE_string("out", None, "Folder to write, exported/NAME/VERSION.", flag_values=values)
    extractors.define(values)
    flags.DEFINE_bool("overwrite", False, "Replace what is there.", flag_values=values)


def run(values, arguments):
    if not values.run or not values.out:
        raise UserError("--run and --out are both needed")
    from sedzoo import export

    extractor = None
    if values.extractor:
        extractor = extractors.choose(values.extractor, values.extractor_weights)
    path = export.from_run(values.run, values.out, extractor=extractor,
                           overwrite=values.overwrite)
    print(path)
