"""A finished training run as an export."""

import dataclasses
import json
from pathlib import Path

from sedzoo.card import Card
from sedzoo.evaluation.tuning.decisions import Decisions
from sedzoo.export import savedmodel
from sedzoo.training.run import Run
from sedzoo.zoo.registry import model_card


def from_run(run_directory, directory, *, metrics=None, decoder=None, overwrite=False, **fields):
    """Export what a training run left behind.

    The card is filled from the run: its recipe's model, arguments, frontend and decisions, its
    classes and their attribution; the clock is measured on the model.

    Args:
        run_directory: path of a finished run (training.Run).
        directory: path to write, `exported/<name>/<version>`; <name> becomes the card's.
        metrics: list of dicts as Card holds them; None for the run's own metrics.json, if any.
        decoder: events.Decoder that the export starts from, or evaluation.Decisions, whose note
            the card then has; None for the recipe's.
        overwrite: bool, replace what is there.
        **fields: other fields of the Card, such as data, licence, name.
    Returns: pathlib.Path of the directory.
    Raises: FileNotFoundError when the run is not finished; as savedmodel.save.
    """
    run = Run.load(run_directory)
    if metrics is None:
        path = run.directory / "metrics.json"
        metrics = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else ()
    recipe = run.recipe
    card = Card.from_dict({
        "name": Path(directory).resolve().parent.name,
        "model": recipe.model_name,
        "arguments": {**recipe.arguments, "num_classes": len(run.labels)},
        "frontend": recipe.features().to_dict(),
        "time_stride": _time_stride(run.model, recipe.features().clip_frames),
        "labels": run.labels,
        "mids": run.mids,
        **(decoder.card_fields() if isinstance(decoder, Decisions) else
           {"decoder": dataclasses.asdict(decoder or recipe.decoder())}),
        "metrics": metrics,
        "data": f"{recipe.dataset}, {recipe.train_split}",
        "attribution": run.attribution,
        "paper": model_card(recipe.model_name).source,
        **fields,
    })
    return savedmodel.save(run.model, directory, card, mean=run.mean, std=run.std,
                           overwrite=overwrite)


def _time_stride(model, num_frames):
    """Feature frames per output frame of a model, from the shapes it declares."""
    shapes = model.compute_output_shape((1, num_frames, model.input_shape[-1]))
    return num_frames // shapes["frame"][1]
