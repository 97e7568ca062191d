"""Xu, Audio Event Classification Using Deep Learning Methods, 2018: Tables 10 to 15.

All scores are fractions, as the thesis prints them. Rows on AudioSet's embeddings are named
audioset-..., the others are on FSDKaggle2018: a system such as "6-segment" is the geometric mean of
four members, "6-segment-balanced-first" and so on, one for each way the extractor was fine-tuned,
and each member that of five folds.
"""

import dataclasses

from sedzoo.frontend import Frontend
from sedzoo.training.recipe import Recipe

_PAPER = ("Xu, Audio Event Classification Using Deep Learning Methods, master's thesis, Aalto "
          "University, 2018")
_PREFIX = "xu2018thesis/"
_ADAM = {"optimizer": "adam", "optimizer_arguments": {"beta_1": 0.9, "beta_2": 0.999},
         "learning_rate": 1e-3, "batch_size": 500}
# No number of epochs is printed; early stopping ends a training long before this one.
_EPOCHS = 1000


def _row(name, where, *parts, **fields):
    merged = {}
    for part in parts:
        merged.update(part)
    return Recipe(id=_PREFIX + name, source=f"{_PAPER}, {where}", **{**merged, **fields})


# -- AudioSet ----------------------------------------------------------------------------------

_AUDIOSET = {
    **_ADAM, "dataset": "audioset_embeddings", "train_split": "training",
    "valid_split": "evaluation", "frontend": "vggish", "extractor": "vggish", "segments": 10,
    # Every class equally often; an "epoch" is what lies between two evaluations.
    "sampler": "balanced", "sampler_arguments": {"limits": []}, "steps_per_epoch": 1000,
    "epochs": _EPOCHS, "valid_metrics": ("average_precision", "auc", "d_prime"),
    "early_stopping": {"monitor": "val_average_precision", "patience": 10}, "keep": "best",
    "metrics": ("average_precision", "auc", "d_prime"), "average": "macro",
    "notes": "Stops by the scored clips themselves, as the thesis does; whether the numbers are "
             "the best evaluation's, as here, or the last one's is not said, nor how many "
             "trainings they are of. Released embeddings are taken as (x - 128) / 128."}


def _attention(levels, num_classes=527, **arguments):
    return {"model_name": "multilevel_attention",
            "arguments": {"num_classes": num_classes, "levels": [int(level) for level in levels],
                          **arguments}}


def _dnn(split):
    return {"model_name": "embedding_dnn", "arguments": {"num_classes": 527}, "train_split": split}


_TABLE10 = (
    ("dnn-1", "DNN-1", _dnn("balanced"), (0.253, 0.934, 2.133)),
    ("dnn-2", "DNN-2", _dnn("training"), (0.294, 0.960, 2.482)),
    ("lstm", "LSTM", {"model_name": "embedding_lstm", "arguments": {"num_classes": 527}},
     (0.307, 0.953, 2.367)),
    *((f"level-{levels}", f"level-{levels}", _attention(levels), numbers)
      for levels, numbers in (("1", (0.334, 0.957, 2.422)), ("2", (0.346, 0.961, 2.497)),
                              ("3", (0.347, 0.963, 2.520)), ("12", (0.338, 0.957, 2.423)),
                              ("13", (0.335, 0.959, 2.457)), ("23", (0.345, 0.962, 2.506)),
                              ("123", (0.340, 0.958, 2.439)))),
)


def _audioset():
    for name, title, system, numbers in _TABLE10:
        yield _row(f"audioset-{name}", f"Table 10, {title}", _AUDIOSET, system, published={
            "evaluation": dict(zip(_AUDIOSET["metrics"], numbers, strict=True))})


# -- FSDKaggle2018: extractors -----------------------------------------------------------------

_FSD = {"dataset": "fsdkaggle2018", "train_split": "training", "valid_split": "",
        "metrics": ("map_at_3",), "valid_metrics": ("map_at_3",), "checkpoint_every": 100,
        "frontend": dataclasses.replace(Frontend.preset("vggish"), name="xu2018thesis-vggish",
                                        trim_db=60.0, peak_normalise=True).to_dict()}
