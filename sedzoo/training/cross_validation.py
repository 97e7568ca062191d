"""k trainings, each of which leaves one part of the data out."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from sedzoo.datasets.manifest import Manifest
from sedzoo.embeddings import Embeddings
from sedzoo.training.fitting import fit
from sedzoo.training.fusion import predict, predict_systems


def fit_folds(recipe, train, directory, *, valid=None, **options):
    """Train by a recipe once for each fold, on all the others; go on where it was stopped.

    The mean of a recipe with members, each cross-validated, on test clips:

        def said(member):               # an extractor, and the embeddings it makes
            heard, asked = (embeddings.extract(part, extractors[member], "cache")
                            for part in (train, test))
            runs = fit_folds(sedzoo.recipe(member), heard, f"runs/{member}")
            return predict_folds(runs, asked)

        answers = fuse(map(said, row.members), row.ensemble)

    Args:
        recipe: Recipe with a model of its own.
        train: datasets.Manifest, or Embeddings for a recipe with `segments`, of which every clip
            has a fold (datasets.partition.k_folds).
        directory: str or Path; the run that leaves out fold 3 is in `fold-3` there.
        valid: the same, to validate on in place of the fold's own clips of `train`: those without
            pitch-shifted copies, for example. Its clips of a fold serve the run that leaves it out.
        **options: as fit: resume, progress, cache_dir (None: `directory`/cache, for all folds).
    Returns: list of Run, in the order of `fold_names`.
    Raises: ValueError for clips without a fold, fewer than two folds, or a fold without clips to
        validate on; as fit.
    Source: Xu 2018 (thesis), section 5.2.5.
    """
    directory = Path(directory)
    folds = fold_names(train)
    valid = train if valid is None else valid
    options["cache_dir"] = options.get("cache_dir") or directory / "cache"
    for fold in folds:
        if not _of(valid, fold).any():
            raise ValueError(f"`valid` must have clips of every fold. Received: none of {fold!r}")
    return [fit(recipe, _part(train, ~_of(train, fold)), _part(valid, _of(valid, fold)),
                directory / f"fold-{fold}", **options) for fold in folds]


def predict_folds(runs, data, mean=None, batch_size=64):
    """What the runs of a cross-validation say together of clips that none of them has seen.

    Args:
        runs: list of Run.
        data: Features or Embeddings, as predict.
        mean: "arithmetic" or "geometric"; None for the recipe's `ensemble`.
        batch_size: int > 0.
    Returns: dict of float32, as predict.
    Raises: as predict_systems.
    """
    return predict_systems(runs, [data] * len(runs), batch_size, mean or runs[0].recipe.ensemble)


def out_of_fold(runs, data, batch_size=64):
    """What is said of every clip by the one run that has not learned from it.

    Args:
        runs: list of Run, as fit_folds returns them, or loaded from its folders.
        data: Features or Embeddings of the clips it was called with, or of some of them.
        batch_size: int > 0.
    Returns: float32 (N, K), clip probabilities.
    Raises: ValueError when a fold of the data has no run; as predict.
    """
    by_name = {run.directory.name: run for run in runs}
    said = np.empty((len(data), len(runs[0].labels)), np.float32)
    for fold in np.unique(_folds(data)).tolist():
        if f"fold-{fold}" not in by_name:
            raise ValueError(f"`runs` must have one that left out fold {fold!r}. "
                             f"Received: {', '.join(by_name)}")
        here = _of(data, fold)
        said[here] = predict(by_name[f"fold-{fold}"], _part(data, here),
                             batch_size=batch_size)["clip"]
    return said


def fold_names(data):
    """The folds of a Manifest, Features or Embeddings as words, sorted.

    Raises: ValueError for fewer than two, or clips without one.
    """
    folds = np.unique(_folds(data)).tolist()
    if len(folds) < 2 or "" in folds:
        raise ValueError("Every clip must have one of two folds or more (see "
                         f"datasets.partition.k_folds). Received: folds {folds}")
    return folds


def _folds(data):
    """The fold of each clip, str (N,), "" where it has none."""
    if isinstance(data, Embeddings):
        return data.folds
    clips = data.clips if isinstance(data, Manifest) else data.manifest.clips
    return np.array(["" if clip.fold is None else str(clip.fold) for clip in clips])


def _of(data, fold):
    return _folds(data) == fold


def _part(data, rows):
    """Some of the clips, bool (N,)."""
    if isinstance(data, Embeddings):
        return data.select(rows)
    if isinstance(data, Manifest):
        return replace(data, clips=tuple(data.clips[i] for i in np.flatnonzero(rows)))
    return replace(data, values=data.values[rows], num_frames=data.num_frames[rows],
                   manifest=_part(data.manifest, rows))
