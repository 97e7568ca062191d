import dataclasses
import os

import keras
import numpy as np
import pytest
import soundfile

from sedzoo import features, layers
from sedzoo.datasets.manifest import Clip, Manifest
from sedzoo.frontend import Frontend

FRONTEND = Frontend(sample_rate=8000, window_samples=256, fft_samples=256, hop_samples=128,
                    num_bands=16, fmax_hz=4000.0, log_offset=1e-8, clip_frames=20)


@pytest.fixture
def manifest(tmp_path):
    """Five clips of 0.1 to 0.5 s: three readable, one broken, one missing."""
    draw = np.random.default_rng(0)
    names = ["a.wav", "broken.wav", "b.wav", "missing.wav", "c.wav"]
    for name, num_samples in (("a.wav", 4000), ("b.wav", 900), ("c.wav", 4000)):
        soundfile.write(tmp_path / name, draw.normal(0, 0.1, num_samples), 8000, subtype="FLOAT")
    (tmp_path / "broken.wav").write_bytes(b"no sound at all, but some forty bytes of text in it")
    clips = tuple(Clip(name, str(tmp_path / name), (("x", "y")[i % 2],))
                  for i, name in enumerate(names))
    return Manifest("five", ("x", "y"), clips)


def reference(clip, frontend=FRONTEND):
    waveform, _ = soundfile.read(clip.path, dtype="float32")
    return keras.ops.convert_to_numpy(layers.features(frontend)(waveform[None]))[0]


def test_values_are_the_layers_cut_to_the_clip(manifest, tmp_path):
    found = features.extract(manifest, FRONTEND, tmp_path / "cache", progress=False)
    assert [clip.name for clip in found.manifest.clips] == ["a.wav", "b.wav", "c.wav"]
    assert found.values.shape == (3, 20, 16) and found.values.dtype == np.float32
    assert found.num_frames.tolist() == [20, 6, 20]
    for row, clip in zip(found.values, found.manifest.clips, strict=True):
        expected = reference(clip)[:20]
        np.testing.assert_allclose(row[:len(expected)], expected, atol=1e-5)


def test_a_centred_recipe_hears_past_the_cut(manifest, tmp_path):
    centred = dataclasses.replace(FRONTEND, center=True)
    found = features.extract(manifest, centred, tmp_path / "cache", progress=False)
    np.testing.assert_allclose(found.values[0], reference(found.manifest.clips[0], centred)[:20],
                               atol=1e-5)


def test_short_clips_end_in_silence_or_in_zeros_as_the_recipe_says(manifest, tmp_path):
    for pad, value in (("silence", np.log(1e-8)), ("features", 0.0)):
        recipe = dataclasses.replace(FRONTEND, pad=pad)
        found = features.extract(manifest, recipe, tmp_path / "cache", progress=False)
        np.testing.assert_allclose(found.values[1, 6:], value, atol=1e-4)


def test_derivatives_of_a_short_clip_do_not_see_its_padding(manifest, tmp_path):
    recipe = dataclasses.replace(FRONTEND, num_coefficients=8, num_deltas=1)
    found = features.extract(manifest, recipe, tmp_path / "cache", progress=False)
    np.testing.assert_allclose(found.values[1, :6], reference(found.manifest.clips[1], recipe),
                               atol=1e-5)
    np.testing.assert_allclose(found.values[1, 6:, 8:], 0, atol=1e-5)


def test_missing_and_unreadable_files_are_left_out_and_listed(manifest, tmp_path):
    for _ in range(2):                                      # computed, then from the cache
        features.extract(manifest, FRONTEND, tmp_path / "cache", progress=False)
        missing = (tmp_path / "cache" / "missing_files.tsv").read_text().splitlines()
        assert [line.split("\t")[0] for line in missing] == ["filename", "missing.wav"]
        unreadable = (tmp_path / "cache" / "unreadable_files.tsv").read_text().splitlines()
        assert [line.split("\t")[0] for line in unreadable] == ["filename", "broken.wav"]
        assert len(unreadable[1].split("\t")[1]) > 10


