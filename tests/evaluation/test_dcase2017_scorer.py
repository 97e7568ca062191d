import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from sedzoo.evaluation.dcase2017_task4 import Problem, official_text, score_tagging

LABELS = ("Car", "Train horn", "Bus")
TRUTH = ("a.wav\t0.0\t10.0\tCar\n"
         "a.wav\t0.0\t10.0\tTrain horn\n"
         "b.wav\t5.0\t15.0\tBus\n"
         "c.wav\t0.0\t10.0\tCar\n")


@pytest.fixture
def official(shared_data):
    return shared_data / "dcase2017_task4" / "official_evaluation"


@pytest.fixture
def score(tmp_path):
    """Scores of the text of a prediction against the text of a truth."""
    def run(prediction, truth=TRUTH, **arguments):
        paths = tmp_path / "truth.csv", tmp_path / "prediction.csv"
        for path, text in zip(paths, (truth, prediction), strict=True):
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return score_tagging(*paths, **arguments)
    return run


def counts(scores):
    return scores.num_hits, scores.num_false, scores.num_missed


# -- the official files ------------------------------------------------------------------------


def score_official(official, name, **arguments):
    return score_tagging(official / "groundtruth" / "groundtruth_weak_label_testing_set.csv",
                         official / "prediction" / name, **arguments)


@pytest.mark.parametrize("prediction, output", [
    ("perfect_prediction.csv", "output_perfect_prediction.csv"),
    ("imperfect_prediction.csv", "imperfect_prediction_output.csv")])
def test_official_outputs_are_met_to_the_last_digit(official, prediction, output):
    assert official_text(score_official(official, prediction)) == (
        official / "output" / output).read_text()


def test_the_official_output_of_two_missing_rows_is_met(official, tmp_path):
    # It is filed as that of invalid_prediction.csv, which lacks three rows and a whole clip.
    rows = (official / "prediction" / "perfect_prediction.csv").read_bytes().splitlines(True)
    (tmp_path / "prediction.csv").write_bytes(b"".join(rows[2:]))
    truth = official / "groundtruth" / "groundtruth_weak_label_testing_set.csv"
    assert official_text(score_tagging(truth, tmp_path / "prediction.csv")) == (
        official / "output" / "output_invalid_prediction.csv").read_text()


# Micro and macro percent as the scorer's last release prints them under Python 2.7.
@pytest.mark.parametrize("name, micro, macro", [
    ("perfect_prediction.csv", "100.0 100.0 100.0", "100.0 100.0 100.0"),
    ("imperfect_prediction.csv", "0.0 0.0 0.0", "0.0 0.0 0.0"),
    ("imperfect_prediction_additional_prediction.csv", "100.0 100.0 100.0", "100.0 100.0 100.0"),
    ("extra_prediction.txt", "100.0 100.0 100.0", "100.0 100.0 100.0"),
    ("invalid_prediction.csv", "100.0 99.6694214876 99.8344370861",
     "100.0 99.5943204868 99.7967479675"),
    ("prediction_missing.csv", "100.0 99.3399339934 99.6688741722",
     "100.0 99.3725490196 99.6852871755")])
def test_official_prediction_files_score_as_the_official_scorer_scores_them(official, name, micro,
                                                                           macro):
    for average, printed in (("micro", micro), ("macro", macro)):
        text = official_text(score_official(official, name, average=average))
        precision, recall, f1 = printed.split()
        assert text == (f"Precision = {precision}\nRecall = {recall}\nF1 Score = {f1}\n"
                        "Number of Audio Files = 488")


def test_damaged_rows_of_the_official_files_are_reported_by_line(official):
    def problems(name):
        return [(line, reason) for line, _, reason in score_official(official, name).problems]

    assert problems("perfect_prediction.csv") == []
    assert problems("prediction_missing.csv") == [(1, "names a clip alone: no tags"),
                                                  (603, "names a clip alone: no tags")]
    assert problems("extra_prediction.txt") == [(1, "no such clip in the truth: ignored"),
                                                (2, "no such clip in the truth: ignored")]
    assert problems("imperfect_prediction_additional_prediction.csv") == [
        (607, "ends at 0: passed over")]
    assert problems("invalid_prediction.csv") == [
        (3, "truth: the prediction lacks this clip: not scored")]
    unknown = problems("imperfect_prediction.csv")
    assert [line for line, _ in unknown] == list(range(1, 607))
    assert unknown[0][1] == "'Train1 horn1' is no class of the truth: counts as false"


