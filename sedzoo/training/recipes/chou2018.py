"""Chou, Jang & Yang, IJCAI 2018, https://doi.org/10.24963/ijcai.2018/463: Tables 1-4, Figure 6.

All scores are means over classes, in percent.
"""

from sedzoo.training.recipe import Recipe

_PAPER = "Chou et al. 2018, https://doi.org/10.24963/ijcai.2018/463"
_TAGS = ("average_precision", "auc", "f1", "recall", "precision")
_DCASE17 = {"dataset": "dcase2017_task4", "train_split": "training", "valid_split": "testing",
            "metrics": _TAGS}
_CHALLENGE = {**_DCASE17, "metrics": _TAGS[2:]}     # all that Table 2 prints
_AUDIOSET = {"dataset": "audioset", "valid_split": "evaluation", "metrics": _TAGS[:2]}
_AUDIOSET20K = {**_AUDIOSET, "train_split": "balanced"}
_AUDIOSET1M = {**_AUDIOSET, "train_split": "training_1m"}
_CLASSES = {"dcase2017_task4": 17, "audioset": 527}
_TEST = {"dcase2017_task4": "development", "audioset": "evaluation"}

_TRAINING = {
    "frontend": "chou2018", "batch_size": 64, "epochs": 100, "optimizer": "sgd",
    "optimizer_arguments": {"momentum": 0.9, "weight_decay": 1e-3}, "learning_rate": 0.1,
    "decay": {"class_name": "ExponentialDecay",
              "config": {"decay_epochs": 30, "decay_rate": 0.1, "staircase": True}},
    "class_weights": "clips",
    "notes": "Momentum is the released code's. Its weight decay of 1e-4, the paper's, goes through "
             "the momentum, which makes it 1e-3 where it does not."}
_THRESHOLDS = ("F1, recall and precision are at class thresholds of highest F1, which the released "
               "code chooses on the scored clips themselves.")
_OTHERS = ("Another team's system, quoted from the challenge's pages: numbers without a model. On "
           "which clips they were measured and how classes were averaged is not said.")

_UNTOLD = "Its layers are not in the paper; these have the printed size."
_MICRO = {"model_name": "mmnet", "loss_weights": {"clip": 1.0, "micro": 1.0}}
# Systems by the end of their names: the fields of a recipe that make them.
_SYSTEMS = {
    "convnet": {"model_name": "mmnet_convnet", "notes": _UNTOLD},
    "resnet-max": {"arguments": {"head": "max"}},
    "resnet-mean": {"arguments": {"head": "mean"}},
    "resnet-wlat": {"arguments": {"head": "wlat"}},
    "resnet-slat": {"arguments": {"head": "slat"}, "loss_weights": {"frame": 1.0},
                    "frame_targets": "tags",
                    "notes": "Segments alone are trained; the clip's answer is their mean."},
    "resnet-plat": {"arguments": {"head": "plat"}, "loss_weights": {"clip": 1.0, "pseudo": 1.0},
                    "notes": "How labels of segments come about is not in the paper; here they are "
                             "the clip's, where the activation reaches half of its largest."},
    "resnet-att": {"arguments": {"head": "att"}},
    "resnet-spda": {"arguments": {"head": "spda"},
                    "notes": "Its attention is not in the paper; this one has the printed size."},
    "resnet28": {"arguments": {"depth": 28}, "notes": _UNTOLD},
    "resnet50": {"arguments": {"depth": 50}, "notes": _UNTOLD},
    "mmnet": _MICRO,
    "mmnet-no-ep": {**_MICRO, "arguments": {"ensemble": "never"}},
    "mmnet-repo": {**_MICRO, "arguments": {"ensemble": "always", "ensemble_space": "logit"},
                   "micro": "repo", "class_weights": "labels",
                   "notes": "No row of the paper. The released code also takes each step of the "
                            "learning rate one epoch earlier and leaves out the last, smaller "
                            "batch."},
    "mmnet-ms": {**_MICRO, "arguments": {"multi_scale": True},
                 "notes": "Its scales are a reading of the text; they have the size printed in "
                          "Table 4."},
}


def _row(system, data, where, numbers=(), prefix="", suffix="", arguments=None, notes=""):
    """A row that can be trained."""
    fields = {"model_name": "mmnet_resnet", **_TRAINING, **data, **_SYSTEMS[system]}
    fields["arguments"] = {"num_classes": _CLASSES[data["dataset"]],
                           **fields.get("arguments", {}), **(arguments or {})}
    fields["notes"] = " ".join(filter(None, (
        _TRAINING["notes"], _THRESHOLDS if "f1" in data["metrics"] else "",
        _SYSTEMS[system].get("notes"), notes)))
    return Recipe(id=f"chou2018/{prefix}{system}{suffix}", source=f"{_PAPER}, {where}",
                  average="macro", published=_scores(data, numbers), **fields)


