"""Export one of the systems that compare_multilevel.py compares: VGGish and attention in one model.

    python examples/export_multilevel.py --esc10=DIR --export=exported/multilevel_attention_esc10/1

Takes the row "F, no final dense", whose segments' scores are the classes' own, so that `detect` has
something to say; the extractor that was stopped on fold 3; and of the seeds the one that scores
highest there. Goes on from what compare_multilevel.py left in --work. Fold 4 serves the printed
scores alone: its clips as they come, not trimmed, through the SavedModel.
"""

from pathlib import Path

import keras
import numpy as np
from absl import app, flags
from compare_multilevel import FLAGS, KNOWN, UNSEEN, answers, listen, recipe

from sedzoo import datasets, export
from sedzoo.card import Card
from sedzoo.evaluation.clip_metrics import clip_metric
from sedzoo.serving import Detector
from sedzoo.training import fit
from sedzoo.zoo import model_card
from sedzoo.zoo.stacking import stacked

flags.DEFINE_string("export", "exported/multilevel_attention_esc10/1", "Export to write.")
flags.DEFINE_string("commit", "", "Commit to name in the card.")
KEY = "direct"
METRICS = ("map_at_3", "accuracy", "average_precision")


def main(argv):
    if len(argv) > 1:
        raise app.UsageError("Too many command-line arguments.")
    work, esc10 = Path(FLAGS.work), datasets.esc10(FLAGS.esc10)
    heard = listen(esc10.folds(*KNOWN, UNSEEN), work)[-1]               # stopped on fold 3
    seed = best_seed(heard, work)
    keras.backend.clear_session()
    run = fit(recipe(KEY, seed), heard.shifted, heard.held, work / "exported" / f"seed{seed}",
              progress=False)
    trunk = keras.Model(heard.run.model.input,
                        {"embedding": heard.run.model.get_layer("embedding").output})
    model = stacked(trunk, run.model, name="multilevel_attention_esc10")
    draft = export.save(model, work / "draft" / "1", card(run, heard, ()), mean=heard.run.mean,
                        std=heard.run.std, overwrite=True)
    metrics = measure(Detector(draft), esc10.folds(UNSEEN))
    for metric in metrics:
        print(f"{metric['metric']:>24}  {metric['value']:.4f}  {metric['split']}")
    print(export.save(model, FLAGS.export, card(run, heard, metrics), mean=heard.run.mean,
                      std=heard.run.std, overwrite=True))


def best_seed(heard, work):
    """The seed that scores highest on the fold that was left out: by MAP@3, then by mAP."""
    tags = heard.held.tags.toarray()

    def score(seed):
        said = answers(KEY, seed, heard, work)["held"]
        return clip_metric("map_at_3", tags, said), clip_metric("average_precision", tags, said)

    return max(range(FLAGS.seeds), key=score)


def card(run, heard, metrics):
    """The Card of VGGish with this system on it."""
    made_by = heard.run.recipe
    sizes = ", ".join(f"{key} {size}" for key, size in made_by.arguments.items())
    return Card(
        name=Path(FLAGS.export).resolve().parent.name, model=run.recipe.model_name,
        arguments={**run.recipe.arguments, "num_classes": len(run.labels)},
        frontend={**made_by.features().to_dict(), "trim_db": None}, time_stride=96,
        labels=run.labels, mids=run.mids, metrics=metrics, attribution=run.attribution,
        paper=model_card(run.recipe.model_name).source,
        data=f"ESC-10, folds 1 and 2, stopped on fold 3. In front of it {made_by.model_name} "
             f"({sizes}), trained from scratch on the same.",
        licence="CC-BY 3.0 and CC0 recordings; the weights are given under CC-BY 4.0.")


def measure(detector, clips):
    """What the export's tags are worth on bare clips, as a Card holds it."""
    said = [detector.tag(clip.path) for clip in clips.clips]
    said = np.array([[tags[label] for label in clips.labels] for tags in said])
    command = "python examples/export_multilevel.py --esc10=DIR"
    return [{"metric": f"clip_{name}", "value": clip_metric(name, clips.tags(), said),
             "dataset": "ESC-10", "split": "fold 4, bare 5 s clips", "command": command,
             "commit": FLAGS.commit} for name in METRICS]


if __name__ == "__main__":
    app.run(main)
