"""sedzoo's numbers are those of psds_eval, sed_scores_eval and sed_eval.

The first two do not install beside the project: `references` holds what they say of the cases of
random_cases.py and real_cases.py, as python tools/references wrote it down.
"""

import itertools
import json
import math
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import random_cases
import real_cases

from sedzoo.evaluation.event import event_scores
from sedzoo.evaluation.intersection import intersection_scores
from sedzoo.evaluation.psd_roc import PSDS1, PSDS2, THRESHOLDS_50, psds, psds_of_points
from sedzoo.evaluation.segment import segment_scores
from sedzoo.evaluation.tuning.f1 import METRICS
from sedzoo.evaluation.tuning.search import tune
from sedzoo.events import Event

# The fixtures have ten decimals.
TOLERANCE = 1e-9
# Collars that times on the frames' grid reach, however their difference is rounded.
WIDER = {"collar_s": 0.2 + 1e-7, "offset_share": 0.2 + 1e-7}


@cache
def fixtures(name):
    path = Path(__file__).with_name("references") / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8"))["cases"]


@pytest.fixture(scope="module")
def small():
    """Pairs of a Case and what the references say of it."""
    return [(random_cases.small(entry["seed"]), entry) for entry in fixtures("small")]


BUILDERS = {"64 frames": lambda data: random_cases.large(1),
            "156 frames": lambda data: random_cases.large(3, num_frames=156),
            "DESED": real_cases.desed, "DCASE 2017": real_cases.dcase2017}


@pytest.fixture(scope="module", params=list(BUILDERS))
def large(request):
    data = (None if "frames" in request.param
            else request.getfixturevalue("shared_data"))
    entry = next(entry for entry in fixtures("large") if entry["name"] == request.param)
    return BUILDERS[request.param](data), entry


def assert_same(case, name, found, expected):
    """Numbers equal those of a fixture; None there is none."""
    pairs = [(one, other) for one, other in zip(found, expected, strict=True) if other is not None]
    np.testing.assert_allclose(
        [one for one, _ in pairs], [other for _, other in pairs], rtol=0, atol=TOLERANCE,
        err_msg=f"{name}: {len(case.clips)} clips, {len(case.labels)} classes, {case.digest}")


def areas(result):
    return [result.value, *(curve.value for curve in result.per_class.values())]


def on_frames(case):
    """Whether all events begin and end where frames do, so that shares meet criteria exactly."""
    return all(np.isin((onset, offset), case.edges[int(clip)]).all()
               for clip, _, onset, offset in case.events)


def lasts_longer(case):
    return (case.durations > [edges[-1] for edges in case.edges]).any()


def f1(score, case, **options):
    """Macro, micro, and of each class, at the threshold 0.5."""
    arguments = case.reference, case.named(case.detections(0.5))
    macro, micro = (score(*arguments, average=average, labels=case.labels, **options)
                    for average in ("macro", "micro"))
    return [macro.f1, micro.f1, *(macro.per_class[label].f1 for label in case.labels)]


# -- the cases -----------------------------------------------------------------------------------


def test_the_cases_are_those_that_the_references_were_given(small):
    assert len(small) >= 300
    changed = [entry["seed"] for case, entry in small if case.digest != entry["digest"]]
    assert not changed, "other cases than those of the fixtures: run python tools/references again"


def test_the_large_cases_are_those_that_the_references_were_given(large):
    case, entry = large
    assert case.digest == entry["digest"]


def test_the_cases_have_what_makes_scoring_hard(small):
    cases = [case for case, _ in small]
    assert 50 < sum(map(on_frames, cases)) < len(cases) - 50
    assert sum(len(np.unique(np.concatenate(case.scores))) <= 21 for case in cases) > 50
    assert any(set(range(len(case.clips))) - set(case.events[:, 0].astype(int)) for case in cases)
    assert any(len({len(scores) for scores in case.scores}) > 1 for case in cases)
    assert any(map(lasts_longer, cases))


