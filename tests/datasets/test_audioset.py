"""Lists in the published layout, made here; the real class list and ontology."""

import csv
import json
import shutil

import numpy as np
import pytest

from sedzoo.datasets import audioset

HEAD = """\
# Segments csv created Sun Mar  5 10:54:31 2017
# num_ytids=4, num_segs=4, num_unique_labels=4, num_positive_labels=7
# YTID, start_seconds, end_seconds, positive_labels
"""
SPEECH, MUSIC, DOG, RAIN = "/m/09x0r", "/m/04rlf", "/m/0bt9lr", "/m/06mb1"
CLASSES = f"""\
index,mid,display_name
0,{SPEECH},"Speech"
1,{DOG},"Dog"
2,{MUSIC},"Music"
3,{RAIN},"Rain, steady"
"""
# What is only music or speech, and what is not, in both lists.
BALANCED = f"""{HEAD}\
--PJHxphWEs, 30.000, 40.000, "{RAIN},{SPEECH}"
--ZhevVpy1s, 50.000, 60.000, "{MUSIC}"
YaE2O5G5WE_, 0.000, 4.000, "{MUSIC},{SPEECH}"
"""
UNBALANCED = f"""{HEAD}\
---1_cCGK4M, 0.000, 10.000, "{SPEECH}"
---2_BBVHAA, 30.000, 40.000, "{DOG}"
"""
EVALUATION = f"""{HEAD}\
--4gqARaEJE, 0.000, 10.000, "{DOG},{MUSIC},{RAIN}"
"""


@pytest.fixture
def metadata(tmp_path):
    for name, text in (("class_labels_indices", CLASSES), ("balanced_train_segments", BALANCED),
                       ("unbalanced_train_segments", UNBALANCED), ("eval_segments", EVALUATION)):
        (tmp_path / f"{name}.csv").write_text(text)
    return tmp_path


@pytest.fixture
def real(shared_data):
    return shared_data / "audioset"


@pytest.fixture
def ontology(real):
    return audioset.read_ontology(real / "ontology.json")


def names(manifest):
    return [clip.name for clip in manifest.clips]


def test_a_list_gives_tags_in_class_order_and_no_events(metadata):
    manifest = audioset.load(metadata, "nowhere", "balanced")
    assert manifest.name == "audioset/balanced"
    assert manifest.labels == ("Speech", "Dog", "Music", "Rain, steady")
    assert manifest.mids == (SPEECH, DOG, MUSIC, RAIN)
    assert names(manifest) == ["--PJHxphWEs_30.000_40.000.wav", "--ZhevVpy1s_50.000_60.000.wav",
                               "YaE2O5G5WE__0.000_4.000.wav"]
    assert [clip.labels for clip in manifest.clips] == [
        ("Speech", "Rain, steady"), ("Music",), ("Speech", "Music")]
    assert all(clip.events is None for clip in manifest.clips)
    np.testing.assert_array_equal(manifest.tags(), [[1, 0, 0, 1], [0, 0, 1, 0], [1, 0, 1, 0]])


@pytest.mark.parametrize("split, folds", [
    ("unbalanced", ["unbalanced"] * 2), ("evaluation", ["evaluation"]),
    ("training", ["balanced"] * 3 + ["unbalanced"] * 2)])
def test_splits_are_made_of_their_lists(metadata, split, folds):
    assert [clip.fold for clip in audioset.load(metadata, "nowhere", split).clips] == folds


def test_the_million_clips_leave_out_what_is_only_music_or_speech(metadata):
    manifest = audioset.load(metadata, "nowhere", "training_1m")
    assert names(manifest) == ["--PJHxphWEs_30.000_40.000.wav", "---2_BBVHAA_30.000_40.000.wav"]
    training = audioset.load(metadata, "nowhere", "training")
    assert training.select(audioset.not_only_music_or_speech).clips == manifest.clips


def test_a_row_is_read_with_or_without_blanks_and_a_label_counts_once(metadata):
    (metadata / "eval_segments.csv").write_bytes(
        f'\ufeff{HEAD}--4gqARaEJE,0,10,"{DOG},{SPEECH},{DOG}"\r\n\r\n'.encode())
    clip, = audioset.load(metadata, "nowhere", "evaluation").clips
    assert (clip.name, clip.labels) == ("--4gqARaEJE_0_10.wav", ("Speech", "Dog"))


@pytest.mark.parametrize("row, message", [
    (f'#NAME?, 30.000, 40.000, "{DOG}"', "line 4: an id of 11 characters.*#NAME"),
    (f'--4gqARaEJE, 30.000, "{DOG}"', "line 4"),
    (f'--4gqARaEJE, 30.000, 40.000, "{DOG},/m/04', "line 4"),
    ("--4gqARaEJE, 30.000, 40.000, ", "line 4"),
    ('--4gqARaEJE, 30.000, 40.000, ""', "line 4"),
    (f'--4gqARaEJE, -3.000, 40.000, "{DOG}"', "line 4"),
    (f'--4gqARaEJE, 30.000, 40.000, "{DOG}" ,,,', "line 4"),
    (f'--4gqARaEJE, 30.000, 40.000, "{DOG},/m/0xyz,/m/0abc"',
     "line 4: machine ids .*'/m/0abc', '/m/0xyz'"),
    (f'--4gqARaEJE, 30.000, 40.000, "{DOG},"', "line 4: machine ids .*''"),
    (f'--4gqARaEJE, 0.000, 9.000, "{DOG}"\n--4gqARaEJE, 0.000, 9.000, "{MUSIC}"',
     "line 5: --4gqARaEJE from 0.000 to 9.000 s is listed twice"),
])
def test_a_damaged_row_is_named_with_file_and_line(metadata, row, message):
    (metadata / "eval_segments.csv").write_text(f"{HEAD}{row}\n")
    with pytest.raises(ValueError, match=f"eval_segments.csv, {message}"):
        audioset.load(metadata, "nowhere", "evaluation")


