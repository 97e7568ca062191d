"""The benchmark of embeddings writes AudioSet's format, and all its roads carry the same clips."""

import importlib
import runpy
from pathlib import Path

import numpy as np
import pytest

TOOL = Path(__file__).parents[1] / "tools" / "benchmark"
NUM_RECORDS = 700


@pytest.fixture
def tool(monkeypatch):
    """Imports a module of tools/benchmark by name."""
    monkeypatch.syspath_prepend(TOOL)
    return importlib.import_module


@pytest.fixture
def folder(tmp_path, tool):
    """A small index with its store and its packed file."""
    files = tool("embedding_files")
    (tmp_path / "records" / "unbal_train").mkdir(parents=True)
    for first in range(0, NUM_RECORDS, files.PER_FILE):
        files._write_file(tmp_path / "records" / "unbal_train", NUM_RECORDS, first)
    _, facts = tool("embeddings").of_import(tmp_path, 2)
    assert facts["records"] == NUM_RECORDS and facts["seconds"] > 0
    files.pack(tmp_path / "store", tmp_path / "packed.h5")
    return tmp_path


def test_records_are_as_protobuf_writes_them_and_labels_as_likely_as_they_should_be(tool):
    import tensorflow as tf
    files = tool("embedding_files")
    for record in files.records(0, 3):
        example = tf.train.SequenceExample.FromString(record)
        again = tf.train.SequenceExample(context=example.context,
                                         feature_lists=example.feature_lists)
        assert again.SerializeToString() == record
    rates = files.class_rates()
    assert len(rates) == 527 and 1.8 < rates.sum() < 2 and 50 < 2e6 * rates.min() < 100
    labels = files.labels_of(np.random.default_rng(0), 20000)
    assert min(map(len, labels)) == 1
    # The first class also stands in for clips that were dealt none.
    counts = np.bincount(np.concatenate(labels), minlength=527)[1:]
    np.testing.assert_allclose(counts, 20000 * rates[1:], atol=5 * np.sqrt(20000 * 0.25))


def test_all_roads_carry_the_same_clips(tool, folder):
    from sedzoo.embeddings import Embeddings
    roads = tool("embedding_roads")
    expected = list(roads.of_thread(folder)())
    assert [x.shape for x, *_ in expected] == [(500, 10, 128)] * 2
    for road in (roads.of_stream(folder), roads.of_stream(folder, cold=True),
                 roads.of_hdf5(folder), roads.of_hdf5(folder, in_memory=True)):
        for found, (x, y, _) in zip(road(), expected, strict=True):
            np.testing.assert_array_equal(found[0], x)
            np.testing.assert_array_equal(found[1] if len(found) == 2 else found[1]["clip"],
                                          y["clip"])

    store = Embeddings.open(folder / "store")
    clips = {x.tobytes(): y for x, y in zip((store.values.reshape(-1, 10, 128).astype(np.float32)
                                             - 128) / 128, store.tags.toarray(), strict=True)}
    for vectorised in (False, True):
        drawn = [pair for x, y in roads.of_tf_data(folder, vectorised)()
                 for pair in zip(x.numpy(), y.numpy(), strict=True)]
        assert {x.tobytes() for x, _ in drawn} == set(clips) and len(drawn) == NUM_RECORDS
        assert all((clips[x.tobytes()] == y).all() for x, y in drawn)


@pytest.mark.slow
def test_the_command_writes_tables_of_imports_passes_and_training(tmp_path, tool, monkeypatch):
    monkeypatch.setattr(tool("embeddings"), "MODELS", {
        "small": ("multilevel_attention", {"levels": (3,), "units": 8})})
    main = runpy.run_path(str(TOOL / "__main__.py"))["main"]
    main(["embeddings", "--quick", "--records", "600", "--out", str(tmp_path / "out.md")])
    text = (tmp_path / "out.md").read_text()
    assert "`python tools/benchmark embeddings --quick --records 600`" in text
    rows = {row[0]: row for row in ([cell.strip() for cell in line.split("|")[1:-1]]
                                    for line in text.splitlines() if line.startswith("| "))}
    for name in ("1 thread", "sedzoo, the stream", "sedzoo, one thread", "HDF5, all in memory",
                 "tf.data, example by example", "tf.data, batch by batch"):
        assert float(rows[name][1]) > 0
    assert rows["tf.data, example by example"][4] == "1.00 x"
    assert float(rows["small"][2]) > 0 and 0 <= float(rows["small"][5].removesuffix(" %")) <= 100


def test_a_number_of_records_for_another_subject_is_an_error(tool, capsys):
    main = runpy.run_path(str(TOOL / "__main__.py"))["main"]
    for arguments in (["frontends", "--records", "5"], ["embeddings", "--records", "0"]):
        with pytest.raises(SystemExit):
            main(arguments)
        assert "--records must be 1 or more, and is for `embeddings`" in capsys.readouterr().err
