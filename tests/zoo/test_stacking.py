"""An extractor and a head become one model of features, which can be exported and served."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from contracts import assert_close, noise

from sedzoo import export
from sedzoo.card import Card
from sedzoo.frontend import Frontend
from sedzoo.layers import Postprocessor, features
from sedzoo.serving import Detector
from sedzoo.zoo import create_model
from sedzoo.zoo.stacking import stacked

FRONTEND = Frontend.preset("vggish")
LABELS = ("Dog", "Rain", "Siren")


@pytest.fixture(scope="module")
def extractor():
    keras.utils.set_random_seed(0)
    return create_model("vggish", include_top=False, width=8, units=16)


@pytest.fixture(scope="module")
def head():
    keras.utils.set_random_seed(1)
    return create_model("multilevel_attention", num_classes=3, units=8)


def test_it_is_the_head_on_the_extractors_embeddings(extractor, head):
    x = noise(2, 300, 64)
    embedding = extractor(x)["embedding"].numpy()
    assert embedding.shape == (2, 3, 128) and embedding.any()
    assert_close(stacked(extractor, head)(x), head(embedding))
    mean, std = embedding.mean((0, 1)), embedding.std((0, 1)) + 0.1
    model = stacked(extractor, head, scale=(mean, std), name="tagger")
    assert_close(model(x), head((embedding - mean) / std))
    assert model.name == "tagger" and model.output.keys() == head.output.keys()
    inner = keras.Model(model.input, model.get_layer("embedding").output)
    assert_close(inner(x), embedding)


def test_a_head_of_released_embeddings_hears_through_their_post_processing(extractor, head):
    rng = np.random.default_rng(2)
    post = Postprocessor(rng.normal(0, 0.1, 128), rng.normal(0, 0.3, (128, 128)))
    model = stacked(extractor, head, postprocessor=post, scale=(128.0, 128.0))
    x = noise(2, 300, 64)
    codes = post(extractor(x)["embedding"]).numpy()
    assert codes.dtype == np.uint8 and codes.std() > 10
    assert_close(model(x), head((codes.astype(np.float32) - 128) / 128))


def test_its_weights_are_those_of_its_parts(extractor, head):
    model = stacked(extractor, head, scale=(0.0, 1.0))
    assert {id(w) for w in model.weights} == {id(w) for w in extractor.weights + head.weights}


def test_a_keras_file_keeps_it(extractor, head, tmp_path):
    post = Postprocessor(np.zeros(128), np.eye(128))
    model = stacked(extractor, head, postprocessor=post, scale=(128.0, 128.0))
    model.save(tmp_path / "model.keras")
    x = noise(2, 200, 64)
    assert_close(keras.models.load_model(tmp_path / "model.keras")(x), model(x))


@pytest.mark.slow
def test_its_export_tags_and_detects_on_the_clock_of_the_embeddings(extractor, head, tmp_path):
    model = stacked(extractor, head, scale=(0.1, 0.5))
    card = Card(name="stacked", model="multilevel_attention", labels=LABELS, time_stride=96,
                frontend=FRONTEND.to_dict())
    path = export.save(model, tmp_path / "stacked" / "1", card, mean=0.0, std=1.0)
    waveform = np.random.default_rng(0).normal(0, 0.1, 5 * 16_000).astype(np.float32)
    expected = model(features(FRONTEND)(waveform[None]))
    detector = Detector(path)
    tags = detector.tag(waveform)
    np.testing.assert_allclose([tags[label] for label in LABELS], expected["clip"][0], atol=1e-5)
    scores, clock = detector.scores(waveform)
    assert clock.hop_s == 0.96 and scores.shape == (5, 3)
    np.testing.assert_allclose(scores, expected["frame"][0], atol=1e-5)
    # Halfway between a class's lowest and highest frame, it is on in some and off in others.
    thresholds = (scores.min(0) + scores.max(0)) / 2
    found = detector.detect(waveform, thresholds)
    assert {event.label for event in found} == set(LABELS)
    active = np.zeros((5, 3), bool)
    for event in found:
        active[clock.frame(event.onset):clock.frame(event.offset), LABELS.index(event.label)] = True
        np.testing.assert_allclose(event.onset, clock.seconds(clock.frame(event.onset)))
    np.testing.assert_array_equal(active, scores > thresholds)
    # The embedding that it gives is the extractor's, mean over the segments.
    embedding = extractor(features(FRONTEND)(waveform[None]))["embedding"].numpy().mean(1)
    np.testing.assert_allclose(tf.saved_model.load(str(path))(waveform)["embedding"], embedding,
                               atol=1e-5)


def test_parts_that_do_not_fit_are_named(extractor, head):
    narrow = create_model("multilevel_attention", input_shape=(None, 64), num_classes=3, units=8)
    ragged = create_model("multilevel_attention", num_classes=3, units=8, ragged=True)
    for arguments, message in (
            ((head, head), '`extractor` must give "embedding". Received: .*clip'),
            ((extractor, narrow), "`head` must take embeddings of 128 numbers. .*head of 64"),
            ((extractor, ragged), "`head` must take one input. Received: .*frame_mask")):
        with pytest.raises(ValueError, match=message):
            stacked(*arguments)
