"""Everything that is known about a system's output: each score with its exact parameters."""

from dataclasses import dataclass, field, replace

import numpy as np

from sedzoo.evaluation.clip import clip_scores
from sedzoo.evaluation.counts import AVERAGES, Result
from sedzoo.evaluation.event import event_scores
from sedzoo.evaluation.failure_analysis.outcome import Failures, failures
from sedzoo.evaluation.intersection import intersection_scores, merged
from sedzoo.evaluation.psd_roc import PSDS1, PSDS2, psds, psds_of_points
from sedzoo.evaluation.ranking import ranking_scores
from sedzoo.evaluation.reporting.alignment import align, note
from sedzoo.evaluation.reporting.text import describe_collar, describe_decoder, describe_setting
from sedzoo.evaluation.segment import segment_scores
from sedzoo.events import Decoder
from sedzoo.nearest import nearest

_CURVES = ("efpr", "etpr", "tpr", "threshold", "cross_triggers", "labels", "setting", "per_class")


@dataclass(frozen=True, kw_only=True)
class Options:
    """With what parameters an output is scored.

    Args:
        decoder: events.Decoder, how frame scores become events, its tuples in the order of their
            classes; of detections at several thresholds its threshold says which are scored.
            Defaults to a threshold of 0.5.
        tuned: str, how these decisions were chosen, if they were.
        segment_s: as for `segment_scores`. collar_s, offset_share: as for `event_scores`.
        dtc, gtc, cttc: as for `intersection_scores`.
        settings: tuple of psds.Setting. Defaults to PSDS1 and PSDS2.
        thresholds: floats, the operating points of PSDS from frame scores; None for all.
        labels: the scored classes; None as for `alignment.align`.
    """

    decoder: Decoder = Decoder()
    tuned: str = ""
    segment_s: float = 1.0
    collar_s: float = 0.2
    offset_share: float | None = 0.2
    dtc: float = 0.5
    gtc: float = 0.5
    cttc: float = 0.3
    settings: tuple = (PSDS1, PSDS2)
    thresholds: tuple | None = None
    labels: tuple | None = None


@dataclass(frozen=True)
class Part(Result):
    """One kind of score.

    Args:
        name: str, such as "event". parameters: str, all that decide its numbers.
        results: dict of average -> result; "all" where there is but one.
        unit: str, what its num_reference counts.
    """

    name: str
    parameters: str
    results: dict
    unit: str = "events"

    @property
    def per_class(self):
        return next(iter(self.results.values())).per_class

    def to_dict(self):
        """Name, parameters and numbers, curves left out; `per_class` stands beside the averages."""
        return {"name": self.name, "parameters": self.parameters,
                **{average: _numbers(result) for average, result in self.results.items()},
                "per_class": {label: _numbers(one) for label, one in self.per_class.items()}}


@dataclass(frozen=True)
class Report(Result):
    """What `report` found out.

    Args:
        num_clips, num_events: int. duration_s: float, of all clips; None where it is not known.
        labels: tuple of the scored classes.
        num_events_of: dict of label -> int.
        parts: tuple of Part.
        failures: failures.Failures of the decided events.
        decisions: str, how events were decided.
        notes: tuple of alignment.Note, what was left out or taken for something.
    """

    num_clips: int
    num_events: int
    duration_s: float | None
    labels: tuple
    num_events_of: dict
    parts: tuple
    failures: Failures = field(repr=False)
    decisions: str
    notes: tuple

    def to_dict(self):
        """All numbers by name, as JSON can hold them."""
        return {"num_clips": self.num_clips, "num_events": self.num_events,
                "duration_s": self.duration_s, "labels": list(self.labels),
                "decisions": self.decisions, "scores": [part.to_dict() for part in self.parts],
                "failures": self.failures.to_dict(),
                "notes": [one.to_dict() for one in self.notes]}


def report(reference, output, durations=None, options=None):
    """Score a system's output in every way that it allows.

    Frame scores are ranked by clip (the highest frame of each class), give PSDS over all thresholds
    and, decided, segment, event, intersection and clip scores, micro and macro. Detections give
    these for one operating point, and PSDS where there are several and durations are known.

    Args:
        reference: dict of clip name -> iterable of Event.
        output: FrameScores; dict of clip name -> iterable of Event; or a list of (threshold or
            None, such a dict), the operating points.
        durations: dict of clip name -> seconds; what is without it, see `alignment.align`.
        options: Options. Defaults to those of DCASE.

    Returns: Report.
    Raises: ValueError as the scores do, and where no operating point is at the decoder's
        threshold.
    """
    options = options or Options()
    if isinstance(output, dict):
        output = [(None, output)]
    aligned = align(reference, output, durations, options.labels)
    notes = list(aligned.notes)
    (apart,) = _apart([aligned.reference], "events of the truth", notes)
    if aligned.scores is not None:
        decoder = decoder_for(options.decoder, output.labels, aligned.labels)
        decisions, found = describe_decoder(decoder), aligned.scores.decoded(decoder)
    else:
        decisions, found = _chosen(aligned.points, options.decoder.thresholds)
    parts = _psds_parts(aligned, apart, options, notes)
    parts += _decided_parts(aligned, apart, found, options, decisions, notes)
    if aligned.scores is not None:
        parts.append(_ranking(aligned))
    lost = failures(aligned.reference, found, collar_s=options.collar_s,
                    offset_share=options.offset_share, labels=aligned.labels)
    num_events_of = dict(zip(aligned.labels, lost.reference.num_events.tolist(), strict=True))
    note(notes, (label for label in aligned.labels if not num_events_of[label]),
         "classes have no events in the truth: PSDS, ranking and macro clip F1 leave them out, "
         "other F1 of one that is detected is 0")
    return Report(len(aligned.reference), len(lost.reference),
                  None if aligned.durations is None else float(sum(aligned.durations.values())),
                  aligned.labels, num_events_of, tuple(parts), lost,
                  f"{decisions}; {options.tuned}".removesuffix("; "), tuple(notes))


