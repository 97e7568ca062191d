"""Silence at the ends of training clips."""

import dataclasses

import librosa
import numpy as np
import pytest
import soundfile

from sedzoo import features
from sedzoo.card import Card
from sedzoo.datasets import Clip, Manifest
from sedzoo.events import Event
from sedzoo.frontend import PRESETS, Frontend
from sedzoo.preparation import trimmed

RATE = 8000
FRONTEND = Frontend(sample_rate=RATE, window_samples=256, fft_samples=256, hop_samples=128,
                    num_bands=16, fmax_hz=4000.0, log_offset=1e-8, clip_frames=250)


def padded_noise(*levels, seconds=1.0):
    """A piece of noise for each level, of which 1 is an RMS of -20 dB."""
    draw = np.random.default_rng(0)
    size = round(seconds * RATE)
    return np.concatenate([level * draw.normal(0, 0.1, size) for level in levels]).astype("f4")


def manifest(folder, waveform, events=None):
    soundfile.write(folder / "a.wav", waveform, RATE, subtype="FLOAT")
    return Manifest("one", ("x",), (Clip("a.wav", str(folder / "a.wav"), ("x",), events),))


def test_both_ends_are_cut_to_a_frame_and_the_middle_stays():
    waveform = padded_noise(0, 1, 0, 1, 0)
    found = trimmed(waveform, 60.0)
    start = waveform.argmax() - found.argmax()
    np.testing.assert_array_equal(found, waveform[start:start + len(found)])
    # Frames are 2048 samples long: of the silence at each end less than one is left.
    assert RATE - 2048 < start <= RATE and 4 * RATE <= start + len(found) < 4 * RATE + 2048


@pytest.mark.parametrize("trim_db, longest", [(60.0, 5 * RATE), (30.0, 3 * RATE + 4096),
                                              (10.0, RATE + 4096)])
def test_the_threshold_counts_from_the_loudest_frame(trim_db, longest):
    waveform = padded_noise(0.01, 0.1, 1, 0.1, 0.01)           # 40, 20 and 0 dB below it
    assert longest - 4096 <= len(trimmed(waveform, trim_db)) <= longest


def test_a_clip_s_level_changes_nothing():
    waveform = padded_noise(0, 0.1, 1, 0)
    assert len(trimmed(waveform, 30.0)) == len(trimmed(waveform / 64, 30.0)) < len(waveform)


def test_without_a_threshold_a_waveform_is_itself():
    waveform = padded_noise(0, 1)
    assert trimmed(waveform, None) is waveform


@pytest.mark.parametrize("num_samples", [1, 100, 2048, 50000])
def test_digital_silence_and_the_shortest_clips_are_left_alone(num_samples):
    silence = np.zeros(num_samples, np.float32)
    np.testing.assert_array_equal(trimmed(silence, 60.0), silence)


def test_a_single_click_leaves_at_least_one_frame():
    for at in (0, 10000, 19999):
        waveform = np.zeros(20000, np.float32)
        waveform[at] = 1
        found = trimmed(waveform, 60.0)
        assert found.max() == 1 and 512 <= len(found) <= 2 * 2048


def test_features_are_those_of_the_trimmed_clip(tmp_path):
    waveform = padded_noise(0, 1, 0.5, 0)
    clips = manifest(tmp_path, waveform)
    recipe = dataclasses.replace(FRONTEND, trim_db=60.0)
    found = features.extract(clips, recipe, tmp_path / "cache", progress=False)

    cut, _ = librosa.effects.trim(waveform, top_db=60)
    soundfile.write(tmp_path / "a.wav", cut, RATE, subtype="FLOAT")
    expected = features.extract(clips, FRONTEND, tmp_path / "cache", progress=False)
    np.testing.assert_array_equal(found.values, expected.values)
    assert found.num_frames.tolist() == expected.num_frames.tolist()
    assert 2 * RATE // 128 <= found.num_frames[0] < 220


def test_a_long_silence_is_trimmed_before_the_clip_is_cut(tmp_path):
    waveform = padded_noise(0, 1, seconds=5.0)              # 250 frames, 4 s, would be silence
    clips = manifest(tmp_path, waveform)
    recipe = dataclasses.replace(FRONTEND, trim_db=60.0)
    trimmed_values = features.extract(clips, recipe, tmp_path / "cache", progress=False).values
    assert trimmed_values[0, 20:].mean() > recipe.silence + 5
    plain = features.extract(clips, FRONTEND, tmp_path / "cache", progress=False)
    np.testing.assert_allclose(plain.values, FRONTEND.silence, atol=1e-4)


def test_clips_with_events_are_not_trimmed(tmp_path):
    clips = manifest(tmp_path, padded_noise(0, 1), (Event(1.0, 2.0, "x"),))
    recipe = dataclasses.replace(FRONTEND, trim_db=60.0)
    with pytest.raises(ValueError, match="`trim_db` must be None .*trim_db=60.0 .*'a.wav'"):
        features.extract(clips, recipe, tmp_path / "cache", progress=False)


@pytest.mark.parametrize("trim_db", [0, -60.0, float("inf"), float("nan")])
def test_a_threshold_out_of_bounds_is_named(trim_db):
    with pytest.raises(ValueError, match=f"`trim_db` must be .*Received: trim_db={trim_db!r}"):
        dataclasses.replace(FRONTEND, trim_db=trim_db)


def test_the_recipe_travels_as_a_dict_and_old_cards_still_read():
    recipe = dataclasses.replace(PRESETS["vggish"], trim_db=60.0, peak_normalise=True)
    assert Frontend.from_dict(recipe.to_dict()) == recipe
    fields = PRESETS["vggish"].to_dict()
    del fields["trim_db"]
    card = Card(name="x", model="x", frontend=fields, labels=("a",))
    assert card.frontend_spec == PRESETS["vggish"] and card.frontend_spec.trim_db is None
