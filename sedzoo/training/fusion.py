"""Better answers from what is there already: means over epochs, and over systems."""

from sedzoo.embeddings.pieces import mean_of
from sedzoo.features import Features
from sedzoo.training.inputs import inputs
from sedzoo.training.scores import predict_rows


def predict(run, data, checkpoints=None, batch_size=64):
    """What a run says of each clip, averaged over checkpoints (epoch fusion).

    p = (1 / n) sum_i p_i, output by output, of the probabilities. A clip of several pieces has the
    mean over them, of "clip" alone.

    Args:
        run: Run.
        data: features.Features by the run's frontend, not standardised, or Embeddings.
        checkpoints: numbers of finished epochs, negative ones from the end; None takes the recipe's
            fusion_epochs, and () the final weights.
        batch_size: int > 0.
    Returns: dict of float32: "clip" (N, K), "frame" (N, T', K), "attention" where there is one.
    Raises: FileNotFoundError naming a checkpoint that is not there; ValueError when the data are
        not what the recipe takes, or another frontend's.
    Source: Xu et al. 2018, https://arxiv.org/abs/1710.00343, section 2.4.
    """
    asked = inputs(run.recipe, data)
    asked.require_scale((run.mean, run.std))
    epochs = _finished(run, run.recipe.fusion_epochs if checkpoints is None else checkpoints)
    for epoch in epochs:
        if not run.checkpoint(epoch).is_file():
            raise FileNotFoundError(f"Epoch {epoch} of {run.directory} has no checkpoint; the "
                                    f"recipe keeps one every {run.recipe.checkpoint_every}.")
    if not epochs:
        return _posteriors(run, asked, batch_size)
    final = run.model.get_weights()
    try:
        parts = []
        for epoch in epochs:
            run.model.load_weights(run.checkpoint(epoch))
            parts.append(_posteriors(run, asked, batch_size))
    finally:
        run.model.set_weights(final)            # the caller's model stays what it was
    return fuse(parts)


def _finished(run, epochs):
    """Numbers of finished epochs, counted from the first; of the last n those that there are."""
    if not any(epoch < 0 for epoch in epochs):
        return tuple(epochs)
    num_done = len(run.history())
    return tuple(sorted({epoch if epoch > 0 else num_done + 1 + epoch for epoch in epochs
                         if num_done + 1 + epoch > 0}))


def predict_systems(runs, data, batch_size=64, mean="arithmetic"):
    """The mean of several systems, each fused over its own epochs first (system fusion).

    Args:
        runs: sequence of Run.
        data: sequence of Features or Embeddings of the same clips, one for each run.
        mean: "arithmetic" or "geometric", see fuse.
    Returns: dict of the outputs that all runs have, as predict.
    Raises: ValueError when classes, clips or frame clocks of the systems differ.
    """
    runs, data = list(runs), list(data)
    first = data[0]
    for run, heard in zip(runs, data, strict=True):
        if run.labels != runs[0].labels:
            raise ValueError(f"Systems must have the same classes. Received: {runs[0].labels} and "
                             f"{run.labels}")
        if _names(heard) != _names(first):
            raise ValueError(f"Systems must answer for the same clips. Received: {len(first)} "
                             f"and {len(heard)}, or in another order")
        if _hop_s(heard) != _hop_s(first):
            raise ValueError("Systems must share the frame clock. Received: hops of "
                             f"{_hop_s(first)} s and {_hop_s(heard)} s")
    return fuse([predict(run, heard, batch_size=batch_size)
                 for run, heard in zip(runs, data, strict=True)], mean)


def _names(data):
    return ([clip.name for clip in data.manifest.clips] if isinstance(data, Features)
            else list(data.names))


def _hop_s(data):
    return data.frontend.clock().hop_s if isinstance(data, Features) else data.hop_s


def fuse(predictions, mean="arithmetic"):
    """The mean of posteriors, output by output.

    Args:
        predictions: sequence of dicts of arrays; outputs that not all have are left out.
        mean: "arithmetic", or "geometric": exp of the mean of log max(p, 1e-7).
    Returns: dict of float32 arrays.
    Raises: ValueError when there are none, their shapes differ, or for another `mean`.
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
        fused[key] = mean_of(lambda x: x.mean(axis=0), parts, mean)
    return fused


def _posteriors(run, asked, batch_size):
    said = predict_rows(run.model, asked, run.mean, run.std, batch_size=batch_size)
    if asked.pieces is None or asked.pieces.one_each:
        return said
    return {"clip": asked.pieces.over_clips(said["clip"])}
