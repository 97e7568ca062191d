"""Released embeddings arrive bit by bit and in order, and what is damaged is named and left out."""

import csv
import os
import random

import numpy as np
import pytest
import tensorflow as tf

from sedzoo.datasets import audioset
from sedzoo.embeddings import examples, tfrecords
from sedzoo.embeddings import records as embedding_records
from sedzoo.embeddings.records import DAMAGED, DUPLICATE, FOLDERS, SPLITS, import_records

CLASSES = {f"/m/{k}": f"class {k}" for k in range(6)}


def feature(values):
    if isinstance(values[0], bytes):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
    if isinstance(values[0], float):
        return tf.train.Feature(float_list=tf.train.FloatList(value=values))
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def record(video, segments, labels, start=30.0, end=40.0, **others):
    """A serialised SequenceExample; a context feature of None is left out."""
    context = {"video_id": video.encode(), "labels": labels, "start_time_seconds": start,
               "end_time_seconds": end, **others}
    context = {key: feature(value if isinstance(value, list) else [value])
               for key, value in context.items() if value not in (None, [])}
    steps = [feature([bytes(segment)]) for segment in segments]
    return tf.train.SequenceExample(
        context=tf.train.Features(feature=context),
        feature_lists=tf.train.FeatureLists(feature_list={
            "audio_embedding": tf.train.FeatureList(feature=steps)})).SerializeToString()


def clip(seed):
    """Id, segments uint8 (1 to 10, 128), labels of a clip made at random."""
    draw = np.random.default_rng(seed)
    segments = draw.integers(0, 256, (draw.integers(1, 11), 128), np.uint8)
    return f"id-{seed:07d}_", segments, draw.permutation(6)[:draw.integers(1, 4)].tolist()


def write(path, records):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for each in records:
            writer.write(each)


def frames(path):
    """Where each record of a file starts, and where the last one ends."""
    data, edges = path.read_bytes(), [0]
    while edges[-1] < len(data):
        edges.append(edges[-1] + 16 + int.from_bytes(data[edges[-1]:edges[-1] + 8], "little"))
    return edges


def flip(path, offset):
    """Change one bit of a file."""
    data = bytearray(path.read_bytes())
    data[offset] ^= 4
    path.write_bytes(data)


@pytest.fixture
def released(tmp_path):
    """The three lists: files of a few clips each, made in an order of their own."""
    names = ["_a", "0Z", "0b", "-1"]
    folders = [(folder, name) for folder in FOLDERS.values() for name in names]
    random.Random(1).shuffle(folders)
    for folder, name in folders:
        base = 1000 * list(FOLDERS.values()).index(folder) + 100 * names.index(name)
        write(tmp_path / "released" / folder / f"{name}.tfrecord",
              [record(*clip(base + k)) for k in range(5)])
    return tmp_path / "released"


def load(released, split="balanced", name="store", **arguments):
    return import_records(released, released.parent / name, CLASSES, split, progress=False,
                          **arguments)


def read_by_tensorflow(released, *folders):
    """(name, segments, labels, folder) of every record, by tf.data and its parser."""
    for folder in folders:
        files = sorted(map(str, (released / folder).glob("*.tfrecord")))
        for each in tf.data.TFRecordDataset(files):
            context, lists = tf.io.parse_single_sequence_example(
                each, {"video_id": tf.io.FixedLenFeature((), tf.string),
                       "labels": tf.io.VarLenFeature(tf.int64)},
                {"audio_embedding": tf.io.FixedLenSequenceFeature((), tf.string)})
            yield (f"{context['video_id'].numpy().decode()}_30.000_40.000.wav",
                   tf.io.decode_raw(lists["audio_embedding"], tf.uint8).numpy(),
                   sorted(context["labels"].values.numpy().tolist()), folder)


def segments_of(store, row):
    return store.values[store.starts[row]:store.starts[row] + store.counts[row]]


@pytest.mark.parametrize("split", sorted(SPLITS))
def test_clips_are_those_that_tf_data_reads_in_its_order(released, split):
    store = load(released, split)
    expected = list(read_by_tensorflow(released, *(FOLDERS[part] for part in SPLITS[split])))
    assert store.names.tolist() == [name for name, *_ in expected]
    assert store.values.dtype == np.uint8
    for row, (_, segments, labels, folder) in enumerate(expected):
        np.testing.assert_array_equal(segments_of(store, row), segments)
        assert store.tags[[row]].indices.tolist() == labels
        assert FOLDERS[store.folds[row]] == folder
    assert set(store.tags.data) == {1} and store.tags.shape == (len(expected), 6)


