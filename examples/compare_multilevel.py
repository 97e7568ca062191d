"""Train the systems of Xu 2018 on embeddings of ESC-10, and test the thesis' claims there.

    python examples/compare_multilevel.py --esc10=DIR

DIR is ESC-10 in its own layout. Three small VGGish are trained from scratch on patches of 0.96 s,
each on two of folds 1-3, and stopped on the third. On the embeddings of each, every system of the
thesis' Tables 13 to 15 learns from the same two folds and stops on the same third. The three
answer together for fold 4, by which nothing was learned or chosen.

Prints the tables and writes them to --out. Stopped and started again, it goes on where it was.
"""

import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path

import keras
import numpy as np
from absl import app, flags
from compare_multilevel_tables import ALPHA, scores, spread, tables

import sedzoo
from sedzoo import datasets, embeddings
from sedzoo.datasets.pitch_shift import pitch_shifted
from sedzoo.embeddings import Embeddings
from sedzoo.embeddings.extractors import ModelExtractor, Patches
from sedzoo.evaluation.clip_metrics import clip_metric
from sedzoo.training import fit, fit_folds, fuse, predict
from sedzoo.training.run import Run, write_whole

FLAGS = flags.FLAGS
flags.DEFINE_string("esc10", None, "Folder of ESC-10.", required=True)
flags.DEFINE_string("out", "examples/compare_multilevel.md", "Markdown file to write.")
flags.DEFINE_string("work", "runs/multilevel", "Folder for extractors, embeddings and answers.")
flags.DEFINE_integer("width", 8, "Filters of VGGish's first convolution; 64 in the thesis.",
                     lower_bound=1)
flags.DEFINE_integer("units", 128, "Units of the systems' hidden layers; 600 in the thesis.",
                     lower_bound=1)
flags.DEFINE_integer("quota", 72, "Clips of a class after pitch shift, of 24; 600 in the thesis.",
                     lower_bound=24)
flags.DEFINE_integer("epochs", 60, "Epochs at most.", lower_bound=1)
flags.DEFINE_integer("seeds", 3, "Trainings of each system on each extractor.", lower_bound=1)
flags.DEFINE_list("only", [], "Rows to train, by key, where not all.")

KNOWN, UNSEEN = (1, 2, 3), 4
FIVE = {"segments": 5}


@dataclass(frozen=True)
class Row:
    """A system, by the thesis' recipe that it is.

    Args:
        name: str.
        of: str, the recipe's name there; `quoted`: bool, the thesis' score is this system's.
        changes: dict of the recipe's fields that differ; `arguments` are added to its own.
        members: keys of rows, whose geometric mean it is.
    """

    name: str
    of: str = "6-segment-mixup-0.2"
    changes: dict = field(default_factory=dict)
    quoted: bool = True
    members: tuple = ()


def _other(name, of="6-segment-mixup-0.2", **changes):
    """A row that the thesis does not have."""
    return Row(name, of, changes, quoted=False)


ROWS = {
    "vggish": _other("VGGish's own head"),
    "a": Row("A: 1 segment", "1-segment"),
    "b": Row("B: LSTM", "lstm"),
    "c": Row("C: 5 segments", "6-segment", FIVE),
    "d": Row("D: C + pitch shift", "6-segment-pitch", FIVE),
    "mixed": _other("C + mixtures", **FIVE, pitch_quota=None),
    "f": Row("F: D + mixtures; level-123", changes=FIVE),
    **{f"level-{levels}": Row(f"F, level-{levels}", f"level-{levels}", FIVE)
       for levels in ("1", "2", "3", "12", "13", "23")},
    "1-segment": Row("F, 1 segment", "1-segment-mixup-0.2"),
    "2-segment": Row("F, 2 segments", "2-segment-mixup-0.2"),
    "3-segment": _other("F, 3 segments", segments=3),
    "all": Row("F, 1, 2, 3 and 5 segments", "all-segments",
               members=("1-segment", "2-segment", "3-segment", "f")),
    "whole": _other("D, whole clips", "6-segment-pitch", segments="clip"),
    "dnn": _other("F, DNN", "lstm", **FIVE, model_name="embedding_dnn", pitch_quota=600,
                  mixtures={"alpha": 0.2}),
    "yu2018": _other("F, `yu2018`", **FIVE, arguments={"style": "yu2018"}),
    "direct": _other("F, no final dense", **FIVE, single_label=False,
                     arguments={"final_dense": False, "activation": "sigmoid"}),
}


