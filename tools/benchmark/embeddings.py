"""AudioSet's embeddings from TFRecord files to training: sedzoo against tf.data and HDF5."""

import itertools
import os
import shutil
import tempfile
import time
from functools import partial
from pathlib import Path

import embedding_files
import embedding_roads as roads
import numpy as np
import report
import timing
from embedding_roads import BATCH

MODELS = {"embedding_dnn": ("embedding_dnn", {}),
          "multilevel_attention, level 3": ("multilevel_attention", {"levels": (3,)}),
          "multilevel_attention, levels 1, 2, 3": ("multilevel_attention", {"levels": (1, 2, 3)})}
STREAM, SINGLE = "sedzoo, the stream", "tf.data, example by example"
_AHEAD = 4              # steps whose batches a stream may have made already
_CLASSES, _SHAPE = embedding_files.CLASSES, (embedding_files.SEGMENTS, embedding_files.SIZE)

_RECORDS = (
    "They have the form of those that AudioSet released; the numbers are noise, and classes come "
    "at rates near AudioSet's. Each row is a process of its own, run once; its peak is all of its "
    "memory, libraries and mapped pages included. CPU time is that of all its threads.")
_PASS = (
    f"As many records as there are, in batches of {BATCH}: embeddings {(BATCH, *_SHAPE)} on the "
    f"models' scale and tags {(BATCH, _CLASSES)}, float32. sedzoo and HDF5 draw all classes "
    "equally often, HDF5 by sedzoo's plan; tf.data reads the TFRecord files and shuffles them "
    f"through a buffer of {roads.SHUFFLED}. HDF5 holds uint8 embeddings and bool tags, as the code "
    "of Kong et al. 2018 packs them.")
_TRAINING = (
    f"Steps of {BATCH} clips, Adam and binary cross-entropy: on one batch over and over, and on "
    "the stream. `waiting` is the share of the latter's time in which the loop stands at the "
    "stream; without an accelerator the stream also takes CPU time from the model. `stream to "
    "model` is the stream's records/s by itself to the model's on one batch.")


def measure(quick=False, records=None):
    """The tables, as Markdown."""
    num_records = records or (2000 if quick else embedding_files.RECORDS)
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        start = time.perf_counter()
        num_bytes = embedding_files.write(folder / "records", num_records)
        written_s = time.perf_counter() - start
        imports, _ = _jobs(import_contenders(folder))
        embedding_files.pack(folder / "store", folder / "packed.h5")
        passes, missing = _jobs(pass_contenders(folder))
        training, _ = _jobs(training_contenders(folder, num_steps=1 if quick else 10))
    return "\n\n".join([
        f"{num_records} records of {_SHAPE[0]} x {_SHAPE[1]} bytes and {_CLASSES} classes, "
        f"{num_bytes / 1e9:.2f} GB in files of {embedding_files.PER_FILE}, written here in "
        f"{written_s:.0f} s. {_RECORDS}",
        "## Import", "TFRecord files to a folder of Embeddings.", _import_table(imports),
        "## One pass", _PASS, _pass_table(passes), *missing,
        "## Training", _TRAINING, _training_table(training, passes[STREAM])])


def _jobs(contenders):
    """name -> facts of jobs that are done once, while they are built; and what is missing."""
    results = timing.race(contenders, rounds=1, calls=1, fresh=True)
    return ({name: result.facts for name, result in results.items() if not result.missing},
            report.missing(results))


def _import_table(imports):
    return report.table(
        ["", "records/s", "s", "CPU us/record", "opened again, s", "peak MiB"],
        [[name, *_speed(facts), f"{facts['again_s']:.2f}", f"{facts['peak_mib']:.0f}"]
         for name, facts in imports.items()])


def _pass_table(passes):
    return report.table(
        ["", "records/s", "s", "CPU us/record", f"to {SINGLE}", "first batch, s", "peak MiB"],
        [[name, *_speed(facts), f"{_rate(facts) / _rate(passes[SINGLE]):.2f} x",
          f"{facts['first_s']:.2f}", f"{facts['peak_mib']:.0f}"]
         for name, facts in passes.items()])


