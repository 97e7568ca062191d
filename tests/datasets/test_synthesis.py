"""The procedural sounds are sounds, differ, and are one class each."""

import numpy as np
import pytest

from sedzoo.datasets import synthesis


def bands_db(waveform, sample_rate, num_bands=12):
    """Mean level in bands of equal width on a log axis, relative to the loudest."""
    power = np.abs(np.fft.rfft(waveform)) ** 2
    hz = np.fft.rfftfreq(len(waveform), 1 / sample_rate)
    edges = np.geomspace(50, 0.5 * sample_rate, num_bands + 1)
    level = np.array([power[(hz >= a) & (hz < b)].sum() for a, b in zip(edges, edges[1:],
                                                                        strict=False)])
    return 10 * np.log10(level / level.max() + 1e-6)


@pytest.mark.parametrize("sample_rate", [8000, 16000, 44100])
@pytest.mark.parametrize("label", synthesis.LABELS)
def test_every_instance_is_finite_at_full_scale_and_begins_and_ends_with_sound(label, sample_rate):
    rng = np.random.default_rng(1)
    for _ in range(8):
        waveform, is_long = synthesis.SOUNDS[label](rng, sample_rate)
        assert waveform.dtype == np.float32 and waveform.ndim == 1 and np.isfinite(waveform).all()
        assert np.abs(waveform).max() == pytest.approx(1)
        assert (len(waveform) > 1.9 * sample_rate) if is_long else (
            0.04 * sample_rate < len(waveform) < 2 * sample_rate)
        edge = round(0.05 * sample_rate)
        assert np.abs(waveform[:edge]).max() > 0.02 and np.abs(waveform[-edge:]).max() > 1e-3


@pytest.mark.parametrize("label", synthesis.LABELS)
def test_the_same_draws_give_the_same_sound_and_others_another(label):
    one, two, other = (synthesis.SOUNDS[label](np.random.default_rng(seed), 16000)[0]
                       for seed in (3, 3, 4))
    np.testing.assert_array_equal(one, two)
    assert len(one) != len(other) or np.abs(one - other).max() > 0.1


def test_there_are_long_and_short_classes():
    kinds = [make(np.random.default_rng(0), 16000)[1] for make in synthesis.SOUNDS.values()]
    assert len(kinds) == 10 and 3 <= sum(kinds) <= 7


def test_classes_can_be_told_apart_but_not_by_their_mean_spectrum_alone():
    rng = np.random.default_rng(0)
    spectra = {label: [bands_db(make(rng, 16000)[0], 16000) for _ in range(24)]
               for label, make in synthesis.SOUNDS.items()}
    centres = {label: np.mean(of[:12], axis=0) for label, of in spectra.items()}
    hits = [min(centres, key=lambda other: np.sum((centres[other] - one) ** 2)) == label
            for label, of in spectra.items() for one in of[12:]]
    assert 0.4 < np.mean(hits) < 0.98


@pytest.mark.parametrize("slope", [0, 1, 2])
def test_noise_falls_with_the_slope_asked_for(slope):
    waveform = synthesis.noise(np.random.default_rng(0), 160000, 16000, slope)
    assert np.mean(waveform ** 2) == pytest.approx(1, rel=1e-4) and waveform.dtype == np.float32
    power = np.abs(np.fft.rfft(waveform)) ** 2
    hz = np.fft.rfftfreq(160000, 1 / 16000)
    low, high = (power[(hz > a) & (hz < 2 * a)].mean() for a in (100, 3200))
    assert np.log(low / high) / np.log(32) == pytest.approx(slope, abs=0.1)
    assert power[hz < 19].max(initial=0) < 1e-3 * power.max()


def test_noise_keeps_to_its_band():
    waveform = synthesis.noise(np.random.default_rng(0), 160000, 16000, 0, (1000, 2000))
    power = np.abs(np.fft.rfft(waveform)) ** 2
    hz = np.fft.rfftfreq(160000, 1 / 16000)
    assert power[(hz > 1000) & (hz < 2000)].mean() > 20 * power[hz < 300].mean()
    assert power[(hz > 1000) & (hz < 2000)].mean() > 20 * power[hz > 7000].mean()
