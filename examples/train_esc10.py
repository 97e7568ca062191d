"""Train, score and export the gated CRNN on scenes composed from real ESC-10 recordings.

    python examples/train_esc10.py --esc10=DIR --out=exported/gated_crnn_esc10/1

DIR is ESC-10 in its own layout ("001 - Dog bark/1-100032-A.ogg", ...). Folds 1-3 are trained on,
fold 4 is what every printed score is measured on; no clip of one fold is on both sides. Training
can be stopped and started again: it goes on where it was, in --work.

The training set: scenes over a noise floor, nearly clean scenes of one or two events, and each
training clip at three speeds (which changes pitch and tempo together).
"""

from pathlib import Path

import soxr
from absl import app, flags

from sedzoo import audio, datasets, export
from sedzoo.assess import score_clips, score_scenes
from sedzoo.datasets import soundscapes
from sedzoo.datasets.manifest import Clip, Manifest
from sedzoo.serving import Detector
from sedzoo.training import Recipe, fit

FLAGS = flags.FLAGS
flags.DEFINE_string("esc10", None, "Folder of ESC-10.", required=True)
flags.DEFINE_string("out", "exported/gated_crnn_esc10/1", "Export to write.")
flags.DEFINE_string("work", "runs/esc10", "Folder for scenes, features and checkpoints.")
flags.DEFINE_integer("epochs", 40, "Epochs.", lower_bound=1)
flags.DEFINE_integer("steps", 100, "Batches of an epoch.", lower_bound=1)
flags.DEFINE_integer("schedule_epochs", 40, "Epochs after which the learning rate is 0.",
                     lower_bound=1)
flags.DEFINE_integer("num_scenes", 3000, "Training scenes of each kind.", lower_bound=1)
flags.DEFINE_string("commit", "", "Commit to name in the card.")

SPEEDS = (0.9, 1.0, 1.1)
RATE = 16000

RECIPE = Recipe(
    id="sedzoo/gated-crnn-esc10", model_name="gated_crnn",
    arguments={"width": 32, "rnn_units": 64, "time_pools": (2, 1, 1), "dropout": 0.1},
    frontend="xu2018icassp-logmel", dataset="scenes of ESC-10", train_split="folds 1-3",
    valid_split="fold 4", batch_size=16,
    loss_weights={"clip": 0.5, "frame": 1.0}, mixup_alpha=0.4, mixup_rate=0.3,
    spec_augment={"time_width": 24, "freq_width": 8, "num_time": 1, "num_freq": 2},
    decisions={"thresholds": 0.5, "median_frames": 5})

MIXED = soundscapes.SceneSpec(sample_rate=RATE, num_events=(1, 4), snr_db=(10.0, 40.0))
CLEAN = soundscapes.SceneSpec(sample_rate=RATE, num_events=(1, 2), snr_db=(30.0, 60.0),
                              max_polyphony=1)


def main(argv):
    if len(argv) > 1:
        raise app.UsageError("Too many command-line arguments.")
    work = Path(FLAGS.work)
    esc10 = datasets.esc10(FLAGS.esc10)
    known, unseen = esc10.folds(1, 2, 3), esc10.folds(4)
    train = training_set(known, work)
    valid = scenes(work / "valid", MIXED, unseen, min(200, FLAGS.num_scenes), seed=9)
    decay = {"class_name": "CosineDecay",
             "config": {"decay_steps": FLAGS.steps * FLAGS.schedule_epochs}}
    recipe = RECIPE.replace(epochs=FLAGS.epochs, steps_per_epoch=FLAGS.steps, decay=decay)
    run = fit(recipe, train, valid, work / "run")

    fields = {"data": "Scenes composed from ESC-10, folds 1-3 of 5; scored on fold 4.",
              "licence": "CC-BY 3.0 and CC0 recordings; the weights are given under CC-BY 4.0."}
    draft = export.from_run(run.directory, work / "draft" / "1", metrics=(), overwrite=True,
                            **fields)
    metrics = measure(Detector(draft), unseen, valid)
    for metric in metrics:
        print(f"{metric['metric']:>24}  {metric['value']:.3f}  {metric['split']}")
    print(export.from_run(run.directory, FLAGS.out, metrics=metrics, overwrite=True, **fields))


def training_set(known, work):
    """Scenes of both kinds, from the training clips at three speeds, as one Manifest."""
    sounds = at_speeds(known, work / "speeds")
    mixed = scenes(work / "mixed", MIXED, sounds, FLAGS.num_scenes, seed=1)
    clean = scenes(work / "clean", CLEAN, sounds, FLAGS.num_scenes, seed=2)
    clips = [Clip(f"{part.name}/{clip.name}", clip.path, clip.labels, clip.events)
             for part in (mixed, clean) for clip in part.clips]
    return Manifest("scenes of ESC-10", known.labels, tuple(clips), attribution=known.attribution)


def at_speeds(manifest, directory):
    """Each clip at each of SPEEDS, written as WAV once."""
    clips = []
    for clip in manifest.clips:
        for speed in SPEEDS:
            path = directory / f"{Path(clip.path).stem}_{speed}.wav"
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                wave = audio.load(clip.path, RATE)
                audio.save(path, soxr.resample(wave, RATE * speed, RATE), RATE, subtype="FLOAT")
            clips.append(Clip(path.name, str(path), clip.labels, fold=clip.fold))
    return Manifest(manifest.name, manifest.labels, tuple(clips), sustained=manifest.sustained,
                    attribution=manifest.attribution)


def scenes(directory, spec, source, num_scenes, seed):
    """Scenes written to a folder; they come out the same every time."""
    return soundscapes.write(directory, spec, source, num_scenes, seed, name=directory.name)


def measure(detector, clips, valid):
    """What the export is worth on fold 4: on bare clips, and on scenes."""
    about = {"dataset": "ESC-10", "commit": FLAGS.commit,
             "command": f"python examples/train_esc10.py --esc10=DIR --epochs={FLAGS.epochs} "
                        f"--schedule_epochs={FLAGS.schedule_epochs} "
                        f"--num_scenes={FLAGS.num_scenes}"}
    bare = {**about, "split": "fold 4, bare 5 s clips"}
    composed = {**about, "split": f"fold 4, {len(valid)} composed scenes"}
    return [*({"metric": key, "value": value, **bare}
              for key, value in score_clips(detector, clips).items()),
            *({"metric": key, "value": value, **composed}
              for key, value in score_scenes(detector, valid).items())]


if __name__ == "__main__":
    app.run(main)