def _training_table(training, stream):
    return report.table(
        ["", "parameters", "steps/s, one batch", "steps/s, stream", "records/s, stream",
         "waiting", "stream to model"],
        [[name, facts["parameters"], f"{facts['one']:.2f}", f"{facts['stream']:.2f}",
          f"{BATCH * facts['stream']:.0f}", f"{100 * facts['waiting']:.1f} %",
          f"{_rate(stream) / (BATCH * facts['one']):.1f} x"] for name, facts in training.items()])


def _speed(facts):
    return (f"{_rate(facts):.0f}", f"{facts['seconds']:.1f}",
            f"{1e6 * facts['cpu_s'] / facts['records']:.1f}")


def _rate(facts):
    return facts["records"] / facts["seconds"]


def _done(start, cpu, **facts):
    """A contender that has done its work while it was built, since these two times."""
    return (lambda: None), {"seconds": time.perf_counter() - start,
                            "cpu_s": time.process_time() - cpu, **facts}


# -- import --------------------------------------------------------------------------------------


def import_contenders(folder):
    return [timing.Contender(f"{num} thread{'s' * (num > 1)}", partial(of_import, folder, num))
            for num in sorted({1, os.cpu_count()})]


def of_import(folder, num_threads):
    from sedzoo.embeddings.records import import_records
    shutil.rmtree(folder / "store", ignore_errors=True)
    classes = {f"/m/{k}": f"class {k}" for k in range(embedding_files.CLASSES)}

    def stored():
        return import_records(folder / "records", folder / "store", classes, "unbalanced",
                              num_threads=num_threads, progress=False)

    work, facts = _done(time.perf_counter(), time.process_time(), records=len(stored()))
    start = time.perf_counter()
    stored()
    return work, {**facts, "again_s": time.perf_counter() - start}


# -- one pass -----------------------------------------------------------------------------------


def pass_contenders(folder):
    found = {STREAM: roads.of_stream,
             "sedzoo, the stream, read from disk": partial(roads.of_stream, cold=True),
             "sedzoo, one thread": roads.of_thread, SINGLE: roads.of_tf_data,
             "tf.data, batch by batch": partial(roads.of_tf_data, vectorised=True),
             "HDF5, rows from the file": roads.of_hdf5,
             "HDF5, all in memory": partial(roads.of_hdf5, in_memory=True)}
    return [timing.Contender(name, partial(of_pass, partial(road, folder)))
            for name, road in found.items()]


def of_pass(road):
    """Go through all batches of a road."""
    started = road()
    start, cpu = time.perf_counter(), time.process_time()
    batches = started()
    num_records = len(next(batches)[0])
    first_s = time.perf_counter() - start
    num_records += sum(len(batch[0]) for batch in batches)
    return _done(start, cpu, records=num_records, first_s=first_s)


# -- training ------------------------------------------------------------------------------------


def training_contenders(folder, num_steps):
    return [timing.Contender(name, partial(of_training, folder, num_steps, *model))
            for name, model in MODELS.items()]


def of_training(folder, num_steps, name, arguments):
    """Steps on one batch and on the stream, in turns."""
    import keras

    from sedzoo import pipeline
    from sedzoo.training.objectives import objective
    from sedzoo.zoo import create_model
    trained, losses, weights = objective(
        create_model(name, num_classes=embedding_files.CLASSES, **arguments), {"clip": 1.0})
    trained.compile(keras.optimizers.Adam(1e-3), losses, loss_weights=weights)
    stream = iter(pipeline.batches(roads.source(folder)[0]))
    same = itertools.repeat(next(stream))
    _steps(trained, same, 1)            # compiled here
    one, fed = np.zeros((2, 2))
    for _ in range(2):
        one += _steps(trained, same, num_steps)
        _steps(trained, stream, _AHEAD)
        fed += _steps(trained, stream, num_steps)
    return (lambda: None), {"parameters": trained.count_params(), "one": 2 * num_steps / one[0],
                            "stream": 2 * num_steps / fed[0], "waiting": fed[1] / fed[0]}


def _steps(trained, batches, num_steps):
    """Seconds of some steps, and of waiting for their batches among them."""
    start, waited = time.perf_counter(), 0.0
    for _ in range(num_steps):
        before = time.perf_counter()
        x, y, weight = next(batches)
        waited += time.perf_counter() - before
        trained.train_on_batch(x, y, sample_weight=weight)
    return time.perf_counter() - start, waited
