"""What travels with an exported model: where it came from, what it hears, and how well."""

import dataclasses
import json
import math
from dataclasses import dataclass, field
from pathlib import Path

from sedzoo.events import Decoder
from sedzoo.frontend import Clock, Frontend
from sedzoo.nearest import check_keys

_METRIC_KEYS = ("metric", "value", "dataset", "split", "command", "commit")


@dataclass(frozen=True, kw_only=True)
class Card:
    """Everything a user of an exported model must know, as plain data; `card.json` in its assets.

    Args:
        name: str, of the export.
        model: str, of the architecture in the zoo; `arguments`: dict, its builder's arguments.
        frontend: dict, Frontend.to_dict().
        time_stride: int > 0, feature frames per output frame.
        labels: tuple of K display names in class order; `mids`: K machine ids, or ().
        decoder: dict of Decoder's arguments; the export's variables start from it.
        tuning: dict, evaluation.Decisions.to_dict(): how the decoder's thresholds and medians were
            chosen, and on what; {} where they were not.
        metrics: tuple of dicts {metric, value, dataset, split, command, commit}, measured numbers
            only.
        data, attribution, licence, paper: str, what it was trained on, whom to name for that,
            under which terms the weights are given, and the architecture's source.
        versions: dict of package name -> version that made the export.

    Raises: ValueError naming the field, what it must be, and what came.
    """

    name: str
    model: str
    frontend: dict
    labels: tuple[str, ...]
    arguments: dict = field(default_factory=dict)
    time_stride: int = 1
    mids: tuple[str, ...] = ()
    decoder: dict = field(default_factory=dict)
    tuning: dict = field(default_factory=dict)
    metrics: tuple[dict, ...] = ()
    data: str = ""
    attribution: str = ""
    licence: str = ""
    paper: str = ""
    versions: dict = field(default_factory=dict)

    def __post_init__(self):
        for key in ("arguments", "frontend", "decoder", "tuning", "versions", "metrics"):
            object.__setattr__(self, key, self._plain(key))
        for key in ("labels", "mids", "metrics"):  # JSON knows no tuples
            object.__setattr__(self, key, tuple(getattr(self, key)))
        for key in ("name", "model"):
            self._require(key, isinstance(getattr(self, key), str) and getattr(self, key),
                          "a non-empty str")
        self._require("time_stride", type(self.time_stride) is int and self.time_stride > 0,
                      "a positive int")
        self._require("labels", self.labels and len(set(self.labels)) == len(self.labels)
                      and all(isinstance(label, str) and label for label in self.labels),
                      "one or more distinct, non-empty names")
        self._require("mids", len(self.mids) in (0, len(self.labels)),
                      f"one per label ({len(self.labels)}), or none")
        for metric in self.metrics:
            self._require("metrics", isinstance(metric, dict)
                          and set(metric) == set(_METRIC_KEYS)
                          and isinstance(metric["value"], (int, float))
                          and math.isfinite(metric["value"]),
                          f"dicts of {', '.join(_METRIC_KEYS)} with a finite value")
        self._require_buildable("frontend", lambda: self.frontend_spec)
        self._require_buildable("decoder", lambda: self.decoder_spec)
        self._require("tuning", not self.tuning or self._is_tuned(),
                      "of this card's labels, thresholds and median_frames, or {}")

    def _plain(self, key):
        """The field as JSON would give it back, so that a card equals itself after reading."""
        try:
            return json.loads(json.dumps(getattr(self, key)))
        except (TypeError, ValueError):
            raise ValueError(f"`{key}` must be plain data that JSON can hold. "
                             f"Received: {key}={getattr(self, key)!r}") from None

    def _require(self, key, holds, what):
        if not holds:
            raise ValueError(f"`{key}` must be {what}. Received: {key}={getattr(self, key)!r}")

    def _require_buildable(self, key, build):
        try:
            build()
        except TypeError as error:
            raise ValueError(f"`{key}` does not describe one: {error}. "
                             f"Received: {key}={getattr(self, key)!r}") from None

    def _is_tuned(self):
        return (tuple(self.tuning.get("labels", ())) == self.labels
                and all(self.tuning.get(key) == self.decoder.get(key)
                        for key in ("thresholds", "median_frames")))

    @property
    def frontend_spec(self):
        """The Frontend that the model hears through."""
        return Frontend.from_dict(self.frontend)

    @property
    def decoder_spec(self):
        """The Decoder that the export starts from."""
        arguments = {key: tuple(value) if isinstance(value, list) else value
                     for key, value in self.decoder.items()}
        decoder = Decoder(**arguments)
        for key in ("thresholds", "median_frames"):
            value = getattr(decoder, key)
            if isinstance(value, tuple) and len(value) != len(self.labels):
                raise ValueError(f"`decoder` must hold one of {key} or one per label "
                                 f"({len(self.labels)}). Received: {len(value)}")
        return decoder

    @property
    def clock(self) -> Clock:
        """When the model's output frames happen."""
        return self.frontend_spec.clock(self.time_stride)

    @property
    def sample_rate(self):
        """Hz, the rate of the waveforms that the model takes."""
        return self.frontend_spec.sample_rate

    def to_dict(self):
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, fields):
        """The inverse of to_dict; an unknown key is answered with the nearest one."""
        check_keys(fields, [entry.name for entry in dataclasses.fields(cls)], "card")
        missing = [key for key in ("name", "model", "frontend", "labels") if key not in fields]
        if missing:
            raise ValueError(f"A card needs the keys {missing}.")
        return cls(**fields)

    def write(self, path):
        """Write the card as JSON."""
        Path(path).write_text(json.dumps(self.to_dict(), indent=2, ensure_ascii=False) + "\n",
                              encoding="utf-8")

    @classmethod
    def read(cls, path):
        """Read a card from JSON.

        Raises: FileNotFoundError; ValueError that names the file when it holds no card.
        """
        try:
            return cls.from_dict(json.loads(Path(path).read_text(encoding="utf-8")))
        except (ValueError, AttributeError, TypeError) as error:
            raise ValueError(f"{path} is no model card: {error}") from error
