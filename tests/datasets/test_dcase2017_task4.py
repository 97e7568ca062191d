"""The real metadata of DCASE 2017 Task 4, and the audio files beside them."""

import csv

import pytest

from sedzoo.datasets import dcase2017_task4
from sedzoo.events import Event

# From the weak ground truth file, with cut, sort and uniq: not with the loader.
TRAINING_COUNTS = (345, 313, 180, 245, 1897, 1516, 524, 2288, 1409, 2364, 636, 25077, 3598, 3617,
                   6885, 3162, 2075)
HEADLESS = "a_0.000_10.000.wav\t{}\t{}\t{}\n"


@pytest.fixture
def metadata(shared_data):
    return shared_data / "dcase2017_task4"


def made_up(folder, weak=("Car", "Bus"), strong=((1.5, 2.5, "Car"), (0, 0, "Bus"))):
    """Metadata of one testing clip."""
    (folder / "groundtruth_weak_label_testing_set.csv").write_text(
        "".join(HEADLESS.format(0, 10, label) for label in weak))
    (folder / "groundtruth_strong_label_testing_set.csv").write_text(
        "".join(HEADLESS.format(*row) for row in strong))
    return folder


def test_class_order_is_that_of_the_task_s_list(metadata):
    rows = [line.split("\t") for line in
            (metadata / "sound_event_list_17_classes.txt").read_text().splitlines()]
    assert [(row[0], row[2]) for row in rows if len(row) == 3] == list(
        dcase2017_task4.CLASSES.items())


def test_training_list_has_the_real_counts(metadata):
    manifest = dcase2017_task4.load(metadata, "nowhere", "training")
    assert len(manifest) == 51172
    assert len({clip.name for clip in manifest.clips}) == 51172
    assert tuple(manifest.class_counts()) == TRAINING_COUNTS
    assert sum(len(clip.labels) for clip in manifest.clips) == 56131
    assert all(clip.events is None and clip.fold == "training" for clip in manifest.clips)


def test_training_labels_equal_the_weak_ground_truth_file(metadata):
    truth = {}
    with open(metadata / "groundtruth_weak_label_training_set.csv") as file:
        for name, _, _, label in csv.reader(file, delimiter="\t"):
            truth.setdefault(name, set()).add(label)
    manifest = dcase2017_task4.load(metadata, "nowhere", "training")
    assert {clip.name: set(clip.labels) for clip in manifest.clips} == truth


@pytest.mark.parametrize("split, num_clips, num_rows, num_unmarked, num_twice",
                         [("testing", 488, 688, 36, 0), ("evaluation", 1103, 1706, 150, 1)])
def test_labelled_splits_have_all_events_but_the_unmarked(metadata, split, num_clips, num_rows,
                                                          num_unmarked, num_twice):
    manifest = dcase2017_task4.load(metadata, "nowhere", split)
    assert len(manifest) == num_clips
    assert sum(len(clip.events) for clip in manifest.clips) == num_rows - num_unmarked - num_twice
    assert all({event.label for event in clip.events} <= set(clip.labels)
               for clip in manifest.clips)
    assert any({event.label for event in clip.events} < set(clip.labels)
               for clip in manifest.clips)


def test_an_unmarked_class_keeps_its_label_and_makes_no_event(tmp_path):
    clip, = dcase2017_task4.load(made_up(tmp_path), tmp_path, "testing").clips
    assert clip.labels == ("Car", "Bus")                   # class order, not the file's
    assert clip.events == (Event(1.5, 2.5, "Car"),)


@pytest.mark.parametrize("file", ["a_0.000_10.000.wav", "Ya_0.000_10.000.wav",
                                  "a_0.000_10.000.flac", "Ya_0.000_10.000.flac"])
def test_audio_is_found_under_each_of_its_names(tmp_path, file):
    audio = tmp_path / "audio"
    audio.mkdir()
    (audio / file).touch()
    clip, = dcase2017_task4.load(made_up(tmp_path), audio, "testing").present().clips
    assert clip.path == str(audio / file)


def test_missing_audio_is_skipped_counted_and_listed(tmp_path):
    made_up(tmp_path)
    with open(tmp_path / "groundtruth_weak_label_testing_set.csv", "a") as file:
        file.write("b_0.000_10.000.wav\t0\t10\tTrain\n")
    (tmp_path / "b_0.000_10.000.wav").touch()
    manifest = dcase2017_task4.load(tmp_path, tmp_path, "testing")
    there = manifest.present(tmp_path / "report" / "missing_files.tsv")
    assert [clip.name for clip in there.clips] == ["b_0.000_10.000.wav"]
    assert (tmp_path / "report" / "missing_files.tsv").read_text().splitlines() == [
        "filename\tpath", f"a_0.000_10.000.wav\t{tmp_path / 'a_0.000_10.000.wav'}"]


def test_an_unknown_split_is_named():
    with pytest.raises(ValueError, match="`split` must be one of .* split='train'"):
        dcase2017_task4.load(".", ".", "train")


def test_absent_metadata_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="training_set.csv"):
        dcase2017_task4.load(tmp_path, tmp_path, "training")


@pytest.mark.parametrize("row, message", [
    ("a,0.000,10.000,Car\n", "line 1: 5 columns"),
    ('a,0.000,10.000,"Car,Dog","/m/0k4j,/m/0bt9lr"\n', "line 1: unknown machine ids .'/m/0bt9lr'"),
])
def test_a_bad_training_row_is_named(tmp_path, row, message):
    (tmp_path / "training_set.csv").write_text(row)
    with pytest.raises(ValueError, match=message):
        dcase2017_task4.load(tmp_path, tmp_path, "training")


def test_an_event_that_the_weak_truth_lacks_is_an_error(tmp_path):
    made_up(tmp_path, weak=("Car",), strong=((1, 2, "Train"),))
    with pytest.raises(ValueError, match="a_0.000_10.000.wav.*Train.*weak"):
        dcase2017_task4.load(tmp_path, tmp_path, "testing")
