"""sedzoo train --recipe ID --data KIND --audio FOLDER --out FOLDER: train a recipe on a data set.

KIND is soundscapes (composed on the spot; --audio may name ESC-10 as their material), esc10, esc50,
folder (a folder of class folders), dcase2017_task4 or audioset (both with --metadata). A run that
was stopped goes on where it was when the same command is given again.
"""

from absl import flags

from sedzoo.cli import UserError

# Splits for training and validation, of a recipe for other data; its own where they are meant.
SPLITS = {"dcase2017_task4": ("training", "testing"), "audioset": ("balanced", "evaluation")}
KINDS = ("soundscapes", "esc10", "esc50", "folder", *SPLITS)

FRAMEWORK = "keras"


def define(values):
    flags.DEFINE_string("recipe", None, "Recipe id, such as xu2018icassp/gated-crnn-logmel-sed.",
                        flag_values=values)
    flags.DEFINE_enum("data", None, KINDS, "Data set.", flag_values=values)
    flags.DEFINE_string("audio", None, "Folder of the data set's audio.", flag_values=values)
    flags.DEFINE_string("metadata", None, "Folder of the data set's label files.",
                        flag_values=values)
    flags.DEFINE_string("out", None, "Folder of the run.", flag_values=values)
    flags.DEFINE_multi_string("set", [], "Change a field of the recipe, such as --set epochs=3 or "
                              "--set arguments.width=16.", flag_values=values)
    flags.DEFINE_list("valid_folds", ["4"], "Folds for validation (esc10, esc50).",
                      flag_values=values)
    flags.DEFINE_float("valid_share", 0.1, "Share of the clips for validation (folder).", 0.01,
                       0.9, flag_values=values)
    flags.DEFINE_integer("num_scenes", 500, "Scenes to compose (soundscapes).", 1,
                         flag_values=values)
    flags.DEFINE_bool("resume", True, "Go on with what is in --out.", flag_values=values)


def run(values, arguments):
    if not (values.recipe and values.data and values.out):
        raise UserError("--recipe, --data and --out are all needed")
    from sedzoo.training import fit, recipe

    row = _changed(recipe(values.recipe), values.set)
    train, valid = _open(values, row)
    print(f"{row.id}: {len(train)} training clips, {len(valid or ())} for validation, "
          f"{len(train.labels)} classes")
    finished = fit(row, train, valid, values.out, resume=values.resume)
    print(f"{finished.directory}  (sedzoo export --run {finished.directory} --out exported/NAME/1)")


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


def _open(values, row):
    """Training and validation Manifest."""
    from sedzoo import datasets
    from sedzoo.datasets.partition import hold_out

    if values.data == "soundscapes":
        return _soundscapes(values, row.features().sample_rate)
    if not values.audio:
        raise UserError(f"--audio is needed for {values.data}")
    if values.data == "folder":
        return hold_out(datasets.folder.load(values.audio), values.valid_share)
    if values.data in SPLITS:
        if not values.metadata:
            raise UserError(f"--metadata is needed for {values.data}")
        splits = (SPLITS[values.data] if row.dataset != values.data
                  else (row.train_split, row.valid_split))
        return tuple(getattr(datasets, values.data).load(values.metadata, values.audio, split)
                     for split in splits)
    whole = getattr(datasets, values.data)(values.audio)
    held = {int(fold) for fold in values.valid_folds}
    return (whole.select(lambda clip: clip.fold not in held),
            whole.select(lambda clip: clip.fold in held))


def _soundscapes(values, sample_rate):
    from pathlib import Path

    from sedzoo.datasets import esc10, soundscapes

    spec, sources = soundscapes.SceneSpec(sample_rate=sample_rate), (None, None)
    if values.audio:
        whole = esc10(values.audio)
        held = {int(fold) for fold in values.valid_folds}
        sources = (whole.select(lambda clip: clip.fold not in held),
                   whole.select(lambda clip: clip.fold in held))
    where = Path(values.out) / "scenes"
    return tuple(soundscapes.write(where / part, spec, source, count, seed, name=part)
                 for part, source, count, seed in (
                     ("training", sources[0], values.num_scenes, 1),
                     ("validation", sources[1], max(20, values.num_scenes // 10), 2)))
