import numpy as np
import pytest
import sed_eval

from sedzoo.evaluation import event_scores
from sedzoo.events import Event


def clips(rng, num_clips=6, shift=0.0):
    labels = ["dog", "siren", "rain"]
    return {f"{i}.wav": [
        Event(onset, onset + length, labels[rng.integers(3)]) for onset, length in
        zip(rng.uniform(0, 8, n), rng.uniform(0.1, 2, n), strict=True)]
        for i, n in enumerate(rng.integers(0, 8, num_clips))}


def nudged(rng, reference):
    """The reference with jittered times, some events lost and some added."""
    return {name: [Event(max(0, e.onset + rng.normal(0, 0.1)), e.offset + 0.3 + rng.normal(0, 0.2),
                         e.label) for e in events if rng.random() < 0.8 and e.duration_s > 0.4]
            + [Event(1, 2, "dog")] for name, events in reference.items()}


def peer(reference, estimated):
    metric = sed_eval.sound_event.EventBasedMetrics(
        ["dog", "siren", "rain"], t_collar=0.2, percentage_of_length=0.2,
        event_matching_type="optimal")
    for name in reference:
        lists = [[{"filename": name, "event_onset": e.onset, "event_offset": e.offset,
                   "event_label": e.label} for e in events.get(name, [])]
                 for events in (reference, estimated)]
        metric.evaluate(*lists)
    return metric.results_overall_metrics()["f_measure"]


@pytest.mark.parametrize("seed", range(20))
def test_f1_is_sed_evals(seed):
    rng = np.random.default_rng(seed)
    reference = clips(rng)
    estimated = nudged(rng, reference)
    ours, theirs = event_scores(reference, estimated), peer(reference, estimated)
    np.testing.assert_allclose([ours.f1, ours.precision, ours.recall],
                               [theirs["f_measure"], theirs["precision"], theirs["recall"]],
                               atol=1e-9)


def test_an_event_is_used_once_and_the_best_pairing_counts():
    wanted = {"a": [Event(1.0, 2.0, "dog"), Event(1.3, 2.3, "dog")]}
    found = {"a": [Event(1.15, 2.15, "dog"), Event(0.9, 1.9, "dog")]}
    assert event_scores(wanted, found).num_hits == 2
    assert event_scores(wanted, {"a": found["a"][:1]}).num_hits == 1


def test_a_clip_without_reference_is_an_error():
    with pytest.raises(ValueError, match="'b'"):
        event_scores({"a": []}, {"b": []})
    with pytest.raises(ValueError, match="average"):
        event_scores({"a": []}, {}, average="macro")
