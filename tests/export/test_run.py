"""A finished training run becomes an export whose card tells where it came from."""

import json

import numpy as np
import pytest
import tensorflow as tf
import tone_model

from sedzoo import export
from sedzoo.card import Card
from sedzoo.events import Decoder
from sedzoo.layers import Standardise, features
from sedzoo.training.recipe import Recipe
from sedzoo.zoo.registry import create_model, model_card

LABELS = ("Dog bark", "Rain", "Clock tick")
ARGUMENTS = {"width": 4, "rnn_units": 4}
METRIC = {"metric": "clip F1", "value": 0.5, "dataset": "tones", "split": "validation",
          "command": "sedzoo evaluate", "commit": "0123abc"}


@pytest.fixture(scope="module")
def run_directory(tmp_path_factory):
    """What training leaves behind, with a small CRNN of random weights."""
    directory = tmp_path_factory.mktemp("run")
    recipe = Recipe(id="test/tones", model_name="crnn", arguments=ARGUMENTS,
                    dataset="tones", decisions={"thresholds": 0.3, "max_gap_frames": 2,
                                                "clip_threshold": 0.4})
    (directory / "recipe.json").write_text(json.dumps(recipe.to_dict()))
    (directory / "classes.json").write_text(json.dumps(
        {"labels": LABELS, "mids": ["/m/1", "/m/2", "/m/3"], "attribution": "somebody, CC-BY"}))
    (directory / "metrics.json").write_text(json.dumps([METRIC]))
    rng = np.random.default_rng(0)
    np.savez(directory / "standardise.npz", mean=rng.normal(-8, 1, 64).astype(np.float32),
             std=rng.uniform(1, 3, 64).astype(np.float32))
    create_model("crnn", num_classes=3, **ARGUMENTS).save(directory / "model.keras")
    return directory


def test_the_export_is_the_run(run_directory, tmp_path):
    path = export.from_run(run_directory, tmp_path / "barks" / "2", licence="CC-BY-4.0")
    assert path == tmp_path / "barks" / "2"
    card = Card.read(path / "assets" / "card.json")
    assert (card.name, card.model, card.time_stride) == ("barks", "crnn", 8)
    assert card.arguments == {**ARGUMENTS, "num_classes": 3}
    assert (card.labels, card.mids) == (LABELS, ("/m/1", "/m/2", "/m/3"))
    assert card.decoder_spec == Decoder(thresholds=0.3, max_gap_frames=2)
    assert card.metrics == (METRIC,)
    assert card.attribution == "somebody, CC-BY"
    assert card.licence == "CC-BY-4.0"
    assert card.paper == model_card("crnn").source
    assert "tones" in card.data

    waveform = np.random.default_rng(1).normal(0, 0.1, (1, 32000)).astype(np.float32)
    with np.load(run_directory / "standardise.npz") as z_score:
        x = Standardise(z_score["mean"], z_score["std"])(features(tone_model.FRONTEND)(waveform))
    model = tf.keras.models.load_model(run_directory / "model.keras")
    np.testing.assert_allclose(tf.saved_model.load(str(path))(waveform)["clip"],
                               model(x)["clip"], atol=1e-5)


def test_a_run_that_never_ended_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="recipe.json is missing"):
        export.from_run(tmp_path, tmp_path / "barks" / "1")
