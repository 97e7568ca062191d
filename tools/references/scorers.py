"""Scores inputs with the reference programs, in their environment: a line of JSON in, one out.

In: {"measure": name of a function below, "inputs": an .npz file of `inputs.write`, "arguments":
{...}, "value": whether the value is wanted}. Out: {"value": ..., "seconds": of the program's own
call, its tables made before}, or {"error": ...}. The same request again makes no tables.
"""

import functools
import json
import os
import sys
import time
import traceback
import warnings

import numpy as np
import pandas as pd

warnings.simplefilter("ignore")


class Inputs:
    """What the programs take, made of an .npz file."""

    def __init__(self, path):
        arrays = np.load(path)
        self.labels, self.clips = arrays["labels"].tolist(), arrays["clips"].tolist()
        self.durations = dict(zip(self.clips, arrays["durations"].tolist(), strict=True))
        self.events = arrays["events"]
        bounds, edges, scores = arrays["bounds"], arrays["edges"], arrays["scores"]
        self.frames = {clip: (scores[start:stop], edges[start + n:stop + n + 1]) for n, (
            clip, start, stop) in enumerate(zip(self.clips, bounds, bounds[1:], strict=False))}
        points = arrays["points"]
        starts = np.searchsorted(points[:, 0], np.arange(arrays["num_points"] + 1))
        self.points = [points[start:stop, 1:] for start, stop in
                       zip(starts, starts[1:], strict=False)]

    def table(self, events):
        clip, label, onset, offset = events.T
        return pd.DataFrame({"filename": np.array(self.clips, object)[clip.astype(int)],
                             "onset": onset, "offset": offset,
                             "event_label": np.array(self.labels, object)[label.astype(int)]})

    def lists(self, events):
        """Dict of clip -> (onset, offset, label)."""
        lists = {clip: [] for clip in self.clips}
        for clip, label, onset, offset in events.tolist():
            lists[self.clips[int(clip)]].append((onset, offset, self.labels[int(label)]))
        return lists

    @functools.cached_property
    def point_tables(self):
        return [self.table(point) for point in self.points]

    @functools.cached_property
    def frame_tables(self):
        from sed_scores_eval.base_modules.scores import create_score_dataframe
        return {clip: create_score_dataframe(scores, edges, self.labels)
                for clip, (scores, edges) in self.frames.items()}


# -- measures: (work, plain), the call that is timed, and what makes its result plain ------------


def psds_eval_psds(inputs, dtc, gtc, cttc, alpha_ct, alpha_st, max_efpr, num_points=None):
    """PSDS of the first operating points, and the area of each class."""
    from psds_eval import PSDSEval
    truth, points = inputs.table(inputs.events), inputs.point_tables[:num_points]
    files = pd.DataFrame(inputs.durations.items(), columns=["filename", "duration"])

    def work():
        scorer = PSDSEval(dtc, gtc, cttc, ground_truth=truth, metadata=files,
                          class_names=inputs.labels)
        for point in points:
            scorer.add_operating_point(point)
        return scorer, scorer.psds(alpha_ct, alpha_st, max_efpr).value

    def plain(result):
        scorer, value = result
        curves = scorer.psd_roc_curves(alpha_ct)[2]
        per_class = [scorer._auc(curves.xp, curve, max_efpr) / max_efpr for curve in curves.yp]
        return [float(value) for value in (value, *per_class)]

    return work, plain


def psds_eval_f1(inputs, dtc, gtc, cttc, point):
    """F1 of each class; NaN for one without a hit, whose recall it divides by."""
    from psds_eval import PSDSEval
    files = pd.DataFrame(inputs.durations.items(), columns=["filename", "duration"])
    scorer = PSDSEval(dtc, gtc, cttc, ground_truth=inputs.table(inputs.events), metadata=files,
                      class_names=inputs.labels)
    table = inputs.point_tables[point]
    return (lambda: scorer.compute_macro_f_score(table),
            lambda result: [float(result[1][label]) for label in inputs.labels])


def sed_scores_eval_psds(inputs, dtc, gtc, cttc, alpha_ct, alpha_st, max_efpr):
    """PSDS over all thresholds, and the area of each class."""
    from sed_scores_eval import intersection_based
    scores, truth = inputs.frame_tables, inputs.lists(inputs.events)

    def work():
        return intersection_based.psds(
            scores, truth, inputs.durations, dtc_threshold=dtc, gtc_threshold=gtc,
            cttc_threshold=cttc if alpha_ct else None, alpha_ct=alpha_ct, alpha_st=alpha_st,
            max_efpr=max_efpr)

    return work, lambda result: [float(result[0]), *(float(result[1][label])
                                                     for label in inputs.labels)]


