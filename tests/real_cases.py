"""Clips with real events, and a real system's detections, from the development data.

Events of a class that overlap are made one: the programs that sedzoo is compared with refuse them.
"""

from dataclasses import replace

import numpy as np
import random_cases

from sedzoo.evaluation.intersection import merged
from sedzoo.evaluation.psd_roc import PSDS1, PSDS2, Setting
from sedzoo.labels import read_events
from sedzoo.rows import open_text, read_columns


def desed(data):
    """DESED's validation set, with made scores."""
    return _around(7, data / "desed_metadata/validation/validation.tsv", 64)


def dcase2017(data):
    """The testing set of DCASE 2017 task 4, with made scores."""
    return _around(8, data / "dcase2017_task4/groundtruth_strong_label_testing_set.csv", 156)


def _around(seed, path, num_frames):
    reference = merged(read_events(path))
    clips, labels = sorted(reference), sorted({event.label for events in reference.values()
                                               for event in events})
    rows = [(n, labels.index(event.label), event.onset, event.offset)
            for n, clip in enumerate(clips) for event in reference[clip]]
    return random_cases.around(seed, clips, labels, np.array(sorted(rows)), num_frames)


def baseline(data):
    """The DCASE 2019 baseline on DESED's validation set: a Case without scores, and its
    detections at ten thresholds, list of dicts."""
    folder = data / "psds_dcase2019_baseline"
    reference = merged(read_events(folder / "dcase2019t4_gt.csv", "tsv"))
    with open_text(folder / "dcase2019t4_meta.csv") as file:
        seconds = {name: float(duration_s) for _, (name, duration_s) in
                   read_columns(file, folder, ("filename", "duration"))}
    points = [read_events(folder / f"baseline_{tenth / 10}.csv", "tsv") for tenth in range(1, 11)]
    labels = tuple(sorted({event.label for events in reference.values() for event in events}))
    clips, durations = tuple(seconds), np.array(list(seconds.values()))
    case = random_cases.Case(labels, clips, durations, [np.array([0, end]) for end in durations],
                             [np.zeros((1, len(labels)))] * len(clips), None)
    return replace(case, events=case.rows(reference)), points


# The settings of the baseline's own example, and those of papers.
_EXAMPLE = Setting("example", 0.5, 0.5, alpha_st=0.0)
BASELINE_SETTINGS = {"PSDS1": PSDS1, "PSDS2": PSDS2, "example": _EXAMPLE,
                     "example, alpha_ct 1": replace(_EXAMPLE, cttc=0.3, alpha_ct=1.0),
                     "example, alpha_st 1": replace(_EXAMPLE, alpha_st=1.0)}