# -- PSDS ----------------------------------------------------------------------------------------


def test_exact_psds_is_that_of_sed_scores_eval(small):
    for case, entry in small:
        for name, setting in random_cases.settings(entry["seed"]).items():
            found = psds(case.frame_scores, case.reference, case.seconds, setting)
            assert_same(case, name, areas(found), entry["sed_scores_eval"][name])


@pytest.mark.slow
def test_psds_at_thresholds_is_that_of_psds_eval(small):
    for case, entry in small:
        points = [case.named(case.detections(threshold)) for threshold in random_cases.THRESHOLDS]
        for name, setting in random_cases.settings(entry["seed"]).items():
            expected = entry["psds_eval"][name]
            assert_same(case, name, areas(psds(case.frame_scores, case.reference, case.seconds,
                        setting,
                                         thresholds=random_cases.THRESHOLDS)), expected)
            assert_same(case, name, areas(psds_of_points(points, case.reference, case.seconds,
                        setting,
                                                   labels=case.labels)), expected)


def test_psds_eval_differs_where_a_share_meets_a_criterion_and_nowhere_else(small):
    # The fixtures are of criteria 1e-9 lower; with its own, 7 of 10 frames may be less than 0.7.
    differ = [case for case, entry in small if entry["psds_eval, own criteria"]]
    assert differ and all(map(on_frames, differ))


def test_an_overlap_that_misses_by_a_fraction_of_a_microsecond_is_enough():
    # As for sed_scores_eval. For psds_eval it is not, which one of a million overlaps shows.
    for missing_s, num_hits in ((4e-7, 1), (2e-6, 0)):
        reference = {"clip": [Event(1.0, 2.0, "dog")]}
        estimated = {"clip": [Event(1.0, 1.7 - missing_s, "dog")]}
        assert intersection_scores(reference, estimated, gtc=0.7).num_hits == num_hits


def test_psds_of_a_large_set_is_that_of_both(large):
    case, entry = large
    for setting in (PSDS1, PSDS2):
        for program, thresholds in (("sed_scores_eval", None), ("psds_eval", THRESHOLDS_50)):
            found = psds(case.frame_scores, case.reference, case.seconds, setting,
                         thresholds=thresholds)
            assert_same(case, f"{program} {setting.name}", areas(found),
                        entry[program][setting.name])


def test_psds_of_real_detections_is_that_of_psds_eval(shared_data):
    case, points = real_cases.baseline(shared_data)
    entry = next(entry for entry in fixtures("large") if entry["name"] == "baseline")
    assert case.digest == entry["digest"]
    for name, setting in real_cases.BASELINE_SETTINGS.items():
        found = psds_of_points(points, case.reference, case.seconds, setting)
        assert_same(case, name, areas(found), entry["psds_eval"][name])
    found = intersection_scores(case.reference, points[4], case.seconds)
    assert_same(case, "F1", [found.per_class[label].f1 for label in case.labels],
                entry["psds_eval, F1"])


# -- F1 ------------------------------------------------------------------------------------------


def test_intersection_f1_is_that_of_both(small):
    for case, entry in small:
        found = f1(intersection_scores, case)
        assert_same(case, "sed_scores_eval", found, entry["sed_scores_eval"]["intersection F1"])
        # psds_eval has none for a class without a hit; here and in the other it is 0.
        assert_same(case, "psds_eval", found[2:], entry["psds_eval, F1"])


def test_segment_f1_is_that_of_sed_scores_eval(small):
    for case, entry in small:
        assert_same(case, "F1", f1(segment_scores, case, durations=case.seconds),
              entry["sed_scores_eval"]["segment F1"])


def test_event_f1_is_that_of_sed_scores_eval(small):
    # It rounds to microseconds: 0.3 s is a collar of 0.2 s from 0.1 s, for sed_eval it is more.
    for case, entry in small:
        expected = entry["sed_scores_eval"]["collar F1"]
        assert_same(case, "a trace wider", f1(event_scores, case, **WIDER), expected)
        if not on_frames(case):
            assert_same(case, "F1", f1(event_scores, case), expected)


