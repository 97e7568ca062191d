import dataclasses
import json
import os
import shutil
from collections import Counter

import numpy as np
import pytest
import soundfile
from scipy.sparse import csr_array

from sedzoo.datasets.manifest import Clip, Manifest
from sedzoo.embeddings import Embeddings, Writer, extract
from sedzoo.embeddings.extractors import Patches

RATE = 8000
LENGTHS = {"a.wav": 4000, "b.wav": 900, "c.wav": 2500}


class Levels:
    """An extractor of no network: mean and loudness of every tenth of a second."""

    name, sample_rate, hop_s = "levels", RATE, 0.1

    def __init__(self, gain=1.0):
        self.gain = gain
        self.heard = []

    def to_dict(self):
        return {"name": self.name, "gain": self.gain}

    def __call__(self, waveform):
        self.heard.append(len(waveform))
        blocks = waveform[:len(waveform) // 800 * 800].reshape(-1, 800) * self.gain
        return np.stack([blocks.mean(axis=1), blocks.std(axis=1)], axis=1)


@pytest.fixture
def folder(tmp_path):
    """Three readable sounds of 0.5, 0.1 and 0.3 s, and a broken one."""
    draw = np.random.default_rng(0)
    for name, num_samples in LENGTHS.items():
        soundfile.write(tmp_path / name, draw.normal(0, 0.1, num_samples), RATE, subtype="FLOAT")
    (tmp_path / "broken.wav").write_bytes(b"no sound at all, but some forty bytes of text in it")
    return tmp_path


@pytest.fixture
def manifest(folder):
    tags = {"a.wav": ("x", "y"), "broken.wav": ("y",), "b.wav": None, "missing.wav": ("x",),
            "c.wav": ()}
    folds = {"a.wav": 1, "b.wav": "two", "c.wav": None}
    return Manifest("five", ("x", "y", "z"), tuple(
        Clip(name, str(folder / name), labels, fold=folds.get(name))
        for name, labels in tags.items()), ("/m/x", "/m/y", "/m/z"), "made here")


def expected(folder, name, gain=1.0):
    waveform, _ = soundfile.read(folder / name, dtype="float32")
    return Levels(gain)(waveform)


# -- from sounds -------------------------------------------------------------------------------


def test_segments_of_every_readable_clip_stand_in_a_row(manifest, folder):
    found = extract(manifest, Levels(), folder / "cache", progress=False)
    assert found.names.tolist() == ["a.wav", "b.wav", "c.wav"] and len(found) == 3
    assert found.counts.tolist() == [5, 1, 3] and found.starts.tolist() == [0, 5, 6]
    assert found.values.dtype == np.float32 and found.values.shape == (9, 2)
    for name, start, count in zip(found.names, found.starts, found.counts, strict=True):
        np.testing.assert_allclose(found.values[start:start + count], expected(folder, name),
                                   atol=1e-6)
    assert (found.labels, found.mids) == (("x", "y", "z"), ("/m/x", "/m/y", "/m/z"))
    assert (found.name, found.attribution, found.hop_s) == ("five", "made here", 0.1)
    assert (found.mean, found.std, found.extractor) == (0, 1, {"name": "levels", "gain": 1.0})


def test_the_segments_stay_on_disk(manifest, folder):
    values = extract(manifest, Levels(), folder / "cache", progress=False).values
    assert isinstance(values, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        values[0] = 0


def test_tags_and_folds_are_the_manifests_and_nan_where_nobody_said(manifest, folder):
    found = extract(manifest, Levels(), folder / "cache", progress=False)
    nan = np.nan
    np.testing.assert_array_equal(found.tags.toarray(), [[1, 1, 0], [nan, nan, nan], [0, 0, 0]])
    assert found.tags.dtype == np.float32
    assert found.folds.tolist() == ["1", "two", ""]
    assert found.of_folds(1).names.tolist() == ["a.wav"]
    assert found.of_folds("two", 1).names.tolist() == ["a.wav", "b.wav"]
    assert len(found.of_folds()) == len(found.of_folds(3)) == 0


def test_missing_and_unreadable_files_are_left_out_and_listed(manifest, folder):
    for _ in range(2):                                      # computed, then from the cache
        extract(manifest, Levels(), folder / "cache", progress=False)
        missing = (folder / "cache" / "missing_files.tsv").read_text().splitlines()
        assert [line.split("\t")[0] for line in missing] == ["filename", "missing.wav"]
        unreadable = (folder / "cache" / "unreadable_files.tsv").read_text().splitlines()
        assert [line.split("\t")[0] for line in unreadable] == ["filename", "broken.wav"]
        assert len(unreadable[1].split("\t")[1]) > 10


def test_a_second_call_hears_nothing(manifest, folder):
    first, second = Levels(), Levels()
    one, two = (extract(manifest, each, folder / "cache", progress=False)
                for each in (first, second))
    assert sorted(first.heard) == [900, 2500, 4000] and second.heard == []
    np.testing.assert_array_equal(one.values, two.values)
    assert one.names.tolist() == two.names.tolist()


def test_a_changed_file_or_another_extractor_is_heard_anew(manifest, folder):
    extract(manifest, Levels(), folder / "cache", progress=False)
    soundfile.write(folder / "b.wav", np.full(1600, 0.25), RATE, subtype="FLOAT")
    changed = extract(manifest, Levels(), folder / "cache", progress=False)
    assert changed.counts.tolist() == [5, 2, 3]
    np.testing.assert_allclose(changed.values[5:7], [[0.25, 0], [0.25, 0]], atol=1e-6)
    os.utime(folder / "b.wav", ns=(1, 1))
    for extractor in (Levels(), Levels(gain=2.0)):
        extract(manifest, extractor, folder / "cache", progress=False)
        assert len(extractor.heard) == 3
    doubled = extract(manifest, Levels(gain=2.0), folder / "cache", progress=False)
    np.testing.assert_allclose(doubled.values[:5], expected(folder, "a.wav", 2.0), atol=1e-6)


def test_labels_and_folds_changed_since_are_todays_and_nothing_is_heard_again(manifest, folder):
    extract(manifest, Levels(), folder / "cache", progress=False)
    corrected = dataclasses.replace(
        manifest, name="six", labels=("z", "x"), mids=(), attribution="", clips=tuple(
            dataclasses.replace(clip, labels=("x", "x"), fold=7) for clip in manifest.clips))
    extractor = Levels()
    found = extract(corrected, extractor, folder / "cache", progress=False)
    assert extractor.heard == []
    np.testing.assert_array_equal(found.tags.toarray(), [[0, 1]] * 3)
    assert (found.name, found.labels, found.mids) == ("six", ("z", "x"), ())
    assert found.folds.tolist() == ["7"] * 3


def test_patches_keep_their_frames(folder, manifest):
    found = extract(manifest, Patches("vggish", 10), folder / "cache", progress=False)
    assert found.values.shape == (found.counts.sum(), 10, 64)
    pieces = found.pieces(2)
    assert pieces[np.array([0])].shape == (1, 20, 64)
    np.testing.assert_array_equal(pieces[np.array([0])][0], found.values[:2].reshape(20, 64))


def test_nothing_to_hear_is_an_error(manifest, folder):
    with pytest.raises(FileNotFoundError, match="No audio file of 'five' is there"):
        extract(manifest.select(lambda clip: clip.name == "missing.wav"), Levels(),
                folder / "cache", progress=False)
    with pytest.raises(ValueError, match=r"No audio file of 'five' can be read \(1 tried; broken"):
        extract(manifest.select(lambda clip: clip.name == "broken.wav"), Levels(),
                folder / "cache", progress=False)


def test_an_extractor_that_fails_or_says_nothing_leaves_no_entry(manifest, folder):
    class Fails(Levels):
        def __call__(self, waveform):
            if len(waveform) < 1000:
                raise RuntimeError("out of memory")
            return super().__call__(waveform)

    class Mute(Levels):
        def __call__(self, waveform):
            return super().__call__(waveform)[:0]

    for extractor, error in ((Fails(), RuntimeError), (Mute(), ValueError)):
        with pytest.raises(error, match="out of memory|one or more for each"):
            extract(manifest, extractor, folder / "cache", progress=False)
    assert not [path for path in (folder / "cache").iterdir() if path.is_dir()]
    assert len(extract(manifest, Levels(), folder / "cache", progress=False)) == 3


# -- choosing and keeping ----------------------------------------------------------------------


@pytest.fixture(params=["float32", "uint8", "patches"])
def made(request):
    """Eleven clips in a memory where they stand in no order, some unlabelled."""
    draw = np.random.default_rng(3)
    counts = draw.integers(1, 6, 11)
    starts = (np.cumsum(counts) - counts)[::-1].copy()
    values = draw.normal(128, 40, (counts.sum(), *([4, 2] if request.param == "patches" else [3])))
    values = values.clip(0, 255).astype("uint8" if request.param == "uint8" else "float32")
    tags = (draw.random((11, 4)) < 0.4).astype(np.float32)
    tags[[2, 5]] = np.nan
    return Embeddings(values, starts, counts[::-1].copy(), csr_array(tags),
                      np.array([f"clip \N{SNOWMAN} {i}.wav" for i in range(11)]),
                      np.array([str(i % 3) for i in range(11)]), ("a", "b", "c", "d"),
                      ("/m/1", "/m/2", "/m/3", "/m/4"), "made", "by nobody",
                      hop_s=0.48, mean=128.0, std=np.float32(127.5), extractor={"rates": [1, 2]})


def clip_segments(embeddings, row):
    start = embeddings.starts[row]
    return embeddings.values[start:start + embeddings.counts[row]]


def assert_clips(found, whole, rows):
    """The clips of `rows`, with all that belongs to them."""
    assert len(found) == len(rows)
    for i, row in enumerate(rows):
        np.testing.assert_array_equal(clip_segments(found, i), clip_segments(whole, row))
    np.testing.assert_array_equal(found.tags.toarray(), whole.tags.toarray()[rows])
    assert found.names.tolist() == whole.names[rows].tolist()
    assert found.folds.tolist() == whole.folds[rows].tolist()
    for key in ("labels", "mids", "name", "attribution", "hop_s", "mean", "extractor"):
        assert getattr(found, key) == getattr(whole, key)
    assert float(found.std) == float(whole.std)


def test_parts_are_views_of_the_clips_asked_for(made):
    chosen = np.arange(11) % 4 == 1
    for part, rows in ((made.select([3, 0, 3]), [3, 0, 3]), (made.select(chosen), [1, 5, 9]),
                       (made.select([]), []), (made.select(range(10, 8, -1)), [10, 9]),
                       (made.of_folds(2), [2, 5, 8]), (made.of_folds("0", 1).select([0, -1]),
                                                       [0, 10])):
        assert part.values is made.values
        assert_clips(part, made, rows)


def test_shards_are_disjoint_and_together_all(made):
    shards = [made.shard(i, 3) for i in range(3)]
    assert_clips(shards[1], made, [1, 4, 7, 10])
    names = Counter(name for shard in shards for name in shard.names.tolist())
    assert names == Counter(made.names.tolist())


def test_what_is_saved_is_opened_again(made, tmp_path):
    made.save(tmp_path / "all")
    found = Embeddings.open(tmp_path / "all")
    assert isinstance(found.values, np.memmap) and found.values.dtype == made.values.dtype
    assert_clips(found, made, list(range(11)))
    rows = [7, 2, 2, 9]
    made.select(rows).save(tmp_path / "some")
    some = Embeddings.open(tmp_path / "some")
    assert_clips(some, made, rows)
    assert len(some.values) == made.counts[rows].sum()          # and no others
    assert sorted(path.name for path in (tmp_path / "some").iterdir()) == [
        "about.json", "clips.npz", "values.bin"]


def test_more_clips_than_a_block_are_saved_alike(tmp_path):
    draw = np.random.default_rng(0)
    counts = draw.integers(1, 3, 600)
    whole = Embeddings(draw.normal(size=(counts.sum(), 2)).astype(np.float32),
                       np.cumsum(counts) - counts, counts,
                       csr_array((draw.random((600, 3)) < 0.1).astype(np.float32)),
                       np.arange(600).astype(str), np.full(600, ""), ("a", "b", "c"))
    whole.save(tmp_path)
    assert_clips(Embeddings.open(tmp_path), whole, list(range(600)))


def test_they_can_be_saved_into_the_folder_they_were_opened_from(made, tmp_path):
    made.save(tmp_path)
    Embeddings.open(tmp_path).select([4, 1]).save(tmp_path)
    assert_clips(Embeddings.open(tmp_path), made, [4, 1])


def test_a_write_that_fails_leaves_the_folder_as_it_was(made, tmp_path):
    made.save(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        with Writer(tmp_path, made.values.shape[1:], made.values.dtype) as writer:
            writer.add(clip_segments(made, 0), "half", [0])
            raise KeyboardInterrupt
    assert_clips(Embeddings.open(tmp_path), made, list(range(11)))
    assert not (tmp_path / "partial-values.bin").exists()


def test_clips_come_one_by_one_or_in_blocks(tmp_path):
    values = np.arange(12, dtype=np.float32).reshape(6, 2)
    with Writer(tmp_path / "one", (2,), "float32") as writer:
        writer.add(values[:1], "a", [1, 0], "1")
        writer.add(values[1:4], "b", [], "1")
        writer.add(values[4:], "c", [1], "2", [np.nan])
        writer.finish(labels=("x", "y"))
    with Writer(tmp_path / "all", (2,), "float32") as writer:
        writer.add_block(values, [1, 3, 2], ["a", "b", "c"], ["1", "1", "2"], [2, 0, 1],
                         [1, 0, 1], [1, 1, np.nan])
        writer.finish(labels=("x", "y"))
    one, whole = (Embeddings.open(tmp_path / name) for name in ("one", "all"))
    assert_clips(one, whole, [0, 1, 2])
    np.testing.assert_array_equal(one.tags.toarray(), [[1, 1], [0, 0], [0, np.nan]])
    np.testing.assert_array_equal(one.values, values)


def test_codes_are_padded_with_the_code_of_zero_and_numbers_with_their_mean(made):
    pieces = made.pieces(None)
    rows = np.array([made.counts.argmin(), made.counts.argmax()])
    found, mask = pieces[rows], pieces.frame_mask(rows)
    assert found.dtype == made.values.dtype and not mask.all()
    assert (found[~mask] == 128).all()


# -- folders that are not what they say --------------------------------------------------------


@pytest.fixture
def saved(tmp_path):
    with Writer(tmp_path / "good", (3,), "float32") as writer:
        writer.add(np.ones((4, 3)), "a", [0])
        writer.add(np.ones((2, 3)), "b", [1, 2])
        writer.finish(labels=("x", "y", "z"), hop_s=0.5)
    return tmp_path / "good"


def change_about(folder, **fields):
    about = json.loads((folder / "about.json").read_text())
    about.update(fields)
    (folder / "about.json").write_text(json.dumps(
        {key: value for key, value in about.items() if value is not ...}, default=str))


def change_clips(folder, **arrays):
    with np.load(folder / "clips.npz") as clips:
        arrays = {**clips, **arrays}
    np.savez(folder / "clips.npz", **{key: value for key, value in arrays.items()
                                      if value is not ...})


ABOUT = {
    "terabytes": {"shape": [2 ** 40, 3]}, "an_overflow": {"shape": [2 ** 62 + 6, 4]},
    "two_negatives": {"shape": [-6, -3]}, "fewer": {"shape": [5, 3]}, "flat": {"shape": [18]},
    "floats": {"shape": [6.0, 3.0]}, "words": {"shape": "all"}, "no_shape": {"shape": ...},
    "objects": {"dtype": "object"}, "other_numbers": {"dtype": "float64", "shape": [3, 3]},
    "no_dtype": {"dtype": ...}, "no_labels": {"labels": ...}, "too_few_labels": {"labels": ["x"]},
    "a_strange_key": {"colour": "red"},
}
CLIPS = {
    "no_starts": {"starts": ...}, "no_tags": {"tag_values": ...}, "more": {"strange": np.ones(2)},
    "beyond_the_end": {"starts": np.array([0, 5])},
    "before_the_start": {"starts": np.array([-1, 4])},
    "around_the_world": {"starts": np.array([0, 2 ** 63 - 1])},
    "nothing_of_a_clip": {"counts": np.array([4, 0])}, "fractions": {"counts": np.array([4., 2.])},
    "one_name": {"names": np.array(["a"])}, "three_folds": {"folds": np.array(["", "", ""])},
    "a_class_too_high": {"tag_classes": np.array([0, 1, 3], np.int32)},
    "a_negative_class": {"tag_classes": np.array([0, -1, 2], np.int32)},
    "tags_too_few": {"tag_values": np.ones(2, np.float32)},
    "edges_that_go_back": {"tag_edges": np.array([0, 5, 3])},
    "edges_too_few": {"tag_edges": np.array([0, 3])},
    "pickles": {"names": np.array(["a", ["b"]], dtype=object)},
}


@pytest.mark.parametrize("change", sorted(ABOUT))
def test_an_account_that_does_not_fit_the_segments_is_refused(saved, change):
    assert len(Embeddings.open(saved)) == 2
    change_about(saved, **ABOUT[change])
    with pytest.raises(ValueError, match="good holds no embeddings, or is damaged: "):
        Embeddings.open(saved)


@pytest.mark.parametrize("change", sorted(CLIPS))
def test_clips_that_do_not_fit_the_segments_are_refused(saved, change):
    change_clips(saved, **CLIPS[change])
    with pytest.raises(ValueError, match="good holds no embeddings, or is damaged: "):
        Embeddings.open(saved)


@pytest.mark.parametrize("name", ["about.json", "clips.npz", "values.bin"])
def test_a_file_that_ends_early_or_is_no_such_file_is_refused(saved, name):
    whole = (saved / name).read_bytes()
    for content in (whole[:-1], whole[:len(whole) // 2], b"", b"\x80\x04N.", b"[1, 2]"):
        (saved / name).write_bytes(content)
        if name == "about.json" and content == whole[:-1]:
            continue                                            # a newline less
        with pytest.raises(ValueError, match="good holds no embeddings, or is damaged: "):
            Embeddings.open(saved)


def test_a_file_that_is_not_there_is_named(saved):
    for name in ("clips.npz", "values.bin", "about.json"):
        (saved / name).unlink()
        with pytest.raises(FileNotFoundError, match=name):
            Embeddings.open(saved)
    shutil.rmtree(saved)
    with pytest.raises(FileNotFoundError, match="good holds no embeddings"):
        Embeddings.open(saved)


def test_names_the_bad_argument(made, tmp_path):
    for index in (-1, 3):
        with pytest.raises(ValueError, match=rf"`index` must lie in \[0, 3\).*{index}"):
            made.shard(index, 3)
    with pytest.raises(ValueError, match=r"`rows` must be bool \(11,\).*\(5,\)"):
        made.select(np.ones(5, bool))
    with Writer(tmp_path, (3,), "float32") as writer:
        for values in (np.ones((2, 4)), np.ones((0, 3)), np.ones(3)):
            with pytest.raises(ValueError, match=r"`values` must be segments of shape \(3,\)"):
                writer.add(values, "a", [])
        with pytest.raises(ValueError, match="No clip to write"):
            writer.finish(labels=())