def main(argv):
    if len(argv) > 1:
        raise app.UsageError("Too many command-line arguments.")
    work = Path(FLAGS.work)
    heard = listen(datasets.esc10(FLAGS.esc10).folds(*KNOWN, UNSEEN), work)
    rows = {key: row for key, row in ROWS.items() if not FLAGS.only or key in FLAGS.only}
    systems = {key: [] for key in rows}
    for seed in range(FLAGS.seeds):
        for key, row in rows.items():
            said = [answers(key, seed, each, work) for each in heard]
            systems[key].append(scores(said, heard))
            print(f"seed {seed}  {row.name:<28} MAP@3 {spread(systems[key][-1][:1])}", flush=True)
    text = report({key: np.stack(each) for key, each in systems.items()}, heard)     # (S, 5, K)
    write_whole(FLAGS.out, lambda path: path.write_text(text, encoding="utf-8"))
    print(text)


# -- extractors --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Heard:
    """What one extractor makes of the clips.

    Args:
        fold: str, the one of folds 1-3 that it was stopped on.
        run: training.Run, the extractor; `own`: dict of what its own head says of clips (N, K):
            "plain", "held" and "unseen".
        plain, shifted: Embeddings of the two folds to learn from, without and with pitch-shifted
            copies; held: of `fold`; unseen: of fold 4.
    """

    fold: str
    run: Run
    own: dict
    plain: Embeddings
    shifted: Embeddings
    held: Embeddings
    unseen: Embeddings


def listen(clips, work):
    """A list of Heard, one for each fold left out, by extractors that are trained if need be."""
    recipe = sedzoo.recipe("xu2018thesis/vggish-balanced-first").replace(
        id="sedzoo/compare-multilevel/vggish", valid_split="the fold left out",
        arguments={"width": FLAGS.width, "units": 16 * FLAGS.width}, batch_size=20,
        learning_rate=1e-3, mixup_alpha=0.4, mixup_rate=1.0, epochs=FLAGS.epochs,
        early_stopping={"monitor": "val_loss", "patience": 8})
    patches = embeddings.extract(clips, Patches(recipe.features()), work / "patches")
    copied = pitch_shifted(clips.folds(*KNOWN), work / "pitch_shifted", quota=FLAGS.quota)
    copied = replace(copied, clips=copied.clips + clips.folds(UNSEEN).clips)
    work = work / sizes("width", "epochs")
    runs = fit_folds(recipe, patches.of_folds(*KNOWN), work / "vggish", progress=False)
    return [_heard(run, patches, copied, work) for run in runs]


def _heard(run, patches, copied, work):
    """Heard, by patches of the clips, and a Manifest that has pitch-shifted copies, too."""
    fold = run.directory.name.removeprefix("fold-")
    others = [known for known in map(str, KNOWN) if known != fold]
    own = {part: predict(run, patches.of_folds(*folds))["clip"] for part, folds in
           {"plain": others, "held": [fold], "unseen": [UNSEEN]}.items()}
    extractor = ModelExtractor(run.model, run.recipe.features(), mean=run.mean, std=run.std)
    found = embeddings.extract(copied, extractor, work / "embeddings")
    real = found.select(np.isin(found.names, patches.names))
    return Heard(fold, run, own, real.of_folds(*others), found.of_folds(*others),
                 real.of_folds(fold), real.of_folds(UNSEEN))


# -- systems on their embeddings ---------------------------------------------------------------


def recipe(key, seed):
    """The Recipe of a row: the thesis' own, at the sizes that the flags say."""
    row = ROWS[key]
    known = sedzoo.recipe(f"xu2018thesis/{row.of}-balanced-first")
    changes = {"pitch_quota": known.pitch_quota, **row.changes}
    changes["arguments"] = {**known.arguments, **changes.get("arguments", {}),
                            "units": FLAGS.units}
    if changes["pitch_quota"]:
        changes["pitch_quota"] = FLAGS.quota
    return known.replace(**{
        "id": f"sedzoo/compare-multilevel/{key}", "batch_size": 128, "epochs": FLAGS.epochs,
        "folds": len(KNOWN), "seed": seed, **changes})


def answers(key, seed, heard, work):
    """Clip probabilities (N, K) of the fold left out and of fold 4, trained for if need be."""
    if key == "vggish":
        return heard.own
    if ROWS[key].members:
        return fuse([answers(member, seed, heard, work) for member in ROWS[key].members],
                    "geometric")
    wanted = recipe(key, seed)
    file = work / sizes("width", "units", "quota", "epochs") / f"{key}_{seed}_{heard.fold}.npz"
    if not file.is_file():
        keras.backend.clear_session()
        with tempfile.TemporaryDirectory() as scratch:
            run = fit(wanted, heard.shifted if wanted.pitch_quota else heard.plain, heard.held,
                      scratch, progress=False)
            said = {part: predict(run, getattr(heard, part))["clip"]
                    for part in ("held", "unseen")}
        write_whole(file, lambda path: np.savez(path, **said))
    with np.load(file) as said:
        return dict(said)