_FINE_TUNING = {
    **_FSD, "model_name": "vggish", "arguments": {"num_classes": 41}, "segments": 1,
    "single_label": True, "batch_of": "clips", "batch_size": 41, "optimizer": "adam",
    "optimizer_arguments": {"epsilon": 1e-8}, "learning_rate": 1e-4, "epochs": 100,
    "early_stopping": {"monitor": "val_loss", "patience": 5}, "keep": "best",
    "notes": "Batches of 41 clips with all their patches; the clip's answer is the patches' mean. "
             "Optimiser, rate, patience and which layers learn are not said: here Adam as VGGish's "
             "own training code has it, 5 epochs and all. Silence is cut at librosa's default of "
             "60 dB. VGGish's published weights are to be given: --set arguments.weights=FILE."}
_BALANCED = {"sampler": "balanced", "sampler_arguments": {"limits": []}}
_UNBALANCED = {"sampler": "uniform"}
# Table 8: the clips are numbered as the training list has them.
_EXTRACTORS = {
    "balanced-first": (_BALANCED, "last 1473", "trained on clips 1 to 8000"),
    "balanced-last": (_BALANCED, "first 1473", "trained on clips 1474 to 9473"),
    "unbalanced-first": (_UNBALANCED, "last 1473", "trained on clips 1 to 8000"),
    "unbalanced-last": (_UNBALANCED, "first 1473", "trained on clips 1474 to 9473"),
}


def _extractors():
    for name, (sampling, held, which) in _EXTRACTORS.items():
        title = name.replace("-", " ").title()
        yield _row(f"vggish-{name}", f"Table 8, {title}, {which}", _FINE_TUNING, sampling,
                   valid_split=held)


# -- FSDKaggle2018: systems on their embeddings ------------------------------------------------

_CLASSIFIER = {
    **_FSD, **_ADAM, "single_label": True, "folds": 5, "ensemble": "geometric", "epochs": _EPOCHS,
    "early_stopping": {"monitor": "val_map_at_3", "patience": 10}, "keep": "best",
    "notes": "Settings are said to be AudioSet's; here an evaluation is of the fold left out, "
             "after every pass. A clip's answer is the mean over its pieces. Embeddings are the "
             "extractor's own, without the release's PCA and 8 bits, and not standardised; "
             "batches are not balanced. Of that, and of how folds are drawn, nothing is said."}
_LEVELS = ("1", "2", "3", "12", "13", "23")
_LENGTHS = (1, 2, 4, 8, 10)


def _segments(length, levels="123"):
    """Attention on pieces of that many segments; of one there is nothing to attend to."""
    return {"segments": length,
            **_attention(levels, 41, activation="softmax", attention=length > 1)}


def _mixed(alpha):
    return {"pitch_quota": 600, "mixtures": {"alpha": alpha}}


# Systems and what their members are: Table 13, models A to H; 14, levels; 15, segments.
_SYSTEMS = {
    "1-segment": ("Table 13, A; Table 12, All Ensemble", 0.903, _segments(1)),
    "lstm": ("Table 13, B", 0.914, {"model_name": "embedding_lstm", "segments": "clip",
                                    "arguments": {"num_classes": 41, "activation": "softmax"}}),
    "6-segment": ("Table 13, C", 0.925, _segments(6)),
    "6-segment-pitch": ("Table 13, D", 0.930, {**_segments(6), "pitch_quota": 600}),
    "6-segment-mixup-0.1": ("Table 13, E", 0.930, {**_segments(6), **_mixed(0.1)}),
    "6-segment-mixup-0.2": ("Table 13, F; Table 14, level-123; Table 15, 6", 0.936,
                            {**_segments(6), **_mixed(0.2)}),
    "6-segment-mixup-0.4": ("Table 13, G", 0.931, {**_segments(6), **_mixed(0.4)}),
    "6-segment-mixup-1.0": ("Table 13, H", 0.930, {**_segments(6), **_mixed(1.0)}),
    **{f"level-{levels}": (f"Table 14, level-{levels}", score,
                           {**_segments(6, levels), **_mixed(0.2)})
       for levels, score in zip(_LEVELS, (0.930, 0.929, 0.934, 0.935, 0.929, 0.928), strict=True)},
    **{f"{length}-segment-mixup-0.2": (f"Table 15, {length}", score,
                                       {**_segments(length), **_mixed(0.2)})
       for length, score in zip(_LENGTHS, (0.917, 0.919, 0.932, 0.930, 0.932), strict=True)},
}
# Table 12 has the members of "1-segment" in rows of their own, and other means of them.
_TABLE12 = {"balanced-first": 0.870, "balanced-last": 0.864, "unbalanced-first": 0.858,
            "unbalanced-last": 0.872}
