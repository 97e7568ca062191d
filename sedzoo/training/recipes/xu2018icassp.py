"""Xu, Kong, Wang & Plumbley, ICASSP 2018, https://arxiv.org/abs/1710.00343: Tables 1 and 2."""

from sedzoo.training.recipe import Recipe

_PAPER = "Xu et al. 2018, https://arxiv.org/abs/1710.00343"
_DATA = {"dataset": "dcase2017_task4", "train_split": "training", "valid_split": "testing"}

# Released code: 44 clips a batch, 100 batches an "epoch", Adam at its default, no stop rule;
# checkpoints after 20, 30, ..., 80 epochs are averaged.
_TRAINING = {**_DATA, "sampler": "balanced", "batch_size": 44, "steps_per_epoch": 100, "epochs": 80,
             "learning_rate": 1e-3, "checkpoint_every": 10,
             "fusion_epochs": (20, 30, 40, 50, 60, 70, 80)}
_TAGGING = {"metrics": ("f1", "precision", "recall"),
            "decisions": {"clip_threshold": 0.3, "clip_fallback": "argmax"}}
_DETECTION = {"metrics": ("segment_f1", "segment_error_rate"),
              "decisions": {"thresholds": 0.3, "max_gap_frames": 9, "min_frames": 11}}

# DCASE 2017 baseline system, task4.defaults.yaml; 27 frames of 20 ms are its 0.54 s.
_MLP = {**_DATA, "model_name": "dcase2017_mlp", "arguments": {"num_classes": 17},
        "frontend": "dcase2017-mlp", "batch_size": 44, "epochs": 200,
        "loss_weights": {"frame": 1.0}, "frame_targets": "tags",
        "early_stopping": {"monitor": "binary_accuracy", "min_delta": 1e-3, "patience": 10,
                           "start_epoch": 100},
        "notes": "The original draws 256 single frames a batch; here a batch is 44 whole clips, "
                 "the neighbours of each frame with it."}


def _scores(names, **splits):
    return {split: dict(zip(names, values, strict=True)) for split, values in splits.items()}


def _tags(**splits):
    return {**_TAGGING, "published": _scores(_TAGGING["metrics"], **splits)}


def _events(**splits):
    return {**_DETECTION, "published": _scores(_DETECTION["metrics"], **splits)}


def _row(name, where, *parts, **fields):
    merged = {}
    for part in parts:
        merged.update(part)
    return Recipe(id=f"xu2018icassp/{name}", source=f"{_PAPER}, {where}", **{**merged, **fields})


def _gated(task):
    return {**_TRAINING, "model_name": "gated_crnn",
            "arguments": {"num_classes": 17, "task": task}}


_CRNN = {**_TRAINING, "model_name": "crnn", "arguments": {"num_classes": 17}}
_MFCC = {"frontend": "xu2018icassp-mfcc",
         "notes": "The MFCC stream was not released: 40 coefficients with two derivatives, after "
                  "the name of a checkpoint."}
_QUOTED = {**_DATA, "notes": "Another team's system, quoted in the table for comparison: numbers "
                             "without a model."}

RECIPES = (
    _row("dcase2017-mlp", "Table 1, DCASE2017 Baseline", _MLP,
         _tags(development=(10.9, 7.8, 17.5), evaluation=(18.2, 15.0, 23.1)),
         decisions={"clip_rule": "any_event", "thresholds": 0.5, "median_frames": 27}),
    _row("crnn-logmel-nobatchbal", "Table 1, CRNN-logMel-noBatchBal", _CRNN,
         _tags(development=(42.0, 47.1, 38.0)), sampler="uniform"),
    _row("crnn-logmel", "Table 1, CRNN-logMel", _CRNN, _tags(development=(52.8, 49.9, 56.1))),
    _row("gated-crnn-logmel", "Table 1, Gated-CRNN-logMel (i)", _gated("tagging"),
         _tags(development=(56.7, 53.8, 60.1), evaluation=(54.2, 58.9, 50.2))),
    _row("gated-crnn-mfcc", "Table 1, Gated-CRNN-MFCC (ii)", _gated("tagging"), _MFCC,
         _tags(development=(52.1, 51.7, 52.5))),
    _row("fusion", "Table 1, Fusion (i+ii)", _DATA,
         _tags(development=(57.7, 56.5, 58.9), evaluation=(55.6, 61.4, 50.8)),
         members=("xu2018icassp/gated-crnn-logmel", "xu2018icassp/gated-crnn-mfcc")),
    _row("cnn-ensemble", "Table 1, CNN-ensemble [20]", _QUOTED,
         _tags(evaluation=(52.6, 69.7, 42.3)), decisions={}),
    _row("frame-cnn", "Table 1, Frame-CNN [21]", _QUOTED,
         _tags(evaluation=(49.0, 53.8, 45.0)), decisions={}),
    _row("dcase2017-mlp-sed", "Table 2, DCASE2017 baseline", _MLP,
         _events(development=(13.8, 1.02), evaluation=(28.4, 0.93)),
         decisions={"thresholds": 0.5, "median_frames": 27}),
    _row("gated-crnn-logmel-sed", "Table 2, Gated-CRNN-logMel", _gated("detection"),
         _events(development=(47.2, 0.76), evaluation=(47.5, 0.78))),
    _row("gated-crnn-mfcc-sed", "section 2.4 (a member of Table 2's Fusion, no row of its own)",
         _gated("detection"), _MFCC, _events()),
    _row("fusion-sed", "Table 2, Fusion", _DATA,
         _events(development=(49.7, 0.72), evaluation=(51.8, 0.73)),
         members=("xu2018icassp/gated-crnn-logmel-sed", "xu2018icassp/gated-crnn-mfcc-sed")),
    _row("cnn-ensemble-sed", "section 4.2.2, the first place [20]", _QUOTED,
         _events(evaluation=(55.5, 0.66)), decisions={}),
)
