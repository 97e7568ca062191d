"""Decisions are the best that a plain search finds, say what they were chosen on, and travel."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sedzoo.card import Card
from sedzoo.evaluation.table import EventTable
from sedzoo.evaluation.tuning import search
from sedzoo.evaluation.tuning.decisions import Decisions
from sedzoo.evaluation.tuning.f1 import METRICS
from sedzoo.evaluation.tuning.median import MedianGrid
from sedzoo.evaluation.tuning.search import tune, tune_and_score
from sedzoo.events import Decoder, Event
from sedzoo.frame_scores import FrameScores
from sedzoo.frontend import Clock, Frontend

LABELS = ("dog", "car", "rain")
CLOCK = Clock(1, 4)                                     # 0.25 s
THRESHOLDS, LENGTHS = (0.2, 0.5, 0.8), (1, 3, 7)


def case(seed, num_clips=5, labels=LABELS, silent=()):
    """Scores, reference and durations; scores of a few levels, so that settings often tie."""
    rng = np.random.default_rng(seed)
    values, reference, durations = {}, {}, {}
    for n in range(num_clips):
        num_frames = int(rng.integers(4, 30))
        clip, seconds = f"{seed}-{n}.wav", num_frames / 4
        scores = rng.integers(0, 11, (num_frames, len(labels))) / 10
        events = []
        for k, label in enumerate(labels):
            onset, offset = np.sort(rng.uniform(0, seconds, 2))
            if rng.random() < 0.7 and offset > onset and label not in silent:
                events.append(Event(float(onset), float(offset), label))
                inside = slice(int(4 * onset), math.ceil(4 * offset))
                scores[inside, k] = np.maximum(scores[inside, k], rng.choice([0.3, 0.6, 0.9]))
        dtype = rng.choice([np.float32, np.float64])
        values[clip], reference[clip], durations[clip] = scores.astype(dtype), events, seconds
    if not any(reference.values()):
        return case(seed + 10_000, num_clips, labels, silent)
    return FrameScores(labels, values, CLOCK), reference, durations


def plain_search(scores, reference, durations, metric, average, per_class, thresholds, lengths):
    """The same search through Decoder and the public scores, one setting after the other."""
    best = {}
    for threshold in thresholds:
        for length in lengths:
            decoder = Decoder(threshold, length)
            events = {clip: decoder.decode(scores[clip], scores.labels, scores.times)
                      for clip in scores.clips}
            result = METRICS[metric].score(reference, events, durations, average=average,
                                           labels=scores.labels, **METRICS[metric].parameters)
            f1 = ({label: one.f1 for label, one in result.per_class.items() if one.num_reference}
                  if per_class else dict.fromkeys(scores.labels, result.f1))
            for label, value in f1.items():
                if value > best.get(label, (-1,))[0]:
                    best[label] = (value, threshold, length)
    return best


# -- the array of decisions --------------------------------------------------------------------


@settings(max_examples=100)
@given(st.lists(st.just(0) | st.integers(6, 40), max_size=4), st.sampled_from([1, 2, 9]),
       st.lists(st.integers(0, 20).map(lambda half: 2 * half + 1), min_size=1, max_size=3),
       st.lists(st.integers(0, 10).map(lambda tenths: tenths / 10), min_size=1, max_size=3),
       st.sampled_from([np.float16, np.float32, np.float64]), st.integers(0, 2 ** 32 - 1))
def test_events_of_all_settings_at_once_are_those_of_the_decoder(frames, num_classes, lengths,
                                                                 thresholds, dtype, seed):
    rng = np.random.default_rng(seed)
    thresholds = sorted(thresholds)
    labels = tuple(f"class {k}" for k in range(num_classes))
    scores = FrameScores(labels, {
        f"{n}.wav": (rng.integers(0, 11, (num_frames, num_classes)) / 10).astype(dtype)
        for n, num_frames in enumerate(frames)}, CLOCK)
    which = slice(int(rng.integers(num_classes)), num_classes)
    settings_seen = 0
    for i, j, table in MedianGrid(scores, which, thresholds, lengths).tables():
        decoder = Decoder(thresholds[i], lengths[j])
        expected = EventTable.of(
            {clip: decoder.decode(scores[clip][:, which], labels[which], CLOCK)
             for clip in scores.clips}, scores.clips, labels[which])
        for key in ("clip", "label", "onset", "offset"):
            np.testing.assert_array_equal(getattr(table, key), getattr(expected, key), key)
        settings_seen += 1
    assert settings_seen == len(thresholds) * len(lengths)


@given(st.lists(st.booleans(), min_size=1, max_size=12), st.integers(0, 200))
def test_the_median_of_a_short_clip_is_the_majority_of_its_mirrored_decisions(active, half):
    # However short: scipy's filter goes astray where it is eight times as long as the clip.
    padded = np.pad(active, half, mode="symmetric")
    expected = [padded[i:i + 2 * half + 1].sum() > half for i in range(len(active))]
    scores = FrameScores(("dog",), {"a.wav": np.array(active, np.float32)[:, None]}, CLOCK)
    ((_, _, table),) = MedianGrid(scores, slice(None), (0.5,), (2 * half + 1,)).tables()
    got = np.zeros(len(active), bool)
    for onset, offset in zip(table.onset, table.offset, strict=True):
        got[int(4 * onset):int(4 * offset)] = True
    np.testing.assert_array_equal(got, expected)


# -- the search --------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("average", ["micro", "macro"])
@settings(max_examples=12)
@given(seed=st.integers(0, 9999), per_class=st.booleans())
def test_the_search_finds_what_a_plain_one_finds(metric, average, seed, per_class):
    scores, reference, durations = case(seed)
    found = tune(scores, reference, durations, metric, split="validation", thresholds=THRESHOLDS,
                 median_frames=LENGTHS, average=average, per_class=per_class)
    expected = plain_search(scores, reference, durations, metric, average, per_class, THRESHOLDS,
                            LENGTHS)
    for k, label in enumerate(LABELS):
        value, threshold, length = expected.get(label, (None, 0.5, 1))
        assert (found.thresholds[k], found.median_frames[k]) == (threshold, length), label
        if per_class and value is not None:
            assert found.per_class[label] == value
    if not per_class:
        assert found.value == pytest.approx(expected["dog"][0], abs=1e-12)
    # What was promised is what the full result says of the same decisions.
    result = found.score(scores, reference, durations)
    assert result.f1 == pytest.approx(found.value, abs=1e-12)
    assert result.average == average
    assert found.per_class == {label: one.f1 for label, one in result.per_class.items()
                               if one.num_reference}


def test_the_grid_of_the_paper_is_the_default():
    scores, reference, durations = case(1)
    found = tune(scores, reference, durations, split="validation")
    assert found.searched == {"thresholds": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9],
                              "median_frames": list(range(1, 32, 2))}
    assert found.metric == "segment_f1" and found.parameters == {"segment_s": 1.0}
    clips = tune(scores, reference, metric="clip_f1", split="validation")
    assert clips.searched["median_frames"] == [1]
    assert set(clips.median_frames) == {1}


def test_of_equally_good_settings_the_lowest_threshold_and_then_the_shortest_length_wins():
    # Between 0.2 and 0.9 every threshold is right, and every length up to 7.
    values = np.full((24, 1), 0.2)
    values[8:16] = 0.9
    scores = FrameScores(("dog",), {"a.wav": values}, CLOCK)
    reference = {"a.wav": [Event(2, 4, "dog")]}
    for per_class in (True, False):
        found = tune(scores, reference, 6.0, split="validation", per_class=per_class,
                     thresholds=(0.8, 0.4, 0.2, 0.1), median_frames=(7, 3, 5))
        assert (found.thresholds, found.median_frames) == ((0.2,), (3,))
        assert found.value == 1


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("average", ["micro", "macro"])
def test_a_class_without_reference_keeps_a_stated_default_and_is_listed(metric, average):
    scores, reference, durations = case(5, silent=("car",))
    grid = {"metric": metric, "thresholds": (0.1, 0.6, 0.4), "median_frames": (3, 5),
            "average": average}
    found = tune(scores, reference, durations, split="validation", **grid)
    assert found.untuned == ("car",) and "car" not in found.per_class
    assert (found.thresholds[1], found.median_frames[1]) == (0.4, 3)
    assert "nothing to choose by for car" in found.note
    # Its false alarms count in the value as they do in the full result.
    assert any(event.label == "car" for events in found.events(scores).values()
               for event in events)
    assert found.value == pytest.approx(found.score(scores, reference, durations).f1, abs=1e-12)
    shared = tune(scores, reference, durations, split="validation", per_class=False, **grid)
    assert shared.untuned == ("car",) and len(set(shared.thresholds)) == 1


def test_classes_taken_in_blocks_are_classes_taken_together(monkeypatch):
    scores, reference, durations = case(6)
    grids = {}
    for block in (1, 1 << 23):
        monkeypatch.setattr(search, "_BLOCK", block)
        grids[block] = tune(scores, reference, durations, split="validation")
    assert grids[1] == grids[1 << 23]


def test_parameters_of_the_metric_reach_it():
    scores, reference, _ = case(7)
    grid = {"split": "validation", "thresholds": THRESHOLDS, "median_frames": LENGTHS}
    wide, narrow = (tune(scores, reference, metric="event_f1", collar_s=collar_s, **grid)
                    for collar_s in (5.0, 0.01))
    assert wide.parameters == {"collar_s": 5.0, "offset_share": 0.2}
    assert wide.value > narrow.value
    assert wide.score(scores, reference).collar_s == 5.0


def test_frames_need_no_clock():
    scores, reference, durations = case(8)
    edges = FrameScores(LABELS, scores.values, {clip: scores.edges(clip) for clip in scores.clips})
    for metric in METRICS:
        grid = {"metric": metric, "split": "validation"}
        assert tune(edges, reference, durations, **grid) == tune(scores, reference, durations,
                                                                 **grid)
    decisions = tune(scores, reference, durations, split="validation")
    assert decisions.events(edges) == decisions.events(scores)


def test_without_durations_nothing_is_cut_off():
    scores, reference, _ = case(9)
    # The last frames lie past a clip of half a second.
    assert any(scores.edges(clip)[-1] > 1 for clip in scores.clips)
    whole = tune(scores, reference, split="validation")
    cut = tune(scores, reference, 0.5, split="validation")
    assert whole.value == pytest.approx(whole.score(scores, reference).f1, abs=1e-12)
    assert cut.value == pytest.approx(cut.score(scores, reference, 0.5).f1, abs=1e-12)
    assert whole.score(scores, reference).num_reference > cut.score(scores, reference,
                                                                    0.5).num_reference


# -- clips: tags, and all thresholds -----------------------------------------------------------


def tagged(seed, num_clips=30, dtype=np.float32, levels=None):
    """Scores of one frame a clip, as a clip head gives, and tags."""
    rng = np.random.default_rng(seed)
    tags = rng.random((num_clips, len(LABELS))) < 0.4
    tags[0] = True
    values = np.clip(0.3 * tags + 0.7 * rng.random(tags.shape), 0, 1)
    if levels:
        values = np.round(values * levels) / levels
    clips = [f"{seed}-{n}.wav" for n in range(num_clips)]
    scores = FrameScores(LABELS, {clip: row[None].astype(dtype)
                                  for clip, row in zip(clips, values, strict=True)}, CLOCK)
    return scores, {clip: tuple(label for label, on in zip(LABELS, row, strict=True) if on)
                    for clip, row in zip(clips, tags, strict=True)}


def test_clips_are_tuned_on_tags_or_on_events():
    scores, tags = tagged(1)
    events = {clip: [Event(0.5, 2, tag) for tag in of_clip] for clip, of_clip in tags.items()}
    by_tags, by_events = (tune(scores, reference, metric="clip_f1", split="validation")
                          for reference in (tags, events))
    assert by_tags == by_events
    assert by_tags.score(scores, tags).f1 == pytest.approx(by_tags.value, abs=1e-12)


@settings(max_examples=50)
@given(st.integers(0, 9999), st.sampled_from([np.float16, np.float32, np.float64]),
       st.sampled_from([None, 5]), st.booleans())
def test_the_threshold_out_of_all_is_the_best_there_is(seed, dtype, levels, per_class):
    scores, tags = tagged(seed, dtype=dtype, levels=levels)
    options = {"metric": "clip_f1", "split": "validation", "per_class": per_class}
    found = tune(scores, tags, thresholds=None, **options)
    # Every threshold that decides differently is among these.
    every = np.unique(np.concatenate([[0], *(of.ravel() for of in scores.values.values())]))
    expected = tune(scores, tags, thresholds=every, **options)
    assert found.per_class == expected.per_class
    assert found.value == expected.value
    assert found.decoder().activity(scores.stacked()).tolist() == (
        expected.decoder().activity(scores.stacked()).tolist())
    # Halfway: as far from the score below as from the one above.
    own = scores.stacked()
    for k, threshold in enumerate(found.thresholds):
        of_class = np.append(own[:, k] if per_class else own, [0]).astype(float)
        below, above = of_class[of_class <= threshold].max(), of_class[of_class > threshold].min()
        assert threshold - below == pytest.approx(above - threshold, abs=1e-3)


@pytest.mark.parametrize("steps", [0, 1])
def test_neighbouring_scores_are_told_apart(steps):
    # The middle between two floats without a third one rounds down here and up there.
    low = np.float32(0.3) + steps * np.spacing(np.float32(0.3))
    high = np.nextafter(low, np.float32(1))
    scores = FrameScores(("dog",), {"a.wav": np.array([[high]]), "b.wav": np.array([[low]])},
                         CLOCK)
    found = tune(scores, {"a.wav": ["dog"], "b.wav": []}, metric="clip_f1", thresholds=None,
                 split="validation")
    assert found.value == 1 and found.thresholds == (float(low),)


def test_scores_of_zero_never_decide():
    scores = FrameScores(LABELS, {"a.wav": np.zeros((3, 3))}, CLOCK)
    found = tune(scores, {"a.wav": ["dog"]}, metric="clip_f1", thresholds=None, split="validation")
    assert found.thresholds == (0, 0.5, 0.5)
    assert (found.value, found.untuned) == (0, ("car", "rain"))


# -- never on what is reported -----------------------------------------------------------------


@pytest.mark.parametrize("split", ["test", "Test set", "testing", "eval", "DESED public evaluation",
                                   "fold_5_test", "eval2019", "PUBLIC"])
def test_data_that_are_reported_on_decide_only_as_an_oracle(split):
    scores, reference, durations = case(10)
    with pytest.raises(ValueError, match="oracle=True"):
        tune(scores, reference, durations, split=split)
    found = tune(scores, reference, durations, split=split, oracle=True)
    assert found.oracle is True
    assert found.to_dict()["oracle"] is True
    assert "ORACLE" in found.note and split in found.note
    tuning = carrying(found).to_dict()["tuning"]
    assert tuning["oracle"] is True and Decisions.from_dict(tuning).oracle is True
    with pytest.raises(ValueError, match="oracle=True"):            # nor can it be taken back
        replace(found, oracle=False)


@pytest.mark.parametrize("split", ["validation", "dev", "fold 4", "latest fold", "retrieval train"])
def test_other_data_decide(split):
    scores, reference, durations = case(11)
    found = tune(scores, reference, durations, split=split)
    assert (found.split, found.oracle) == (split, False)
    assert "ORACLE" not in found.note


def test_one_call_tunes_on_one_set_and_scores_on_another():
    validation, test = case(12), case(13)
    decisions, result = tune_and_score(validation, test, "event_f1", average="macro")
    assert decisions == tune(*validation, "event_f1", split="validation", average="macro")
    assert result == decisions.score(*test)
    assert result.f1 != decisions.value


def test_a_clip_cannot_both_tune_and_test():
    scores, reference, durations = case(14)
    some = scores.clips[:2]
    part = scores.select(some), {clip: reference[clip] for clip in some}, durations
    with pytest.raises(ValueError, match="shares 2 clips with `validation`, such as '14-0.wav'"):
        tune_and_score((scores, reference, durations), part)


# -- they travel -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def decisions():
    scores, reference, durations = case(15, silent=("rain",))
    found = tune(scores, reference, durations, "event_f1", split="validation")
    assert len(set(found.thresholds)) > 1 and len(set(found.median_frames)) > 1
    return found


def test_they_come_back_from_json_as_they_were(decisions):
    assert Decisions.from_dict(json.loads(json.dumps(decisions.to_dict()))) == decisions
    with pytest.raises(ValueError, match=r"need the keys \['labels', 'split'\]"):
        Decisions.from_dict({key: value for key, value in decisions.to_dict().items()
                             if key not in ("labels", "split")})
    with pytest.raises(ValueError, match="Did you mean 'thresholds'"):
        Decisions.from_dict({**decisions.to_dict(), "tresholds": []})


def test_the_note_names_metric_parameters_value_and_data(decisions):
    assert decisions.note == (
        "per class, for the highest event_f1 (micro, collar_s=0.2, offset_share=0.2): "
        f"{decisions.value:.4f} on validation (5 clips); nothing to choose by for rain")


def carrying(decisions):
    return Card(name="x", model="x", frontend=Frontend.preset("xu2018icassp-logmel").to_dict(),
                labels=LABELS, **decisions.card_fields())


def test_a_card_takes_them_along(decisions, tmp_path):
    card = carrying(decisions)
    card.write(tmp_path / "card.json")
    read = Card.read(tmp_path / "card.json")
    assert read == card
    assert read.decoder_spec == decisions.decoder()
    assert Decisions.from_dict(read.tuning) == decisions
    with pytest.raises(ValueError, match="`tuning` must be of this card's labels, thresholds"):
        replace(card, decoder={"thresholds": 0.5})
    with pytest.raises(ValueError, match="`tuning` must be of this card's labels"):
        replace(card, labels=("a", "b", "c"))


def test_an_export_starts_from_them(decisions, tmp_path, monkeypatch):
    tf = pytest.importorskip("tensorflow")
    import tone_model

    from sedzoo import export
    from sedzoo.training.recipe import Recipe
    from sedzoo.training.run import Run

    recipe = Recipe(id="test/tones", model_name="gated_crnn", dataset="tones",
                    decisions={"thresholds": 0.3})
    run = Run(tmp_path, recipe, tone_model.model(), LABELS, (), "somebody",
              np.zeros(64, np.float32), np.ones(64, np.float32))
    monkeypatch.setattr(Run, "load", classmethod(lambda cls, directory: run))
    path = export.from_run(tmp_path, tmp_path / "tones" / "1", decoder=decisions)
    obj = tf.saved_model.load(str(path))
    np.testing.assert_allclose(obj.thresholds, decisions.thresholds, rtol=1e-6)
    np.testing.assert_array_equal(obj.median_frames, decisions.median_frames)
    card = Card.read(path / "assets" / "card.json")
    assert Decisions.from_dict(card.tuning) == decisions


# -- errors ------------------------------------------------------------------------------------


@pytest.mark.parametrize("changes, message", [
    ({"metric": "segmnt_f1"}, "Did you mean 'segment_f1'"),
    ({"collar_s": 0.2}, "Unknown key 'collar_s' in the parameters of 'segment_f1'"),
    ({"segment_s": 0}, "segment_s=0"),
    ({"metric": "event_f1", "collar_s": -1}, "collar_s=-1"),
    ({"metric": "intersection_f1", "dtc": 0}, "dtc=0"),
    ({"average": "weighted"}, "average='weighted'"),
    ({"thresholds": (0.5, 1.5)}, r"`thresholds` must be .* \[0, 1\]. Received: .*1.5"),
    ({"thresholds": (-0.1,)}, "`thresholds`"), ({"thresholds": ()}, "`thresholds`"),
    ({"thresholds": (0.5, float("nan"))}, "`thresholds`.*nan"),
    ({"thresholds": None}, '`thresholds` may be None for "clip_f1"'),
    ({"thresholds": None, "metric": "clip_f1", "median_frames": (3,)}, "without median"),
    ({"thresholds": None, "metric": "clip_f1", "per_class": False, "average": "macro"}, "micro"),
    ({"median_frames": (1, 4)}, r"median_frames=\(1, 4\)"),
    ({"median_frames": (0,)}, "`median_frames`"), ({"median_frames": ()}, "`median_frames`"),
    ({"median_frames": (-1,)}, "`median_frames`"), ({"median_frames": (1.5,)}, "`median_frames`"),
    ({"split": ""}, "`split` must name the data"), ({"split": None}, "`split` must name the data"),
    ({"durations": -1}, "`durations`"),
])
def test_a_bad_argument_is_named(changes, message):
    scores, reference, durations = case(16)
    arguments = {"durations": durations, "split": "validation", **changes}
    with pytest.raises(ValueError, match=message):
        tune(scores, reference, **arguments)


@pytest.mark.parametrize("bad, message", [(np.nan, "'16-1.wav' must be finite"),
                                          (1.5, r"'16-1.wav' must lie in \[0, 1\]"),
                                          (-3, r"'16-1.wav' must lie in \[0, 1\]")])
@pytest.mark.parametrize("thresholds", [(0.5,), None])
def test_scores_that_are_no_probabilities_are_refused(bad, message, thresholds):
    scores, reference, _ = case(16)
    values = {clip: of_clip.copy() for clip, of_clip in scores.values.items()}
    values["16-1.wav"][0, 1] = bad
    with pytest.raises(ValueError, match=message):
        tune(FrameScores(LABELS, values, CLOCK), reference, metric="clip_f1", split="validation",
             thresholds=thresholds)


def test_scores_and_reference_must_be_of_the_same_clips_and_classes():
    scores, reference, durations = case(16)
    less = {clip: events for clip, events in reference.items() if clip != "16-1.wav"}
    with pytest.raises(ValueError, match="`reference` lacks 1 clips of the other.*'16-1.wav'"):
        tune(scores, less, durations, split="validation")
    with pytest.raises(ValueError, match="`scores` lacks 1 clips of the other.*'16-1.wav'"):
        tune(scores.select(less), reference, durations, split="validation")
    with pytest.raises(ValueError, match="'rian'.*Did you mean 'rain'"):
        tune(scores, {**reference, "16-1.wav": [Event(0, 1, "rian")]}, durations,
             split="validation")
    found = tune(scores, reference, durations, split="validation")
    with pytest.raises(ValueError, match="must have the classes"):
        found.score(FrameScores(("cat", "car", "rain"), scores.values, CLOCK), reference)


def test_without_any_reference_there_is_nothing_to_choose_by():
    scores, tags = tagged(16)
    nothing = dict.fromkeys(tags, ())
    for metric in METRICS:
        for thresholds in ((0.5,), None)[:1 + (metric == "clip_f1")]:
            with pytest.raises(ValueError, match="nothing to choose by"):
                tune(scores, nothing, 1.0, metric, split="validation", thresholds=thresholds)
    # Events past the end of their clips count for nothing either.
    with pytest.raises(ValueError, match="nothing to choose by"):
        tune(scores, {clip: [Event(2, 3, "dog")] for clip in tags}, 1.0, split="validation")
    with pytest.raises(ValueError, match="nothing to choose by"):
        tune(FrameScores(LABELS, {}, CLOCK), {}, split="validation")


def test_scores_of_two_precisions_have_no_thresholds_between_them():
    scores = FrameScores(("dog",), {"a.wav": np.ones((1, 1), np.float16),
                                    "b.wav": np.ones((1, 1))}, CLOCK)
    with pytest.raises(ValueError, match="one precision"):
        tune(scores, {"a.wav": ["dog"], "b.wav": []}, metric="clip_f1", thresholds=None,
             split="validation")


@pytest.mark.parametrize("changes, message", [
    ({"thresholds": (0.5,)}, r"`thresholds` must be one per label \(3\)"),
    ({"median_frames": (1, 2, 3)}, "median_frames=\\(1, 2, 3\\)"),
    ({"metric": "f1"}, "metric='f1'"), ({"parameters": {"dtc": 1}}, "'dtc'"),
    ({"split": "test"}, "oracle=True")])
def test_decisions_that_cannot_be_are_refused(changes, message):
    fields = {"labels": LABELS, "thresholds": (0.5,) * 3, "median_frames": (1,) * 3,
              "metric": "event_f1", "value": 0.5, "split": "validation", "num_clips": 3}
    Decisions(**fields)
    with pytest.raises(ValueError, match=message):
        Decisions(**{**fields, **changes})
