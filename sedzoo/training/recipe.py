"""Recipes: everything that decides a training run, as data. Needs no framework."""

import dataclasses
import fnmatch
import importlib
from dataclasses import dataclass, field

from sedzoo.events import Decoder
from sedzoo.frontend import Frontend
from sedzoo.nearest import check_keys, nearest

# The one line a new paper adds: its name space and the module that lists its rows.
PAPERS = {
    "boes2019": "sedzoo.training.recipes.boes2019",
    "chou2018": "sedzoo.training.recipes.chou2018",
    "xu2018icassp": "sedzoo.training.recipes.xu2018icassp",
    "xu2018thesis": "sedzoo.training.recipes.xu2018thesis",
}

_KNOWN = {
    "loss_weights": ("clip", "frame", "micro", "pseudo"),
    "sampler_arguments": ("limits",),
    "mixtures": ("alpha", "rate"),
    "spec_augment": ("time_width", "freq_width", "num_time", "num_freq"),
    "decay": ("class_name", "config"),
    "early_stopping": ("monitor", "min_delta", "patience", "start_epoch", "against"),
    "decisions": ("clip_threshold", "clip_fallback", "clip_rule", "thresholds", "median_frames",
                  "max_gap_frames", "min_frames"),
}

_OPTIONS = {
    "sampler": ("uniform", "balanced"), "batch_of": ("rows", "clips"),
    "frame_targets": ("events", "tags"), "micro": ("paper", "repo"),
    "class_weights": (None, "clips", "labels"), "keep": ("last", "best"),
    "ensemble": ("arithmetic", "geometric"),
}


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One row of a result table, executable: what is trained, on what, how, and what it scored.

    Args:
        id: str, "paper/row".
        model_name: str, a name of sedzoo.list_models(); None for a row that combines `members`, or
            that the paper quotes from others.
        arguments: dict, the builder's; `num_classes` among them, `input_shape` follows the
            frontend where it is not given.
        frontend: str, the name of a frontend preset, or a dict of Frontend's fields.
        extractor: str, what makes the embeddings it learns from: a recipe id, or a name of the zoo
            ("vggish": with its published weights); "" where it learns from features, or from
            patches of them.
        segments: int > 0, embeddings of a piece (see pieces.Pieces), or "clip" for whole clips with
            a frame mask; None where it learns from features.
        dataset: str; train_split, valid_split: str, parts of it (or
            "last 1473", "first 1473" clips of the former); folds: int, parts of the data for
            cross-validation, 0 for none.
        pitch_quota: int, clips that every class gets by pitch shift, see
            datasets.pitch_shifted, or None.
        sampler: "uniform" or "balanced", with sampler_arguments (`limits`), see sampling; batch_of:
            "rows", or "clips" for batches of batch_size clips with all their pieces.
        batch_size: int > 0, rows; steps_per_epoch: int > 0, or None for one pass; epochs: int > 0.
        optimizer: str, a Keras name, with optimizer_arguments; learning_rate: float > 0; decay:
            dict, a schedule of keras.optimizers.schedules from that rate on, {"class_name": ...,
            "config": ...} ("decay_epochs" may stand for "decay_steps"), or None to keep it.
        loss_weights: dict of the losses of objectives.objective: "clip", "frame", "micro",
            "pseudo".
        single_label: bool, a clip has one class, and the clip's loss is the categorical
            cross-entropy, in place of the binary one of every class.
        micro: "paper" or "repo", how the micro loss weighs segments, see
            layers.MicroBinaryCrossentropy.
        class_weights: "clips", "labels" or None, how much rare classes' positives count, see
            objectives.class_weights.
        frame_targets: what the frames learn: "events", from marked times, or "tags", the clip's
            tags in every frame.
        mixup_alpha, mixup_rate: floats, see batches.Batches; a rate of 0 is off. mixtures: dict of
            `alpha` and `rate`, mixtures made beforehand, see mixing.with_mixtures, or None.
        spec_augment: dict of pipeline.SpecAugment's widths and numbers, or None.
        checkpoint_every: int > 0, epochs from one checkpoint to the next.
        early_stopping: dict, see state.has_stalled, or None; keep: "last" or "best", the weights a
            run ends with; the best are those of the epoch that early stopping looks for.
        valid_metrics: tuple of names of evaluation.CLIP_METRICS, of the validation clips after
            every epoch: "val_<name>" in the history.
        fusion_epochs: tuple of ints, checkpoints whose probabilities are averaged, by the number
            of finished epochs: 20 is the released code's 19, which counts from 0; -1 is the last.
        members: tuple of recipe ids whose posteriors are averaged (system fusion); ensemble:
            "arithmetic" or "geometric", the mean over members, and over folds.
        decisions: dict, from probabilities to tags (`clip_threshold`, `clip_fallback` "argmax" for
            clips without a tag, `clip_rule` "any_event", or "best_threshold" for that of
            evaluation) and to events (events.Decoder's fields).
        metrics: tuple of str, what the row reports; average: how classes are averaged in them.
        published: {split: {metric: value}}, the paper's numbers as printed, in percent or as
            fractions, never ours.
        source: str, table and row; notes: str, what the paper leaves open or this differs in.
        seed: int >= 0.

    Raises: ValueError naming the argument, what it must be, and what came.
    """

    id: str
    model_name: str | None = None
    arguments: dict = field(default_factory=dict)
    frontend: str | dict = "xu2018icassp-logmel"
    extractor: str = ""
    segments: int | str | None = None
    dataset: str = ""
    train_split: str = "training"
    valid_split: str = "validation"
    folds: int = 0
    pitch_quota: int | None = None
    sampler: str = "uniform"
    sampler_arguments: dict = field(default_factory=dict)
    batch_of: str = "rows"
    batch_size: int = 32
    steps_per_epoch: int | None = None
    epochs: int = 100
    optimizer: str = "adam"
    optimizer_arguments: dict = field(default_factory=dict)
    learning_rate: float = 1e-3
    decay: dict | None = None
    loss_weights: dict = field(default_factory=lambda: {"clip": 1.0})
    single_label: bool = False
    micro: str = "paper"
    class_weights: str | None = None
    frame_targets: str = "events"
    mixup_alpha: float = 0.2
    mixup_rate: float = 0.0
    mixtures: dict | None = None
    spec_augment: dict | None = None
    checkpoint_every: int = 10
    early_stopping: dict | None = None
    keep: str = "last"
    valid_metrics: tuple[str, ...] = ()
    fusion_epochs: tuple[int, ...] = ()
    members: tuple[str, ...] = ()
    ensemble: str = "arithmetic"
    decisions: dict = field(default_factory=dict)
    metrics: tuple[str, ...] = ()
    average: str = "micro"
    published: dict = field(default_factory=dict)
    source: str = ""
    notes: str = ""
    seed: int = 0

    def __post_init__(self):
        for key in ("fusion_epochs", "members", "metrics", "valid_metrics"):
            object.__setattr__(self, key, tuple(getattr(self, key)))     # lists, from JSON
        for key, known in _KNOWN.items():
            check_keys(getattr(self, key) or {}, known, f"{key} of recipe {self.id!r}")
        for key in ("batch_size", "epochs", "checkpoint_every"):
            self._require(key, _is_count(getattr(self, key)), "a positive int")
        for key in ("steps_per_epoch", "pitch_quota"):
            self._require(key, getattr(self, key) is None or _is_count(getattr(self, key)),
                          "a positive int or None")
        self._require("segments", self.segments in (None, "clip") or _is_count(self.segments),
                      'a positive int, "clip" or None')
        self._require("folds", self.folds == 0 or _is_count(self.folds) and self.folds > 1,
                      "0, or an int of 2 or more")
        self._require("learning_rate", self.learning_rate > 0, "positive")
        for key, options in _OPTIONS.items():
            self._require(key, getattr(self, key) in options,
                          f"one of {', '.join(map(repr, options))}")
        self._require("batch_of", self.batch_of == "rows" or self.segments is not None,
                      '"rows" where there are no `segments`')
        whole = self.segments == "clip"         # clips of several lengths in a batch
        for key in ("mixup_rate", "mixtures", "spec_augment"):
            self._require(key, not whole or getattr(self, key) in (0, None),
                          'off where `segments` are "clip"')
        self._require("loss_weights", not whole or list(self.loss_weights) == ["clip"],
                      'of "clip" alone where `segments` are "clip"')
        self._require("mixtures", self.mixtures is None or (
            self.mixtures.get("alpha", 0) > 0 and self.batch_of == "rows"),
                      'None, or of an `alpha` > 0 and batch_of="rows"')
        self._require("early_stopping", self.early_stopping is None
                      or {"monitor", "patience"} <= set(self.early_stopping),
                      "None, or a dict with `monitor` and `patience`")
        self._require("keep", self.keep == "last" or self.early_stopping is not None,
                      '"last" without `early_stopping`')
        weights = self.loss_weights.values()
        self._require("loss_weights", all(weight >= 0 for weight in weights) and any(weights),
                      "none negative and one positive")
        self._require("mixup_rate", 0 <= self.mixup_rate <= 1, "in [0, 1]")
        self.features(), self.decoder()         # a wrong name or value shows here, not after hours

    def _require(self, key, holds, what):
        if not holds:
            raise ValueError(f"`{key}` must be {what}. Received: {key}={getattr(self, key)!r}")

    def features(self):
        """The Frontend of this recipe."""
        return (Frontend.preset(self.frontend) if isinstance(self.frontend, str)
                else Frontend.from_dict(self.frontend))

    def decoder(self):
        """The events.Decoder of this recipe's decisions."""
        known = [known.name for known in dataclasses.fields(Decoder)]
        return Decoder(**{key: tuple(value) if isinstance(value, list) else value
                          for key, value in self.decisions.items() if key in known})

    def model(self, num_classes=None, num_features=None):
        """The untrained model, at the paper's sizes unless `num_classes` says otherwise.

        Raises: ValueError for a row without a model of its own.
        """
        if self.model_name is None:
            why = (f"it averages {', '.join(self.members)}; build those" if self.members else
                   "the paper quotes its numbers from another team's system")
            raise ValueError(f"Recipe {self.id!r} has no model: {why}.")
        from sedzoo.zoo.registry import create_model, model_card

        card = model_card(self.model_name)
        if card.streams:
            arguments = {"input_sizes": num_features or card.streams, **self.arguments}
        else:
            if num_features is None:
                num_features = card.num_features if card.extractor else (
                    self.features().num_features)
            arguments = {"input_shape": (None, num_features), **self.arguments}
        if self.segments == "clip":
            arguments["ragged"] = True
        if num_classes is not None:
            arguments["num_classes"] = num_classes
        return create_model(self.model_name, **arguments)

    def replace(self, **changes):
        """A copy with some fields changed; an unknown field is answered with the nearest."""
        return type(self).from_dict({**self.to_dict(), **changes})

    def to_dict(self):
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, fields):
        """The inverse of to_dict, from JSON too; an unknown key is answered with the nearest."""
        check_keys(fields, [known.name for known in dataclasses.fields(cls)], "recipe")
        if "id" not in fields:
            raise ValueError("A recipe needs an `id`.")
        return cls(**fields)


def list_recipes(pattern="*"):
    """Ids of the recipes that match a shell pattern, by paper and in the order of its tables."""
    return fnmatch.filter([row.id for paper in PAPERS for row in _rows(paper)], pattern)


def recipe(id):
    """The Recipe of an id; an unknown one is answered with the nearest.

    Raises: ValueError.
    """
    paper = id.partition("/")[0]
    for row in _rows(paper) if paper in PAPERS else ():
        if row.id == id:
            return row
    raise ValueError(f"No recipe {id!r}." + nearest(id, list_recipes()))


def _rows(paper):
    return importlib.import_module(PAPERS[paper]).RECIPES


def _is_count(value):
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
