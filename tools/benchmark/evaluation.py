"""Scores of detections: sedzoo against psds_eval, sed_scores_eval, sed_eval and scikit-learn.

Those of them that do not install beside sedzoo run in an environment of their own:
python tools/references --install.
"""

import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import report
import timing

TOOLS = Path(__file__).parents[1]
sys.path += [str(TOOLS / "references"), str(TOOLS.parent / "tests")]

import environment  # noqa: E402
import inputs  # noqa: E402
import random_cases  # noqa: E402

OURS = "sedzoo"
TOLERANCE = 1e-9


def measure(quick=False, only=None):
    """The tables of all parts, or of the named ones, as Markdown."""
    with tempfile.TemporaryDirectory() as directory:
        sections = [f"## {name}\n\n{PARTS[name](Path(directory), quick)}"
                    for name in only or PARTS]
    return "\n\n".join([
        "One call, all inputs in the form that a program takes made before: tables of pandas for "
        "psds_eval and sed_scores_eval, lists for sed_eval, arrays and events for sedzoo. Median "
        "of interleaved rounds, each contender in its own process, the peers in the environment "
        f"of `tools/references` ({_versions()}). `difference` is the largest from the peer's "
        f"values, all classes' among them; a run ends where one is above {TOLERANCE:g}.",
        *sections])


def _versions():
    try:
        with environment.References() as references:
            versions = references.ask("versions")[0]
    except environment.Missing as missing:
        return str(missing)
    return ", ".join(f"{package} {version}" for package, version in versions.items())


# -- the parts: Markdown each --------------------------------------------------------------------


def psds_at_thresholds(directory, quick):
    from sedzoo.evaluation.psd_roc import PSDS1, PSDS2, THRESHOLDS_50
    case = _validation_set(quick)
    points = [case.detections(threshold) for threshold in THRESHOLDS_50]
    path = directory / "points.npz"
    inputs.write(path, case, points)
    parts = [f"{_size(case)}; {sum(map(len, points))} detections at 50 thresholds. sedzoo is given "
             "the scores and finds the detections itself, `psds_of_points` and psds_eval are given "
             "the detections."]
    for setting in (PSDS1, PSDS2):
        parts.append(_race(setting.name, [
            _ours(OURS, of_psds, path, setting, THRESHOLDS_50),
            _ours("sedzoo, psds_of_points", of_points, path, setting),
            _peer("psds_eval", "psds_eval_psds", path, **_criteria(setting))], quick))
    return "\n\n".join(parts)


def psds_exact(directory, quick):
    from sedzoo.evaluation.psd_roc import PSDS1, PSDS2
    case, path = _validation_set(quick), directory / "scores.npz"
    inputs.write(path, case)
    return "\n\n".join([f"{_size(case)}, all thresholds.", *(_race(setting.name, [
        _ours(OURS, of_psds, path, setting),
        _peer("sed_scores_eval", "sed_scores_eval_psds", path, **_criteria(setting))], quick)
        for setting in (PSDS1, PSDS2))])


def f1(directory, quick):
    case, path = _validation_set(quick), directory / "events.npz"
    found = case.detections(0.5)
    inputs.write(path, case, [found])
    return "\n\n".join([
        f"{_size(case)}, {len(found)} detections: F1 and error rate, micro, macro and of each "
        "class; 1 s segments, or 0.2 s and 20 % collars.",
        *(_race(kind, [
            _ours(OURS, of_f1, path, kind),
            _peer("sed_eval", "sed_eval_f1", path, kind=kind, point=0, **SED_EVAL[kind])], quick)
          for kind in SED_EVAL)])


def search(directory, quick):
    """The peer is timed at a few of the settings, spread over all, and what it takes is scaled."""
    from sedzoo.evaluation.tuning.search import MEDIAN_FRAMES, THRESHOLDS
    case, path = _validation_set(quick), directory / "search.npz"
    inputs.write(path, case)
    settings = [(0.5, 15)] if quick else [(0.1, 31), (0.3, 21), (0.5, 15), (0.7, 9), (0.9, 1)]
    scale = len(THRESHOLDS) * len(MEDIAN_FRAMES) / len(settings)
    return "\n\n".join([
        f"{_size(case)}: the best of {len(THRESHOLDS)} thresholds and {len(MEDIAN_FRAMES)} median "
        f"lengths for each class, as in Boes & Van hamme 2022. sed_eval, with medians by scipy, "
        f"is timed at {len(settings)} of the {len(THRESHOLDS) * len(MEDIAN_FRAMES)} settings "
        f"{settings}, and its seconds are multiplied by {scale:g}; F1 of each class is compared "
        "at those.",
        *(_race(kind, [
            _ours(OURS, of_search, path, kind, settings),
            _peer("sed_eval", "sed_eval_search", path, kind=kind, settings=settings,
                  **SED_EVAL[kind])], quick, scales={"sed_eval": scale}) for kind in SED_EVAL)])


def ranking(directory, quick):
    size = (500, 20) if quick else (20371, 527)
    return "\n\n".join([
        f"Mean average precision and AUC of {size[0]} clips x {size[1]} classes, float32.",
        _race("Together", [_ours(OURS, of_ranking, size),
                           _ours("scikit-learn", of_sklearn, size)], quick, peer="scikit-learn")])


SED_EVAL = {"segment": {"time_resolution": 1.0},
            "event": {"t_collar": 0.2, "percentage_of_length": 0.2}}