def sed_scores_eval_f1(inputs, kind, best=False, threshold=0.5, **criteria):
    """F1 at a threshold, or of each class's best threshold: macro, micro, and of each class.

    Args:
        kind: "intersection", "collar" or "segment".
    """
    import sed_scores_eval
    module = getattr(sed_scores_eval, f"{kind}_based")
    arguments = [inputs.frame_tables, inputs.lists(inputs.events)]
    if kind == "segment":
        arguments.append(inputs.durations)

    def work():
        if best:
            return module.best_fscore(*arguments, **criteria)[0]
        return module.fscore(*arguments, threshold=threshold, **criteria)[0]

    return work, lambda f1: [float(f1[key]) for key in (
        "macro_average", "micro_average", *inputs.labels)]


def sed_eval_f1(inputs, kind, point, **arguments):
    """Of one operating point: F1, macro, micro, and of each class, and the micro error rate.

    Args:
        kind: "segment" or "event".
        arguments: of sed_eval's metrics.
    """
    wanted, found = (_sed_eval_lists(inputs, events)
                     for events in (inputs.events, inputs.points[point]))

    def work():
        scorer = _sed_eval_scorer(kind, inputs.labels, arguments)
        for clip, duration_s in inputs.durations.items():
            _sed_eval_clip(scorer, kind, wanted[clip], found[clip], duration_s)
        return scorer.results()

    def plain(results):
        parts = (results["class_wise_average"], results["overall"],
                 *(results["class_wise"][label] for label in inputs.labels))
        return [*(part["f_measure"]["f_measure"] for part in parts),
                results["overall"]["error_rate"]["error_rate"]]

    return work, plain


def _sed_eval_scorer(kind, labels, arguments):
    from sed_eval import sound_event
    metrics = {"segment": sound_event.SegmentBasedMetrics, "event": sound_event.EventBasedMetrics}
    return metrics[kind](event_label_list=labels, **arguments)


def _sed_eval_clip(scorer, kind, wanted, found, duration_s):
    more = {"evaluated_length_seconds": duration_s} if kind == "segment" else {}
    scorer.evaluate(wanted, found, **more)


def _sed_eval_lists(inputs, events):
    import dcase_util
    return {clip: dcase_util.containers.MetaDataContainer([
        {"filename": clip, "event_onset": onset, "event_offset": offset, "event_label": label}
        for onset, offset, label in rows])
        for clip, rows in inputs.lists(events).items()}


def sed_eval_search(inputs, kind, settings, **arguments):
    """F1 of each class with each of some thresholds and median lengths, list of lists.

    Args:
        settings: list of (threshold, median frames).
    """
    from scipy import ndimage
    wanted = _sed_eval_lists(inputs, inputs.events)

    def detect(scores, edges, threshold, length):
        active = ndimage.median_filter(scores > threshold, size=(length, 1), mode="reflect")
        change = np.diff(np.pad(active, ((1, 1), (0, 0))).astype(np.int8), axis=0)
        label, frame = np.nonzero(change.T)
        return [{"event_onset": onset, "event_offset": offset, "event_label": inputs.labels[k]}
                for k, onset, offset in zip(label[::2], edges[frame[::2]], edges[frame[1::2]],
                                            strict=True)]

    def work():
        found = []
        for threshold, length in settings:
            scorer = _sed_eval_scorer(kind, inputs.labels, arguments)
            for clip, (scores, edges) in inputs.frames.items():
                _sed_eval_clip(scorer, kind, wanted[clip], detect(scores, edges, threshold, length),
                               inputs.durations[clip])
            found.append(scorer.results_class_wise_metrics())
        return found

    return work, lambda found: [[results[label]["f_measure"]["f_measure"]
                                 for label in inputs.labels] for results in found]


def versions(inputs):
    from importlib import metadata
    packages = ("psds_eval", "sed_scores_eval", "sed_eval", "numpy", "pandas", "scipy")
    return (lambda: {package: metadata.version(package) for package in packages}), dict


# ------------------------------------------------------------------------------------------------

MEASURES = {function.__name__: function for function in (
    psds_eval_psds, psds_eval_f1, sed_scores_eval_psds, sed_scores_eval_f1, sed_eval_f1,
    sed_eval_search, versions)}


@functools.lru_cache(maxsize=1)
def _load(path, _):
    return Inputs(path)


@functools.lru_cache(maxsize=1)
def _prepare(measure, path, version, arguments):
    inputs = path and _load(path, version)
    return MEASURES[measure](inputs, **json.loads(arguments))


def _answer(request):
    path = request["inputs"]
    work, plain = _prepare(request["measure"], path, path and os.stat(path).st_mtime_ns,
                           json.dumps(request["arguments"]))
    start = time.perf_counter()
    result = work()
    seconds = time.perf_counter() - start
    return {"value": plain(result) if request["value"] else None, "seconds": seconds}


def main():
    for line in sys.stdin:
        try:
            answer = _answer(json.loads(line))
        except Exception:
            answer = {"error": traceback.format_exc()}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
