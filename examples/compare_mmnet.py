"""Train the systems of Chou et al. 2018, Table 1, alike on small scenes, and test its claims there.

    python examples/compare_mmnet.py --esc10=DIR

DIR is ESC-10 in its own layout; without it the sounds are made by formula. The scenes hold short
and long events of the same classes; systems learn from clip tags alone, and events serve the
scores. With ESC-10, systems learn from folds 1-3 but for every other recording of fold 3, which
the thresholds are chosen on; all scores are measured on fold 4.

Prints the tables and writes them to --out. Stopped and started again, it goes on where it was.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path

import keras
import numpy as np
from absl import app, flags
from compare_mmnet_tables import ALPHA, MIN_CLIPS, scores, spread, tables

from sedzoo import datasets, features
from sedzoo.datasets import soundscapes
from sedzoo.datasets.manifest import Clip, Manifest
from sedzoo.training import Recipe, fit, predict
from sedzoo.training.run import write_whole

FLAGS = flags.FLAGS
flags.DEFINE_string("esc10", None, "Folder of ESC-10; without it, sounds made by formula.")
flags.DEFINE_string("out", "examples/compare_mmnet.md", "Markdown file to write.")
flags.DEFINE_string("work", "runs/mmnet", "Folder for scenes, features and runs.")
flags.DEFINE_integer("num_scenes", 800, "Training scenes.", lower_bound=2)
flags.DEFINE_integer("num_valid", 300, "Scenes that thresholds are chosen on.", lower_bound=2)
flags.DEFINE_integer("num_test", 500, "Scenes that are scored.", lower_bound=2)
flags.DEFINE_integer("epochs", 15, "Epochs.", lower_bound=1)
flags.DEFINE_integer("width", 16, "Channels of the first convolution; 128 in the paper.",
                     lower_bound=1)
flags.DEFINE_integer("seeds", 3, "Trainings of each system.", lower_bound=1)

# Sounds that go on are cut to either; the others (barks, sneezes) are as long as they are.
LONG_S = {"short": (0.3, 1.0), "long": (2.0, 8.0)}


@dataclass(frozen=True)
class Row:
    """A system: how it differs from RECIPE, and the paper's mAP, AUC and F1 in percent.

    `of` names the row that trains it and `tested` the builder's arguments it is tested with, where
    the two differ.
    """

    key: str
    name: str
    published: tuple | None
    changes: dict
    of: str | None = None
    tested: dict = field(default_factory=dict)


def _resnet(head, **changes):
    return {"model_name": "mmnet_resnet", "arguments": {"head": head}, **changes}


MICRO = {"model_name": "mmnet", "loss_weights": {"clip": 1.0, "micro": 1.0}}
ROWS = {row.key: row for row in (
    Row("convnet", "ConvNet, mean", (54.1, 88.1, 56.3), {"model_name": "mmnet_convnet"}),
    Row("max", "ResNet, max", (56.5, 90.6, 58.0), _resnet("max")),
    Row("mean", "ResNet, mean", (57.1, 90.7, 58.5), _resnet("mean")),
    Row("wlat", "ResNet-WLAT", (56.5, 90.5, 57.3), _resnet("wlat")),
    Row("slat", "ResNet-SLAT", (58.9, 91.5, 58.4),
        _resnet("slat", loss_weights={"frame": 1.0}, frame_targets="tags")),
    Row("plat", "ResNet-PLAT", (53.1, 88.0, 57.1),
        _resnet("plat", loss_weights={"clip": 1.0, "pseudo": 1.0})),
    Row("att", "ResNet-ATT", (59.0, 90.5, 59.3), _resnet("att")),
    Row("spda", "ResNet-SPDA", (59.6, 91.1, 60.0), _resnet("spda")),
    Row("mmnet", "M&mnet", (63.2, 91.9, 63.4), MICRO),
    Row("no_ep", "M&mnet without EP", (61.4, 92.1, 62.3), MICRO, "mmnet", {"ensemble": "never"}),
    Row("ms", "M&mnet-MS", None, {**MICRO, "arguments": {"multi_scale": True}}),
    Row("repo", "M&mnet (`repo`)", None,
        {**MICRO, "arguments": {"ensemble": "always", "ensemble_space": "logit"},
         "micro": "repo", "class_weights": "labels"}),
)}

RECIPE = Recipe(
    id="sedzoo/compare-mmnet", frontend="chou2018", dataset="scenes", batch_size=32,
    optimizer="adam", learning_rate=3e-3, class_weights="clips", checkpoint_every=1000)


def main(argv):
    if len(argv) > 1:
        raise app.UsageError("Too many command-line arguments.")
    work = Path(FLAGS.work) / ("esc10" if FLAGS.esc10 else "procedural")
    train, valid, test = scenes(work)
    systems = {key: [] for key in ROWS}
    for seed in range(FLAGS.seeds):
        for key, row in ROWS.items():
            said = answers(row, seed, train, (valid, test), work)
            systems[key].append(scores(valid, test, *said))
            print(f"seed {seed}  {row.name:<24} mAP {spread(systems[key][-1][:1])}", flush=True)
    text = report({key: np.stack(each) for key, each in systems.items()}, test)     # (S, 6, K)
    write_whole(FLAGS.out, lambda path: path.write_text(text, encoding="utf-8"))
    print(text)


# -- data --------------------------------------------------------------------------------------


def scenes(work):
    """Manifests to learn from (tags alone), to choose thresholds on, and to score on."""
    parts = {"train": FLAGS.num_scenes, "valid": FLAGS.num_valid, "test": FLAGS.num_test}
    sounds = dict.fromkeys(parts)
    if FLAGS.esc10:
        esc10 = datasets.esc10(FLAGS.esc10)
        held = every_other_recording(esc10.folds(3))
        sounds = {"train": esc10.folds(1, 2, 3).select(lambda clip: recording(clip) not in held),
                  "valid": esc10.folds(3).select(lambda clip: recording(clip) in held),
                  "test": esc10.folds(4)}
    made = {name: compose(work / "scenes" / name, sounds[name], count, seed)
            for seed, (name, count) in enumerate(parts.items())}
    train = made["train"]
    tags = tuple(Clip(clip.name, clip.path, clip.labels) for clip in train.clips)
    return (Manifest(train.name, train.labels, tags, attribution=train.attribution),
            made["valid"], made["test"])


def compose(directory, sounds, num_scenes, seed):
    """Scenes with short events and scenes with long ones, half each."""
    clips = []
    for number, (kind, long_s) in enumerate(LONG_S.items()):
        spec = soundscapes.SceneSpec(sample_rate=44100, num_events=(1, 3), snr_db=(10.0, 30.0),
                                     long_s=long_s)
        part = soundscapes.write(directory / kind, spec, sounds, (num_scenes + 1 - number) // 2,
                                 len(LONG_S) * seed + number)
        clips += [Clip(f"{kind}/{clip.name}", clip.path, clip.labels, clip.events)
                  for clip in part.clips]
    return Manifest(directory.name, part.labels, tuple(clips), attribution=part.attribution)


def every_other_recording(manifest):
    """Recordings to hold out, in every class: takes of one recording stay together."""
    return {found for label in manifest.labels
            for found in sorted({recording(clip) for clip in manifest.clips
                                 if clip.labels == (label,)})[1::2]}


def recording(clip):
    return clip.name.split("-")[1]


# -- training and scores -----------------------------------------------------------------------


def recipe(row, seed):
    fields = {**row.changes, "id": f"{RECIPE.id}/{row.of or row.key}", "seed": seed}
    fields["arguments"] = {"width": FLAGS.width, **row.changes.get("arguments", {})}
    decay = {"class_name": "CosineDecay", "config": {"decay_epochs": FLAGS.epochs}}
    return RECIPE.replace(epochs=FLAGS.epochs, decay=decay, **fields)


def answers(row, seed, train, scored, work):
    """Clip probabilities (N, K) of each of the scored manifests, trained for if need be."""
    runs = work / f"scenes{FLAGS.num_scenes}_epochs{FLAGS.epochs}_width{FLAGS.width}"
    file = runs / f"{row.key}_{seed}_{FLAGS.num_valid}_{FLAGS.num_test}.npz"
    if not file.is_file():
        keras.backend.clear_session()
        run = fit(recipe(row, seed), train, None, runs / f"{row.of or row.key}_{seed}",
                  progress=False, cache_dir=work / "features")
        if row.tested:
            arguments = {**run.recipe.arguments, **row.tested}
            model = run.recipe.replace(arguments=arguments).model(len(train.labels))
            model.set_weights(run.model.get_weights())
            run = replace(run, model=model)
        said = [predict(run, features.extract(part, run.recipe.features(),
                                              work / "features" / part.name, progress=False))
                for part in scored]
        write_whole(file, lambda path: np.savez(path, *(each["clip"] for each in said)))
    with np.load(file) as said:
        return tuple(said.values())


# -- report ------------------------------------------------------------------------------------

TEXT = """# The systems of Chou, Jang & Yang 2018, trained alike