def test_a_store_knows_the_scale_the_classes_and_whom_to_name(released):
    store = load(released)
    assert (store.name, store.hop_s) == ("audioset/balanced", 0.96)
    assert (store.labels, store.mids) == (tuple(CLASSES.values()), tuple(CLASSES))
    assert store.attribution == audioset.ATTRIBUTION
    x = (np.float32([0, 128, 255]) - store.mean) / store.std
    np.testing.assert_array_equal(x, np.float32([-1, 0, 127 / 128]))


def test_names_are_those_of_the_lists(tmp_path, released):
    segments = np.zeros((1, 128), np.uint8)
    write(released / "eval" / "x.tfrecord", [
        record("abcdefghijk", segments, [1], 0.0, 9.5),
        record("without_end", segments, [1], 30.0, None), record("nothing0000", segments, [1],
                                                                 None, None)])
    assert load(released, "evaluation").names[-3:].tolist() == [
        "abcdefghijk_0.000_9.500.wav", "without_end.wav", "nothing0000.wav"]
    metadata = tmp_path / "lists"
    metadata.mkdir()
    (metadata / "class_labels_indices.csv").write_text("index,mid,display_name\n0,/m/0,class 0\n")
    (metadata / "eval_segments.csv").write_text('abcdefghijk, 0.000, 9.500, "/m/0"\n')
    assert audioset.load(metadata, tmp_path, "evaluation").clips[0].name == (
        "abcdefghijk_0.000_9.500.wav")


def test_labels_are_ascending_and_each_is_there_once(released):
    write(released / "eval" / "x.tfrecord",
          [record("abcdefghijk", np.zeros((2, 128), np.uint8), [5, 0, 5, 3])])
    tags = load(released, "evaluation").tags[[-1]]
    assert tags.indices.tolist() == [0, 3, 5] and tags.data.tolist() == [1, 1, 1]


@pytest.mark.parametrize("block", (2, 1024))
def test_threads_and_blocks_change_nothing(released, monkeypatch, block):
    alone = load(released, "training", num_threads=1)
    monkeypatch.setattr(embedding_records, "_BLOCK", block)
    together = load(released, "training", "together", num_threads=5)
    for key in ("values", "starts", "counts", "names", "folds"):
        np.testing.assert_array_equal(getattr(together, key), getattr(alone, key))
    assert (together.tags != alone.tags).nnz == 0


def test_shards_are_disjoint_and_together_all(released):
    whole = load(released, "training")
    shards = [load(released, "training", f"shard {k}", shard=(k, 3)) for k in range(3)]
    assert [len(shard) for shard in shards] == [15, 15, 10]     # of eight files with five clips
    names = np.concatenate([shard.names for shard in shards])
    assert sorted(names) == sorted(whole.names) and len(set(names)) == len(names)
    place = {name: row for row, name in enumerate(whole.names)}
    for shard in shards:
        rows = [place[name] for name in shard.names]
        assert rows == sorted(rows)
        for row, whole_row in enumerate(rows):
            np.testing.assert_array_equal(segments_of(shard, row), segments_of(whole, whole_row))
        assert (shard.tags != whole.tags[rows]).nnz == 0


# -- damage ------------------------------------------------------------------------------------


def other(seed, **changes):
    """A record that is damaged in one respect."""
    video, segments, labels = clip(seed)
    return record(**{"video": video, "segments": segments, "labels": labels, **changes})


DAMAGE = {
    "no SequenceExample": (b"\xff\xff nothing of the kind", examples.FORMAT),
    "labels of another type": (other(7, labels=[1.0]), examples.FORMAT),
    "nothing at all": (b"", examples.NO_ID),
    "no id": (other(7, video_id=None), examples.NO_ID),
    "no segment": (other(7, segments=[]), examples.NO_SEGMENT),
    "short segment": (other(7, segments=[bytes(128), bytes(127)]), examples.SEGMENT),
    "long segment": (other(7, segments=[bytes(129), bytes(128)]), examples.SEGMENT),
    "empty segment": (other(7, segments=[bytes(128), b""]), examples.SEGMENT),
    "no label": (other(7, labels=[]), examples.NO_LABEL),
    "label too large": (other(7, labels=[0, 6]), examples.LABEL),
    "negative label": (other(7, labels=[-1, 2]), examples.LABEL),
    "duplicate": (record(clip(0)[0], [bytes(128)], [1]), DUPLICATE),
    "duplicate of a clip in an earlier file": (record(clip(300)[0], [bytes(128)], [1]), DUPLICATE),
}


