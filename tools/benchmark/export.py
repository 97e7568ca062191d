"""Waveform to scores: the exported gated CRNN against Keras' own calls and ONNX Runtime."""

import contextlib
import tempfile
from functools import partial
from pathlib import Path

import frontends
import numpy as np
import report
import timing

from sedzoo.frontend import Frontend

FRONTEND = Frontend.preset("xu2018icassp-logmel")
FRAMES = FRONTEND.clip_frames
BATCHES = (1, 32)
PREDICT, EAGER = "Keras model.predict", "Keras model(x), eager"
ONNX = "onnxruntime, network alone"


def measure(quick=False):
    """The tables of both batch sizes, as Markdown."""
    rounds, calls = (2, 1) if quick else (7, 3)
    parts = [
        f"One call: clips of {FRAMES} frames ({FRONTEND.clip_s:.2f} s at 16 kHz) in NumPy arrays, "
        "clip scores out, float32, the network of `keras_networks.of_sedzoo` (873,122 trainable "
        f"parameters). Median of {rounds} interleaved rounds, each contender in its own process. "
        "All begin with the waveform, but for the rows `network alone`, which are given its "
        "features: against ONNX Runtime the export's figures carry the log-mel too. The ONNX file "
        "is the PyTorch twin with the same weights, batch normalisation folded into the "
        "convolutions by its exporter. `difference` is the largest from model.predict's scores."]
    with tempfile.TemporaryDirectory() as directory:
        prepare(Path(directory))
        for batch in BATCHES:
            results = timing.race(contenders(directory, batch), rounds=rounds, calls=calls)
            parts += [f"## Batch {batch}", _table(results, batch), *report.missing(results)]
    return "\n\n".join(parts)


def contenders(directory, batch):
    def entry(name, build, **arguments):
        return timing.Contender(name, partial(build, directory, batch, **arguments))

    return [
        entry("sedzoo SavedModel, callable", of_saved_model),
        entry("sedzoo SavedModel, serving_default", of_saved_model, signature="serving_default"),
        entry("sedzoo Detector", of_detector),
        entry(PREDICT, of_keras),
        entry(EAGER, of_keras, eager=True),
        entry("sedzoo, network alone, graph", of_network),
        entry("sedzoo, network alone, XLA", of_network, compiled=True),
        entry(ONNX, of_onnxruntime),
    ]


def _table(results, batch):
    expected = results[PREDICT].facts["clip"]
    rows = []
    for name, result in results.items():
        if not result.missing:
            rows.append([name, f"{1e3 * result.median:.1f}",
                         "{:.1f}..{:.1f}".format(*(1e3 * end for end in result.spread)),
                         f"{batch / result.median:.1f}",
                         *(report.ratio(results, name, peer) for peer in (PREDICT, EAGER, ONNX)),
                         _difference(result.facts.get("clip"), expected)])
    return report.table(["", "ms", "fastest..slowest", "clips/s", "to predict", "to eager",
                         "to onnxruntime", "difference"], rows)


def _difference(clip, expected):
    return "-" if clip is None or clip is expected else f"{np.abs(clip - expected).max():.0e}"


# -- what all share ------------------------------------------------------------------------------


def prepare(directory, width=64):
    """Write the export `1`, model.keras (from waveforms), network.keras and features.npy (its
    input), and where PyTorch and onnx are installed, model.onnx."""
    import keras
    import keras_networks

    from sedzoo import export
    from sedzoo.card import Card
    from sedzoo.layers import Standardise, features

    keras.utils.set_random_seed(1)
    network = keras_networks.of_sedzoo(width)
    card = Card(name="benchmark", model="gated_crnn", frontend=FRONTEND.to_dict(),
                labels=tuple(f"class {k}" for k in range(keras_networks.CLASSES)))
    mean, std = np.full(64, -8.0, np.float32), np.full(64, 2.0, np.float32)
    export.save(network, directory / "1", card, mean=mean, std=std)
    network.save(directory / "network.keras")
    waveform = keras.Input((None,), name="waveform")
    front = keras.Model(waveform, Standardise(mean, std)(features(FRONTEND)(waveform)))
    keras.Model(waveform, network(front.output)["clip"]).save(directory / "model.keras")
    np.save(directory / "features.npy", front.predict(_waveforms(max(BATCHES)), verbose=0))
    with contextlib.suppress(ImportError):  # of_onnxruntime says so
        _write_onnx(network.get_weights(), width, directory / "model.onnx")


def _write_onnx(weights, width, path):
    import warnings

    import torch
    import torch_network
    twin = torch_network.GatedCRNN(width=width).eval()
    torch_network.carry_over(weights, twin)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that this exporter is the old one; it needs no onnxscript
        torch.onnx.export(twin, (torch.zeros(1, FRAMES, 64),), str(path), dynamo=False,
                          input_names=["features"], output_names=["clip", "frame"],
                          dynamic_axes={"features": {0: "batch", 1: "frames"}})


def _waveforms(batch):
    """Clips of FRAMES feature frames, float32 (B, S); the first is the same in every batch."""
    return frontends.waveforms((batch, FRONTEND.samples_for(FRAMES)))


def _contender(work):
    return work, {"clip": work()}


# -- the contenders: (work, facts) each; work() gives the clip scores (B, K) ---------------------


def of_saved_model(directory, batch, signature=None):
    import tensorflow as tf
    obj, x = tf.saved_model.load(f"{directory}/1"), _waveforms(batch)
    run = obj.signatures[signature] if signature else obj.__call__
    return _contender(lambda: run(tf.constant(x))["clip"].numpy())


def of_detector(directory, batch):
    """Tags a recording of as many windows as the batch has clips."""
    import sedzoo
    detector = sedzoo.load(f"{directory}/1", overlap=0.0, batch_size=batch)
    recording = frontends.waveforms((FRONTEND.samples_for(batch * FRAMES),))
    tags = detector.tag(recording)
    clip = np.array([[tags[label] for label in detector.labels]])  # the highest of the windows
    return lambda: detector.tag(recording), {"clip": clip} if batch == 1 else {}


def of_keras(directory, batch, eager=False):
    model, x = _load(f"{directory}/model.keras"), _waveforms(batch)
    if eager:
        return _contender(lambda: model(x).numpy())
    return _contender(lambda: model.predict(x, batch_size=batch, verbose=0))


def of_network(directory, batch, compiled=False):
    import tensorflow as tf
    network = _load(f"{directory}/network.keras")
    x = np.load(f"{directory}/features.npy")[:batch]
    run = tf.function(lambda x: network(x, training=False)["clip"], jit_compile=compiled,
                      autograph=False)
    return _contender(lambda: run(tf.constant(x)).numpy())


def _load(path):
    import keras

    import sedzoo.layers  # noqa: F401  (registers its classes)
    return keras.models.load_model(path)


def of_onnxruntime(directory, batch):
    import onnxruntime
    if not Path(f"{directory}/model.onnx").exists():
        raise timing.Missing("the ONNX file takes torch and onnx to make")
    session = onnxruntime.InferenceSession(f"{directory}/model.onnx",
                                           providers=["CPUExecutionProvider"])
    x = np.load(f"{directory}/features.npy")[:batch]
    return _contender(lambda: session.run(["clip"], {"features": x})[0])
