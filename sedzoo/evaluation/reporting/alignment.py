"""A truth and a system's output brought to the same clips and classes, with what that left out."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sedzoo.evaluation.counts import Result
from sedzoo.frame_scores import FrameScores
from sedzoo.frontend import Clock
from sedzoo.nearest import nearest
from sedzoo.outputs import match_names


@dataclass(frozen=True)
class Note(Result):
    """Something that was left out, or taken for something: how many, what, and one of them."""

    count: int
    what: str
    example: str

    def __str__(self):
        return f"{self.count:,} {self.what}, such as {self.example}"


@dataclass(frozen=True)
class Aligned:
    """What is scored.

    Args:
        reference: dict of clip name -> list of Event, for every scored clip.
        labels: tuple of K class names.
        durations: dict of clip name -> seconds; None where they are not known.
        scores: FrameScores of these clips and classes; None where there are only detections.
        points: list of (threshold or None, dict of clip name -> list of Event); empty with scores.
        notes: tuple of Note.
    """

    reference: dict
    labels: tuple
    durations: dict | None
    scores: FrameScores | None
    points: list
    notes: tuple


def align(reference, output, durations=None, labels=None):
    """Bring a truth and an output together, names matched as by `outputs.match_names`.

    Scored are the clips of the truth, and those of the durations where these are given: a clip
    without events need not be in a truth. Clips of the output that are neither are left out; clips
    that the output lacks count as clips in which nothing was detected.

    Args:
        reference: dict of clip name -> iterable of Event.
        output: FrameScores, or a list of (threshold or None, dict of clip name -> events).
        durations: dict of clip name -> seconds, of every clip of the reference. Defaults to None:
            of frame scores the last edge, or the last event's offset where that is later.
        labels: the scored classes, events and scores of others are left out. Defaults to None:
            those of the scores; of detections, all that occur in them or in the truth.

    Returns: Aligned.
    Raises: ValueError where no clip is in both, for a class of the truth that the scores lack, and
        for missing durations.
    """
    notes = []
    reference = {clip: list(events) for clip, events in reference.items()}
    if durations is not None:
        durations = _with_durations(reference, durations, notes)
    is_scores = isinstance(output, FrameScores)
    names = output.clips if is_scores else dict.fromkeys(
        name for _, found in output for name in found)
    meant = _matched(names, reference, is_scores, notes)
    if labels is not None:
        reference = _kept(reference, labels, "of the truth", notes)
    classes = dict.fromkeys(event.label for events in reference.values() for event in events)
    if is_scores:
        labels = tuple(output.labels if labels is None else labels)
        _require_known(output.labels, (*labels, *classes))
        durations = durations or _durations(output, meant, reference)
        scores = _selected(output, meant, labels, durations)
        return Aligned(reference, labels, durations, scores, [], tuple(notes))
    name_of = {name: clip for clip, name in meant.items()}
    points = [(threshold, {name_of[name]: list(events) for name, events in found.items()
                           if name in name_of}) for threshold, found in output]
    if labels is not None:
        points = [(threshold, _kept(found, labels, _at(threshold), notes))
                  for threshold, found in points]
    found = {event.label for _, point in points for events in point.values() for event in events}
    labels = tuple(labels or sorted(found | set(classes)))
    return Aligned(reference, labels, durations, None, points, tuple(notes))


def note(notes, items, what):
    """Append a Note of items, if there are any."""
    items = list(items)
    if items:
        notes.append(Note(len(items), what, str(items[0])))


def _with_durations(reference, durations, notes):
    """Seconds of each scored clip; clips that durations alone know are added to the reference."""
    meant = match_names(durations, reference)
    unknown = [name for name, clip in meant.items() if clip is None]
    note(notes, unknown, "clips with a duration are not in the truth: scored as clips without "
         "events")
    durations = {meant[name] or name: seconds for name, seconds in durations.items()}
    reference.update((name, []) for name in unknown)
    lacking = [clip for clip in reference if clip not in durations]
    if lacking:
        raise ValueError(f"`durations` lacks {len(lacking)} clips of the truth, such as "
                         f"{lacking[0]!r}")
    return durations


def _matched(names, reference, is_scores, notes):
    """The output's name of each clip that has one, in the reference's order."""
    meant = match_names(names, reference)
    name_of = {clip: name for name, clip in meant.items() if clip is not None}
    if names and not name_of:
        raise ValueError(f"No clip of the output is in the truth: it has {next(iter(names))!r}, "
                         f"the truth {next(iter(reference), 'no clips')!r}")
    note(notes, (name for name, clip in meant.items() if clip is None),
         "clips of the output are not in the truth: not scored")
    note(notes, (clip for clip in reference if clip not in name_of),
         "clips have no scores: scored as if nothing was detected" if is_scores
         else "clips have no detections")
    return {clip: name_of[clip] for clip in reference if clip in name_of}


def _kept(events, labels, whose, notes):
    """Events of some classes; of others there is a note."""
    note(notes, (event.label for of_clip in events.values() for event in of_clip
                 if event.label not in labels), f"events {whose} are of other classes: not scored")
    return {clip: [event for event in of_clip if event.label in labels]
            for clip, of_clip in events.items()}


def _at(threshold):
    return "of the output" if threshold is None else f"of the output at {threshold:g}"


def _require_known(labels, wanted):
    unknown = [label for label in wanted if label not in labels]
    if unknown:
        raise ValueError(f"The scores lack {len(unknown)} classes that are to be scored, such as "
                         f"{unknown[0]!r}." + nearest(unknown[0], labels))


def _durations(scores, meant, reference):
    unknown = [clip for clip in reference if clip not in meant]
    if unknown:
        raise ValueError(f"{len(unknown)} clips of the truth have no scores, such as "
                         f"{unknown[0]!r}: `durations` must tell how long they are")
    return {clip: max([float(scores.edges(name)[-1]),
                       *(event.offset for event in reference[clip])])
            for clip, name in meant.items()}


def _selected(scores, meant, labels, durations):
    """FrameScores under the reference's names, of some classes; silent where there are none."""
    columns = None if labels == scores.labels else [scores.labels.index(label) for label in labels]
    clock = scores.times if isinstance(scores.times, Clock) else None
    lacking = {clip: seconds for clip, seconds in durations.items() if clip not in meant}
    silent = {clip: np.zeros((1 if clock is None else max(1, int(clock.frame(seconds))),
                              len(scores.labels)), np.float32)
              for clip, seconds in lacking.items()}
    values = _Renamed(scores.values, meant, silent, columns)
    times = clock or _Renamed(scores.times, meant, {clip: np.array([0.0, seconds]) for clip, seconds
                                                    in lacking.items()})
    return FrameScores(labels, values, times)


class _Renamed(Mapping):
    """A Mapping under other names, some columns of it, and more entries; still read one by one."""

    def __init__(self, values, names, more, columns=None):
        self._values, self._names, self._more, self._columns = values, names, more, columns

    def __getitem__(self, clip):
        found = self._more[clip] if clip in self._more else self._values[self._names[clip]]
        return found if self._columns is None else found[:, self._columns]

    def __iter__(self):
        yield from self._names
        yield from self._more

    def __len__(self):
        return len(self._names) + len(self._more)
