"""Train audiovisual transformers after Boes & Van hamme 2019 on scenes heard and seen.

    python examples/compare_av.py

Scenes are composed of sounds made by formula; what is seen is simulated, see compare_av_scenes.
Systems that hear, that see, and that do both learn alike from clip tags alone; events and pictures
serve the scores, and the measure of where the decoder looks.

Prints the tables and writes them to --out, with a picture beside it. Stopped and started again, it
goes on where it was.
"""

import dataclasses
import time
from pathlib import Path

import keras
import numpy as np
from absl import app, flags
from compare_av_attention import intervals
from compare_av_picture import draw
from compare_av_scenes import SPEC, View, embedded, scenes
from compare_av_tables import Answers, spread, tables

import sedzoo
from sedzoo.embeddings.streams import Streams
from sedzoo.training import fit, predict
from sedzoo.training.run import write_whole

FLAGS = flags.FLAGS
flags.DEFINE_string("out", "examples/compare_av.md", "Markdown file to write.")
flags.DEFINE_string("work", "runs/av", "Folder for scenes, features and runs.")
flags.DEFINE_integer("num_scenes", 2000, "Training scenes.", lower_bound=2)
flags.DEFINE_integer("num_valid", 400, "Scenes that thresholds are chosen on.", lower_bound=2)
flags.DEFINE_integer("num_test", 1000, "Scenes that are scored.", lower_bound=2)
flags.DEFINE_integer("epochs", 20, "Epochs at most; 30 in the paper.", lower_bound=1)
flags.DEFINE_integer("steps", 50, "Batches of 40 in an epoch; 300 in the paper.", lower_bound=1)
flags.DEFINE_integer("width", 32, "Numbers of a frame inside; 128 in the paper.", lower_bound=1)
flags.DEFINE_integer("depth", 1, "Blocks of encoder and of decoder; 3 in the paper.",
                     lower_bound=1)
flags.DEFINE_integer("seeds", 3, "Trainings of each system.", lower_bound=1)

VIEW = View()
# The paper's rows, by the names of their recipes.
ROWS = {
    "audio": "audio-audio-no-positions-softmax-mean",
    "video": "video-video-no-positions-softmax-mean",
    "av": "audio-video-no-positions-softmax-mean",
    "va": "video-audio-no-positions-softmax-mean",
    "va_positions": "video-audio-video-positions-softmax-mean",
    "va_sigmoid": "video-audio-no-positions-sigmoid-mean",
    "va_normalised": "video-audio-no-positions-normalised-sigmoid-mean",
}


def main(argv):
    if len(argv) > 1:
        raise app.UsageError("Too many command-line arguments.")
    work = Path(FLAGS.work)
    counts = {"train": FLAGS.num_scenes, "valid": FLAGS.num_valid, "test": FLAGS.num_test}
    manifests = {part: scenes(work / "scenes" / part, count, seed)
                 for seed, (part, count) in enumerate(counts.items())}
    sets, shows = embedded(manifests, VIEW, work / "features")
    where = {part: intervals(manifests[part], shows[part]) for part in ("valid", "test")}
    tags = {part: manifests[part].tags() for part in where}
    systems = {key: [] for key in ROWS}
    for seed in range(FLAGS.seeds):
        for key in ROWS:
            started = time.perf_counter()
            systems[key].append(answers(key, seed, sets, where, work))
            print(f"seed {seed}  {key:<16} F1 {spread([systems[key][-1].f1(tags)])}"
                  f"  {time.perf_counter() - started:.0f} s", flush=True)
    picture = Path(FLAGS.out).with_name(f"{Path(FLAGS.out).stem}_attention.webp")
    write_whole(picture, lambda path: draw(
        path, systems["va"][0], recipe("va", 0), manifests["test"],
        sets["test"].parts["video"].values, where))
    text = report(systems, tags, where, picture.name)
    write_whole(FLAGS.out, lambda path: path.write_text(text, encoding="utf-8"))
    print(text)


# -- training ----------------------------------------------------------------------------------


def recipe(key, seed):
    """The paper's row at this size."""
    row = sedzoo.recipe(f"boes2019/{ROWS[key]}")
    return row.replace(
        id=f"sedzoo/compare-av/{key}", dataset="scenes", train_split="train", valid_split="valid",
        epochs=FLAGS.epochs, steps_per_epoch=FLAGS.steps, sampler_arguments={"limits": ()},
        seed=seed, arguments={**row.arguments, "width": FLAGS.width, "ff_units": FLAGS.width,
                              "depth": FLAGS.depth, "return_attention": True})


def answers(key, seed, sets, where, work):
    """Answers for the scenes to choose on and for those to score, trained for if need be."""
    rule = recipe(key, seed)
    runs = work / (f"scenes{FLAGS.num_scenes}_{FLAGS.num_valid}_{FLAGS.num_test}_"
                   f"epochs{FLAGS.epochs}x{FLAGS.steps}_width{FLAGS.width}x{FLAGS.depth}")
    file = runs / f"{key}_{seed}.npz"
    if not file.is_file():
        keras.backend.clear_session()
        taken = {part: Streams({key: both.parts[key] for key in
                                sorted({rule.arguments["first"], rule.arguments["second"]})})
                 for part, both in sets.items()}
        run = fit(rule, taken["train"], taken["valid"], runs / f"{key}_{seed}", progress=False)
        said = {}
        for part, (clips, _) in where.items():
            found = predict(run, taken[part])
            said[part] = found["clip"]
            said[f"attention_{part}"] = found["attention"][clips, :, -1]    # of the last block
        write_whole(file, lambda path: np.savez(
            path, num_epochs=len(run.history()), num_weights=run.model.count_params(), **said))
    with np.load(file) as said:
        return Answers(**said)


