"""One training step of the gated CRNN: sedzoo's layers against stock Keras and PyTorch."""

import shutil
from functools import partial

import numpy as np
import report
import timing

OURS, KERAS, SLICED = "sedzoo", "stock Keras layers", "stock Keras layers, y[..., :c]"
COMPILED = "torch.compile"
PEERS = (KERAS, SLICED, "torch eager, tuned malloc", COMPILED)


def measure(quick=False):
    """The table, as Markdown."""
    batch, rounds, calls = (8, 1, 2) if quick else (32, 5, 3)
    results = timing.race(contenders(batch), rounds=rounds, calls=calls, fresh=True)
    _check_sizes(results)
    notes = report.missing(results)
    if not report.has_bfloat16():
        notes.append(f"- {report.NO_BFLOAT16}")
    return "\n\n".join([
        f"One step: forward, backward and Adam of binary cross-entropy on {batch} clips of 240 "
        "frames x 64 bands, random features, untrained weights. The network is `keras_networks."
        "of_sedzoo`: Xu et al. 2018 as their text has it (six gated convolutions of 64 filters, "
        "pools over bands, one BiGRU of 128 whose reset gate stands after the product, attention "
        f"localisation). Median of {rounds} interleaved launches of a process each, {calls} timed "
        "steps a launch. `times as fast as` the columns' peers; memory is the largest of the "
        "process, libraries included.",
        _table(results), *notes])


def contenders(batch, frames=240, width=64):
    size = (batch, frames, width)
    entries = [
        timing.Contender(OURS, partial(of_sedzoo, size)),
        timing.Contender("sedzoo, fused=True", partial(of_sedzoo, size, fused=True)),
        timing.Contender(KERAS, partial(of_keras, size)),
        timing.Contender(SLICED, partial(of_keras, size, sliced=True)),
        timing.Contender("torch eager", partial(of_torch, size)),
        timing.Contender("torch eager, tuned malloc", partial(of_torch, size),
                         timing.TUNED_MALLOC),
        timing.Contender(COMPILED, partial(of_torch, size, compiled=True)),
        timing.Contender("torch.compile, one convolution",
                         partial(of_torch, size, compiled=True, fused=True)),
    ]
    if report.has_bfloat16():
        entries += [
            timing.Contender("sedzoo, mixed_bfloat16", partial(of_sedzoo, size, bfloat16=True)),
            timing.Contender("torch.compile, bfloat16 autocast",
                             partial(of_torch, size, compiled=True, bfloat16=True))]
    return entries


def _table(results):
    rows = []
    for name, result in results.items():
        if not result.missing:
            rows.append([name, f"{result.median:.3f}", "{:.3f}..{:.3f}".format(*result.spread),
                         *(report.ratio(results, name, peer) for peer in PEERS),
                         f"{result.facts['peak_mib']:.0f}"])
    return report.table(["", "s/step", "fastest..slowest", *(f"to {peer}" for peer in PEERS),
                         "MiB"], rows)


def _check_sizes(results):
    """All networks are of one size, or the figures mean nothing."""
    sizes = {name: result.facts["parameters"] for name, result in results.items()
             if not result.missing}
    if len(set(sizes.values())) > 1:
        raise RuntimeError(f"The networks differ in their trainable parameters: {sizes}")


def _data(size):
    """Features (B, T, 64) and targets (B, 17)."""
    batch, frames, _ = size
    random = np.random.default_rng(1)
    return (random.standard_normal((batch, frames, 64), np.float32),
            (random.random((batch, 17)) < 0.2).astype(np.float32))


# -- the contenders: (work, facts) each; work() is one step and gives the loss -------------------


def of_sedzoo(size, fused=False, bfloat16=False):
    import keras
    import keras_networks
    keras.config.set_dtype_policy("mixed_bfloat16" if bfloat16 else "float32")
    return _keras_step(keras_networks.of_sedzoo(size[2], fused), size)


def of_keras(size, sliced=False):
    import keras_networks
    return _keras_step(keras_networks.of_keras(size[2], sliced), size)


def _keras_step(model, size):
    import keras
    import keras_networks
    trained = keras.Model(model.input, model.output["clip"])
    trained.compile(keras.optimizers.Adam(1e-3), "binary_crossentropy")
    x, y = map(keras.ops.convert_to_tensor, _data(size))
    return (lambda: float(trained.train_on_batch(x, y)),
            {"parameters": keras_networks.num_parameters(model)})


def of_torch(size, fused=False, compiled=False, bfloat16=False):
    import torch
    import torch_network
    if compiled and not (shutil.which("c++") or shutil.which("g++")):
        raise timing.Missing("torch.compile needs a C++ compiler")
    network = torch_network.GatedCRNN(width=size[2], fused=fused)
    optimizer = torch.optim.Adam(network.parameters(), 1e-3, eps=1e-7)
    x, y = map(torch.from_numpy, _data(size))

    def loss_of(x, y):
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            clip, _ = network(x)
        return torch.nn.functional.binary_cross_entropy(clip.float().clamp(1e-7, 1 - 1e-7), y)

    forward = torch.compile(loss_of) if compiled else loss_of

    def step():
        optimizer.zero_grad()
        loss = forward(x, y)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step, {"parameters": torch_network.num_parameters(network)}
