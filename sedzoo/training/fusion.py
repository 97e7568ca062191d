"""Better answers from what is there already: means over epochs, and over systems."""

import numpy as np

from sedzoo.layers import Standardise


def predict(run, features, checkpoints=None, batch_size=64):
    """What a run says of each clip, averaged over checkpoints (epoch fusion).

    p = (1 / n) sum_i p_i, output by output, of the probabilities.

    Args:
        run: Run.
        features: features.Features by the run's frontend, not standardised.
        checkpoints: numbers of finished epochs; None takes the recipe's fusion_epochs, and () the
            final weights.
        batch_size: int > 0.
    Returns: dict of float32: "clip" (N, K), "frame" (N, T', K), "attention" where there is one.
    Raises: FileNotFoundError naming a checkpoint that is not there; ValueError when the features
        are another frontend's.
    Source: Xu et al. 2018, https://arxiv.org/abs/1710.00343, section 2.4.
    """
    if features.frontend != run.recipe.features():
        raise ValueError(f"`features` must be made by the run's frontend "
                         f"{run.recipe.features().name!r}. Received: {features.frontend.name!r}")
    epochs = run.recipe.fusion_epochs if checkpoints is None else tuple(checkpoints)
    for epoch in epochs:
        if not run.checkpoint(epoch).is_file():
            raise FileNotFoundError(f"Epoch {epoch} of {run.directory} has no checkpoint; the "
                                    f"recipe keeps one every {run.recipe.checkpoint_every}.")
    if not epochs:
        return _posteriors(run, features, batch_size)
    final = run.model.get_weights()
    try:
        parts = []
        for epoch in epochs:
            run.model.load_weights(run.checkpoint(epoch))
            parts.append(_posteriors(run, features, batch_size))
    finally:
        run.model.set_weights(final)            # the caller's model stays what it was
    return fuse(parts)


def predict_systems(runs, features, batch_size=64):
    """The mean of several systems, each fused over its own epochs first (system fusion).

    Args:
        runs: sequence of Run.
        features: sequence of features.Features of the same clips, one for each run.
    Returns: dict of the outputs that all runs have, as predict.
    Raises: ValueError when classes, clips or frame clocks of the systems differ.
    """
    runs, features = list(runs), list(features)
    for run, heard in zip(runs, features, strict=True):
        if run.labels != runs[0].labels:
            raise ValueError(f"Systems must have the same classes. Received: {runs[0].labels} and "
                             f"{run.labels}")
        names = [[clip.name for clip in one.manifest.clips] for one in (features[0], heard)]
        if names[0] != names[1]:
            raise ValueError(f"Systems must answer for the same clips. Received: {len(names[0])} "
                             f"and {len(names[1])}, or in another order")
        clocks = [one.frontend.clock().hop_s for one in (features[0], heard)]
        if clocks[0] != clocks[1]:
            raise ValueError("Systems must share the frame clock. Received: hops of "
                             f"{clocks[0]} s and {clocks[1]} s")
    return fuse([predict(run, heard, batch_size=batch_size)
                 for run, heard in zip(runs, features, strict=True)])


def fuse(predictions):
    """The arithmetic mean of posteriors, output by output.

    Args:
        predictions: sequence of dicts of arrays; outputs that not all have are left out.
    Returns: dict of float32 arrays.
    Raises: ValueError when there are none, or their shapes differ.
    """
    predictions = list(predictions)
    if not predictions:
        raise ValueError("`predictions` must hold at least one dict. Received: none")
    fused = {}
    for key in predictions[0]:
        parts = [prediction[key] for prediction in predictions if key in prediction]
        if len(parts) < len(predictions):
            continue
        if len({part.shape for part in parts}) > 1:
            raise ValueError("Only answers for the same clips, frames and classes can be averaged. "
                             f"Received: {key} of shapes {[part.shape for part in parts]}")
        fused[key] = np.mean(parts, axis=0, dtype=np.float64).astype(np.float32)
    return fused


def _posteriors(run, features, batch_size):
    standardise = Standardise(run.mean, run.std)
    parts = []
    for first in range(0, len(features), batch_size):
        x = standardise(np.asarray(features.values[first:first + batch_size]))
        parts.append(run.model.predict_on_batch(x))
    return {key: np.concatenate([np.asarray(part[key]) for part in parts]) for key in parts[0]}