def sizes(*names):
    return "_".join(f"{name}{FLAGS[name].value}" for name in names)


# -- report ------------------------------------------------------------------------------------

TEXT = """# The systems of Xu 2018 on embeddings of ESC-10

DNN, LSTM and multi-level attention (master's thesis, Aalto University, 2018, Tables 12 to 15) on
embeddings of a VGGish that was trained from scratch, by

    {command}

**Data.** ESC-10, {num_classes} classes; folds 1 to 3 (240 clips) to learn from and to choose by,
fold 4 ({num_unseen} clips) to score. As in the thesis, silence at both ends is cut, the peak
normalised, and what is left cut into patches of 0.96 s: five for most clips of 5 s, fewer for short
sounds (one to three for most sneezes and crows).

**Extractors.** Three VGGish of {width} filters in the first convolution and dense layers of
{dense_units} units, an embedding of 128; each learns from two of the folds 1 to 3, patch by patch
with the clip's tag, with mixup, and stops where the loss on the third is lowest.

**Systems** learn from the embeddings of the same two folds, with hidden layers of {units} units, in
batches of {batch_size}, for at most {epochs} epochs, and stop where MAP@3 on the same third is
highest. What is said of a clip is the geometric mean over the three extractors, as in the thesis
over its four and their folds. Pitch shift makes {quota} clips of the 24 that a class has in three
folds, mixtures twice as many rows (alpha 0.2). Of clips longer or shorter than a row's segments,
pieces are cut, or segments repeated. The {seeds} seeds differ in initial weights, order and
mixtures, not in extractors. No clip of fold 4 was learned from, stopped on, or looked at when
settings were chosen.

**What is small about it.** 160 clips teach each extractor and each system, where the thesis has
8,000 and a VGGish trained on YouTube before. One clip of fold 4 is 1.25 points of accuracy, and
12.5 of its class's. Systems learn from embeddings of the very clips that the extractor learned
from, of which it says the right class itself in {plain:.1f} % of cases, against {held:.1f} % in the
fold that it was stopped on. The further these are apart, the less is left for a system to learn,
about time or otherwise; the thesis does the same.

## Scores

Means over classes in percent, with standard deviations over seeds; in brackets the thesis' MAP@3,
on FSDKaggle2018, there with 6 segments for 5. "One extractor" is the mean of the three alone.
"Folds 1-3" is of each of these by the one system that stopped on it, and so a little too good.

{scores}

VGGish's own head says the mean of what it says of a clip's patches; it has no seeds. `yu2018` is
attention by the code that the author released (softmax over classes, more batch normalisation).
Without the final dense layer the mean of the levels' class scores is the answer, and the loss is
the binary cross-entropy.

## Average precision of each class

On fold 4 in percent, means over seeds.

{precisions}

## Claims

Differences of MAP@3 in points on fold 4, with standard deviations over seeds; how many classes
agree; p of a paired t-test over classes, two-sided, and the same after Holm's correction for all
rows of this table. A claim is said to hold where the difference is positive and p, uncorrected,
below {alpha}, which chance alone does for one claim in forty. The thesis' own p, where it prints
one, is one-sided. The difference on folds 1 to 3, of 240 clips, is there to compare and not tested.

{claims}

{summary}
"""


def report(systems, heard):
    """The tables as Markdown.

    Args:
        systems: dict of row -> METRICS by seed and class, (S, 5, K).
        heard: list of Heard.
    """
    values = {name: FLAGS[name].value for name in ("width", "units", "quota", "epochs", "seeds")}
    changed = [f" --{name}={value}" for name, value in values.items()
               if value != FLAGS[name].default]
    changed += [f" --only={','.join(FLAGS.only)}"] * bool(FLAGS.only)
    right = {part: np.mean([100 * clip_metric("accuracy", getattr(each, part).tags.toarray(),
                                              each.own[part]) for each in heard])
             for part in ("plain", "held")}
    unseen = heard[0].unseen
    return TEXT.format(
        **values, **tables(systems, ROWS, unseen.labels), **right, alpha=ALPHA,
        command="python examples/compare_multilevel.py --esc10=DIR" + "".join(changed),
        num_classes=len(unseen.labels), num_unseen=len(unseen), dense_units=16 * FLAGS.width,
        batch_size=recipe("f", 0).batch_size)


if __name__ == "__main__":
    app.run(main)