def left_out(store_dir):
    """Rows of the report."""
    with open(store_dir / DAMAGED, encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file, delimiter="\t")
    assert header == ["file", "record", "reason"]
    return [tuple(row) for row in rows]


@pytest.mark.parametrize("kind", sorted(DAMAGE))
def test_a_damaged_record_is_left_out_and_named(released, kind, caplog):
    content, reason = DAMAGE[kind]
    expected = load(released, name="undamaged")
    path = released / "bal_train" / "_a.tfrecord"
    good = [record(*clip(k)) for k in range(5)]
    write(path, [*good[:3], content, *good[3:]])
    store = load(released)
    assert left_out(released.parent / "store") == [("bal_train/_a.tfrecord", "3", reason)]
    assert store.names.tolist() == expected.names.tolist()
    np.testing.assert_array_equal(store.values, expected.values)
    assert (store.tags != expected.tags).nnz == 0
    messages = [entry.getMessage() for entry in caplog.records]
    assert len(messages) == 1 and f"1 x {reason}" in messages[0] and "20 clips" in messages[0]


def test_damaged_records_spoil_none_around_them(released):
    """Blocks that cannot be parsed as a whole are parsed in parts."""
    good = [record(*clip(5000 + k)) for k in range(64)]
    broken = {0, 1, 17, 40, 63}
    write(released / "eval" / "x.tfrecord",
          [b"\xff\xff" if k in broken else each for k, each in enumerate(good)])
    store = load(released, "evaluation")
    assert store.names[20:].tolist() == [f"{clip(5000 + k)[0]}_30.000_40.000.wav"
                                         for k in range(64) if k not in broken]
    assert [int(number) for _, number, _ in left_out(released.parent / "store")] == sorted(broken)


def test_whatever_bytes_a_record_has_it_becomes_a_whole_clip_or_is_named():
    draw, records = np.random.default_rng(1), []
    for seed in range(200):
        content = bytearray(record(*clip(seed)))
        place = draw.integers(0, 120)           # where the context and the first lengths are
        if seed % 3:
            content[place] = draw.integers(0, 256)
        else:
            del content[place:place + draw.integers(1, 40)]
        records.append(bytes(content))
    damaged = []
    blocks = examples.clips_of(tuple(range(200)), tuple(records), 6, damaged)
    numbers = [number for block in blocks for number in block.numbers]
    assert sorted(numbers + [number for number, _ in damaged]) == list(range(200))
    assert min(len(numbers), len(damaged)) > 20
    for block in blocks:
        assert block.values.shape == (block.counts.sum(), 128) and block.values.dtype == np.uint8
        assert len(block.classes) == block.num_tags.sum()
        assert set(block.classes) <= set(range(6))
        assert (block.counts > 0).all() and (block.num_tags > 0).all()


# Where in record 2 of a file a bit is changed, or the file cut off: what is lost, and why.
CHECKED = {"length": (0, [2, 3, 4], tfrecords.FRAMING),
           "checksum of the length": (9, [2, 3, 4], tfrecords.FRAMING),
           "content": (100, [2], tfrecords.CHECKSUM), "checksum": (-1, [2], tfrecords.CHECKSUM)}


@pytest.mark.parametrize("part", sorted(CHECKED))
def test_a_record_of_another_checksum_is_left_out(released, part):
    offset, lost, reason = CHECKED[part]
    expected = load(released, name="undamaged")
    path = released / "bal_train" / "0b.tfrecord"
    flip(path, frames(path)[2 if offset >= 0 else 3] + offset)
    store = load(released)
    assert left_out(released.parent / "store") == [("bal_train/0b.tfrecord", "2", reason)]
    gone = {f"{clip(200 + k)[0]}_30.000_40.000.wav" for k in lost}
    assert store.names.tolist() == [name for name in expected.names if name not in gone]
    assert len(store) == 20 - len(lost)


@pytest.mark.parametrize("kept", (1, 8, 12, 100, -1))
def test_of_a_file_that_ends_early_the_records_before_are_kept(released, kept):
    path = released / "bal_train" / "0b.tfrecord"
    edges = frames(path)
    os.truncate(path, edges[3] + kept if kept >= 0 else edges[4] + kept)
    store = load(released)
    assert len(store) == 18
    assert left_out(released.parent / "store") == [
        ("bal_train/0b.tfrecord", "3", tfrecords.TRUNCATED)]


