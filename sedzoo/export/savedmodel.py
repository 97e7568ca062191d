"""A Keras model as a reusable, servable SavedModel that takes waveforms."""

import csv
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from sedzoo.decode import MAX_AMPLITUDE
from sedzoo.export import decode_graph
from sedzoo.export.replacing import replacing
from sedzoo.layers import Standardise, features

MAX_EVENTS = 256


def save(model, directory, card, *, mean, std, overwrite=False, max_events=MAX_EVENTS):
    """Write waveform -> features -> standardise -> model as a SavedModel.

    What `tf.saved_model.load` or `hub.load` gives back, without Keras or sedzoo:

    - `obj(waveform, training=False)`, float32 (B, S) or (S,), which is a batch of one -> dict of
      float32 "clip" (B, K), "frame" (B, T, K), "embedding" (B, D), the mean over time of the
      model's layer "embedding", and "frame_times" (T,), the centres of the frames in seconds;
    - `obj.variables`, `obj.trainable_variables`, `obj.regularization_losses`,
      `obj.sample_rate()`, `obj.class_map_path()`, `obj.card_path()`;
    - `obj.thresholds` (K,), `obj.median_frames` (K,), `obj.max_gap_frames`, `obj.min_frames`:
      variables that decide the events; assign to them and `detect` follows;
    - signatures of `waveform` (B, S): "serving_default" and "tag" -> clip; "frames" -> frame,
      frame_times (B, T), so that row-wise REST answers work; "embed" -> embedding; "detect" ->
      onset, offset, class_index, score, num_events as decode_graph.decode says.

    Samples that are not finite count as 0 and louder ones than 1000 are clipped, in their own clip
    only; a clip too short for one output frame is padded with silence to one.

    Args:
        model: functional keras.Model, standardised features (B, T, F) -> dict with "clip" and
            "frame", with a layer named "embedding" (B, T, D).
        directory: path to write, its last part an integer: `exported/<name>/<version>`.
        card: Card; its `versions` are completed.
        mean, std: float or F floats, of the training features.
        overwrite: bool, replace what is there.
        max_events: int > 0, events that `detect` can return for one clip. Defaults to 256.
    Returns: pathlib.Path of the directory. It appears complete or not at all.
    Raises: ValueError when the model, card and directory do not fit; FileExistsError.
    """
    directory = Path(directory)
    if not directory.name.isdecimal():
        raise ValueError("`directory` must end in an integer version, as in exported/name/1. "
                         f"Received: directory={str(directory)!r}")
    if directory.exists() and not overwrite:
        raise FileExistsError(f"{directory} is there already; overwrite=True replaces it.")
    if type(max_events) is not int or max_events < 1:
        raise ValueError(f"`max_events` must be a positive int. Received: max_events={max_events}")
    _check(model, card)
    card = replace(card, versions={**_versions(), **card.versions})
    with replacing(directory) as scratch:
        assets = scratch / "assets"
        assets.mkdir()
        _write_class_map(assets / "class_map.csv", card)
        card.write(assets / "card.json")
        obj, signatures = _build(model, card, mean, std, assets, max_events)
        _check_frames(obj, card)
        tf.saved_model.save(obj, str(scratch / "new"), signatures)
    return directory


def _build(model, card, mean, std, assets, max_events):
    """The object to save, and its signatures; Keras stays in closures, out of the object graph."""
    batch = tf.TensorSpec((None, None), tf.float32, name="waveform")
    forward = {training: tf.function(_forward(model, card, mean, std, training),
                                     input_signature=[batch], autograph=False)
               for training in (False, True)}

    def call(waveform, training=False):
        return forward[training](waveform[None] if waveform.shape.rank == 1 else waveform)

    obj = tf.train.Checkpoint()
    obj.__call__ = tf.function(call, autograph=False)
    for spec in (batch, tf.TensorSpec((None,), tf.float32, name="waveform")):
        for training in (False, True):
            obj.__call__.get_concrete_function(spec, training=training)

    rule = _rule(card)
    for key, variable in rule.items():
        setattr(obj, key, variable)
    obj.variables = [v.value for v in model.variables] + list(rule.values())
    obj.trainable_variables = [v.value for v in model.trainable_variables]
    obj.regularization_losses = [_penalty(v) for v in model.trainable_variables if v.regularizer]

    obj.class_map = tf.saved_model.Asset(str(assets / "class_map.csv"))
    obj.card = tf.saved_model.Asset(str(assets / "card.json"))
    obj.class_map_path = tf.function(lambda: obj.class_map.asset_path, input_signature=[])
    obj.card_path = tf.function(lambda: obj.card.asset_path, input_signature=[])
    obj.sample_rate = tf.function(lambda: tf.constant(card.sample_rate), input_signature=[])
    return obj, _signatures(forward[False], batch, card.clock, max_events, rule)


def _rule(card):
    """The variables by which `detect` decides, as the card starts them."""
    decoder, num_classes = card.decoder_spec, len(card.labels)
    values = {
        "thresholds": np.broadcast_to(np.float32(decoder.thresholds), num_classes),
        "median_frames": np.broadcast_to(np.int32(decoder.median_frames), num_classes),
        "max_gap_frames": np.int32(decoder.max_gap_frames),
        "min_frames": np.int32(decoder.min_frames),
    }
    return {key: tf.Variable(value, trainable=False, name=key) for key, value in values.items()}