_MEANS = {"balanced": 0.891, "unbalanced": 0.892}
_QUOTED = ("The challenge's baseline, quoted in the table for comparison: numbers without a model.")


def _score(value):
    return {"test": {"map_at_3": value}}


def _mean(name, where, members, score, notes="", ensemble="geometric"):
    """A row that is the mean of others."""
    return _row(name, where, _FSD, members=tuple(_PREFIX + member for member in members),
                ensemble=ensemble, published=_score(score), notes=notes)


def _member(system, extractor, where, part, **fields):
    return _row(f"{system}-{extractor}", where, _CLASSIFIER, part,
                extractor=f"{_PREFIX}vggish-{extractor}", **fields)


def _system(name):
    """A system, after its members."""
    where, score, part = _SYSTEMS[name]
    for extractor in _EXTRACTORS:
        if name == "1-segment":
            title = extractor.replace("-", " ").title()
            yield _member(name, extractor, f"Table 12, {title} Part", part,
                          published=_score(_TABLE12[extractor]))
        else:
            yield _member(name, extractor, f"{where} (a member, no row of its own)", part)
    if name == "1-segment":
        yield _row("1-segment-original", "Table 12, Original VGGish", _CLASSIFIER, part,
                   extractor="vggish", published=_score(0.606))
        for kind, mean in _MEANS.items():
            yield _mean(f"1-segment-{kind}", f"Table 12, {kind.title()} Ensemble",
                        [f"1-segment-{kind}-{end}" for end in ("first", "last")], mean)
    yield _mean(name, where, [f"{name}-{extractor}" for extractor in _EXTRACTORS], score)


def _fsdkaggle2018():
    yield _row("baseline", "Table 12, Baseline", _FSD, published=_score(0.704), notes=_QUOTED)
    for name in _SYSTEMS:
        yield from _system(name)
    yield _mean("all-segments", "Table 15, all",
                [f"{length}-segment-mixup-0.2" for length in sorted((*_LENGTHS, 6))], 0.932,
                "Which mean it is of the six lengths is not said; here the geometric one, as of "
                "all else.")


RECIPES = (*_audioset(), *_extractors(), *_fsdkaggle2018())


# -- p-values ----------------------------------------------------------------------------------


def _pairs(names, *rows):
    """A table's triangle above the diagonal, by pair of recipe ids."""
    return {(_PREFIX + names[i], _PREFIX + names[j]): p for i, row in enumerate(rows)
            for j, p in enumerate(row, i + 1)}


_NAMES14 = ("level-1", "level-2", "level-3", "level-12", "level-13", "level-23")

# {table: {(recipe id, recipe id): p}}, of paired t-tests over classes, by average precision
# (Table 11) or MAP@3 (Tables 14 and 15), as printed; 0 is less than floats can tell from it.
# The thesis does not say so, but they are one-sided, half of what evaluation.t_test gives: Tables
# 14 and 15 hold nothing above 0.5, and the smallest of Table 11 are multiples of 2^-53 = 1.1e-16,
# 1.0e-15 being nine of them, which are 1 - P(t) in floats; twice that would be even multiples.
PUBLISHED_P = {
    "Table 11": _pairs(
        tuple(f"audioset-{name}" for name in (*_NAMES14, "level-123")),
        (0, 0, 3.9e-4, 0.065, 3.3e-15, 2.2e-7),
        (0.21, 4.8e-10, 1.1e-16, 0.10, 6.6e-7),
        (1.2e-11, 1.0e-15, 0.018, 1.1e-7),
        (0.019, 4.0e-8, 0.041),
        (4.0e-13, 7.0e-5),
        (1.1e-4,)),
    "Table 14": _pairs(
        (*_NAMES14, "6-segment-mixup-0.2"),
        (0.360, 0.108, 0.165, 0.120, 0.323, 0.050),
        (0.204, 0.286, 0.238, 0.258, 0.048),
        (0.400, 0.428, 0.066, 0.169),
        (0.475, 0.098, 0.159),
        (0.019, 0.101),
        (0.012,)),
    "Table 15": _pairs(
        (*(f"{length}-segment-mixup-0.2" for length in (1, 2, 4, 6, 8, 10)), "all-segments"),
        (0.083, 0.046, 0.037, 0.208, 0.144, 0.008),
        (0.114, 0.121, 0.495, 0.476, 0.036),
        (0.480, 0.061, 0.087, 0.485),
        (0.044, 0.043, 0.494),
        (0.466, 0.087),
        (0.025,)),
}
