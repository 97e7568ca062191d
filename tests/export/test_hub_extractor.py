"""A HubExtractor finds out how a SavedModel hears, and gives its embeddings on its clock."""

import json

import hub_models
import numpy as np
import pytest
import soundfile
import tensorflow as tf
import tone_model

from sedzoo import embeddings
from sedzoo.datasets import Clip, Manifest
from sedzoo.export import HubExtractor
from sedzoo.export.hub_extractor import fingerprint


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("hub")


@pytest.fixture(scope="module")
def yamnet(place):
    return hub_models.save_yamnet(place / "yamnet" / "1")


@pytest.fixture(scope="module")
def vggish(place):
    return hub_models.save_vggish(place / "vggish" / "1")


@pytest.fixture(scope="module")
def tones(place):
    return str(tone_model.save(place / "tones" / "1"))


def noise(num_samples, seed=0):
    return np.random.default_rng(seed).normal(0, 0.1, num_samples).astype(np.float32)


def test_yamnet_is_known(yamnet):
    extractor, wave = HubExtractor(yamnet), noise(5 * 16_000)
    assert (extractor.name, extractor.sample_rate, extractor.hop_s) == ("yamnet", 16_000, 0.48)
    found = extractor(wave)
    np.testing.assert_array_equal(found, tf.saved_model.load(yamnet)(wave)[1])
    assert found.shape == (9, 1024) and found.dtype == np.float32
    # What is heard 0.48 s later is the next embedding.
    np.testing.assert_allclose(extractor(wave[7680:])[:8], found[1:], atol=1e-6)
    assert extractor(wave[:100]).shape == (1, 1024)
    assert HubExtractor(yamnet, output=0)(wave).shape == (9, 521)


def test_vggish_is_known(vggish):
    extractor, wave = HubExtractor(vggish, name="mine"), noise(5 * 16_000)
    assert (extractor.name, extractor.sample_rate, extractor.hop_s) == ("mine", 16_000, 0.96)
    found = extractor(wave)
    np.testing.assert_array_equal(found, tf.saved_model.load(vggish)(wave))
    assert found.shape == (5, 128)
    np.testing.assert_allclose(extractor(wave[15_360:]), found[1:], atol=1e-6)


def test_what_is_too_short_for_an_embedding_has_silence_after_it(vggish):
    short = noise(4000)
    found = HubExtractor(vggish)(short)
    assert tf.saved_model.load(vggish)(short).shape == (0, 128)
    np.testing.assert_array_equal(found, tf.saved_model.load(vggish)(np.pad(short, (0, 12_000))))


@pytest.mark.parametrize(("axes", "width"), [((None, 48_000), 512), ((None, 48_000, 1), 6144),
                                             ((None, 1, 48_000), 512)])
def test_openl3_is_known_and_its_windows_are_cut_here(axes, width, tmp_path):
    path = hub_models.save_openl3(tmp_path / "openl3", axes, width)
    extractor, wave = HubExtractor(path), noise(48_000 * 8 + 4000)
    assert (extractor.sample_rate, extractor.hop_s) == (48_000, 0.1)
    windows = np.stack([wave[start:start + 48_000] for start in range(0, 48_000 * 7 + 1, 4800)])
    assert len(windows) == 71                                          # more than run at a time
    shape = [1 if axis == 1 else -1 for axis in axes[1:]]
    expected = tf.saved_model.load(path)(windows.reshape(71, *shape))
    np.testing.assert_allclose(extractor(wave), expected, atol=1e-6)
    np.testing.assert_allclose(extractor(wave[:3000]),
                               extractor(np.pad(wave[:3000], (0, 45_000))))
    assert HubExtractor(path, hop_s=1.0)(wave).shape == (8, width)
    assert HubExtractor(path, hop_s=0.1234567).hop_s == 5926 / 48_000
    with pytest.raises(ValueError, match="`window_s` must be 48000 samples. .*24000 samples"):
        HubExtractor(path, window_s=0.5, sample_rate=48_000)


def test_an_export_gives_a_recording_one_embedding(tones):
    extractor, wave = HubExtractor(tones), tone_model.sound(3, (0, 0.5, 1.0))
    assert (extractor.name, extractor.sample_rate) == ("tones", 16_000)
    assert extractor.hop_s == tone_model.FRONTEND.clip_s
    assert extractor.to_dict()["output"] == "embedding"
    np.testing.assert_array_equal(extractor(wave), tf.saved_model.load(tones)(wave)["embedding"])


@pytest.mark.slow
def test_an_export_hears_windows(tones):
    extractor, wave = HubExtractor(tones, window_s=1.0, hop_s=0.5), noise(3 * 16_000 + 100)
    windows = np.stack([wave[start:start + 16_000] for start in range(0, 32_001, 8000)])
    np.testing.assert_allclose(extractor(wave), tf.saved_model.load(tones)(windows)["embedding"],
                               atol=1e-5)