def test_a_segment_in_both_training_lists_is_an_error(metadata):
    (metadata / "unbalanced_train_segments.csv").write_text(BALANCED)
    with pytest.raises(ValueError, match="unbalanced_train_segments.csv, line 4: .*listed twice"):
        audioset.load(metadata, "nowhere", "training")


@pytest.mark.parametrize("row, line", [
    ("0,/m/1,First\n2,/m/2,Second\n", 3), ("0,/m/1,First\n1,/m/1,Second\n", 3),
    ("0,/m/1\n", 2), ("0,/m/1,\n", 2)])
def test_a_damaged_class_list_is_named_with_file_and_line(tmp_path, row, line):
    path = tmp_path / "class_labels_indices.csv"
    path.write_text("index,mid,display_name\n" + row)
    with pytest.raises(ValueError, match=f"class_labels_indices.csv, line {line}: the index"):
        audioset.read_classes(path)


def test_an_unknown_split_and_absent_metadata_are_named(metadata):
    with pytest.raises(ValueError, match="`split` must be one of .*'evaluation'.*split='eval'"):
        audioset.load(metadata, ".", "eval")
    (metadata / "eval_segments.csv").unlink()
    with pytest.raises(FileNotFoundError, match="eval_segments.csv"):
        audioset.load(metadata, ".", "evaluation")


STEMS = ("YaE2O5G5WE__0.000_4.000", "YYaE2O5G5WE__0.000_4.000", "YaE2O5G5WE_", "YYaE2O5G5WE_")


@pytest.mark.parametrize("folder", [".", "balanced_train_segments/part00"])
@pytest.mark.parametrize("suffix", [".wav", ".flac"])
@pytest.mark.parametrize("stem", STEMS)
def test_audio_is_found_under_each_of_its_names(metadata, stem, suffix, folder):
    file = metadata / "audio" / folder / f"{stem}{suffix}"
    file.parent.mkdir(parents=True)
    file.touch()
    manifest = audioset.load(metadata, metadata / "audio", "balanced")
    there, = manifest.present(metadata / "missing_files.tsv").clips
    assert there.name == "YaE2O5G5WE__0.000_4.000.wav" and there.path == str(file)
    missing = (metadata / "missing_files.tsv").read_text().splitlines()
    assert missing[1:] == [f"{name}\t{metadata / 'audio' / name}" for name in
                           ("--PJHxphWEs_30.000_40.000.wav", "--ZhevVpy1s_50.000_60.000.wav")]


def test_a_clip_with_its_times_is_taken_before_one_without(metadata):
    audio = metadata / "audio"
    audio.mkdir()
    for stem in STEMS:
        (audio / f"{stem}.flac").touch()
    manifest = audioset.load(metadata, audio, "balanced")
    assert manifest.clips[2].path == str(audio / f"{STEMS[0]}.flac")


def test_the_class_list_is_the_real_one_in_its_order(real, metadata):
    with open(real / "class_labels_indices.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["index"]) for row in rows] == list(range(527))
    shutil.copy(real / "class_labels_indices.csv", metadata)
    manifest = audioset.load(metadata, "nowhere", "training")
    assert manifest.mids == tuple(row["mid"] for row in rows)
    assert manifest.labels == tuple(row["display_name"] for row in rows)
    assert manifest.labels[0] == "Speech" and manifest.labels[137] == "Music"
    assert manifest.tags().shape == (5, 527) and manifest.tags().sum() == 7


def test_the_ontology_has_the_classes_under_the_same_names(real, ontology):
    classes = audioset.read_classes(real / "class_labels_indices.csv")
    assert len(ontology.names) == 632
    assert {mid: ontology.names[mid] for mid in classes} == classes


def test_the_ontology_knows_children_and_parents_by_name_or_machine_id(ontology):
    assert ontology.children("Siren") == ontology.children("/m/03kmc9") == (
        "Police car (siren)", "Ambulance (siren)", "Fire engine, fire truck (siren)",
        "Civil defense siren")
    assert set(ontology.parents("Hiss")) == {"Cat", "Snake", "Steam", "Onomatopoeia"}
    assert ontology.parents("Music") == () and ontology.children("Civil defense siren") == ()
    assert ontology.mid("Music") == "/m/04rlf" and ontology.names["/m/04rlf"] == "Music"
    assert sum(not above for above in ontology.parent_mids.values()) == 7
    for mid, above in ontology.parent_mids.items():
        assert all(mid in ontology.child_mids[parent] for parent in above)
    edges = sum(map(len, ontology.child_mids.values()))
    assert edges == sum(map(len, ontology.parent_mids.values()))


def test_an_unknown_class_is_answered_with_near_ones(ontology):
    with pytest.raises(ValueError, match="no class 'Sirens'. Near are: .*Siren"):
        ontology.children("Sirens")


@pytest.mark.parametrize("content", ["{", "[1]", '[{"id": "a", "name": "A"}]',
                                     json.dumps([{"id": "a", "name": "A", "child_ids": ["b"]}])])
def test_a_damaged_ontology_is_named(tmp_path, content):
    (tmp_path / "ontology.json").write_text(content)
    with pytest.raises(ValueError, match="ontology.json must be a list of objects"):
        audioset.read_ontology(tmp_path / "ontology.json")
