"""FSDKaggle2018 as released and as the competition gave it, on lists of a few clips."""

import pytest

from sedzoo.datasets import fsdkaggle2018

# The first rows of the released lists that show each case.
TRAIN = """fname,label,manually_verified,freesound_id,license
00044347.wav,Hi-hat,0,28739,Attribution
001ca53d.wav,Saxophone,1,358827,Attribution
002d256b.wav,Trumpet,0,10897,Creative Commons 0
0033e230.wav,Glockenspiel,1,325017,Attribution
"""
SCORED = """fname,label,usage,freesound_id,license
00326aa9.wav,Oboe,Private,355125,Attribution
00eac343.wav,Electric_piano,Public,371494,Creative Commons 0
"""
ALL_TEST = """fname,label,usage,freesound_id,license
00063640.wav,None,Ignored,88926,Attribution
00326aa9.wav,Oboe,Private,355125,Attribution
00eac343.wav,Electric_piano,Public,371494,Creative Commons 0
"""
COMPETITION_TRAIN = "".join(",".join(line.split(",")[:3]) + "\n" for line in TRAIN.splitlines())


def released(folder):
    """The release, unpacked: a folder for each of its archives."""
    for name in ("meta", "audio_train", "audio_test"):
        (folder / f"FSDKaggle2018.{name}").mkdir()
    meta = folder / "FSDKaggle2018.meta"
    (meta / "train_post_competition.csv").write_text(TRAIN)
    (meta / "test_post_competition_scoring_clips.csv").write_text(SCORED)
    return folder


def competition(folder):
    """The competition's data, with its lists beside the folders."""
    for name in ("audio_train", "audio_test"):
        (folder / name).mkdir()
    (folder / "train.csv").write_text(COMPETITION_TRAIN)
    (folder / "test_post_competition.csv").write_text(ALL_TEST)
    return folder


LAYOUTS = {"released": (released, "FSDKaggle2018.audio_{}"),
           "competition": (competition, "audio_{}")}


def test_labels_are_the_41_in_alphabetical_order():
    assert len(set(fsdkaggle2018.LABELS)) == 41
    assert list(fsdkaggle2018.LABELS) == sorted(fsdkaggle2018.LABELS)


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
def test_training_clips_have_their_label_and_what_is_known_of_it(tmp_path, layout):
    make, folder = LAYOUTS[layout]
    make(tmp_path)
    manifest = fsdkaggle2018.load(tmp_path, tmp_path, "training")
    assert manifest.name == "fsdkaggle2018/training" and manifest.labels == fsdkaggle2018.LABELS
    assert [(clip.name, clip.labels, clip.verified) for clip in manifest.clips] == [
        ("00044347.wav", ("Hi-hat",), False), ("001ca53d.wav", ("Saxophone",), True),
        ("002d256b.wav", ("Trumpet",), False), ("0033e230.wav", ("Glockenspiel",), True)]
    assert all(clip.events is None and clip.fold is None for clip in manifest.clips)
    assert manifest.clips[0].path == str(tmp_path / folder.format("train") / "00044347.wav")
    assert "Fonseca" in manifest.attribution and "zenodo.2552860" in manifest.attribution


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
def test_the_verified_split_is_the_checked_part_of_training(tmp_path, layout):
    LAYOUTS[layout][0](tmp_path)
    whole = fsdkaggle2018.load(tmp_path, tmp_path, "training")
    verified = fsdkaggle2018.load(tmp_path, tmp_path, "verified")
    assert verified.clips == whole.select(lambda clip: clip.verified).clips
    assert len(verified) == 2


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
def test_only_scored_clips_are_in_the_test_split(tmp_path, layout):
    make, folder = LAYOUTS[layout]
    make(tmp_path)
    manifest = fsdkaggle2018.load(tmp_path, tmp_path, "test")
    assert [(clip.name, clip.labels, clip.verified) for clip in manifest.clips] == [
        ("00326aa9.wav", ("Oboe",), True), ("00eac343.wav", ("Electric_piano",), True)]
    assert manifest.clips[0].path == str(tmp_path / folder.format("test") / "00326aa9.wav")


def test_folders_may_be_the_ones_with_the_files_themselves(tmp_path):
    released(tmp_path)
    audio = tmp_path / "FSDKaggle2018.audio_train"
    (audio / "002d256b.wav").touch()
    manifest = fsdkaggle2018.load(tmp_path / "FSDKaggle2018.meta", audio, "training")
    assert [clip.path for clip in manifest.present().clips] == [str(audio / "002d256b.wav")]


def test_audio_that_is_nowhere_keeps_its_name(tmp_path):
    released(tmp_path)
    manifest = fsdkaggle2018.load(tmp_path, tmp_path / "nowhere", "test")
    assert manifest.clips[0].path == str(tmp_path / "nowhere" / "00326aa9.wav")


def test_a_byte_order_mark_and_more_columns_change_nothing(tmp_path):
    text = "".join(f"{i},{line}\n" for i, line in enumerate(TRAIN.splitlines()))
    (tmp_path / "train.csv").write_text(text, encoding="utf-8-sig")
    assert len(fsdkaggle2018.load(tmp_path, tmp_path, "training")) == 4


def test_an_unknown_split_is_named():
    with pytest.raises(ValueError, match="`split` must be one of .* split='train'"):
        fsdkaggle2018.load(".", ".", "train")


@pytest.mark.parametrize("split, names", [
    ("verified", "train_post_competition.csv or train.csv"),
    ("test", "test_post_competition_scoring_clips.csv or test_post_competition.csv")])
def test_absent_lists_are_named(tmp_path, split, names):
    with pytest.raises(FileNotFoundError, match=f"{names} in {tmp_path}.*zenodo"):
        fsdkaggle2018.load(tmp_path, tmp_path, split)


@pytest.mark.parametrize("file, split, text, message", [
    ("train.csv", "training", "fname,label\n", "line 1: the header lacks manually_verified"),
    ("train.csv", "training", "", "line 1: the header lacks fname, label, manually_verified"),
    ("train.csv", "training", COMPETITION_TRAIN + "a.wav,Bark\n", "line 6: 3 fields"),
    ("train.csv", "training", COMPETITION_TRAIN + "a.wav,Bark,1,2\n", "line 6: 3 fields"),
    ("train.csv", "training", COMPETITION_TRAIN + ",Bark,1\n", "line 6: 3 fields .* file's name"),
    ("train.csv", "training", COMPETITION_TRAIN + "a.wav,Bark,yes\n",
     "line 6: `manually_verified` must be 0 or 1. Received: 'yes'"),
    ("train.csv", "training", COMPETITION_TRAIN + "a.wav,Dog,1\n", "line 6: unknown label 'Dog'"),
    ("train.csv", "training", COMPETITION_TRAIN + "\n00044347.wav,Bark,1\n",
     "line 7: '00044347.wav' is there twice"),
    ("test_post_competition.csv", "test", ALL_TEST + "a.wav,Bark,Hidden,1,x\n",
     "line 5: `usage` must be one of .* Received: 'Hidden'"),
    ("test_post_competition.csv", "test", ALL_TEST + "a.wav,None,Public,1,x\n",
     "line 5: unknown label 'None'"),
])
def test_a_bad_row_is_named_with_file_and_line(tmp_path, file, split, text, message):
    (tmp_path / file).write_text(text)
    with pytest.raises(ValueError, match=f"{file}, {message}"):
        fsdkaggle2018.load(tmp_path, tmp_path, split)
