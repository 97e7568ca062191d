"""What a detector is worth on labelled recordings: runs it, and scores what it says."""

import numpy as np

from sedzoo import audio
from sedzoo.evaluation import accuracy, clip_scores, decide, event_scores, segment_scores
from sedzoo.frame_scores import FrameScores


def score_clips(detector, manifest, progress=None):
    """Tagging scores on clips.

    Args:
        detector: serving.Detector with the labels of the manifest.
        manifest: datasets.Manifest of labelled clips.
        progress: function(iterable) -> iterable, or None.
    Returns: dict: "clip_f1", "clip_precision", "clip_recall" (micro; thresholds of the detector,
        the most probable class where none is above), and "clip_accuracy" where every clip has one
        class.
    Raises: ValueError when the classes differ.
    """
    _require_same(detector, manifest)
    probabilities = []
    for clip in (progress or iter)(manifest.clips):
        tags = detector.tag(clip.path)
        probabilities.append([tags[label] for label in manifest.labels])
    probabilities, targets = np.array(probabilities), manifest.tags()
    scores = clip_scores(targets, decide(probabilities, detector.decoder.thresholds))
    results = {"clip_f1": scores.f1, "clip_precision": scores.precision,
               "clip_recall": scores.recall}
    if (targets.sum(axis=1) == 1).all():
        results["clip_accuracy"] = accuracy(targets, probabilities)
    return results


def frame_scores(detector, manifest, progress=None):
    """What a detector says of every frame of every clip.

    Args: as score_clips.
    Returns: FrameScores, of the clips' names.
    """
    return FrameScores(detector.labels,
                       {clip.name: detector.scores(clip.path)[0]
                        for clip in (progress or iter)(manifest.clips)}, detector.clock)


def score_scenes(detector, manifest, progress=None):
    """Detection scores on recordings with marked events.

    Args: as score_clips; every clip of the manifest has events.
    Returns: dict: "segment_f1", "segment_error_rate" (1 s, micro), "event_f1" (micro, collar
        200 ms, offsets within the larger of 200 ms and 20 % of the event).
    Raises: ValueError when the classes differ or a clip has no marked events.
    """
    _require_same(detector, manifest)
    unmarked = [clip.name for clip in manifest.clips if clip.events is None]
    if unmarked:
        raise ValueError(f"{len(unmarked)} clips have no marked events, such as {unmarked[0]!r}")
    reference = {clip.name: clip.events for clip in manifest.clips}
    durations = {clip.name: audio.duration_s(clip.path) for clip in manifest.clips}
    found = {clip.name: detector.detect(clip.path) for clip in (progress or iter)(manifest.clips)}
    segments = segment_scores(reference, found, durations)
    return {"segment_f1": segments.f1, "segment_error_rate": segments.error_rate,
            "event_f1": event_scores(reference, found).f1}


def _require_same(detector, manifest):
    if tuple(detector.labels) != tuple(manifest.labels):
        raise ValueError(f"the detector's classes are {list(detector.labels)}, those of "
                         f"{manifest.name!r} {list(manifest.labels)}")