# -- clean files -------------------------------------------------------------------------------


clips = st.lists(st.tuples(st.sets(st.sampled_from(LABELS)), st.sets(st.sampled_from(LABELS))),
                 min_size=1, max_size=12)


@settings(max_examples=200)
@given(clips, st.sampled_from(["\n", "\r\n"]))
def test_files_without_faults_score_as_scikit_learn_scores_them(tmp_path_factory, clips, end):
    paths = [tmp_path_factory.getbasetemp() / name for name in ("truth.csv", "prediction.csv")]
    for path, sets in zip(paths, zip(*clips, strict=True), strict=True):
        rows = [f"{n}.wav\t0.000\t10.000\t{label}" for n, labels in enumerate(sets)
                for label in sorted(labels)]
        rows += [f"{n}.wav" for n, labels in enumerate(sets) if not labels]
        path.write_bytes(end.join(rows).encode())
    wanted, found = (np.array([[label in labels for label in LABELS] for labels in sets])
                     for sets in zip(*clips, strict=True))
    pooled = score_tagging(*paths)
    expected = metrics.precision_recall_fscore_support(wanted, found, average="micro",
                                                       zero_division=0)[:3]
    np.testing.assert_allclose([pooled.precision, pooled.recall, pooled.f1], expected, atol=1e-12)
    assert pooled.num_clips == len(clips)

    occurring = np.flatnonzero((wanted | found).any(axis=0))
    assert set(pooled.per_class) == {LABELS[k] for k in occurring}
    if len(occurring):
        each = score_tagging(*paths, average="macro")
        precision, recall, *_ = metrics.precision_recall_fscore_support(
            wanted, found, labels=occurring, average="macro", zero_division=0)
        np.testing.assert_allclose([each.precision, each.recall], [precision, recall], atol=1e-12)
        assert each.f1 == pytest.approx(
            2 * precision * recall / (precision + recall) if precision + recall else 0)


def test_line_ends_a_byte_order_mark_and_file_types_make_no_difference(score):
    prediction = "a.wav\t0\t10\tCar\nb.wav\t5\t15\tBus\nc.wav\t0\t10\tBus"
    plain = score(prediction)
    assert counts(plain) == (2, 1, 2) and plain.problems == ()
    for text in (prediction + "\n", prediction.replace("\n", "\r\n") + "\r\n",
                 b"\xef\xbb\xbf" + prediction.encode(), prediction.replace(".wav", ".flac"),
                 prediction.replace("Car", " Car ")):
        assert score(text) == plain


# -- damaged files -----------------------------------------------------------------------------


REST = "b.wav\t5\t15\tBus\nc.wav\t0\t10\tCar\n"


@pytest.mark.parametrize("row, expected, reason", [
    ("a.wav", (2, 0, 2), "names a clip alone: no tags"),
    ("a.wav\t0", (2, 0, 2), "has 2 fields, not 4: no tags"),
    ("a.wav\t0\t10", (2, 0, 2), "has 3 fields, not 4: no tags"),
    ("a.wav\t0\t0\tCar\tsure", (3, 0, 1), "has 5 fields, not 4: the fourth is the label"),
    ("a.wav\t0\t10\t ", (2, 0, 2), "has no label: no tags"),
    ("a.wav\t0\t10\tCart", (2, 1, 2), "'Cart' is no class of the truth: counts as false"),
    ("a.wav\t0\t10\tCart\t1", (2, 1, 2), "has 5 fields, not 4: the fourth is the label; 'Cart' is "
                                         "no class of the truth: counts as false")])
