"""Where a system fails: by kind of error, by class, by duration, and what it hears instead."""

import math
from dataclasses import dataclass, field

import numpy as np

from sedzoo.evaluation.counts import Result, precision_recall_f1
from sedzoo.evaluation.failure_analysis.cross_triggers import cross_triggers
from sedzoo.evaluation.failure_analysis.durations import DURATIONS_S, by_duration
from sedzoo.evaluation.failure_analysis.error_types import (
    BOUNDARY,
    ESTIMATED_TYPES,
    HIT,
    REFERENCE_TYPES,
    SUBSTITUTION,
    UNEXPLAINED,
    ErrorTypes,
    crosstab,
    error_types,
    misses,
)
from sedzoo.evaluation.table import EventTable, tables
from sedzoo.events import Event


@dataclass(frozen=True)
class FailureCounts(Result):
    """How many events of each kind, see `error_types`; each side adds up.

    Args:
        f1, precision, recall: float, of the hits.
        num_reference: int = num_hits + num_boundary + num_merged + num_split + num_substituted
            + num_missed.
        num_estimated: int = num_hits + num_boundary + num_merges + num_fragments
            + num_substitutions + num_false_alarms.
        num_onset, num_offset, num_both: int, what is beyond the collar; together num_boundary.
        average: "micro", or "class" for one class alone.
        per_class: dict of label -> FailureCounts.
    """

    f1: float
    precision: float
    recall: float
    num_reference: int
    num_estimated: int
    num_hits: int
    num_boundary: int
    num_merged: int
    num_split: int
    num_substituted: int
    num_missed: int
    num_merges: int
    num_fragments: int
    num_substitutions: int
    num_false_alarms: int
    num_onset: int
    num_offset: int
    num_both: int
    average: str = "micro"
    per_class: dict = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Failures:
    """Every event of a reference and an estimate with its category, to be counted in many ways.

    Args:
        reference, estimated: EventTables of the same clips and labels.
        types: ErrorTypes of their events.
        collar_s, offset_share, overlap: what the types were found with, see `failures`.
    """

    reference: EventTable
    estimated: EventTable
    types: ErrorTypes
    collar_s: float
    offset_share: float | None
    overlap: float

    def counts(self):
        """How many events of each kind, of all classes together and of each, FailureCounts."""
        labels = self.reference.labels
        shape = len(labels), len(REFERENCE_TYPES)
        wanted = crosstab(self.reference.label, self.types.reference, shape)
        found = crosstab(self.estimated.label, self.types.estimated, shape)
        boundary = self._boundary()
        per_class = {label: _counts(wanted[k], found[k], boundary[k], average="class")
                     for k, label in enumerate(labels)}
        return _counts(wanted.sum(axis=0), found.sum(axis=0), boundary.sum(axis=0),
                       per_class=per_class)

    def report(self):
        """The counts of each class as a flat row, list of dicts with "label" first."""
        rows = []
        for label, counts in self.counts().per_class.items():
            row = counts.to_dict()
            del row["average"], row["per_class"]
            rows.append({"label": label, **row})
        return rows

    def counts_by_clip(self):
        """Hits, detections and references of each clip and class, int64 (N, K, 3).

        Those of two systems are what `Summed` takes, to test which is better.
        """
        shape = len(self.reference.clips), len(self.reference.labels)
        hits = self.reference.group[self.types.reference == HIT]
        return np.stack([np.bincount(group, minlength=math.prod(shape)).reshape(shape)
                         for group in (hits, self.estimated.group, self.reference.group)], axis=-1)

    def by_duration(self, bins=DURATIONS_S):
        """What became of events by how long they last, see `durations.by_duration`."""
        return by_duration(self.reference, self.estimated, self.types, bins)

    def cross_triggers(self, cttc=0.3):
        """What substitutions and false alarms overlap, see `cross_triggers.cross_triggers`."""
        false = np.isin(self.types.estimated, (SUBSTITUTION, UNEXPLAINED))
        return cross_triggers(self.reference, self.estimated, false, cttc)

    def events(self, kind):
        """The events of a category, to listen to: dict of clip name -> list of Event by onset.

        Args:
            kind: str, one of REFERENCE_TYPES or ESTIMATED_TYPES; "hit" and "boundary" give
                reference events.
        Raises: ValueError for another one.
        """
        if kind in REFERENCE_TYPES:
            table, chosen = self.reference, self.types.reference == REFERENCE_TYPES.index(kind)
        elif kind in ESTIMATED_TYPES:
            table, chosen = self.estimated, self.types.estimated == ESTIMATED_TYPES.index(kind)
        else:
            raise ValueError(f"`kind` must be one of {REFERENCE_TYPES + ESTIMATED_TYPES}. "
                             f"Received: kind={kind!r}")
        events = {}
        for i in np.flatnonzero(chosen):
            events.setdefault(table.clips[table.clip[i]], []).append(
                Event(float(table.onset[i]), float(table.offset[i]), table.labels[table.label[i]]))
        return {clip: sorted(of_clip) for clip, of_clip in events.items()}

    def to_dict(self):
        """Parameters, counts, durations and cross triggers, as JSON can hold them."""
        return {"collar_s": self.collar_s, "offset_share": self.offset_share,
                "overlap": self.overlap, "counts": self.counts().to_dict(),
                "by_duration": [row.to_dict() for row in self.by_duration()],
                "cross_triggers": self.cross_triggers().to_dict()}

    def _boundary(self):
        """Boundary errors of onset alone, offset alone and both, int64 (K, 3)."""
        r = np.flatnonzero(self.types.reference == BOUNDARY)
        onset, offset = misses(self.reference, self.estimated, (r, self.types.partner[r]),
                               self.collar_s, self.offset_share)
        return crosstab(self.reference.label[r], onset + 2 * offset - 1,
                        (len(self.reference.labels), 3))


def failures(reference, estimated, *, collar_s=0.2, offset_share=0.2, overlap=0.5, labels=None):
    """Find out what became of every event, see `error_types`.

    Args:
        reference: dict of clip name -> iterable of Event; it says which clips are scored.
        estimated: dict of clip name -> iterable of Event; a clip that is missing had none.
        collar_s, offset_share: as for `event_scores`, which counts the same hits. Default to 0.2.
        overlap: float in (0, 1], what two events must share of the shorter one. Defaults to 0.5.
        labels: the scored classes; None for all that occur.

    Returns: Failures.
    Raises: ValueError for an estimated clip without reference, a class not in `labels`, or
        arguments out of range.
    """
    wanted, found = tables(reference, estimated, labels)
    types = error_types(wanted, found, collar_s=collar_s, offset_share=offset_share,
                        overlap=overlap)
    return Failures(wanted, found, types, float(collar_s),
                    None if offset_share is None else float(offset_share), float(overlap))


def _counts(wanted, found, boundary, **more):
    """Counts by type of either side, int64 (6,), and of boundary errors (3,) -> FailureCounts."""
    num_reference, num_estimated = int(wanted.sum()), int(found.sum())
    precision, recall, f1 = precision_recall_f1(int(wanted[HIT]), num_estimated, num_reference)
    return FailureCounts(f1, precision, recall, num_reference, num_estimated, *wanted.tolist(),
                         *found[BOUNDARY + 1:].tolist(), *boundary.tolist(), **more)
