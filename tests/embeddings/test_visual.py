"""Embeddings of stills: the right ones, by the right network, as many as the sound has windows."""

import h5py
import keras
import numpy as np
import pytest
from absl import logging
from videos import colours_of, plain, write_video

from sedzoo import embeddings, video
from sedzoo.audio import AudioError
from sedzoo.datasets.manifest import Clip, Manifest
from sedzoo.embeddings.extractors import Patches
from sedzoo.embeddings.visual import VGG16Extractor

RATE = 16000
BGR_MEAN = np.array([103.939, 116.779, 123.68])


def small_vgg16(weights):
    """Layers named like VGG16's; it sees one colour of a picture that has no more."""
    assert weights is None                              # anything else would download
    x = keras.Input((224, 224, 3))
    y = keras.layers.GlobalMaxPooling2D(name="flatten")(x)
    y = keras.layers.Dense(6, activation="relu", name="fc1")(y)
    y = keras.layers.Dense(5, activation="relu", name="fc2")(y)
    return keras.Model(x, keras.layers.Dense(2, "softmax", name="predictions")(y))


@pytest.fixture
def small(monkeypatch, tmp_path):
    """A file of weights of a network that takes VGG16's place, and that network."""
    monkeypatch.setattr(keras.applications, "VGG16", small_vgg16)
    keras.utils.set_random_seed(3)
    model = small_vgg16(None)
    model.save_weights(tmp_path / "small.weights.h5")
    return tmp_path / "small.weights.h5", model


@pytest.fixture
def talkie(tmp_path):
    """Four seconds of pictures of 25 colours a second and of noise."""
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 4 * RATE)
    write_video(tmp_path / "talkie.mkv", plain(colours_of(100)), waveform=noise)
    return tmp_path / "talkie.mkv"


def dense(x, model, layer):
    kernel, bias = model.get_layer(layer).get_weights()
    return np.maximum(0, x @ kernel + bias)


def test_a_still_from_the_centre_of_each_window_goes_through_the_network(small, talkie):
    path, model = small
    extractor = VGG16Extractor(path)
    found = extractor(extractor.read(talkie))
    colours = np.array(colours_of(100))[[12, 36, 60, 84]]           # at 0.48, 1.44, ... s
    fc1 = dense(colours[:, ::-1] - BGR_MEAN, model, "fc1")
    assert found.shape == (4, 5) and found.dtype == np.float32
    np.testing.assert_allclose(found, dense(fc1, model, "fc2"), rtol=1e-4, atol=1e-3)
    other = VGG16Extractor(path, layer="fc1")
    np.testing.assert_allclose(other(other.read(talkie)), fc1, rtol=1e-4, atol=1e-3)


def test_weights_are_read_as_they_are_published(small, tmp_path):
    path, model = small
    with h5py.File(tmp_path / "published.h5", "w") as file:         # by Keras 1
        dense = [layer for layer in model.layers if layer.weights]
        file.attrs["layer_names"] = [layer.name.encode() for layer in dense]
        for layer in dense:
            group, names = file.create_group(layer.name), [f"{layer.name}_W_1:0",
                                                           f"{layer.name}_b_1:0"]
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name, value in zip(names, layer.get_weights(), strict=True):
                group[name] = value
    assert VGG16Extractor(tmp_path / "published.h5").to_dict() == VGG16Extractor(path).to_dict()


def test_many_stills_are_seen_one_by_one(small):
    extractor = VGG16Extractor(small[0])
    frames = np.random.default_rng(0).integers(0, 256, (37, 224, 224, 3)).astype(np.uint8)
    np.testing.assert_allclose(extractor(frames), np.concatenate(
        [extractor(frame[None]) for frame in frames]), rtol=1e-4, atol=1e-3)


def test_a_clip_has_as_many_segments_as_its_sound(small, tmp_path):
    extractor, patches = VGG16Extractor(small[0]), Patches()
    assert (extractor.sample_rate, extractor.hop_s) == (patches.sample_rate, patches.hop_s)
    for num_samples in (8000, 15599, 30719, 30960, 31000, 46200):
        path = tmp_path / f"{num_samples}.mkv"
        write_video(path, plain(colours_of(75)), waveform=np.full(num_samples, 0.1))
        assert len(extractor.read(path)) == len(patches(video.sound(path, RATE)))
    half = VGG16Extractor(small[0], hop_s=0.48)
    assert half.hop_s == 0.48 and len(half.read(path)) == 5


def test_without_weights_it_warns_and_logs(small, monkeypatch):
    logged = []
    monkeypatch.setattr(logging, "warning", logged.append)
    with pytest.warns(UserWarning, match="embeddings that mean nothing") as caught:
        VGG16Extractor()
    assert caught[0].filename == __file__
    assert len(logged) == 1 and "nothing is downloaded" in logged[0]


def test_its_identity_is_all_that_its_numbers_depend_on(small, tmp_path):
    path, model = small
    model.save_weights(tmp_path / "copy.weights.h5")
    before = VGG16Extractor(path).to_dict()
    assert VGG16Extractor(tmp_path / "copy.weights.h5").to_dict() == before
    model.get_layer("fc1").bias.assign_add(np.full(6, 0.1))
    model.save_weights(tmp_path / "other.weights.h5")
    others = [VGG16Extractor(path, layer="fc1"), VGG16Extractor(path, hop_s=0.48),
              VGG16Extractor(tmp_path / "other.weights.h5")]
    assert all(other.to_dict() != before for other in others)