def test_files_that_are_empty_or_cannot_be_read_are_named(released):
    (released / "bal_train" / "empty.tfrecord").touch()
    (released / "bal_train" / "folder.tfrecord").mkdir()
    (released / "bal_train" / "gone.tfrecord").symlink_to(released / "nowhere")
    assert len(load(released)) == 20
    (empty, folder, gone) = left_out(released.parent / "store")
    assert empty == ("bal_train/empty.tfrecord", "0", tfrecords.EMPTY)
    assert folder[:2] == ("bal_train/folder.tfrecord", "0") and "cannot be read" in folder[2]
    assert gone[:2] == ("bal_train/gone.tfrecord", "0") and "No such file" in gone[2]


def test_several_kinds_of_damage_are_counted_by_reason(released, caplog):
    write(released / "bal_train" / "z.tfrecord",
          [other(50, labels=[]), other(51, labels=[9]), other(52, labels=[]), record(*clip(0))])
    load(released)
    message, = (entry.getMessage() for entry in caplog.records)
    assert "4 damaged records" in message
    assert f"2 x {examples.NO_LABEL}; 1 x {examples.LABEL}; 1 x {DUPLICATE}" in message


def test_nothing_but_damage_is_an_error_and_leaves_nothing(released):
    for path in (released / "bal_train").glob("*"):
        path.write_bytes(b"no TFRecord file, " * 10)
    with pytest.raises(ValueError, match=r"(?s)No record .*audioset/balanced.*4 left out; "
                                         r"bal_train/-1.tfrecord, record 0: its length"):
        load(released)
    assert [path.name for path in released.parent.iterdir()] == ["released"]


# -- one import after another ----------------------------------------------------------------------


def test_a_finished_import_is_opened_and_its_damage_said_again(released, monkeypatch, caplog):
    write(released / "bal_train" / "z.tfrecord", [other(50, labels=[])])
    first = load(released)
    monkeypatch.setattr(embedding_records, "_read", None)   # whoever reads a file fails
    second = load(released)
    np.testing.assert_array_equal(second.values, first.values)
    assert second.names.tolist() == first.names.tolist()
    first_said, second_said = (entry.getMessage() for entry in caplog.records)
    assert first_said == second_said


def test_an_import_that_is_stopped_leaves_nothing_and_can_be_repeated(released, monkeypatch):
    def stop(*_, **about):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(embedding_records.Writer, "finish", stop)
        with pytest.raises(KeyboardInterrupt):
            load(released)
    assert [path.name for path in released.parent.iterdir()] == ["released"]
    assert len(load(released)) == 20


def test_an_empty_folder_is_filled(released):
    (released.parent / "store").mkdir()
    assert len(load(released)) == 20


@pytest.mark.parametrize("change", ("split", "shard", "classes", "files"))
def test_a_folder_of_another_import_is_an_error(released, change):
    load(released)
    arguments = {"split": "balanced", "classes": CLASSES}
    if change == "split":
        arguments["split"] = "evaluation"
    elif change == "shard":
        arguments["shard"] = (0, 2)
    elif change == "classes":
        arguments["classes"] = {**CLASSES, "/m/6": "class 6"}
    else:
        write(released / "bal_train" / "z.tfrecord", [record(*clip(50))])
    with pytest.raises(ValueError, match="`directory` must be new, or made of the same"):
        import_records(released, released.parent / "store", progress=False, **arguments)


def test_a_folder_of_something_else_is_an_error(released):
    (released.parent / "store").mkdir()
    (released.parent / "store" / "thesis.txt").write_text("mine")
    with pytest.raises(FileNotFoundError, match="store holds no embeddings"):
        load(released)
    assert (released.parent / "store" / "thesis.txt").read_text() == "mine"


def test_arguments_out_of_bounds_are_errors(released):
    with pytest.raises(ValueError, match="`split` must be one of .*Received: split='eval'"):
        load(released, "eval")
    for shard in ((4, 4), (-1, 2), (0, 5)):
        with pytest.raises(ValueError, match="`shard` must be .* <= 4 files. Received: shard="):
            load(released, shard=shard)
    with pytest.raises(FileNotFoundError, match="(?s)unbal_train, as .tfrecord files"):
        import_records(released / "bal_train", released.parent / "store", CLASSES, "unbalanced")


def test_the_published_class_list_fits(released, shared_data):
    classes = audioset.read_classes(shared_data / "audioset" / "class_labels_indices.csv")
    store = import_records(released, released.parent / "store", classes, "balanced",
                           progress=False)
    assert store.tags.shape == (20, 527)
    assert (store.labels[0], store.mids[0]) == ("Speech", "/m/09x0r")
