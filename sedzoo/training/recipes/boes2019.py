"""Boes & Van hamme, ACM Multimedia 2019, https://doi.org/10.1145/3343031.3350873: Tables 1-3.

All scores are micro F1 in percent, those of Table 1 means of 25 runs. "evaluation" is the full test
set (1,103 clips), which only models without video can be asked for; "evaluation_with_video" holds
the 1,050 of its clips whose video was still there.
"""

from sedzoo.training.recipe import Recipe

_PAPER = "Boes & Van hamme 2019, https://doi.org/10.1145/3343031.3350873"
_TRAINING = {
    "model_name": "av_transformer", "frontend": "vggish", "extractor": "vggish", "segments": 10,
    "dataset": "dcase2017_task4", "train_split": "training", "valid_split": "testing",
    "sampler": "balanced", "batch_size": 40, "steps_per_epoch": 300, "epochs": 30,
    "learning_rate": 1e-3, "optimizer_arguments": {"epsilon": 1e-8},
    "early_stopping": {"monitor": "val_loss", "patience": 7, "against": "each"},
    "checkpoint_every": 1, "fusion_epochs": (-7, -6, -5, -4, -3, -2, -1),
    "decisions": {"clip_rule": "best_threshold"}, "metrics": ("f1",),
    "notes": "Audio: embeddings of VGGish, of 0.96 s each; video: the last 4096 numbers of VGG16 "
             "on a still of the middle of each. The paper's sampler keeps classes within a ratio "
             "of 5, which here is the list of Xu et al. 2018. Training stops when the validation "
             "loss is above each of the seven before; the last seven epochs are averaged. One "
             "threshold for all classes, of highest micro F1 on the validation clips "
             "(evaluation.best_threshold). The paper does not say what becomes of clips shorter "
             "than 10 s: here their segments are repeated. Epsilon of Adam is TensorFlow 1's."}

_FUNCTIONS = ("softmax", "sigmoid", "normalised_sigmoid")
_POOLS = ("mean", "max")
# First input, second input, streams with positions; then micro F1 by pool and attention function.
_TABLE1 = (
    ("audio", "video", ("audio", "video"), ((66.1, 66.0, 66.3), (66.2, 66.3, 66.4))),
    ("audio", "video", ("video",), ((69.5, 69.8, 69.4), (69.3, 69.5, 69.4))),
    ("audio", "video", (), ((69.2, 69.4, 69.3), (69.1, 69.3, 68.9))),
    ("video", "audio", ("audio", "video"), ((67.7, 67.5, 67.8), (67.3, 67.1, 67.6))),
    ("video", "audio", ("video",), ((69.7, 70.1, 69.7), (69.7, 69.8, 69.7))),
    ("video", "audio", (), ((69.6, 69.8, 69.5), (69.7, 69.7, 69.7))),
    ("video", "video", ("video",), ((59.1, 59.3, 59.3), (59.0, 59.1, 59.0))),
    ("video", "video", (), ((58.8, 59.1, 59.0), (58.8, 58.8, 58.8))),
    ("audio", "audio", ("audio",), ((57.0, 56.9, 56.8), (56.2, 56.4, 56.4))),
    ("audio", "audio", (), ((58.6, 59.1, 58.8), (58.5, 58.9, 58.7))),
)
# The same of the full test set, for the last two rows.
_ALL = {("audio",): ((57.0, 57.0, 57.1), (56.4, 56.7, 56.7)),
        (): ((59.3, 59.5, 59.3), (59.0, 59.4, 59.0))}
_QUOTED = (
    ("gated-crnn-fusion", "Table 2, fusion of gated CRNNs (Xu et al. 2018)", "evaluation", 55.6),
    ("capsule", "Table 2, capsule-based gated network (Iqbal et al. 2018)", "evaluation", 58.6),
    ("two-stream", "Table 3, two-stream audiovisual network (Parekh et al. 2018)",
     "evaluation_with_video", 64.2),
)


def _rows():
    for first, second, positions, scores in _TABLE1:
        for p, pool in enumerate(_POOLS):
            for f, function in enumerate(_FUNCTIONS):
                published = {"evaluation_with_video": {"f1": scores[p][f]}}
                if first == second == "audio":
                    published["evaluation"] = {"f1": _ALL[positions][p][f]}
                where = "-".join(positions) or "no"
                yield Recipe(
                    id=f"boes2019/{first}-{second}-{where}-positions-"
                       f"{function.replace('_', '-')}-{pool}",
                    source=f"{_PAPER}, Table 1", published=published,
                    arguments={"num_classes": 17, "first": first, "second": second,
                               "positions": positions, "attention": function, "pool": pool},
                    **_TRAINING)
    for name, where, split, score in _QUOTED:
        dataset = "dcase2017_task4" + "_av" * (split != "evaluation")
        yield Recipe(id=f"boes2019/{name}", source=f"{_PAPER}, {where}", dataset=dataset,
                     train_split="training", valid_split="testing", metrics=("f1",),
                     published={split: {"f1": score}},
                     notes="Another team's system, quoted for comparison: a number without a "
                           "model. The two-stream network had a selection of videos of its own.")


RECIPES = tuple(_rows())