M&mnet and what it was compared with (https://doi.org/10.24963/ijcai.2018/463, Table 1), by

    {command}

**Scenes.** {num_scenes} to learn from, {num_valid} to choose thresholds on, {num_test} to score;
each 10 s at 44.1 kHz with one to three events of {num_classes} classes, 10 to 30 dB over the
background. {sounds} In half of the scenes sounds that go on (rain, engines) are cut to 0.3 to 1 s,
in the other half they last 2 to 8 s; sounds that end by themselves (barks, horns) are as long as
they are. Systems learn from clip tags alone; events serve to score.

**Training** is the same for all: {epochs} epochs in batches of {batch_size}, {optimizer} from
{learning_rate:g} along a cosine to 0, positives weighed by class as in the paper, {width} channels
in the first convolution, weights of the last epoch. The {seeds} seeds differ in initial weights and
order of clips, not in scenes. `repo` is M&mnet by the released code: ensemble prediction, of
logits, in training too; attention that weighs positives alone and learns from the clip's loss
alone; class weights by share of labels.

**What is small about it.** The paper has 128 channels, 17 classes, 50,000 clips, 100 epochs, and
SGD with momentum. In 15 epochs of 800 scenes SGD at the paper's rate stayed behind Adam in the
three rows tried (ResNet, ATT, M&mnet), and most systems had not converged: this is also about
which learn fast.

## Scores

Means over classes in percent, with standard deviations over seeds; in brackets the paper's, on
DCASE 2017 Task 4. F1 is at each class's threshold of highest F1 on the scenes to choose on.

{scores}

## Average precision by duration of events

Clips whose longest event of a class is this long, against all clips without the class; mean over
classes with at least {min_clips} such clips. Columns differ in clips and classes: compare within
them.

{durations}

## Claims

Differences of average precision in points, with standard deviations over seeds; how many classes
agree; p of a paired t-test over classes, two-sided, and the same after Holm's correction for all
rows of this table. A claim holds where the difference is positive and p below {alpha}. "Short" is
for under 1 s, "long" for over 3 s: whether the gain over ResNet, mean, is larger in the first.

{claims}

{summary}
"""
FOLDS = ("The sounds are those of ESC-10: folds 1 to 3 to learn from, except every other recording "
         "of fold 3, which are there to choose on; fold 4 to score.")
FORMULA = "The sounds are made by formula, anew for every event."


def report(systems, test):
    """The tables as Markdown; systems: dict of row -> METRICS by seed and class, (S, 6, K)."""
    sizes = {key: getattr(FLAGS, key) for key in ("num_scenes", "num_valid", "num_test", "epochs",
                                                  "width", "seeds")}
    changed = [f" --{key}={size}" for key, size in sizes.items() if size != FLAGS[key].default]
    command = "python examples/compare_mmnet.py" + " --esc10=DIR" * bool(FLAGS.esc10)
    return TEXT.format(
        **sizes, **tables(systems, ROWS, test), command=command + "".join(changed),
        sounds=FOLDS if FLAGS.esc10 else FORMULA,
        num_classes=len(test.labels), batch_size=RECIPE.batch_size, min_clips=MIN_CLIPS,
        optimizer=RECIPE.optimizer.capitalize(), learning_rate=RECIPE.learning_rate, alpha=ALPHA)


if __name__ == "__main__":
    app.run(main)
