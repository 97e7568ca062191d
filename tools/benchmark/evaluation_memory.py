"""Time and memory of scoring sets as large as AudioSet's: scores in files, one for each clip."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import random_cases
import report
import timing

FRAMES, DURATION_S = 64, 10.0
# Clips and classes: a set as large as AudioSet's evaluation, and DESED's clips with many classes.
SIZES, QUICK_SIZES = ((15000, 400), (1168, 500)), ((100, 40), (60, 80))


def measure(directory, quick):
    """The table, as Markdown."""
    rows = []
    for num_clips, num_classes in QUICK_SIZES if quick else SIZES:
        folder = Path(directory, f"{num_clips} x {num_classes}")
        _write(folder, num_clips, num_classes)
        for what, build in JOBS.items():
            result = timing.race([timing.Contender(what, partial(build, folder))], rounds=1,
                                 calls=1)[what]
            rows.append([what, num_clips, num_classes, *(f"{value:.1f}" for value in (
                result.facts["seconds"], result.facts["peak_mib"])), result.facts["value"]])
    return "\n\n".join([
        f"Clips of {FRAMES} frames; scores float32 in one .npy file a clip, mapped into memory "
        "when they are read. Each row is a process of its own; its peak is all of its memory, "
        "libraries and mapped pages included.",
        report.table(["", "clips", "classes", "s", "peak MiB", "value"], rows)])


def _write(folder, num_clips, num_classes):
    """Scores of each clip, and events.npy, rows as in random_cases; three classes a clip."""
    folder.mkdir()
    random = np.random.default_rng(1)
    skill = random_cases.draw_skill(random, num_classes)
    edges = np.arange(FRAMES + 1) * DURATION_S / FRAMES
    rows = []
    for n in range(num_clips):
        events = [(n, k, *np.sort(DURATION_S * random.random(2)))
                  for k in np.sort(random.permutation(num_classes)[:3])]
        scores = random_cases.clip_scores(random, edges, events, skill)
        np.save(folder / f"{n:06d}.npy", scores.astype(np.float32))
        rows += events
    np.save(folder / "events.npy", np.array(rows))


class Files(Mapping):
    """Scores of each clip, mapped into memory when they are asked for."""

    def __init__(self, folder):
        self.paths = {path.stem: path for path in sorted(folder.glob("[0-9]*.npy"))}

    def __getitem__(self, clip):
        return np.load(self.paths[clip], mmap_mode="r")

    def __iter__(self):
        return iter(self.paths)

    def __len__(self):
        return len(self.paths)


def _read(folder):
    """FrameScores, and the reference."""
    from sedzoo.events import Event
    from sedzoo.frame_scores import FrameScores
    from sedzoo.frontend import Clock
    values = Files(folder)
    clips, num_classes = list(values), next(iter(values.values())).shape[1]
    labels = [f"class {k}" for k in range(num_classes)]
    reference = {clip: [] for clip in clips}
    for n, k, onset, offset in np.load(folder / "events.npy").tolist():
        reference[clips[int(n)]].append(Event(onset, offset, labels[int(k)]))
    return FrameScores(labels, values, Clock(int(DURATION_S * 1000), 1000 * FRAMES)), reference


# -- the jobs: each is done once, while it is built ----------------------------------------------


def _job(work):
    def build(folder):
        import time
        scores, reference = _read(folder)
        start = time.perf_counter()
        value = work(scores, reference)
        return (lambda: None), {"seconds": time.perf_counter() - start, "value": f"{value:.6f}"}

    return build


def exact_psds(name, folder):
    from sedzoo.evaluation import psd_roc
    return _job(lambda scores, reference: psd_roc.psds(scores, reference, DURATION_S,
                                                    getattr(psd_roc, name)).value)(folder)


def segments(folder):
    from sedzoo.evaluation.segment import segment_scores
    return _job(lambda scores, reference: segment_scores(
        reference, _events(scores), DURATION_S, labels=scores.labels).f1)(folder)


def intersections(folder):
    from sedzoo.evaluation.intersection import intersection_scores
    return _job(lambda scores, reference: intersection_scores(
        reference, _events(scores), labels=scores.labels).f1)(folder)


def _events(scores):
    from sedzoo.events import Decoder
    decoder = Decoder()
    return {clip: decoder.decode(scores[clip], scores.labels, scores.times)
            for clip in scores.clips}


JOBS = {"PSDS1, all thresholds": partial(exact_psds, "PSDS1"),
        "PSDS2, all thresholds": partial(exact_psds, "PSDS2"),
        "segment F1 at 0.5, events made too": segments,
        "intersection F1 at 0.5, events made too": intersections}
