"""sedzoo train, of recipes that learn from segments: patches, embeddings, folds, released files."""

import csv
import json

import numpy as np
import pytest
import soundfile
from absl import flags
from hub_models import save_yamnet

from sedzoo import cli
from sedzoo.answers import read_answers
from sedzoo.commands import train as command
from sedzoo.commands import train_data
from sedzoo.datasets import fsdkaggle2018
from sedzoo.training import recipe

TINY = ("--set=arguments.width=2", "--set=arguments.units=8", "--set=arguments.embedding_size=6",
        "--set=epochs=2", "--set=batch_size=5")
SMALL = ("--set=arguments.units=8", "--set=epochs=1", "--set=batch_size=5")
PITCHES_HZ = {"low": 300, "middle": 900, "high": 2500}


def tone(path, pitch_hz, seconds, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    time = np.arange(int(16000 * seconds)) / 16000
    noise = np.random.default_rng(seed).normal(0, 0.003, len(time))
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * pitch_hz * time) + noise, 16000)


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    """A folder of class folders: six clips of each, of 0.5 to 2.5 s."""
    folder = tmp_path_factory.mktemp("tones")
    for label, pitch_hz in PITCHES_HZ.items():
        for i in range(6):
            tone(folder / label / f"{i}.wav", pitch_hz * (1 + i / 50), 0.5 + 0.4 * i, i)
    return folder


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    return tmp_path_factory.mktemp("work")


def opened(row, *argv):
    """What the command would learn from and validate on."""
    values = flags.FlagValues()
    command.define(values)
    values(["train", *argv])
    return train_data.open_data(values, row)


