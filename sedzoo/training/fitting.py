"""A recipe and a data set in, a trained model out."""

import itertools
import shutil
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
from scipy import sparse

from sedzoo import sampling
from sedzoo.answers import write_answers
from sedzoo.batches import Batches
from sedzoo.mixing import with_mixtures
from sedzoo.training.inputs import Inputs, inputs
from sedzoo.training.objectives import class_weights, objective
from sedzoo.training.progress import Curves, ProgressBar, StopOnNaN
from sedzoo.training.recipe import Recipe
from sedzoo.training.run import Run, read_json, write_json, write_scale, write_whole
from sedzoo.training.scores import ClipMetrics, dense, predict_clips
from sedzoo.training.state import Keeper


def fit(recipe, train, valid, directory, *, resume=True, progress=True, cache_dir=None):
    """Train by a recipe into a directory, going on where an earlier call was stopped.

    A run killed at any moment and called again ends in the same weights as one left alone (on a
    CPU to the bit; a GPU's sums may differ in the last). Keras' global seed is set to the recipe's.

    Args:
        recipe: Recipe with a model of its own; train its members for a fusion.
        train, valid: datasets.Manifest with the same labels, or Embeddings or Streams for a recipe
            with `segments`; valid may be None.
        directory: str or Path of the run, see Run.
        resume: bool; False throws away what an earlier run left in the directory.
        progress: bool, bar or a line an epoch, see progress.ProgressBar.
        cache_dir: str or Path for the features, to share among runs; None: `directory`/cache.
    Returns: Run.
    Raises: ValueError when the directory holds a run of another recipe or other classes, the data
        cannot teach an output, or the recipe has no model; FloatingPointError when the loss is NaN.
    """
    directory = Path(directory)
    if not resume:
        _clear(directory)
    if valid is not None and valid.labels != train.labels:
        raise ValueError("`valid` must have the labels of `train` in the same order. "
                         f"Received: {valid.labels} and {train.labels}")
    _claim(directory, recipe, train)
    cache_dir = Path(cache_dir or directory / "cache")
    keras.utils.set_random_seed(recipe.seed)
    heard = inputs(recipe, train, cache_dir / "train", progress)
    model = recipe.model(len(train.labels), heard.size)
    checked = None if valid is None else inputs(recipe, valid, cache_dir / "valid", progress)
    mean, std = scale = heard.scale()
    if checked is not None:
        checked.require_scale(scale)
    write_scale(directory / "standardise.npz", mean, std)

    goal = objective(model, recipe.loss_weights, micro=recipe.micro,
                     single_label=recipe.single_label,
                     class_weights=class_weights(heard.clip_tags, recipe.class_weights))
    _train(recipe, model, goal, _Sets(heard, checked, scale), directory, progress)
    write_whole(directory / "model.keras", model.save)
    if checked is not None:
        clip = predict_clips(model, checked, mean, std)
        write_whole(directory / "valid_answers.npz", lambda path: write_answers(
            path, checked.names, train.labels, checked.clip_tags, clip))
    return Run(directory, recipe, model, train.labels, train.mids, train.attribution, mean, std)


class _Sets(NamedTuple):
    """Inputs to learn from, Inputs to check on or None, and the z-score of the former."""

    heard: Inputs
    checked: Inputs | None
    scale: tuple


