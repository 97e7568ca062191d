"""Clips and scores on their way to the references' process: one .npz file."""

import numpy as np
import random_cases


def write(path, case, points=()):
    """Write a `random_cases.Case`.

    Args:
        points: list of arrays (n, 4), detections at each operating point, rows like case.events.
    """
    num_frames = [len(scores) for scores in case.scores]
    points = [np.insert(rows, 0, i, axis=1) for i, rows in enumerate(points)]
    np.savez(path, labels=np.array(case.labels), clips=np.array(case.clips),
             durations=case.durations, bounds=np.cumsum([0, *num_frames]),
             edges=np.concatenate(case.edges), scores=np.concatenate(case.scores),
             events=case.events, points=np.concatenate([np.zeros((0, 5)), *points]),
             num_points=len(points))


def read(path):
    """The inverse of `write`: Case, and its points."""
    arrays = np.load(path)
    bounds, labels, clips = (arrays[key].tolist() for key in ("bounds", "labels", "clips"))
    points, num_points = arrays["points"], int(arrays["num_points"])
    starts = np.searchsorted(points[:, 0], np.arange(num_points + 1))
    edges, scores = arrays["edges"], arrays["scores"]
    frames = list(zip(bounds, bounds[1:], strict=False))
    case = random_cases.Case(
        tuple(labels), tuple(clips), arrays["durations"],
        [edges[start + n:stop + n + 1] for n, (start, stop) in enumerate(frames)],
        [scores[start:stop] for start, stop in frames], arrays["events"])
    return case, [points[start:stop, 1:] for start, stop in zip(starts, starts[1:], strict=False)]