def _quoted(name, data, where, numbers, notes):
    """A row of numbers from elsewhere."""
    return Recipe(id=f"chou2018/{name}", source=f"{_PAPER}, {where}", average="macro",
                  published=_scores(data, numbers), notes=notes, **data)


def _scores(data, numbers):
    if not numbers:
        return {}
    return {_TEST[data["dataset"]]: dict(zip(data["metrics"], numbers, strict=True))}


_TABLE1 = (
    ("convnet", "ConvNet (mean pooling)", (54.1, 88.1, 56.3, 57.8, 58.9)),
    ("resnet-max", "ResNet (max pooling)", (56.5, 90.6, 58.0, 61.7, 57.5)),
    ("resnet-mean", "ResNet (mean pooling)", (57.1, 90.7, 58.5, 58.6, 61.9)),
    ("resnet-wlat", "ResNet-WLAT", (56.5, 90.5, 57.3, 64.1, 54.0)),
    ("resnet-slat", "ResNet-SLAT", (58.9, 91.5, 58.4, 58.3, 62.6)),
    ("resnet-plat", "ResNet-PLAT", (53.1, 88.0, 57.1, 62.4, 55.0)),
    ("resnet-att", "ResNet-ATT", (59.0, 90.5, 59.3, 67.0, 56.0)),
    ("resnet-spda", "ResNet-SPDA", (59.6, 91.1, 60.0, 64.0, 59.3)),
    ("mmnet", "M&mnet (also Table 2)", (63.2, 91.9, 63.4, 66.1, 64.4)),
    ("mmnet-no-ep", "M&mnet without EP", (61.4, 92.1, 62.3, 68.7, 58.6)),
)
_TABLE2 = (
    ("dcase2017-baseline", "Baseline", (13.1, 12.2, 14.1)),
    ("sdcnn", "SDCNN", (41.2, 37.6, 45.7)),
    ("densecrnn", "DenseCRNN", (51.8, 49.5, 54.2)),
    ("framecnn", "FrameCNN", (53.8, 55.4, 54.0)),
    ("cnn-eb", "CNN-EB", (57.0, 47.9, 70.3)),
    ("cvssp", "CVSSP", (61.9, 64.7, 59.4)),
)
_TABLE3 = (
    ("convnet", "ConvNet (mean pooling)", (20.3, 93.5)),
    ("resnet-mean", "ResNet (mean pooling)", (21.8, 93.6)),
    ("resnet-att", "ResNet-ATT", (22.0, 93.5)),
    ("resnet-spda", "ResNet-SPDA", (21.9, 93.6)),
    ("mmnet", "M&mnet", (22.6, 93.8)),
    ("mmnet-ms", "M&mnet-MS", (23.2, 94.0)),
)
_TABLE4 = (
    ("resnet28", "ResNet (mean), depth 28", (27.8, 94.0)),
    ("resnet50", "ResNet (mean), depth 50", (26.6, 93.8)),
    ("resnet-att", "ResNet-ATT", (29.8, 94.0)),
    ("mmnet-ms", "M&mnet-MS", (32.7, 95.1)),
)
# Frames of a segment -> pools. Those of 16 frames, 0.18 s, are the rows of Tables 1-3.
_SEGMENT_LENGTHS = {4: [2, 2], 8: [4, 2], 32: [8, 4], 64: [8, 8]}


def _figure6():
    for prefix, data in (("", _DCASE17), ("audioset20k-", _AUDIOSET20K)):
        for system in ("mmnet", "mmnet-ms"):
            for frames, pools in _SEGMENT_LENGTHS.items():
                yield _row(
                    system, data, "Figure 6", prefix=prefix, suffix=f"-{frames}frames",
                    arguments={"pools": pools},
                    notes=f"Segments of {frames} frames, {frames * 492 / 44100:.3f} s. The figure "
                          "prints no numbers, neither scores nor the lengths that were tried.")


RECIPES = (
    *(_row(system, _DCASE17, f"Table 1, {title}", numbers) for system, title, numbers in _TABLE1),
    _row("mmnet-repo", _DCASE17, "released code, https://github.com/fearofchou/mmnet"),
    *(_quoted(name, _CHALLENGE, f"Table 2, {title}", numbers, _OTHERS)
      for name, title, numbers in _TABLE2),
    _row("mmnet-ms", _CHALLENGE, "Table 2, M&mnet-MS", (65.6, 67.5, 65.2)),
    _quoted("audioset20k-wlat", _AUDIOSET20K, "Table 3, WLAT", (21.3, 92.7),
            "Quoted from Kumar et al. 2018: numbers without a model."),
    *(_row(system, _AUDIOSET20K, f"Table 3, {title}", numbers, "audioset20k-")
      for system, title, numbers in _TABLE3),
    *(_row(system, _AUDIOSET1M, f"Table 4, {title}", numbers, "audioset1m-")
      for system, title, numbers in _TABLE4),
    *_figure6(),
)