def test_a_batch_of_frames_is_the_frames_of_its_clip(tones):
    hop_s = tone_model.FRONTEND.clock().hop_s
    found = HubExtractor(tones, output="frame", hop_s=hop_s)(noise(16_000))
    assert found.shape == (tone_model.FRONTEND.num_frames(16_000), 3)


@pytest.mark.slow
def test_a_signature_is_an_extractor_too(tones):
    extractor, wave = HubExtractor(tones, signature="embed"), noise(16_000)
    expected = tf.saved_model.load(tones)(wave)["embedding"]
    np.testing.assert_allclose(extractor(wave), expected, atol=1e-6)
    assert extractor.to_dict()["signature"] == "embed"


def test_its_identity_is_plain_and_follows_the_weights(vggish, tmp_path):
    identity = HubExtractor(vggish).to_dict()
    assert json.loads(json.dumps(identity)) == identity
    assert identity["handle"] == vggish and identity["hop_s"] == 0.96
    assert HubExtractor(vggish, hop_s=0.95).to_dict() != identity
    assert fingerprint(vggish) == fingerprint(vggish) == identity["files"]
    other = hub_models.save_vggish(tmp_path / "other", seed=1)         # the same sizes
    assert fingerprint(other) != fingerprint(vggish)


def test_embeddings_of_a_data_set_are_extracted_once(vggish, tmp_path, monkeypatch):
    waves = {name: noise(size, size) for name, size in (("a.wav", 40_000), ("b.wav", 20_000))}
    for name, wave in waves.items():
        soundfile.write(tmp_path / name, wave, 16_000, subtype="FLOAT")
    manifest = Manifest("two", ("x",), tuple(
        Clip(name, str(tmp_path / name), ("x",)) for name in waves))
    extractor = HubExtractor(vggish)
    found = embeddings.extract(manifest, extractor, tmp_path / "cache", progress=False)
    assert found.hop_s == 0.96 and found.counts.tolist() == [2, 1]
    np.testing.assert_allclose(found.values, np.concatenate(list(map(extractor, waves.values()))))
    monkeypatch.setattr(HubExtractor, "__call__", None)                # calling it would fail now
    again = embeddings.extract(manifest, HubExtractor(vggish), tmp_path / "cache", progress=False)
    np.testing.assert_array_equal(again.values, found.values)


def test_what_it_cannot_find_out_must_be_given(place, tones):
    path = hub_models.save_vggish(place / "unknown", width=100)
    with pytest.raises(ValueError, match="`sample_rate` must be given"):
        HubExtractor(path)
    with pytest.raises(ValueError, match="`hop_s` must be given: 9.6 s of silence are 9 embedding"):
        HubExtractor(path, sample_rate=16_000)
    assert HubExtractor(path, sample_rate=16_000, hop_s=0.96)(noise(40_000)).shape == (2, 100)
    windows = hub_models.save_openl3(place / "windows", width=100)
    assert HubExtractor(windows, sample_rate=32_000).hop_s == 1.5      # the window's
    with pytest.raises(ValueError, match="`output` must be given: .*'clip': \\(1, 3\\)"):
        HubExtractor(tones, signature="tag")


@pytest.mark.parametrize(("arguments", "message"), [
    ({"hop_s": 0.96}, "`hop_s` must fit .*: 9.6 s of silence are 18 .*hop_s=0.96"),
    ({"hop_s": 0.0}, "`hop_s` must be positive. Received: hop_s=0.0"),
    ({"sample_rate": -1}, "`sample_rate` must be positive"),
    ({"window_s": 1.0}, "`window_s` must be None: the SavedModel takes whole waveforms"),
    ({"output": 3}, "`output` must be one of \\[0, 1, 2\\]. Received: output=3"),
])
def test_it_names_the_bad_argument(arguments, message, yamnet):
    with pytest.raises(ValueError, match=message):
        HubExtractor(yamnet, **arguments)


@pytest.mark.slow
def test_an_output_that_is_no_embedding_is_refused(tones):
    with pytest.raises(ValueError, match="`output` must choose embeddings.*'frame_times'"):
        HubExtractor(tones, output="frame_times")
    with pytest.raises(ValueError, match="`output` must choose embeddings"):
        HubExtractor(tones, output="frame", window_s=1.0)


def test_a_savedmodel_that_hears_nothing_is_refused(place):
    obj = tf.Module()
    obj.__call__ = tf.function(lambda x, rate: x * rate, input_signature=[
        hub_models.WAVEFORM, tf.TensorSpec((), tf.float32)], autograph=False)
    tf.saved_model.save(obj, str(place / "two"))
    with pytest.raises(ValueError, match="`handle` must be a SavedModel of one float32 input"):
        HubExtractor(place / "two")


@pytest.mark.parametrize("shape", [(0,), (2, 16_000)])
def test_a_waveform_has_one_axis_and_samples(shape, vggish):
    with pytest.raises(ValueError, match="`waveform` must be \\(S,\\), S > 0"):
        HubExtractor(vggish)(np.zeros(shape, np.float32))