# -- report ------------------------------------------------------------------------------------

TEXT = """# Audiovisual transformers of Boes & Van hamme 2019, trained alike

Rows of Table 1 of https://doi.org/10.1145/3343031.3350873, which learn from what is heard, what is
seen, or both, by

    {command}

**Heard.** Scenes of 10 s at 16 kHz: {num_scenes} to learn from, {num_valid} to stop and choose the
threshold on, {num_test} to score; one to three events made by formula, {snr_db[0]:g} to
{snr_db[1]:g} dB over the background, those that go on {long_s[0]:g} to {long_s[1]:g} s long. No
pretrained network is used: of every 0.96 s a system gets the means and deviations of VGGish's 64
log-mel bands, 128 numbers, where the paper has VGGish itself.

**Seen** is a simulation, not pictures: {size} numbers for each still, taken in the middle of each
0.96 s, in the place of VGG16's 4096. Every object has a look, normal of deviation 1, from which
each single one is off by {instance:g}; stills have a ground of deviation {ground:g} that stays in a
scene, and noise of deviation {noise:g}. The {num_classes} classes are of three kinds:

- *twins*, eight: a bark is a large dog's or a small one's, a horn a car's or a lorry's, an engine a
  bus' or a tractor's, a siren a police car's or a fire engine's, by a coin; they look different and
  sound the same, so that by sound alone nobody can do better than guess;
- *visible*, three (clock tick, footsteps, telephone), which sound and look different;
- *hidden*, three (alarm bell, bird chirp, rain), which are never seen.

What sounds is in the picture with probability {shown:g}, comes and goes up to {lag_s:g} s early or
late, and is covered in a still with probability {hid:g}. On the mean {num_silent:g} objects of a
scene are seen for {silent_s[0]:g} to {silent_s[1]:g} s and make no sound, of a class or of
{num_others} that are none: what is seen need not be heard.

**Training** is the paper's for all: Adam at {learning_rate:g}, batches of {batch_size} with classes
drawn equally often, an epoch of {steps} batches, up to {epochs} epochs, an end when the validation
loss is above each of the seven before, probabilities averaged over the last seven epochs, one
threshold for all classes, of highest micro F1 on the validation scenes. Systems learn from clip
tags alone. The {seeds} seeds differ in initial weights and batches, not in scenes.

**What is small about it.** {width} numbers for a frame and a head where the paper has 128, {depth}
block in encoder and decoder each where it has 3, up to {epochs} epochs of {steps} batches where it
has 30 of 300. The simulation was set up so that each stream knows what the other does not: that
both together do better is what it was built to allow, and says that the models can use it, not that
real videos do. A first setting, with two pairs of twins and stills that told less, was given up
after one seed of three systems: there both were hardly better than sound alone.

## Scores

Percent, with standard deviations over seeds; in brackets the paper's F1, on DCASE 2017 Task 4.
"First" feeds the encoder, "second" the decoder. The last columns are micro F1 of the classes of a
kind alone, at the same threshold.

{scores}

## Both against one

Micro F1 of all seeds' decisions together, its difference in points with a 95 % interval of a paired
bootstrap over scenes; average precision, difference in points and p of a paired t-test over
classes, two-sided. Holm's correction is for all tests of a column.

{comparisons}

{verdict}

## Where the decoder looks

Scenes to score with a single event whose object is in the picture, {num_pointed} in number: of the
frames inside the event, how much of the last decoder block's attention lies on the other stream's
frames of the event (stills that show it; segments of sound whose middle lies in it), against how
many of all frames these are ("chance"). "Heads" is the mean of three, "best" the head with the
highest share over chance on the validation scenes ({num_pointed_valid}). "Outside" is the best
head's share for the frames outside the event: where it is as high, attention goes to what stands
out, whoever asks. "Shuffled" is the best head's share on the frames of other scenes' events, whose
chance is the same on the mean. Shares are of weights divided by their sum, which sigmoids' is not.
"p" is the largest of the seeds', of {num_shuffles} shuffles of the scenes' intervals. Attention,
like probabilities, is the mean over the last seven epochs.

{attention}

{attention_words}

![What three heads of the decoder see]({picture})

The first seed of video as first and audio as second stream, without positions, softmax: the scene
whose best head has the median share. Stills are drawn as the squares of grey that their numbers
are.
"""


def report(systems, tags, where, picture):
    """The tables as Markdown; picture: str, the name of the file beside it."""
    sizes = {key: FLAGS[key].value for key in ("num_scenes", "num_valid", "num_test", "epochs",
                                               "steps", "width", "depth", "seeds")}
    changed = [f" --{key}={size}" for key, size in sizes.items() if size != FLAGS[key].default]
    rules = {key: recipe(key, 0) for key in ROWS}
    some = rules["audio"]
    return TEXT.format(
        **sizes, **dataclasses.asdict(VIEW), **tables(systems, rules, tags, where),
        picture=picture, snr_db=SPEC.snr_db, long_s=SPEC.long_s, num_classes=tags["test"].shape[1],
        batch_size=some.batch_size, learning_rate=some.learning_rate,
        command="python examples/compare_av.py" + "".join(changed))


if __name__ == "__main__":
    app.run(main)