def test_a_damaged_row_counts_as_the_official_scorer_counts_it(score, row, expected, reason):
    got = score(row + "\n" + REST)
    assert counts(got) == expected
    assert got.problems == ((1, row, reason),)


def test_a_tag_given_twice_is_a_false_alarm_of_all_labels_but_not_of_its_own(score):
    got = score("a.wav\t0\t10\tCar\n" * 2 + REST)
    assert counts(got) == (3, 1, 1)
    assert counts(got.per_class["Car"]) == (2, 0, 0)
    assert got.problems == (Problem(2, "a.wav\t0\t10\tCar", "'Car' is there twice: counts again"),)


def test_a_clip_that_only_one_file_names_is_not_scored(score):
    got = score("a.wav\t0\t10\tCar\nx.wav\t0\t10\tBus\n\nc.wav\t0\t0.000\tCar\n")
    assert counts(got) == (1, 0, 1), "neither b and c are missed, nor is x false"
    assert got.num_clips == 3
    assert got.problems == (
        (2, "x.wav\t0\t10\tBus", "no such clip in the truth: ignored"),
        (3, "", "empty: passed over"),
        (4, "c.wav\t0\t0.000\tCar", "ends at 0: passed over"),
        (3, "b.wav\t5.0\t15.0\tBus", "truth: the prediction lacks this clip: not scored"),
        (4, "c.wav\t0.0\t10.0\tCar", "truth: the prediction lacks this clip: not scored"))


def test_rows_of_the_truth_follow_the_same_rules(score):
    truth = "a.wav\t0\t10\tCar\na.wav\t0\t10\tCar\nb.wav\nc.wav\t0\t0\tBus\n"
    got = score("a.wav\t0\t10\tCar\nb.wav\t0\t10\tCar\n", truth)
    assert counts(got) == (1, 1, 1) and counts(got.per_class["Car"]) == (2, 1, 0)
    assert got.num_clips == 2
    assert got.problems == (
        (2, "a.wav\t0\t10\tCar", "truth: 'Car' is there twice: counts again"),
        (3, "b.wav", "truth: names a clip alone: no tags"),
        (4, "c.wav\t0\t0\tBus", "truth: ends at 0: passed over"))


def test_an_empty_prediction_scores_nothing_and_says_so(score):
    got = score("")
    assert (got.precision, got.recall, got.f1, counts(got)) == (0, 0, 0, (0, 0, 0))
    assert [problem.line for problem in got.problems] == [1, 3, 4]
    assert score("", average="macro").f1 == 0


def test_a_class_alone_has_its_own_scores(score):
    got = score("a.wav\t0\t10\tCar\nb.wav\t0\t10\tCar\nc.wav\t0\t10\tCar\n")
    car = got.per_class["Car"]
    assert (car.precision, car.recall, car.f1) == (pytest.approx(2 / 3), 1, pytest.approx(0.8))
    assert (car.average, car.num_clips, car.problems) == ("class", 3, ())
    assert list(got.per_class) == ["Bus", "Car", "Train horn"]


def test_results_are_plain_json(score):
    got = json.loads(json.dumps(score("a.wav\nx.wav\n").to_dict(), allow_nan=False))
    assert got["problems"][0] == [1, "a.wav", "names a clip alone: no tags"]
    assert got["per_class"]["Car"]["num_missed"] == 1


def test_what_cannot_be_scored_is_an_error(score, tmp_path):
    with pytest.raises(ValueError, match=r"prediction.csv, line 2: the third field.*'ten'"):
        score("a.wav\t0\t10\tCar\nb.wav\t0\tten\tCar\n")
    with pytest.raises(ValueError, match=r"truth.csv, line 1: the third field"):
        score("", "file\tonset\toffset\tlabel\n")
    with pytest.raises(ValueError, match=r"truth.csv: has no clips"):
        score("a.wav\t0\t10\tCar\n", "\n")
    with pytest.raises(ValueError, match="average='weighted'"):
        score("", average="weighted")
    with pytest.raises(FileNotFoundError):
        score_tagging(tmp_path / "truth.csv", tmp_path / "nowhere.csv")
