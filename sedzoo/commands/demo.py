"""sedzoo demo [--out FOLDER]: from nothing to detected sound events, offline, in three minutes.

Composes scenes from procedural sounds, trains a small gated CRNN on them, scores it on scenes it
has not seen, exports it as a SavedModel, detects the events of one more scene from the export, and
leaves the export, the events and a picture in the folder.
"""

import time
from pathlib import Path

from absl import flags

_BATCH_SIZE = 16
_MEDIAN_FRAMES = 5

FRAMEWORK = "keras"


def define(values):
    flags.DEFINE_string("out", "demo", "Folder for what the demo makes.", flag_values=values)
    flags.DEFINE_integer("num_scenes", 400, "Training scenes.", 1, flag_values=values)
    flags.DEFINE_integer("epochs", 14, "Epochs.", 1, flag_values=values)


def run(values, arguments):
    from sedzoo import export
    from sedzoo.assess import score_clips, score_scenes
    from sedzoo.serving import Detector
    from sedzoo.training import fit

    started, out = time.monotonic(), Path(values.out)
    _say(1, f"composing {values.num_scenes} training scenes from procedural sounds")
    train = _scenes(out, "training", values.num_scenes, seed=1)
    unseen = _scenes(out, "unseen", 40, seed=2)

    recipe = _recipe(values.epochs, values.num_scenes)
    _say(2, f"training {recipe.model_name} for {values.epochs} epochs")
    run = fit(recipe, train, None, out / "run", resume=False)

    _say(3, "exporting, and scoring the export on 40 unseen scenes")
    path = export.from_run(run.directory, out / "gated_crnn_demo" / "1", metrics=(),
                           overwrite=True, data="Procedural scenes of sedzoo.")
    detector = Detector(path)
    scores = {**score_clips(detector, unseen), **score_scenes(detector, unseen)}
    metrics = [{"metric": key, "value": value, "dataset": "procedural scenes",
                "split": "40 unseen", "command": f"sedzoo demo --num_scenes={values.num_scenes} "
                f"--epochs={values.epochs}", "commit": ""} for key, value in scores.items()]
    path = export.from_run(run.directory, path, metrics=metrics, overwrite=True,
                           data="Procedural scenes of sedzoo.")
    for key, value in scores.items():
        print(f"    {key:<20} {value:.3f}")

    _say(4, "detecting the events of an unseen scene from the exported model")
    _show(Detector(path), unseen.clips[0], out)
    print(f"\nDone in {time.monotonic() - started:.0f} s. In {out}/: gated_crnn_demo/1, the "
          "SavedModel; events.tsv; events.png\n"
          f"Next: sedzoo detect YOUR.wav --model {path} --plot events.png")


def _say(step, what):
    print(f"[{step}/4] {what}", flush=True)


def _scenes(out, name, num_scenes, seed):
    from sedzoo.datasets import soundscapes

    spec = soundscapes.SceneSpec(snr_db=(10.0, 30.0))
    return soundscapes.write(out / "scenes" / name, spec, None, num_scenes, seed, name=name)


def _recipe(epochs, num_scenes):
    from sedzoo.training import Recipe

    steps = epochs * -(-num_scenes // _BATCH_SIZE)
    return Recipe(
        id="sedzoo/demo", model_name="gated_crnn", dataset="procedural scenes",
        arguments={"width": 16, "rnn_units": 32, "projection": 64, "time_pools": (2, 2, 1),
                   "momentum": 0.9},
        batch_size=_BATCH_SIZE, epochs=epochs, checkpoint_every=epochs, learning_rate=4e-3,
        decay={"class_name": "CosineDecay", "config": {"decay_steps": steps}},
        loss_weights={"clip": 0.5, "frame": 1.0},
        decisions={"thresholds": 0.5, "median_frames": _MEDIAN_FRAMES})


def _show(detector, clip, out):
    from sedzoo import audio
    from sedzoo.labels import write_events
    from sedzoo.plotting import plot_events

    events = detector.detect(clip.path)
    for event in events:
        print(f"    {event.onset:6.2f} - {event.offset:5.2f} s  {event.label:<12} "
              f"{event.score:.2f}")
    truth = ", ".join(f"{e.label} {e.onset:.2f}-{e.offset:.2f}" for e in clip.events)
    print(f"    (truth: {truth})")
    write_events(out / "events.tsv", {Path(clip.path).name: events}, "tsv")
    wave = audio.load(clip.path, detector.sample_rate)
    plot_events(wave, detector.sample_rate, events, out / "events.png", title="An unseen scene")