def _forward(model, card, mean, std, training):
    """The function waveform (B, S) -> dict that the export is."""
    front, standardise = features(card.frontend_spec), Standardise(mean, std)
    network = keras.Model(model.inputs, {"clip": model.output["clip"],
                                         "frame": model.output["frame"],
                                         "embedding": model.get_layer("embedding").output})
    clock = card.clock
    min_samples = max(1, card.frontend_spec.samples_for(card.time_stride))

    def forward(waveform):
        outputs = network(standardise(front(_clean(waveform, min_samples))), training=training)
        outputs = {key: tf.cast(value, tf.float32) for key, value in outputs.items()}
        centres = tf.range(tf.shape(outputs["frame"])[1], dtype=tf.float64) + 0.5
        outputs["frame_times"] = tf.cast(centres * clock.hop_samples / clock.sample_rate,
                                         tf.float32)
        outputs["embedding"] = tf.reduce_mean(outputs["embedding"], axis=1)
        return outputs

    return forward


def _clean(waveform, min_samples):
    """Finite, bounded, and long enough for one output frame, (B, S) -> (B, >= min_samples)."""
    waveform = tf.where(tf.math.is_finite(waveform), waveform, 0.0)
    waveform = tf.clip_by_value(waveform, -MAX_AMPLITUDE, MAX_AMPLITUDE)
    missing = tf.maximum(min_samples - tf.shape(waveform)[1], 0)
    return tf.pad(waveform, ((0, 0), (0, missing)))


def _signatures(forward, spec, clock, max_events, rule):
    def tag(waveform):
        return {"clip": forward(waveform)["clip"]}

    def frames(waveform):
        outputs = forward(waveform)
        frame, times = outputs["frame"], outputs["frame_times"]
        return {"frame": frame, "frame_times": tf.broadcast_to(times, tf.shape(frame)[:2])}

    def embed(waveform):
        return {"embedding": forward(waveform)["embedding"]}

    def detect(waveform):
        return decode_graph.decode(forward(waveform)["frame"], clock, max_events, **rule)

    compiled = {function.__name__: tf.function(function, input_signature=[spec], autograph=False)
                for function in (tag, frames, embed, detect)}
    return {"serving_default": compiled["tag"], **compiled}


def _penalty(variable):
    """The zero-argument loss of one regularised variable."""
    return tf.function(lambda: variable.regularizer(variable.value), input_signature=[])


def _check(model, card):
    """The model and the card speak of the same features, classes and layers."""
    if keras.backend.backend() != "tensorflow":
        raise ValueError("Exports are made on the TensorFlow backend. Received: KERAS_BACKEND="
                         f"{keras.backend.backend()!r}; the saved .keras file loads on either.")
    if len(model.inputs) != 1:
        raise ValueError("`model` must take features alone. Received: a model of "
                         f"{len(model.inputs)} inputs")
    outputs = model.output if isinstance(model.output, dict) else {}
    if not {"clip", "frame"} <= set(outputs):
        raise ValueError('`model` must give a dict with "clip" and "frame". '
                         f"Received: outputs {sorted(outputs) or type(model.output).__name__}")
    if outputs["clip"].shape[-1] != len(card.labels):
        raise ValueError(f"`card.labels` must be one per class of the model "
                         f"({outputs['clip'].shape[-1]}). Received: {len(card.labels)} labels")
    if model.input_shape[-1] != card.frontend_spec.num_features:
        raise ValueError(f"`card.frontend` must make the model's {model.input_shape[-1]} features. "
                         f"Received: a frontend of {card.frontend_spec.num_features}")
    if "embedding" not in [layer.name for layer in model.layers]:
        raise ValueError('`model` must have a layer named "embedding". '
                         f"Received: layers {[layer.name for layer in model.layers]}")


def _check_frames(obj, card):
    """The model's frames are where the card says, or every event would be misplaced."""
    recipe = card.frontend_spec
    num_frames = max(recipe.clip_frames, card.time_stride)
    frame = obj.__call__(tf.zeros((1, recipe.samples_for(num_frames))))["frame"]
    if frame.shape[1] != num_frames // card.time_stride:
        raise ValueError(f"`card.time_stride` must be the model's: {num_frames} feature frames "
                         f"give {frame.shape[1]} output frames. Received: "
                         f"time_stride={card.time_stride}")
    if not np.isfinite(frame).all():
        raise ValueError("`model` must give finite scores for silence; it does not.")


def _write_class_map(path, card):
    with open(path, "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["index", "mid", "display_name"])
        mids = card.mids or [""] * len(card.labels)
        rows.writerows(zip(range(len(mids)), mids, card.labels, strict=True))


def _versions():
    """What made the export: installed versions of the packages that matter."""
    versions = {}
    for package in ("sedzoo", "tensorflow", "keras", "numpy"):
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            pass  # run from a source tree
    return versions
