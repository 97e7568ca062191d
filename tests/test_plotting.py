"""Pictures show where the energy is and what was found, at any length."""

import subprocess
import sys

import numpy as np
import pytest

from sedzoo.audio import AudioError
from sedzoo.events import Event
from sedzoo.frontend import Clock
from sedzoo.plotting import plot_events, spectrogram

RATE = 16000
CLOCK = Clock(664, RATE)


def tone(duration_s, hz, onset_s, offset_s):
    samples = np.arange(round(duration_s * RATE))
    on = (samples >= onset_s * RATE) & (samples < offset_s * RATE)
    return (0.3 * np.sin(2 * np.pi * hz / RATE * samples) * on).astype(np.float32)


@pytest.mark.parametrize(("duration_s", "onset_s", "offset_s"), [(4, 1, 2), (1500, 600, 900)])
def test_the_spectrogram_has_a_tone_at_its_time_and_frequency(duration_s, onset_s, offset_s):
    decibels, low, high = spectrogram(tone(duration_s, 2000, onset_s, offset_s), RATE)
    mels = low + (np.arange(len(decibels)) + 0.5) / len(decibels) * (high - low)
    band = np.abs(mels - 2595 * np.log10(1 + 2000 / 700)).argmin()
    times = (np.arange(decibels.shape[1]) + 0.5) / decibels.shape[1] * duration_s
    inside = (times > onset_s + 0.1) & (times < offset_s - 0.1)
    outside = (times < onset_s - 0.1) | (times > offset_s + 0.1)
    assert (np.abs(decibels[:, inside].argmax(0) - band) <= 1).all()
    assert decibels[band, inside].min() > decibels[:, outside].max() + 60
    assert decibels.shape[1] <= 1600


def pixels(path):
    from matplotlib.image import imread
    return imread(path)[..., :3]


def has_colour(image, rgb):
    return (np.abs(image - np.array(rgb) / 255) < 0.12).all(-1).any()


BLUE, VERMILION = (0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00)


def test_each_label_has_a_lane_of_its_own_colour(tmp_path):
    waveform = tone(4, 1000, 1, 2)
    events = [Event(1.0, 2.0, "Dog bark", 0.9), Event(2.5, 3.0, "Rain", 0.8)]
    plot_events(waveform, RATE, events, tmp_path / "two.png", title="two")
    plot_events(waveform, RATE, events[:1], tmp_path / "one.png")
    plot_events(waveform, RATE, [], tmp_path / "none.png")
    two, one, none = (pixels(tmp_path / f"{name}.png") for name in ("two", "one", "none"))
    assert has_colour(two, BLUE) and has_colour(two, VERMILION)
    assert has_colour(one, BLUE) and not has_colour(one, VERMILION)
    assert not has_colour(none, BLUE)
    assert two.shape[0] > one.shape[0]


def test_scores_are_curves_in_the_lanes(tmp_path):
    events = [Event(1.0, 2.0, "Rain", 0.9)]
    scores = np.random.default_rng(0).random((96, 2))
    plot_events(tone(4, 1000, 1, 2), RATE, events, tmp_path / "curves.png", scores, CLOCK,
                labels=("Dog bark", "Rain"))
    plot_events(tone(4, 1000, 1, 2), RATE, events, tmp_path / "bars.png")
    assert not np.array_equal(pixels(tmp_path / "curves.png"), pixels(tmp_path / "bars.png"))
    with pytest.raises(ValueError, match="`clock` and K `labels`"):
        plot_events(tone(4, 1000, 1, 2), RATE, events, tmp_path / "x.png", scores)


def test_an_hour_with_many_events_and_one_sample_are_drawn(tmp_path):
    rng = np.random.default_rng(0)
    events = [Event(t, t + 0.3, f"class {k}", 0.5) for k, t in enumerate(rng.uniform(0, 3500, 40))]
    plot_events(np.zeros(3600 * 1000, np.float32), 1000, events, tmp_path / "hour.png",
                np.full((3000, 1), 0.2), Clock(1200, 1000), labels=["class 3"])
    plot_events(np.zeros(1, np.float32), RATE, [], tmp_path / "sample.png")
    # A third of a second in an hour is less than a pixel and is seen all the same.
    assert has_colour(pixels(tmp_path / "hour.png"), BLUE)
    assert pixels(tmp_path / "sample.png").shape[1] == pixels(tmp_path / "hour.png").shape[1]


@pytest.mark.parametrize("shape", [(0,), (2, 100)])
def test_what_is_no_waveform_is_refused(tmp_path, shape):
    with pytest.raises(AudioError, match="waveform"):
        plot_events(np.zeros(shape), RATE, [], tmp_path / "x.png")


def test_matplotlib_is_imported_when_something_is_drawn():
    done = subprocess.run([sys.executable, "-c", "import sys, sedzoo.plotting\n"
                           "assert 'matplotlib' not in sys.modules"], capture_output=True)
    assert done.returncode == 0, done.stderr
