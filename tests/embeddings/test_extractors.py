import dataclasses

import keras
import numpy as np
import pytest

from sedzoo import layers
from sedzoo.embeddings.extractors import ModelExtractor, Patches
from sedzoo.frontend import Frontend
from sedzoo.zoo import create_model

VGGISH = Frontend.preset("vggish")
SMALL = {"width": 4, "units": 16, "embedding_size": 5}


def noise(seconds, rate=16000, seed=0):
    return np.random.default_rng(seed).normal(0, 0.1, round(seconds * rate)).astype(np.float32)


def log_mel(waveform, frontend=VGGISH):
    return keras.ops.convert_to_numpy(layers.features(frontend)(waveform[None]))[0]


@pytest.fixture
def vggish():
    keras.utils.set_random_seed(3)
    return create_model("vggish", **SMALL, include_top=False, embedding_activation="linear")


# -- patches -----------------------------------------------------------------------------------


def test_patches_are_the_frames_cut_one_after_the_other():
    waveform = noise(2.5)
    frames = log_mel(waveform)
    assert len(frames) == 248                                   # 56 of them fill no third patch
    found = Patches()(waveform)
    assert found.shape == (2, 96, 64) and found.dtype == np.float32
    np.testing.assert_array_equal(found[0], frames[:96])
    np.testing.assert_array_equal(found[1], frames[96:192])


def test_ten_seconds_are_ten_patches_of_the_published_hop():
    patches = Patches()
    assert (patches.sample_rate, patches.hop_s) == (16000, 0.96)
    assert patches(noise(10)).shape == (10, 96, 64)


@pytest.mark.parametrize("num_samples", [1, 400, 7000, 15599])
def test_a_clip_shorter_than_a_patch_ends_in_silence(num_samples):
    waveform = noise(1)[:num_samples]
    found = Patches()(waveform)
    assert found.shape == (1, 96, 64)
    np.testing.assert_array_equal(found[0], log_mel(np.pad(waveform, (0, 15600 - num_samples))))
    quiet = 1 + (num_samples - 1) // VGGISH.hop_samples         # the first frame without the sound
    np.testing.assert_allclose(found[0, quiet:], np.log(0.01), atol=1e-5)


def test_as_many_frames_as_asked_of_any_front_end():
    centred = dataclasses.replace(VGGISH, name="mine", sample_rate=8000, fmax_hz=4000.0,
                                  center=True)
    patches = Patches(centred, frames=10)
    assert patches.name == "mine patches" and patches.hop_s == 0.2
    waveform = noise(1, 8000)
    np.testing.assert_array_equal(patches(waveform).reshape(50, 64),
                                  log_mel(waveform, centred)[:50])
    assert patches(waveform[:3]).shape == (1, 10, 64)
    assert Patches(centred, 10).to_dict() != Patches(centred, 12).to_dict() != Patches().to_dict()


def test_silence_at_both_ends_is_trimmed_where_the_front_end_says_so():
    loud = noise(1.92)
    waveform = np.concatenate([np.zeros(16000, np.float32), loud, np.zeros(32000, np.float32)])
    assert len(Patches()(waveform)) == 5
    assert len(Patches(dataclasses.replace(VGGISH, trim_db=60.0))(waveform)) == 2


# -- embeddings --------------------------------------------------------------------------------


def test_embeddings_are_the_models_of_the_whole_clip(vggish):
    extractor = ModelExtractor(vggish)
    assert (extractor.sample_rate, extractor.hop_s, extractor.name) == (16000, 0.96, "vggish")
    for seconds, num_segments in ((3.2, 3), (0.3, 1)):
        waveform = noise(seconds)
        found = extractor(waveform)
        assert found.shape == (num_segments, 5) and found.dtype == np.float32
        padded = np.pad(waveform, (0, max(0, 15600 - len(waveform))))
        expected = vggish.predict_on_batch(log_mel(padded)[None])["embedding"][0]
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
        assert found.std() > 0


def test_a_models_layer_named_embedding_will_do_and_its_features_may_be_standardised():
    model = create_model("vggish", **SMALL)
    trunk = keras.Model(model.input, model.get_layer("embedding").output)
    extractor = ModelExtractor(model, mean=-2.0, std=np.full(64, 3.0), name="mine")
    waveform = noise(2)
    expected = trunk.predict_on_batch((log_mel(waveform)[None] + 2) / 3)[0]
    np.testing.assert_allclose(extractor(waveform), expected, rtol=1e-4, atol=1e-5)
    assert extractor.name == extractor.to_dict()["name"] == "mine"


def test_a_sequential_model_of_ones_own_will_do():
    model = keras.Sequential([keras.Input((None, 64)), keras.layers.AveragePooling1D(96),
                              keras.layers.Dense(3, name="embedding"), keras.layers.Softmax()])
    kernel, bias = model.get_layer("embedding").get_weights()
    waveform = noise(2)
    means = log_mel(waveform)[:192].reshape(2, 96, 64).mean(axis=1)
    np.testing.assert_allclose(ModelExtractor(model)(waveform), means @ kernel + bias, rtol=1e-4,
                               atol=1e-5)


def test_its_identity_is_all_that_its_numbers_depend_on(vggish):
    before = ModelExtractor(vggish).to_dict()
    twin = keras.models.clone_model(vggish)                     # the same, after other models
    twin.set_weights(vggish.get_weights())
    assert ModelExtractor(twin).to_dict() == before
    relu = create_model("vggish", **SMALL, include_top=False, embedding_activation="relu")
    relu.set_weights(vggish.get_weights())
    others = [ModelExtractor(relu), ModelExtractor(vggish, mean=1.0),
              ModelExtractor(vggish, std=np.full(64, 2.0)),
              ModelExtractor(vggish, dataclasses.replace(VGGISH, trim_db=60.0))]
    assert all(other.to_dict() != before for other in others)


def test_its_identity_follows_the_weights_as_they_are(vggish):
    extractor = ModelExtractor(vggish)
    before = extractor.to_dict()
    layer = vggish.get_layer("conv1")
    layer.set_weights([layer.get_weights()[0] * 1.01, layer.get_weights()[1]])   # trained further
    after = extractor.to_dict()
    assert after != before
    assert {key for key in before if before[key] != after[key]} == {"model"}


def test_names_the_bad_argument():
    for frames in (0, 9.6):
        with pytest.raises(ValueError, match=f"`frames` must be an int > 0.*{frames}"):
            Patches(frames=frames)
    with pytest.raises(ValueError, match="No frontend named 'vgish'. Did you mean 'vggish'"):
        Patches("vgish")
    with pytest.raises(ValueError, match=r"layer named \"embedding\". Received: .*'other'"):
        ModelExtractor(keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, name="other")]))