def test_f1_of_a_large_set_is_that_of_sed_scores_eval(large):
    case, entry = large
    expected = entry["sed_scores_eval"]
    assert_same(case, "intersection", f1(intersection_scores, case), expected["intersection F1"])
    assert_same(case, "psds_eval", f1(intersection_scores, case)[2:], entry["psds_eval, F1"])
    assert_same(case, "segment", f1(segment_scores, case, durations=case.seconds),
          expected["segment F1"])
    assert_same(case, "event", f1(event_scores, case), expected["collar F1"])


def test_the_best_f1_is_that_of_sed_scores_eval(small):
    # Of cases whose scores are steps, so that few thresholds are all. It also tries one below 0,
    # at which segments past the last frame are on too.
    kinds = {"segment_f1": ("segment", {}), "event_f1": ("collar", WIDER),
             "intersection_f1": ("intersection", {})}
    steps = tuple(i / 20 for i in range(21))
    cases = [pair for pair in small if len(np.unique(np.concatenate(pair[0].scores))) <= 21]
    for (case, entry), (metric, (kind, wider)) in itertools.product(cases, kinds.items()):
        if kind == "segment" and lasts_longer(case):
            continue
        tuned = tune(case.frame_scores, case.reference, case.seconds, metric, split="random",
                     thresholds=steps, median_frames=(1,), average="macro", **wider)
        all_on = METRICS[metric].score(case.reference, case.named(case.detections(-1)),
                                       case.seconds, average="micro", labels=case.labels, **wider)
        best = np.mean([max(tuned.per_class[label], all_on.per_class[label].f1)
                        for label in case.labels])
        assert_same(case, metric, [best], entry["sed_scores_eval"][f"best {kind} F1"][:1])


@pytest.mark.filterwarnings("ignore:Mean of empty slice")               # of sed_eval
@pytest.mark.parametrize("kind", ("segment", "event"))
def test_f1_and_error_rate_are_those_of_sed_eval(small, kind):
    sed_eval = pytest.importorskip("sed_eval").sound_event
    for case, _ in small[:60]:
        wanted, found = case.reference, case.named(case.detections(0.5))
        if kind == "segment":
            scorer = sed_eval.SegmentBasedMetrics(list(case.labels), time_resolution=1.0)
            score = lambda *events, **more: segment_scores(  # noqa: E731
                *events, case.seconds, **more)                              # noqa: B023
        else:
            scorer = sed_eval.EventBasedMetrics(list(case.labels), t_collar=0.2,
                                                percentage_of_length=0.2)
            score = event_scores
        for clip, duration_s in case.seconds.items():
            more = {"evaluated_length_seconds": duration_s} if kind == "segment" else {}
            scorer.evaluate(*([{"filename": clip, "event_onset": event.onset,
                                "event_offset": event.offset, "event_label": event.label}
                               for event in events[clip]] for events in (wanted, found)), **more)
        expected = scorer.results()
        micro = score(wanted, found, labels=case.labels)
        parts = [(micro, expected["overall"]),
                 *((micro.per_class[label], expected["class_wise"][label])
                   for label in case.labels)]
        for ours, theirs in parts:
            # It has no F1 where nothing was detected; sedzoo's is 0 there.
            theirs_f1 = theirs["f_measure"]["f_measure"]
            assert ours.f1 == pytest.approx(0 if math.isnan(theirs_f1) else theirs_f1, abs=1e-12)
            rates = theirs["error_rate"]
            assert ours.error_rate == pytest.approx(rates["error_rate"], abs=1e-12)
            assert ours.deletion_rate == pytest.approx(rates["deletion_rate"], abs=1e-12)
            assert ours.insertion_rate == pytest.approx(rates["insertion_rate"], abs=1e-12)