@pytest.fixture
def manifest(talkie, tmp_path):
    """A talkie, a silent film, sound alone, a broken file, a missing one."""
    write_video(tmp_path / "silent.mkv", plain(colours_of(50)))
    write_video(tmp_path / "heard.m4a", waveform=np.full(2 * RATE, 0.1), sound_codec="aac")
    (tmp_path / "broken.mp4").write_bytes(b"no video, but some forty bytes of text in it")
    names = ["talkie.mkv", "silent.mkv", "heard.m4a", "broken.mp4", "missing.mp4"]
    return Manifest("films", ("x",), tuple(Clip(name, str(tmp_path / name), ("x",))
                                           for name in names))


def unreadable(cache_dir):
    lines = (cache_dir / "unreadable_files.tsv").read_text().splitlines()[1:]
    return dict(line.split("\t") for line in lines)


def test_embeddings_of_videos_are_extracted_once_and_unreadable_ones_listed(
        small, manifest, tmp_path, monkeypatch):
    extractor = VGG16Extractor(small[0])
    found = embeddings.extract(manifest, extractor, tmp_path / "cache", progress=False)
    assert found.names.tolist() == ["talkie.mkv", "silent.mkv"]
    assert found.counts.tolist() == [4, 2] and found.hop_s == 0.96
    for k, name in enumerate(found.names):
        expected = extractor(extractor.read(tmp_path / name))
        np.testing.assert_array_equal(found.values[found.starts[k]:][:found.counts[k]], expected)
    reasons = unreadable(tmp_path / "cache")
    assert sorted(reasons) == ["broken.mp4", "heard.m4a"]
    assert "has no pictures" in reasons["heard.m4a"]
    assert "cannot be opened as a video" in reasons["broken.mp4"]
    monkeypatch.setattr(VGG16Extractor, "read", None)           # nothing is read any more
    again = embeddings.extract(manifest, VGG16Extractor(small[0]), tmp_path / "cache",
                               progress=False)
    np.testing.assert_array_equal(again.values, found.values)


def test_extractors_of_sound_hear_videos_too(manifest, tmp_path):
    found = embeddings.extract(manifest, Patches(), tmp_path / "cache", progress=False)
    assert found.names.tolist() == ["talkie.mkv", "heard.m4a"]
    expected = Patches()(video.sound(tmp_path / "talkie.mkv", RATE))
    np.testing.assert_array_equal(found.values[:4], expected)
    reasons = unreadable(tmp_path / "cache")
    assert "has no sound" in reasons["silent.mkv"]
    assert "cannot be decoded as audio" in reasons["broken.mp4"]


def test_the_windows_of_real_videos(small, shared_data):
    extractor = VGG16Extractor(small[0])
    for name, num_windows in (("bigbuckbunny", 5), ("bikes", 10), ("carphone_pristine", 4)):
        assert len(extractor.read(shared_data / "video" / f"{name}.mp4")) == num_windows


def test_names_the_bad_argument(small, tmp_path):
    for hop_s in (0, -0.96, 0.005, 0.333):
        with pytest.raises(ValueError, match=f"`hop_s` must be a multiple of 0.01.*{hop_s}"):
            VGG16Extractor(small[0], hop_s=hop_s)
    with pytest.raises(ValueError, match=r"`layer` must be one of \('fc1', 'fc2'\).*'block5_pool'"):
        VGG16Extractor(small[0], layer="block5_pool")
    for missing in ("imagenet", tmp_path / "vgg16.h5"):
        with pytest.raises(FileNotFoundError, match="nothing is downloaded"):
            VGG16Extractor(missing)
    (tmp_path / "text.h5").write_text("no weights")
    with pytest.raises(ValueError, match=r"text\.h5: is no .* Keras HDF5"):
        VGG16Extractor(tmp_path / "text.h5")
    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(5, name="fc2")])
    other.save_weights(tmp_path / "other.weights.h5")
    with pytest.raises(ValueError, match=r"other\.weights\.h5: are no weights of VGG16") as error:
        VGG16Extractor(tmp_path / "other.weights.h5")
    assert "fc1" in str(error.value)


def test_sound_alone_is_an_error_of_its_file(small, tmp_path):
    write_video(tmp_path / "heard.m4a", waveform=np.full(RATE, 0.1), sound_codec="aac")
    with pytest.raises(AudioError, match=r"heard\.m4a': has no pictures"):
        VGG16Extractor(small[0]).read(tmp_path / "heard.m4a")


@pytest.mark.slow
@pytest.mark.parametrize("ending", [".weights.h5", ".h5"])
def test_it_is_the_network_of_keras_applications(tmp_path, talkie, ending):
    keras.utils.set_random_seed(0)
    model = keras.applications.VGG16(weights=None)
    path = tmp_path / f"vgg16{ending}"
    # `save` of a whole model writes the layout of the published file.
    model.save_weights(path) if ending == ".weights.h5" else model.save(path)
    extractor = VGG16Extractor(path)
    frames = extractor.read(talkie)[:2]
    fc2 = keras.Model(model.input, model.get_layer("fc2").output)
    expected = fc2.predict_on_batch(keras.applications.vgg16.preprocess_input(
        frames.astype(np.float32)))
    found = extractor(frames)
    path.unlink()
    assert found.shape == (2, 4096) and (found >= 0).all() and found.std() > 0
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
