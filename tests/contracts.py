"""What every layer and every model of the zoo must do, stated once."""

import json

import keras
import numpy as np

FRAMES = 32


def numpy_of(tensor):
    return keras.ops.convert_to_numpy(tensor)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def assert_close(a, b, atol=1e-5):
    """Two outputs, arrays or dicts of arrays, agree."""
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_close(a[key], b[key], atol)
    else:
        np.testing.assert_allclose(numpy_of(a), numpy_of(b), atol=atol, rtol=1e-4)


def check_layer(layer, x, atol=1e-5):
    """Config survives JSON, the declared shape is the real one, a clip alone equals the clip in a
    batch, and half precision stays finite."""
    y = layer(x)
    twin = type(layer).from_config(json.loads(json.dumps(layer.get_config())))
    twin(x)
    twin.set_weights(layer.get_weights())
    assert_close(twin(x), y, atol)
    alone = layer(x[1:2])
    assert_close(alone, {key: value[1:2] for key, value in y.items()} if isinstance(y, dict)
                 else y[1:2], atol)
    declared = layer.compute_output_shape(x.shape)
    real = {k: tuple(v.shape) for k, v in y.items()} if isinstance(y, dict) else tuple(y.shape)
    assert declared == real
    if layer.compute_dtype == "float32" and layer.trainable_weights:
        half = type(layer).from_config({**layer.get_config(), "dtype": "mixed_float16"})
        for value in keras.tree.flatten(half(x)):
            assert np.isfinite(numpy_of(value)).all()


def check_mask(layer, x, extra=5):
    """With a frame mask, what stands in the padded frames changes nothing, NaN included."""
    frames = x.shape[1]
    padded = np.concatenate([x, np.full((len(x), extra, *x.shape[2:]), 7, np.float32)], axis=1)
    mask = np.arange(frames + extra)[None] < np.full((len(x), 1), frames)
    short, long = layer(x), layer(padded, frame_mask=mask)
    if not isinstance(short, dict):
        short, long = {"y": short}, {"y": long}
    for key, value in short.items():
        got = numpy_of(long[key])
        if got.ndim == 3 and got.shape[1] != value.shape[1]:
            got = got[:, :value.shape[1]]
        np.testing.assert_allclose(got, numpy_of(value), atol=1e-5)


def train_step(model, x):
    """One step of every loss that fits the model's outputs; the weights before and after."""
    from sedzoo.training.objectives import objective

    kinds = {"clip", "frame"} & model.output.keys()
    if "attention" in model.output and len(model.output["attention"].shape) == 2:
        kinds.add("micro")
    if "activation" in model.output:
        kinds.add("pseudo")
    trainer, losses, _ = objective(model, dict.fromkeys(kinds, 1.0))
    trainer.compile(keras.optimizers.Adam(1e-2), losses)
    before = [numpy_of(w).copy() for w in model.trainable_weights]
    shapes = {key: numpy_of(value).shape for key, value in trainer(x).items()}
    num_classes = shapes["clip"][-1]
    rng = np.random.default_rng(1)
    y = {key: (rng.random(shape if key == "frame" else (shape[0], num_classes)) < 0.5).astype(
        np.float32) for key, shape in shapes.items()}
    loss = trainer.train_on_batch(x, y)
    assert np.isfinite(loss).all()
    return before, [numpy_of(w) for w in model.trainable_weights]