def test_a_second_call_reads_what_the_first_computed(manifest, tmp_path, monkeypatch):
    first = features.extract(manifest, FRONTEND, tmp_path / "cache", progress=False)
    monkeypatch.setattr(features, "_compute", None)          # would raise when called
    second = features.extract(manifest, FRONTEND, tmp_path / "cache", progress=False)
    np.testing.assert_array_equal(first.values, second.values)
    np.testing.assert_array_equal(first.num_frames, second.num_frames)
    assert first.manifest == second.manifest


def test_the_cache_notices_a_changed_file_and_a_changed_recipe(manifest, tmp_path):
    first = features.extract(manifest, FRONTEND, tmp_path / "cache", progress=False)
    path = manifest.clips[0].path
    soundfile.write(path, np.zeros(4000), 8000, subtype="FLOAT")
    os.utime(path, ns=(1, 1))
    changed = features.extract(manifest, FRONTEND, tmp_path / "cache", progress=False)
    assert not np.array_equal(first.values[0], changed.values[0])
    other = features.extract(manifest, dataclasses.replace(FRONTEND, num_bands=20),
                             tmp_path / "cache", progress=False)
    assert other.values.shape[-1] == 20


def test_an_interrupted_extraction_leaves_no_cache(manifest, tmp_path, monkeypatch):
    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(features, "_rows", fail)
    with pytest.raises(KeyboardInterrupt):
        features.extract(manifest, FRONTEND, tmp_path / "cache", progress=False)
    assert [path for path in (tmp_path / "cache").iterdir() if path.is_dir()] == []


def test_nothing_readable_is_an_error_that_says_why(manifest, tmp_path):
    broken = manifest.select(lambda clip: clip.name == "broken.wav")
    with pytest.raises(ValueError, match="1 tried; broken.wav: "):
        features.extract(broken, FRONTEND, tmp_path / "cache", progress=False)
    missing = manifest.select(lambda clip: clip.name == "missing.wav")
    with pytest.raises(FileNotFoundError, match="1 missing"):
        features.extract(missing, FRONTEND, tmp_path / "cache", progress=False)


@pytest.mark.parametrize("padding", [True, False])
def test_statistics_count_the_frames_that_the_recipe_counts(manifest, tmp_path, padding):
    recipe = dataclasses.replace(FRONTEND, normalise_padding=padding)
    found = features.extract(manifest, recipe, tmp_path / "cache", progress=False)
    frames = np.concatenate([row if padding else row[:count] for row, count in
                             zip(found.values, found.num_frames, strict=True)]).astype(np.float64)
    mean, std = features.statistics(found, recipe)
    assert mean.dtype == std.dtype == np.float32
    np.testing.assert_allclose(mean, frames.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(std, frames.std(axis=0), rtol=1e-5)

    mean, std = features.statistics(found, dataclasses.replace(recipe, normalise="global"))
    np.testing.assert_allclose(mean, np.full(16, frames.mean()), rtol=1e-5)
    np.testing.assert_allclose(std, np.full(16, frames.std()), rtol=1e-5)


def test_without_normalisation_the_statistics_change_nothing(manifest, tmp_path):
    found = features.extract(manifest, FRONTEND, tmp_path / "cache", progress=False)
    mean, std = features.statistics(found, dataclasses.replace(FRONTEND, normalise=None))
    assert mean.tolist() == [0] * 16 and std.tolist() == [1] * 16


def test_a_band_that_never_changes_has_deviation_one(manifest, tmp_path):
    found = features.extract(manifest, FRONTEND, tmp_path / "cache", progress=False)
    still = dataclasses.replace(found, values=np.full_like(found.values, -3.3))
    assert features.statistics(still, FRONTEND)[1].tolist() == [1] * 16
