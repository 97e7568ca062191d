"""Sounds are found where they are in an isolated clip."""

import numpy as np
import pytest

from sedzoo import audio
from sedzoo.datasets import esc
from sedzoo.datasets.extents import find_extents

RATE = 16000


def clip_with(*bursts, floor=0.0, duration_s=5.0):
    """Noise bursts (start_s, stop_s, amplitude) over a floor of noise of this amplitude."""
    rng = np.random.default_rng(0)
    waveform = floor * rng.standard_normal(round(duration_s * RATE))
    for start_s, stop_s, amplitude in bursts:
        part = slice(round(start_s * RATE), round(stop_s * RATE))
        waveform[part] += amplitude * rng.standard_normal(part.stop - part.start)
    return waveform.astype(np.float32)


def found(*bursts, **arguments):
    return [(start / RATE, stop / RATE)
            for start, stop in find_extents(clip_with(*bursts, **arguments), RATE)]


@pytest.mark.parametrize("floor", [0.0, 0.001])
def test_a_single_burst_is_found_to_the_frame(floor):
    (onset, offset), = found((1.2, 1.55, 0.1), floor=floor)
    assert onset == pytest.approx(1.2, abs=0.011) and offset == pytest.approx(1.55, abs=0.011)


def test_bursts_with_silence_between_them_are_separate_sounds():
    assert found((0.5, 0.8, 0.1), (1.5, 2.0, 0.05), (3.0, 3.3, 0.1)) == [
        (0.5, 0.8), (1.5, 2.0), (3.0, 3.3)]


def test_a_short_pause_is_part_of_the_sound():
    assert found((0.5, 0.8, 0.1), (0.95, 1.2, 0.1)) == [(0.5, 1.2)]


def test_a_sound_that_never_stops_is_its_own_floor_and_still_found():
    assert found((0, 5, 0.1)) == [(0, 5)]


def test_ticks_in_quick_succession_are_one_sound():
    ticks = [(at, at + 0.03, 0.1) for at in np.arange(0.1, 4.5, 0.8)]
    (onset, offset), = found(*ticks)
    assert (onset, offset) == pytest.approx((0.1, 4.13), abs=0.02)


def test_a_faint_crackle_beside_a_sound_is_no_sound():
    assert found((1.0, 2.0, 0.1), (3.0, 3.02, 0.03)) == [(1.0, 2.0)]


def test_silence_has_no_sound():
    assert found() == [] == found(floor=1e-5)


def test_extents_do_not_depend_on_the_gain():
    waveform = clip_with((0.5, 0.9, 0.1), (2.0, 3.0, 0.05), floor=0.002)
    assert find_extents(waveform, RATE) == find_extents(waveform * 0.25, RATE)


def test_the_padding_of_a_real_bark_is_trimmed(shared_data):
    clips = {clip.name: clip.path for clip in esc.esc10(shared_data / "esc10").clips}
    waveform = audio.load(clips["1-110389-A.ogg"], RATE)      # one bark, then digital silence
    (start, stop), = find_extents(waveform, RATE)
    assert start < 0.05 * RATE and 0.2 * RATE < stop < 0.6 * RATE
    energy = np.square(waveform, dtype=np.float64)
    assert energy[start:stop].sum() > 0.999 * energy.sum()