def train(capsys, row, *argv):
    """Exit code, standard output, standard error."""
    code = cli.main(["train", f"--recipe=xu2018thesis/{row}", *map(str, argv)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.mark.slow
def test_patches_of_a_folder_s_clips_train_an_extractor(tones, work, capsys):
    call = ["vggish-balanced-first", "--data=folder", f"--audio={tones}", "--valid_share=0.33",
            "--extractor=patches", f"--out={work / 'patches'}", *TINY]
    code, out, _ = train(capsys, *call, "--set=epochs=1")
    assert code == 0 and "12 training clips, 6 for validation, 3 classes" in out
    held = read_answers(work / "patches" / "valid_answers.npz")
    assert held.labels == ("high", "low", "middle") and len(held) == 6
    np.testing.assert_allclose(held.probabilities.sum(axis=1), 1, rtol=1e-4)
    assert (work / "patches" / "best.weights.h5").is_file()


@pytest.fixture(scope="module")
def extractor(tones, work):
    """The folder of a tiny extractor, trained on folders."""
    out = work / "extractor"
    assert cli.main(["train", "--recipe=xu2018thesis/vggish-unbalanced-last", "--data=folder",
                     f"--audio={tones}", f"--out={out}", "--valid_share=0.33", *TINY]) == 0
    return out


@pytest.mark.slow
def test_members_learn_in_folds_from_a_run_s_embeddings_and_are_compared(
        tones, work, extractor, capsys):
    outs = []
    for name in ("level-1", "level-3"):
        outs.append(work / name)
        code, out, _ = train(
            capsys, f"{name}-unbalanced-last", "--data=folder", f"--audio={tones}",
            f"--extractor={extractor}", f"--out={outs[-1]}", f"--cache={work / 'shared'}", *SMALL,
            "--set=folds=3", "--set=pitch_quota=8", "--set=segments=2")
        assert code == 0
        assert "24 training clips, 18 for validation, 3 classes, in folds" in out
        assert out.count("sedzoo export") == 3
    # Copies are learned from, and not answered for; the second system found them in the cache.
    names = [name for fold in range(3) for name in
             read_answers(outs[0] / f"fold-{fold}" / "valid_answers.npz").names]
    assert len(names) == len(set(names)) == 18 and not any(name.endswith("st") for name in names)
    assert len(list((work / "shared" / "pitch").glob("*.wav"))) == 6
    assert len([entry for entry in (work / "shared" / "train").iterdir() if entry.is_dir()]) == 1
    assert not (outs[0] / "cache").exists()
    assert json.loads((outs[0] / "fold-0" / "recipe.json").read_text())["mixtures"] == {
        "alpha": 0.2}
    assert cli.main(["compare", *map(str, outs), "--metric=map_at_3", "--one_sided"]) == 0
    assert "| map_at_3 |" in capsys.readouterr().out


@pytest.mark.slow
def test_whole_clips_go_to_the_lstm_and_folds_may_be_turned_off(
        tones, work, extractor, capsys):
    code, out, _ = train(capsys, "lstm-unbalanced-last", "--data=folder", f"--audio={tones}",
                         f"--extractor={extractor}", f"--out={work / 'lstm'}", *SMALL,
                         "--set=folds=0", "--valid_share=0.33")
    assert code == 0 and "12 training clips, 6 for validation" in out
    assert len(read_answers(work / "lstm" / "valid_answers.npz")) == 6


@pytest.mark.slow
def test_any_savedmodel_of_waveforms_may_make_the_embeddings(tones, work):
    save_yamnet(work / "yamnet")
    heard, asked = opened(recipe("xu2018thesis/audioset-level-1"), "--data=folder",
                          f"--audio={tones}", f"--out={work / 'hub'}", "--valid_share=0.33",
                          f"--extractor={work / 'yamnet'}")
    assert heard.values.shape == (heard.counts.sum(), 1024) and heard.hop_s == 0.48
    assert (len(heard), len(asked)) == (12, 6) and asked.extractor == heard.extractor


# -- FSDKaggle2018 -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fsd(tmp_path_factory):
    """The training list, with sixteen clips of four classes in it, and their audio."""
    folder = tmp_path_factory.mktemp("fsd")
    with open(folder / "train.csv", "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["fname", "label", "manually_verified"])
        for i in range(16):
            rows.writerow([f"{i:08}.wav", fsdkaggle2018.LABELS[i % 4], i % 2])
            tone(folder / "audio_train" / f"{i:08}.wav", 300 * 2 ** (i % 4), 0.6, i)
    return folder


@pytest.mark.parametrize("end, held", [("first", range(13, 16)), ("last", range(3))])
def test_extractors_leave_out_an_end_of_the_training_list(fsd, work, end, held):
    row = recipe(f"xu2018thesis/vggish-balanced-{end}")
    which, number = row.valid_split.split()
    assert number == "1473"
    heard, asked = opened(row.replace(valid_split=f"{which} 3"), "--data=fsdkaggle2018",
                          f"--metadata={fsd}", f"--audio={fsd}", f"--out={work / 'fsd'}")
    assert list(asked.names) == [f"{i:08}.wav" for i in held] and len(heard) == 13
    assert not set(asked.names) & set(heard.names) and len(heard.labels) == 41
    # Patches of the trimmed clips, as loud as can be; a shorter clip is one patch.
    assert heard.values.shape == (13, 96, 64) and (heard.counts == 1).all()


@pytest.mark.slow
def test_folds_are_of_originals_and_copies_are_to_learn_from_alone(fsd, work):
    row = recipe("xu2018thesis/6-segment-pitch-balanced-first").replace(folds=2, pitch_quota=6)
    heard, asked = opened(row, "--data=fsdkaggle2018", f"--metadata={fsd}", f"--audio={fsd}",
                          f"--out={work / 'folds'}", "--extractor=patches")
    assert len(heard) == 4 * 6 and len(asked) == 16 and set(asked.names) < set(heard.names)
    assert heard.tags.sum(axis=0)[:4].tolist() == [6] * 4
    folds = dict(zip(asked.names.tolist(), asked.folds.tolist(), strict=True))
    for name, fold in zip(heard.names.tolist(), heard.folds.tolist(), strict=True):
        assert folds[name[:12]] == fold         # 00000000.wav, 00000000.wav+3st
    assert sorted(folds.values()) == ["0"] * 8 + ["1"] * 8


# -- AudioSet's released embeddings ------------------------------------------------------------


@pytest.fixture
def released(tmp_path):
    """Two files of each list, of four classes, and the list of classes."""
    import tensorflow as tf

    (tmp_path / "class_labels_indices.csv").write_text(
        "index,mid,display_name\n" + "".join(f"{k},/m/{k},Class {k}\n" for k in range(4)))
    draw = np.random.default_rng(0)
    for folder, num in (("bal_train", 4), ("unbal_train", 8), ("eval", 4)):
        (tmp_path / folder).mkdir()
        for part in range(2):
            with tf.io.TFRecordWriter(str(tmp_path / folder / f"{part}.tfrecord")) as file:
                for i in range(num):
                    file.write(example(tf, f"{folder[:3]}{part}_{i:06}"[:11], i % 4, draw))
    return tmp_path


def example(tf, video, label, draw):
    values = draw.integers(0, 200, (10, 128), np.uint8)
    values[:, label] = 255
    return tf.train.SequenceExample(
        context=tf.train.Features(feature={
            "video_id": tf.train.Feature(bytes_list=tf.train.BytesList(value=[video.encode()])),
            "start_time_seconds": tf.train.Feature(float_list=tf.train.FloatList(value=[0.0])),
            "end_time_seconds": tf.train.Feature(float_list=tf.train.FloatList(value=[10.0])),
            "labels": tf.train.Feature(int64_list=tf.train.Int64List(value=[label]))}),
        feature_lists=tf.train.FeatureLists(feature_list={
            "audio_embedding": tf.train.FeatureList(feature=[
                tf.train.Feature(bytes_list=tf.train.BytesList(value=[row.tobytes()]))
                for row in values])})).SerializeToString()


@pytest.mark.slow
@pytest.mark.parametrize("name, num", [("dnn-1", 8), ("level-13", 24)])
def test_released_embeddings_are_learned_from_by_list(released, capsys, name, num):
    out = released / name
    code, text, _ = train(capsys, f"audioset-{name}", "--data=audioset_embeddings",
                          f"--audio={released}", f"--metadata={released}", f"--out={out}",
                          *SMALL, "--set=epochs=2", "--set=steps_per_epoch=4")
    assert code == 0 and f"{num} training clips, 8 for validation, 4 classes" in text
    with open(out / "history.csv") as file:
        last = list(csv.DictReader(file))[-1]
    assert {"val_average_precision", "val_auc", "val_d_prime", "val_loss"} <= set(last)
    with np.load(out / "standardise.npz") as scale:
        assert (scale["mean"], scale["std"]) == (128, 128)
    assert read_answers(out / "valid_answers.npz").labels == tuple(f"Class {k}" for k in range(4))


# -- mistakes ----------------------------------------------------------------------------------

FOLDER = ("--data=folder", "--audio=TONES")
RELEASED = ("--data=audioset_embeddings", "--audio=TONES", "--metadata=TONES")


@pytest.mark.parametrize("row, argv, reason", [
    ("6-segment-balanced-last", FOLDER,
     "--extractor is needed: the folder of a run of xu2018thesis/vggish-balanced-last"),
    ("1-segment-original", FOLDER, "--extractor_weights is needed for the published weights"),
    pytest.param("1-segment-original", (*FOLDER, "--extractor_weights=/nowhere.ckpt"),
                 "/nowhere.ckpt", marks=pytest.mark.slow),
    ("6-segment-balanced-last", (*FOLDER, "--extractor=/nowhere"), "/nowhere"),
    ("6-segment-balanced-last", (*FOLDER, "--extractor=patches", "--extractor_weights=x"),
     "--extractor_weights is for vggish. Received: patches"),
    ("6-segment", FOLDER, "averages xu2018thesis/6-segment-balanced-first"),
    ("baseline", FOLDER, "quotes its numbers"),
    ("6-segment-balanced-last", ("--data=soundscapes",), "take --set folds=0"),
    ("audioset-lstm", ("--data=audioset_embeddings", "--audio=TONES"),
     "--metadata is needed for audioset_embeddings"),
    ("audioset-lstm", (*RELEASED, "--extractor=patches"), "--extractor is not for them"),
    ("6-segment-balanced-last", RELEASED, "--set folds=0"),
    ("audioset-lstm", RELEASED, "class_labels_indices.csv"),
    ("vggish-balanced-last", ("--data=fsdkaggle2018", "--audio=TONES"),
     "--metadata is needed for fsdkaggle2018"),
])
def test_a_mistake_is_one_line_and_an_exit_code(tones, work, capsys, row, argv, reason):
    argv = [part.replace("TONES", str(tones)) for part in argv]
    code, out, err = train(capsys, row, f"--out={work / 'mistake'}", *argv)
    assert code == 1 and not out
    assert err.count("\n") == 1 and reason in err


def test_recipes_of_features_go_on_as_before(tones, work):
    train, valid = opened(recipe("chou2018/mmnet"), "--data=folder", f"--audio={tones}",
                          f"--out={work / 'features'}", "--valid_share=0.5")
    assert (train.name, len(train), len(valid)) == (tones.name, 9, 9)


def test_every_kind_of_data_has_its_splits():
    assert set(train_data.SPLITS) < set(train_data.KINDS)
