"""Thresholds and median lengths, chosen on labelled data that are not reported on."""

import dataclasses
import re
from dataclasses import dataclass, field

from sedzoo.evaluation.counts import Result
from sedzoo.evaluation.tuning.f1 import metric_named
from sedzoo.events import Decoder
from sedzoo.nearest import check_keys

_REPORTED = re.compile(r"(?<![a-z])(test|eval|public)", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Decisions(Result):
    """How frame probabilities become events, and how that was chosen.

    Args:
        labels: tuple of K class names.
        thresholds, median_frames: tuples of K, as in events.Decoder; `clip.decide` takes the
            thresholds of "clip_f1", with at_least_one=False.
        metric: str, the F1 that is highest with them: "segment_f1", "event_f1", "clip_f1" or
            "intersection_f1"; parameters: dict, of the metric; average: "micro" or "macro".
        shared: bool, one threshold and one length for all classes.
        value: float, the metric on the data they were chosen on.
        per_class: dict of label -> the same for one class; those with reference.
        untuned: tuple of labels without reference, which had nothing to choose by.
        split: str, name of the data; num_clips: int.
        oracle: bool, whether they were knowingly chosen on the data that are reported on, so that
            scores there are no measure of the system.
        searched: dict of "thresholds" (None: all there are) and "median_frames".

    Raises: ValueError for numbers that do not fit, or an evaluation set without `oracle`.
    """

    labels: tuple
    thresholds: tuple
    median_frames: tuple
    metric: str
    value: float
    split: str
    num_clips: int
    average: str = "micro"
    parameters: dict = field(default_factory=dict)
    shared: bool = False
    per_class: dict = field(default_factory=dict)
    untuned: tuple = ()
    oracle: bool = False
    searched: dict = field(default_factory=dict)

    def __post_init__(self):
        for key in ("labels", "thresholds", "median_frames", "untuned"):
            object.__setattr__(self, key, tuple(getattr(self, key)))        # lists, from JSON
        for key in ("thresholds", "median_frames"):
            if len(getattr(self, key)) != len(self.labels):
                raise ValueError(f"`{key}` must be one per label ({len(self.labels)}). "
                                 f"Received: {len(getattr(self, key))}")
        parameters = metric_named(self.metric).completed(self.parameters)
        object.__setattr__(self, "parameters", parameters)
        self.decoder()                                       # a wrong value shows here
        require_open(self.split, self.oracle)

    def decoder(self):
        """The events.Decoder of these decisions."""
        return Decoder(thresholds=self.thresholds, median_frames=self.median_frames)

    def events(self, scores):
        """Events of a system, dict of clip name -> list of Event.

        Args:
            scores: FrameScores of the same classes.
        """
        if scores.labels != self.labels:
            raise ValueError(f"`scores` must have the classes {self.labels}. "
                             f"Received: {scores.labels}")
        return scores.decoded(self.decoder())

    def score(self, scores, reference, durations=None):
        """The full result of the metric with these decisions, on any data.

        Args: as `tune`.
        Returns: SegmentScores, EventScores, ClipScores or IntersectionScores.
        """
        require_same_clips(scores, reference)
        metric = metric_named(self.metric)
        return metric.score(metric.events(reference), self.events(scores), durations,
                            average=self.average, labels=self.labels, **self.parameters)

    def card_fields(self):
        """The fields of a Card that say how to decide, and how that was chosen."""
        return {"decoder": dataclasses.asdict(self.decoder()), "tuning": self.to_dict()}

    @property
    def note(self):
        """One line for people."""
        parameters = "".join(f", {key}={value:g}" for key, value in self.parameters.items())
        return (f"{'one for all classes' if self.shared else 'per class'}, for the highest "
                f"{self.metric} ({self.average}{parameters}): {self.value:.4f} on {self.split} "
                f"({self.num_clips} clips)"
                + (f"; nothing to choose by for {', '.join(self.untuned)}" if self.untuned else "")
                + ("; ORACLE: chosen on the data that are reported on" if self.oracle else ""))

    @classmethod
    def from_dict(cls, fields):
        """The inverse of to_dict; an unknown key is answered with the nearest one."""
        entries = dataclasses.fields(cls)
        check_keys(fields, [entry.name for entry in entries], "decisions")
        missing = [entry.name for entry in entries if entry.name not in fields
                   and entry.default is entry.default_factory is dataclasses.MISSING]
        if missing:
            raise ValueError(f"Decisions need the keys {missing}.")
        return cls(**fields)


def require_open(split, oracle):
    """Raise ValueError where data that are reported on would decide, and nobody said `oracle`.

    Those are splits with a word that begins with test, eval or public.
    """
    if not isinstance(split, str) or not split:
        raise ValueError(f"`split` must name the data. Received: split={split!r}")
    if _REPORTED.search(split) and not oracle:
        raise ValueError("Thresholds chosen on the data that are reported on make every score "
                         "there too high: tune on validation data, or say oracle=True, which the "
                         f"result will tell. Received: split={split!r}")


def require_same_clips(scores, reference):
    """Raise ValueError for scores without reference and reference without scores."""
    known = set(scores.clips)
    for name, missing in (("reference", [clip for clip in scores.clips if clip not in reference]),
                          ("scores", [clip for clip in reference if clip not in known])):
        if missing:
            raise ValueError(f"`{name}` lacks {len(missing)} clips of the other, "
                             f"such as {missing[0]!r}")
