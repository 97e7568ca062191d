"""How well a model that is being trained answers for the validation clips."""

import keras
import numpy as np
from scipy import sparse

from sedzoo.batches import Batches
from sedzoo.evaluation.clip_metrics import CLIP_METRICS, clip_metric
from sedzoo.nearest import check_keys
from sedzoo.sampling import Sequential

BATCH = 256


class ClipMetrics(keras.callbacks.Callback):
    """Adds metrics of the validation clips to each epoch's numbers, as "val_<metric>".

    Args:
        model: keras.Model of the zoo, with the output "clip".
        valid: inputs.Inputs.
        scale: mean and deviation of the training set's z-score.
        metrics: names of evaluation.CLIP_METRICS; unlabelled clips do not count.
    Raises: ValueError for another name, with the nearest.
    """

    def __init__(self, model, valid, scale, metrics):
        super().__init__()
        check_keys(metrics, CLIP_METRICS, "`valid_metrics`")
        self.judged = model
        self.valid = valid
        self.scale = scale
        self.metrics = metrics

    def on_epoch_end(self, epoch, logs=None):
        clip = predict_clips(self.judged, self.valid, *self.scale)
        tags = dense(self.valid.clip_tags)
        known = np.isfinite(tags).all(axis=1)
        for name in self.metrics:
            logs[f"val_{name}"] = clip_metric(name, tags[known], clip[known])


def predict_clips(model, inputs, mean, std, mean_of_pieces="arithmetic"):
    """Clip probabilities, float32 (N, K): of clips in several pieces their mean."""
    clip = predict_rows(model, inputs, mean, std, keys=("clip",))["clip"]
    return clip if inputs.pieces is None else inputs.pieces.over_clips(clip, mean_of_pieces)


def predict_rows(model, inputs, mean, std, *, keys=None, batch_size=BATCH):
    """What a model says of every row, dict of float32 arrays (M, ...).

    Args:
        keys: outputs to keep, or None for all. Pieces of different lengths have "clip" alone.
    """
    batches = Batches(inputs.values, {}, Sequential(len(inputs), batch_size), mean=mean, std=std)
    keys = ("clip",) if batches.is_ragged else keys or tuple(model.output)
    parts = []
    for step in range(batches.sampler.num_steps):
        said = model.predict_on_batch(batches(step)[0])
        parts.append([np.asarray(said[key]) for key in keys])
    return {key: np.concatenate(part) for key, part in zip(keys, zip(*parts, strict=True),
                                                           strict=True)}


def dense(tags):
    return tags.toarray() if sparse.issparse(tags) else tags