def _train(recipe, model, goal, sets, directory, progress):
    """Run the epochs that are left."""
    trained, losses, loss_weights = goal
    source = _source(recipe, trained, sets.heard, sets.scale)
    valid = None if sets.checked is None else _one_pass(recipe, trained, sets.checked, sets.scale)
    num_drawn = (sets.heard.clip_tags.shape[0] if recipe.batch_of == "clips"
                 else len(source.values))
    steps = recipe.steps_per_epoch or -(-num_drawn // recipe.batch_size)
    optimizer = type(keras.optimizers.get(recipe.optimizer))(
        learning_rate=_learning_rate(recipe, steps), **recipe.optimizer_arguments)
    trained.compile(
        optimizer, loss=losses, loss_weights=loss_weights,
        weighted_metrics={key: [_accuracy(recipe)] for key in ("clip", "frame") if key in losses})
    optimizer.build(trained.trainable_variables)
    _build_losses(trained, source)
    keeper = Keeper(directory, model, recipe)
    epoch = keeper.restore(optimizer)
    if keeper.is_done():
        keeper.settle()
        return
    judge = [] if sets.checked is None or not recipe.valid_metrics else [
        ClipMetrics(model, sets.checked, sets.scale, recipe.valid_metrics)]
    bar = ProgressBar(recipe.epochs, steps) if progress else None
    try:
        trained.fit(
            _stream(recipe, source, epoch * steps), steps_per_epoch=steps, initial_epoch=epoch,
            epochs=recipe.epochs, verbose=0, shuffle=False,
            validation_data=valid,
            callbacks=[StopOnNaN(), *judge, keeper, Curves(directory / "logs"),
                       *([bar] if bar else [])])
        keeper.settle()
    finally:
        if bar is not None:
            bar.close()


def _build_losses(trained, source):
    """Make the losses' and metrics' variables now: made while TensorFlow traces the first step,
    they would have it trace the whole model a second time (half a minute for recurrent ones)."""
    y = {key: np.zeros((1, *target.shape[1:]), np.float32)
         for key, target in source.targets.items()}
    weight = {key: np.ones(target.shape[:-1], np.float32) for key, target in y.items()}
    guess = {key: keras.ops.zeros([size or 1 for size in output.shape])
             for key, output in trained.output.items()}
    trained.compute_loss(None, y, guess, weight)
    trained.compute_metrics(None, y, guess, weight)
    trained.reset_metrics()


def _learning_rate(recipe, steps):
    if recipe.decay is None:
        return recipe.learning_rate
    config = {"initial_learning_rate": recipe.learning_rate, **recipe.decay["config"]}
    if "decay_epochs" in config:
        config["decay_steps"] = steps * config.pop("decay_epochs")
    return keras.optimizers.schedules.deserialize({**recipe.decay, "config": config})


def _accuracy(recipe):
    return (keras.metrics.CategoricalAccuracy() if recipe.single_label
            else keras.metrics.BinaryAccuracy())


def _source(recipe, trained, heard, scale):
    """Batches to learn from: sampled, and mixed up."""
    values, targets = heard.values, _targets(recipe, trained, heard)
    if recipe.mixtures is not None:
        values, targets = _mixed(recipe, heard, targets)
    tags = heard.clip_tags if recipe.batch_of == "clips" else targets.get("clip", heard.tags)
    if recipe.sampler == "balanced":
        sampler = sampling.Balanced(tags, recipe.batch_size, recipe.seed,
                                    **recipe.sampler_arguments)
    else:
        sampler = sampling.Uniform(tags.shape[0], recipe.batch_size, recipe.seed)
    if recipe.batch_of == "clips":
        sampler = sampling.AllPieces(sampler, heard.pieces)
    return Batches(values, targets, sampler, mean=scale[0], std=scale[1], seed=recipe.seed,
                   mixup_alpha=recipe.mixup_alpha, mixup_rate=recipe.mixup_rate)


def _mixed(recipe, heard, targets):
    """The training set with mixtures behind it."""
    if set(targets) != {"clip"}:
        raise ValueError('`mixtures` are for the loss "clip" alone. Received: losses of '
                         f"{sorted(targets)}")
    values, tags = with_mixtures(heard.values, heard.tags, seed=recipe.seed, **recipe.mixtures)
    return values, {"clip": tags}


def _one_pass(recipe, trained, checked, scale):
    """One pass over the validation set, on the scale of the training set."""
    source = Batches(checked.values, _targets(recipe, trained, checked),
                     sampling.Sequential(len(checked), recipe.batch_size),
                     mean=scale[0], std=scale[1])
    if source.is_ragged and keras.backend.backend() == "tensorflow":
        # Keras takes the lengths of a PyDataset's first two batches for those of all.
        from sedzoo import pipeline

        return pipeline.batches(source, num_steps=source.sampler.num_steps)
    return _Pass(source)


def _targets(recipe, trained, heard):
    """What each trained output is to say: the row's tags (M, K), or for "frame" those of every
    frame (M, T', K); NaN for unknown."""
    targets = {key: heard.tags for key in trained.output if key != "frame"}
    if "frame" in trained.output:
        shapes = trained.compute_output_shape(heard.shape)
        num_outputs = shapes["frame"][1]
        if recipe.frame_targets == "tags":
            tags = dense(heard.tags)
            targets["frame"] = np.broadcast_to(
                tags[:, None], (len(tags), num_outputs, tags.shape[1]))
        else:
            targets["frame"] = heard.frame_targets(num_outputs)
    for key, target in targets.items():
        if not np.isfinite(target.data if sparse.issparse(target) else target).any():
            raise ValueError(f"`loss_weights` asks for {key!r}, but no clip of "
                             f"{heard.name!r} has labels for it.")
    return targets


def _stream(recipe, source, first_step):
    """Endless batches from a step on: tf.data on TensorFlow, a plain generator elsewhere."""
    if keras.backend.backend() != "tensorflow" and recipe.spec_augment is None:
        return (source(step) for step in itertools.count(first_step))
    try:
        from sedzoo import pipeline
    except ModuleNotFoundError as error:
        raise ValueError("`spec_augment` needs TensorFlow and tensorflow-io, whose masks it uses: "
                         f"{error}") from error

    masks = None if recipe.spec_augment is None else pipeline.SpecAugment(
        *source.values.shape[1:], seed=recipe.seed, **recipe.spec_augment)
    return pipeline.batches(source, first_step=first_step, spec_augment=masks)


class _Pass(keras.utils.PyDataset):
    """One pass over Batches in order, the same on every backend."""

    def __init__(self, source):
        super().__init__()
        self.source = source

    def __len__(self):
        return self.source.sampler.num_steps

    def __getitem__(self, step):
        return self.source(step)


def _claim(directory, recipe, train):
    """Write down what this run is, or refuse a directory that holds another one."""
    ours = {"recipe.json": recipe.to_dict(),
            "classes.json": {"labels": list(train.labels), "mids": list(train.mids),
                             "attribution": train.attribution}}
    if (directory / "state.npz").is_file():
        for name, fields in ours.items():
            theirs = read_json(directory / name)
            if name == "recipe.json":       # of an older version, without today's newest fields
                theirs = Recipe.from_dict(theirs).to_dict()
            # More epochs than before are no other run: they go on from the last.
            strange = [key for key, value in fields.items()
                       if key != "epochs" and _plain(theirs.get(key)) != _plain(value)]
            if strange:
                raise ValueError(f"{directory} holds a run that differs in {', '.join(strange)} "
                                 f"({name}); train into another directory, or anew with "
                                 "resume=False.")
    for name, fields in ours.items():
        write_json(directory / name, fields)


def _plain(value):
    """Tuples as the lists that JSON makes of them."""
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, list | tuple) else value


def _clear(directory):
    for name in ("recipe.json", "classes.json", "standardise.npz", "state.npz", "history.csv",
                 "metrics.json", "best.weights.h5", "model.keras", "valid_answers.npz"):
        (directory / name).unlink(missing_ok=True)
    for name in ("checkpoints", "logs"):
        shutil.rmtree(directory / name, ignore_errors=True)