def _validation_set(quick):
    """As large as DESED's."""
    return random_cases.large(1, num_clips=60 if quick else 1168)


def _size(case):
    return (f"{len(case.clips)} clips x {len(case.labels)} classes x {len(case.scores[0])} frames, "
            f"{len(case.events)} events")


def _criteria(setting):
    names = ("dtc", "gtc", "cttc", "alpha_ct", "alpha_st", "max_efpr")
    criteria = {name: getattr(setting, name) for name in names}
    return criteria if setting.cttc else {**criteria, "cttc": 0.3}   # without weight, but needed


# -- the race ------------------------------------------------------------------------------------


def _race(title, entries, quick, peer=None, scales=None):
    """A heading and a table of contenders, of which the last is the peer."""
    rounds, peer = (1 if quick else 5), peer or entries[-1].name
    results = timing.race(entries, rounds=rounds, calls=1)
    for name, scale in (scales or {}).items():
        results[name].seconds = [scale * seconds for seconds in results[name].seconds]
    rows = [[name, f"{result.median:.3f}", "{:.3f}..{:.3f}".format(*result.spread),
             report.ratio(results, name, peer), _difference(title, name, results, peer)]
            for name, result in results.items() if not result.missing]
    table = report.table(["", "s", "fastest..slowest", f"to {peer}", "difference"], rows)
    return "\n\n".join([f"### {title}", table, *report.missing(results)])


def _difference(title, name, results, peer):
    if name == peer or results[peer].missing:
        return "-"
    pairs = [(ours, theirs) for ours, theirs in zip(
        np.ravel(results[name].facts["value"]), np.ravel(results[peer].facts["value"]),
        strict=True) if not np.isnan(theirs)]
    difference = max(abs(ours - theirs) for ours, theirs in pairs)
    if not difference <= TOLERANCE:
        raise RuntimeError(f"{title}: {name} and {peer} differ by {difference:g}: {pairs}")
    return f"{difference:.0e}"


def _ours(name, build, *arguments):
    return timing.Contender(name, partial(build, *arguments))


def _peer(name, measure, path, **arguments):
    return timing.Contender(name, partial(of_reference, measure, path, arguments))


# -- the contenders: (work, facts) each; facts hold the value ------------------------------------


def of_reference(measure, path, arguments):
    try:
        references = environment.References()
    except environment.Missing as missing:
        raise timing.Missing(str(missing)) from missing
    ask = partial(references.ask, measure, path, **arguments)
    return partial(ask, value=False), {"value": ask()[0]}


def of_psds(path, setting, thresholds=None):
    from sedzoo.evaluation.psd_roc import psds
    case, _ = inputs.read(path)
    arguments = case.frame_scores, case.reference, case.seconds, setting
    work = partial(psds, *arguments, thresholds=thresholds)
    return work, {"value": _areas(work())}


def of_points(path, setting):
    from sedzoo.evaluation.psd_roc import psds_of_points
    case, points = inputs.read(path)
    work = partial(psds_of_points, [case.named(point) for point in points], case.reference,
                   case.seconds, setting)
    return work, {"value": _areas(work())}


def _areas(result):
    return [result.value, *(curve.value for curve in result.per_class.values())]


def of_f1(path, kind):
    case, (found,) = inputs.read(path)
    score = _scorer(kind, case)
    work = partial(score, case.reference, case.named(found))

    def both():
        return work(average="macro"), work(average="micro")

    macro, micro = both()
    return both, {"value": [macro.f1, micro.f1, *(scores.f1 for scores in micro.per_class.values()),
                            micro.error_rate]}


def _scorer(kind, case):
    from sedzoo.evaluation.event import event_scores
    from sedzoo.evaluation.segment import segment_scores
    if kind == "segment":
        return partial(segment_scores, durations=case.seconds, labels=case.labels)
    return partial(event_scores, labels=case.labels)


def of_search(path, kind, settings):
    from sedzoo.evaluation.tuning.search import tune
    case, _ = inputs.read(path)
    work = partial(tune, case.frame_scores, case.reference, case.seconds, f"{kind}_f1",
                   split="validation")
    found = [work(thresholds=[threshold], median_frames=[length]).per_class
             for threshold, length in settings]
    return work, {"value": [[of_one[label] for label in case.labels] for of_one in found]}


def of_ranking(size):
    from sedzoo.evaluation.ranking import ranking_scores
    targets, scores = _tags(size)
    work = partial(ranking_scores, targets, scores)
    result = work()
    return work, {"value": [result.average_precision, result.auc]}


def of_sklearn(size):
    from sklearn.metrics import average_precision_score, roc_auc_score
    targets, scores = _tags(size)

    def work():
        return average_precision_score(targets, scores), roc_auc_score(targets, scores)

    return work, {"value": work()}


def _tags(size):
    """Tags (N, K), each class somewhere, and scores that know something of them, float32."""
    random = np.random.default_rng(1)
    targets = random.random(size) < 0.01
    targets[np.arange(size[1]) % size[0], np.arange(size[1])] = True
    scores = random.standard_normal(size, np.float32) + 2 * targets
    return targets, 1 / (1 + np.exp(-scores))


def memory(directory, quick):
    import evaluation_memory
    return evaluation_memory.measure(directory, quick)


PARTS = {"psds_at_thresholds": psds_at_thresholds, "psds_exact": psds_exact, "f1": f1,
         "search": search, "ranking": ranking, "memory": memory}