def decoder_for(decoder, labels, wanted):
    """A Decoder of the classes `labels` for the classes `wanted`, in their order.

    Raises: ValueError for a class that is not among `labels`.
    """
    unknown = [label for label in wanted if label not in labels]
    if unknown:
        raise ValueError(f"There are no decisions for {len(unknown)} classes, such as "
                         f"{unknown[0]!r}." + nearest(unknown[0], labels))
    places = [labels.index(label) for label in wanted]
    return replace(decoder, **{
        key: tuple(getattr(decoder, key)[place] for place in places)
        for key in ("thresholds", "median_frames") if np.ndim(getattr(decoder, key))})


def _numbers(result):
    return {key: value for key, value in result.to_dict().items() if key not in _CURVES}


def _apart(many, what, notes):
    """Dicts of events with those of a class that overlap made one, of which there is a note."""
    single = [merged(events) for events in many]
    note(notes, (clip for events, kept in zip(many, single, strict=True) for clip in events
                 for _ in range(len(events[clip]) - len(kept[clip]))),
         f"{what} overlap an earlier one of their class: made one for PSDS and intersections")
    return single


def _chosen(points, thresholds):
    """What is known of the decisions, and the detections of the operating point asked for."""
    if len(points) == 1:
        threshold, found = points[0]
        return "detections as given" if threshold is None else _at(threshold), found
    for threshold, found in points:
        if threshold is not None and np.all(np.isclose(thresholds, threshold, rtol=0, atol=1e-9)):
            return _at(threshold), found
    known = [f"{threshold:g}" for threshold, _ in points if threshold is not None]
    raise ValueError(f"None of {len(points)} operating points is at the threshold {thresholds}; "
                     f"they are at {', '.join(known) or 'thresholds that their names do not tell'}")


def _at(threshold):
    return f"detections at threshold {threshold:g}"


# -- the parts ---------------------------------------------------------------------------------


def _psds_parts(aligned, apart, options, notes):
    if aligned.scores is not None:
        def score(setting):
            return psds(aligned.scores, apart, aligned.durations, setting,
                        thresholds=options.thresholds)
    elif len(aligned.points) > 1 and aligned.durations is not None:
        points = _apart(_inside(aligned, notes), "detections", notes)

        def score(setting):
            return psds_of_points(points, apart, aligned.durations, setting, labels=aligned.labels)
    else:
        return []
    return [Part(setting.name, describe_setting(setting, result.num_thresholds), {"all": result})
            for setting in options.settings for result in [score(setting)]]


def _inside(aligned, notes):
    """Detections at each operating point that begin before their clip ends."""
    ends, points = aligned.durations, [found for _, found in aligned.points]
    note(notes, (clip for found in points for clip, events in found.items() for event in events
                 if event.onset >= ends[clip]),
         "detections begin after the end of their clip: left out of PSDS")
    return [{clip: [event for event in events if event.onset < ends[clip]]
             for clip, events in found.items()} for found in points]


def _decided_parts(aligned, apart, found, options, decisions, notes):
    truth, labels = aligned.reference, aligned.labels
    # Of several operating points in a PSDS that is noted already.
    known = aligned.points[1:] and aligned.durations is not None
    (found_apart,) = _apart([found], "detections", [] if known else notes)

    def both(score, *arguments, **parameters):
        return {average: score(*arguments, average=average, labels=labels, **parameters)
                for average in AVERAGES}

    segments = both(segment_scores, truth, found, aligned.durations, segment_s=options.segment_s)
    events = both(event_scores, truth, found, collar_s=options.collar_s,
                  offset_share=options.offset_share)
    shares = {"dtc": options.dtc, "gtc": options.gtc, "cttc": options.cttc}
    overlaps = both(intersection_scores, apart, found_apart, **shares)
    clips = both(clip_scores, _tags(truth, truth, labels), _tags(truth, found, labels))
    collar = describe_collar(options.collar_s, options.offset_share)
    return [Part("segment", f"segments of {options.segment_s:g} s; {decisions}", segments,
                 "segments"),
            Part("event", f"{collar}; {decisions}", events),
            Part("intersection", ", ".join(f"{key} {share:g}" for key, share in shares.items())
                 + f"; {decisions}", overlaps),
            Part("clip", f"a class is in a clip that has an event of it; {decisions}", clips,
                 "clips")]


def _ranking(aligned):
    clips = aligned.scores.clips
    probabilities = np.array([aligned.scores[clip].max(axis=0) for clip in clips])
    tags = _tags(clips, aligned.reference, aligned.labels)
    return Part("ranking", "clips ranked by the highest frame of each class",
                {"macro": ranking_scores(tags, probabilities, labels=aligned.labels)}, "clips")


def _tags(clips, events, labels):
    """Which classes have an event in each clip, bool (N, K)."""
    present = [{event.label for event in events.get(clip, ())} for clip in clips]
    return np.array([[label in tags for label in labels] for tags in present], bool).reshape(
        len(present), len(labels))
