"""Events of many clips as arrays: what all the counting works on."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sedzoo.nearest import nearest


@dataclass(frozen=True)
class EventTable:
    """Events of N clips and K classes, sorted by clip, class, onset and offset.

    Args:
        clips: tuple of N names. labels: tuple of K names.
        clip, label: int64 (n,), which clip and class each event is of.
        onset, offset: float64 (n,), seconds.
    """

    clips: tuple
    labels: tuple
    clip: np.ndarray
    label: np.ndarray
    onset: np.ndarray
    offset: np.ndarray

    @classmethod
    def of(cls, events, clips, labels, name="events"):
        """Table of a dict of clip name -> iterable of Event.

        Args:
            events: dict; a clip that is missing has no events.
            clips, labels: names that clips and classes may have, in order.
            name: str, what messages call `events`.
        Raises: ValueError for a clip or a class that is not among them.
        """
        place = {clip: n for n, clip in enumerate(clips)}
        index = {label: k for k, label in enumerate(labels)}
        unknown = [clip for clip in events if clip not in place]
        if unknown:
            raise ValueError(f"`{name}` has {len(unknown)} clips that are not scored, such as "
                             f"{unknown[0]!r}")
        rows = []
        for clip, of_clip in events.items():
            for event in of_clip:
                if event.label not in index:
                    raise ValueError(f"`{name}`: the class {event.label!r} in {clip!r} is not one "
                                     f"of the {len(index)} scored." + nearest(event.label, labels))
                rows.append((place[clip], index[event.label], event.onset, event.offset))
        clip, label, onset, offset = np.array(rows, np.float64).reshape(-1, 4).T
        return cls.sorted(clips, labels, clip.astype(np.int64), label.astype(np.int64), onset,
                          offset)

    @classmethod
    def sorted(cls, clips, labels, clip, label, onset, offset):
        """Table of arrays in any order."""
        order = np.lexsort((offset, onset, label, clip))
        return cls(tuple(clips), tuple(labels), clip[order], label[order], onset[order],
                   offset[order])

    def __len__(self):
        return len(self.clip)

    @cached_property
    def group(self):
        """int64 (n,), clip * K + label: events of a class in a clip share it; never falls."""
        return self.clip * len(self.labels) + self.label

    @cached_property
    def bounds(self):
        """int64 (N + 1,), where each clip's events begin."""
        return np.searchsorted(self.clip, np.arange(len(self.clips) + 1))

    @cached_property
    def num_events(self):
        """int64 (K,), events of each class."""
        return np.bincount(self.label, minlength=len(self.labels))

    @cached_property
    def seconds(self):
        """float64 (K,), what the events of each class last together."""
        return np.bincount(self.label, self.offset - self.onset, minlength=len(self.labels))

    def overlapping(self):
        """Indices of events that begin before an earlier one of their class and clip ends."""
        latest = _running_maximum(self.offset, self.group)
        return 1 + np.flatnonzero((self.group[1:] == self.group[:-1])
                                  & (self.onset[1:] < latest[:-1]))


def tables(reference, estimated, labels=None):
    """Tables of a reference and an estimate over the same clips and classes.

    Args:
        reference: dict of clip name -> iterable of Event; it says which clips are scored.
        estimated: dict of clip name -> iterable of Event; a clip that is missing had none.
        labels: the classes that are scored; None for all that occur in either, sorted.
    Returns: EventTable of the reference, EventTable of the estimate.
    Raises: ValueError for an estimated clip without reference, or a class not in `labels`.
    """
    reference = {clip: list(events) for clip, events in reference.items()}
    estimated = {clip: list(events) for clip, events in estimated.items()}
    if labels is None:
        labels = sorted({event.label for events in (*reference.values(), *estimated.values())
                         for event in events})
    clips = tuple(reference)
    return (EventTable.of(reference, clips, labels, "reference"),
            EventTable.of(estimated, clips, labels, "estimated"))


def pairs(left, right):
    """All pairs of indices of `left` and `right` that have the same key.

    Args:
        left, right: int64 (n,) and (m,) keys that never fall.
    Returns: two int64 (pairs,), by left, then right.
    """
    start, stop = np.searchsorted(right, left), np.searchsorted(right, left, side="right")
    return spread(start, stop)


def spread(start, stop):
    """Ranges [start, stop) -> which range each member is of, and the members, int64 (members,)."""
    counts = stop - start
    which = np.repeat(np.arange(len(counts)), counts)
    first = np.cumsum(counts) - counts
    return which, np.arange(len(which)) - (first - start)[which]


def _running_maximum(values, group):
    """Largest value so far within a group of neighbours, by doubling strides."""
    largest = values.copy()
    stride = 1
    while stride < len(values):
        same = group[stride:] == group[:-stride]
        if not same.any():
            break
        largest[stride:] = np.where(same, np.maximum(largest[stride:], largest[:-stride]),
                                    largest[stride:])
        stride *= 2
    return largest
