"""A finished training run as an export."""

import dataclasses
import json
from pathlib import Path

from sedzoo.card import Card
from sedzoo.evaluation.tuning.decisions import Decisions
from sedzoo.export import savedmodel
from sedzoo.training.run import Run
from sedzoo.zoo.registry import model_card
from sedzoo.zoo.stacking import stacked


def from_run(run_directory, directory, *, metrics=None, decoder=None, extractor=None,
             overwrite=False, **fields):
    """Export what a training run left behind.

    A run on embeddings is exported on top of what made them: the SavedModel takes waveforms like
    any other. The card is filled from the run: its recipe's model, arguments, frontend and
    decisions, its classes and their attribution; the clock is measured on the model.

    Args:
        run_directory: path of a finished run (training.Run).
        directory: path to write, `exported/<name>/<version>`; <name> becomes the card's.
        metrics: list of dicts as Card holds them; None for the run's own metrics.json, if any.
        decoder: events.Decoder that the export starts from, or evaluation.Decisions, whose note
            the card then has; None for the recipe's.
        extractor: extractors.ModelExtractor of a run on embeddings; None for other runs.
        overwrite: bool, replace what is there.
        **fields: other fields of the Card, such as data, licence, name.
    Returns: pathlib.Path of the directory.
    Raises: FileNotFoundError when the run is not finished; ValueError for an `extractor` where the
        run takes none, or the other way round; as savedmodel.save.
    """
    run = Run.load(run_directory)
    model, frontend, scale = _whole(run, extractor)
    if metrics is None:
        path = run.directory / "metrics.json"
        metrics = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else ()
    recipe = run.recipe
    card = Card.from_dict({
        "name": Path(directory).resolve().parent.name,
        "model": recipe.model_name,
        "arguments": {**recipe.arguments, "num_classes": len(run.labels)},
        "frontend": frontend.to_dict(),
        "time_stride": _time_stride(model, frontend.clip_frames),
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
    return savedmodel.save(model, directory, card, mean=scale[0], std=scale[1],
                           overwrite=overwrite)


def _whole(run, extractor):
    """Model from features to outputs, the Frontend of its features, and their z-score."""
    if bool(model_card(run.recipe.model_name).extractor) != (extractor is not None):
        raise ValueError("`extractor` must be the ModelExtractor that made the embeddings of a run "
                         "on embeddings, and None for others. Received: extractor="
                         f"{extractor!r} for {run.recipe.model_name}")
    if extractor is None:
        return run.model, run.recipe.features(), (run.mean, run.std)
    return (stacked(extractor.model, run.model, scale=(run.mean, run.std)), extractor.frontend,
            (extractor.mean, extractor.std))


def _time_stride(model, num_frames):
    """Feature frames per output frame of a model, from the shapes it declares."""
    shapes = model.compute_output_shape((1, num_frames, model.input_shape[-1]))
    return num_frames // shapes["frame"][1]
