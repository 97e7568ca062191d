"""Ten sound event classes made by formula, each instance different; no files needed.

Every maker takes (rng, sample_rate) and gives (waveform, is_long): float32 (S,) with its peak at 1,
beginning and ending where the sound does, and whether the sound goes on (a scene may cut it or
extend it by looping) or comes to its own end (it is placed whole). Pitch, rate, timbre and
modulation are drawn anew for each instance, wide enough that classes overlap in any single one of
them: what tells a siren from a telephone is how it moves.
"""

import functools

import numpy as np
import scipy.fft
from scipy import signal

_LONG_S = (3.0, 5.0)  # of long material, before a scene cuts or extends it


def noise(rng, num_samples, sample_rate, slope, band_hz=None):
    """Stationary noise of mean power 1 whose power falls as 1 / f^slope.

    Args:
        slope: float, 0 white, 1 pink, 2 brown.
        band_hz: pair of float, where it sounds, with 12 dB per octave outside; None for all. There
            is nothing below 20 Hz in any case.
    Returns: float32 (num_samples,).
    """
    length = scipy.fft.next_fast_len(num_samples, real=True)
    hz, log_hz = _bins(length, sample_rate)                                              # (F,)
    gain = np.exp(np.float32(-slope / 2) * log_hz)
    gain[hz < 20] = 0
    if band_hz is not None:
        gain *= np.minimum(1, np.square(hz / band_hz[0])) / (1 + np.square(hz / band_hz[1]))
    parts = rng.standard_normal((len(hz), 2), np.float32) * gain[:, None]                # (F, 2)
    waveform = scipy.fft.irfft(parts.view(np.complex64)[:, 0], length, norm="ortho")
    return _level(waveform[:num_samples])


def siren(rng, sample_rate):
    """Harmonics gliding up and down: a slow wail, a fast yelp, or two alternating tones."""
    time = _time(rng.uniform(*_LONG_S), sample_rate)
    low_hz = rng.uniform(350, 800)
    glide = low_hz * rng.uniform(0.4, 1.2)
    kind = rng.choice(["wail", "yelp", "two tones"])
    rate_hz = {"wail": rng.uniform(0.15, 0.5), "yelp": rng.uniform(2, 5),
               "two tones": rng.uniform(0.4, 1.0)}[kind]
    swing = np.sin(2 * np.pi * (rate_hz * time + rng.uniform()))
    swing = np.tanh(30 * swing) if kind == "two tones" else swing
    phase = _phase(low_hz + glide * (0.5 + 0.5 * swing), sample_rate)
    return _finish(_voice(phase, _timbre(rng, 5, rng.uniform(0.8, 2)))), True


def alarm_bell(rng, sample_rate):
    """A hammer on a bell, ten or more strokes a second: inharmonic partials, each dying away."""
    time = _time(rng.uniform(*_LONG_S), sample_rate)
    base_hz, rate_hz = rng.uniform(600, 1500), rng.uniform(8, 20)
    since_stroke = np.mod(rate_hz * time, 1) / rate_hz
    waveform = np.zeros_like(time)
    for ratio in (1, 1.51, 2.0, 2.67, 3.4):
        hz = base_hz * ratio * rng.uniform(0.97, 1.03)
        if hz < 0.45 * sample_rate:
            decay = np.exp(-since_stroke / rng.uniform(0.03, 0.12))
            waveform += rng.uniform(0.3, 1) * decay * np.sin(2 * np.pi * hz * time)
    return _finish(waveform), True


def car_horn(rng, sample_rate):
    """Two steady buzzing tones about a third apart, pressed for a moment."""
    time = _time(rng.uniform(0.25, 1.5), sample_rate)
    low_hz = rng.uniform(280, 480)
    amplitudes = _timbre(rng, 14, rng.uniform(0.3, 0.9))
    waveform = sum(_voice(_phase(np.full_like(time, hz), sample_rate), amplitudes)
                   for hz in (low_hz, low_hz * rng.uniform(1.18, 1.3)))
    return _finish(waveform * _ramps(len(time), sample_rate, 0.015, 0.04)), False


def engine(rng, sample_rate):
    """Firing strokes of a motor that runs up and down, over its own low noise."""
    time = _time(rng.uniform(*_LONG_S), sample_rate)
    hz = rng.uniform(28, 75) * (1 + rng.uniform(0.02, 0.25) * np.sin(
        2 * np.pi * (rng.uniform(0.1, 0.6) * time + rng.uniform())))
    phase = _phase(hz, sample_rate)
    strokes = _voice(phase, _timbre(rng, 24, rng.uniform(0.5, 1.1)))
    strokes *= 1 + rng.uniform(0, 0.6) * _voice(phase / 2, (1.0,))  # no two cylinders are alike
    rumble = noise(rng, len(time), sample_rate, rng.uniform(1, 1.8))
    return _finish(_level(strokes) + rng.uniform(0.15, 0.6) * rumble), True


def rain(rng, sample_rate):
    """A steady hiss, and the drops that fall near."""
    num_samples = int(rng.uniform(*_LONG_S) * sample_rate)
    hiss = noise(rng, num_samples, sample_rate, rng.uniform(0, 0.6),
                 (rng.uniform(400, 1200), rng.uniform(3500, 7500)))
    drops = np.zeros(num_samples, np.float32)
    at = rng.integers(0, num_samples, rng.poisson(rng.uniform(10, 120) * num_samples / sample_rate))
    drops[at] = rng.exponential(1, len(at))
    splash = _ping(0.01, rng.uniform(1200, 3200), 0.002, sample_rate)
    drops = signal.oaconvolve(drops, splash)[:num_samples]
    return _finish(hiss + rng.uniform(0.5, 2) * _level(drops)), True


def clock_tick(rng, sample_rate):
    """Tick, tock: two clicks in turn, each through the resonance of its case."""
    period_s = rng.uniform(0.25, 1.0)
    cases = [_ping(0.05, rng.uniform(1500, 3600), rng.uniform(0.002, 0.008), sample_rate)
             + 0.3 * _ping(0.05, rng.uniform(400, 1000), 0.006, sample_rate) for _ in range(2)]
    times = np.arange(0, rng.uniform(*_LONG_S), period_s)
    strokes = [cases[i % 2] * rng.uniform(0.8, 1) for i in range(len(times))]
    return _finish(_place(times, strokes, sample_rate)), True


def bird_chirp(rng, sample_rate):
    """One to six quick whistled arcs, alike among themselves."""
    length_s, pause_s = rng.uniform(0.05, 0.16), rng.uniform(0.02, 0.08)
    top_hz = min(rng.uniform(2600, 6500), 0.42 * sample_rate)
    start, end = rng.uniform(0.55, 1, 2)
    notes = []
    for _ in range(rng.integers(1, 7)):
        time = _time(length_s * rng.uniform(0.9, 1.1), sample_rate)
        part = np.linspace(0, 1, len(time), dtype=np.float32)
        hz = top_hz * (start + (1 - start) * np.sin(np.pi * part) + (end - start) * part ** 2)
        hz *= 1 + 0.03 * np.sin(2 * np.pi * rng.uniform(20, 40) * time)
        notes.append(_voice(_phase(np.minimum(hz, 0.45 * sample_rate), sample_rate), (1.0, 0.1))
                     * np.sqrt(np.abs(np.sin(np.pi * part))))
    times = np.arange(len(notes)) * (length_s + pause_s)
    return _finish(_place(times, notes, sample_rate)), False


def bark(rng, sample_rate):
    """A rough burst of voice, its pitch rising and falling, through the mouth's resonance."""
    time = _time(rng.uniform(0.12, 0.35), sample_rate)
    part = np.linspace(0, 1, len(time), dtype=np.float32)
    hz = rng.uniform(220, 650) * (1 + rng.uniform(0.2, 0.7) * np.sin(np.pi * part ** 0.6))
    voice = _level(_voice(_phase(hz, sample_rate), _timbre(rng, 12, rng.uniform(0.2, 0.8))))
    rough = voice + rng.uniform(0.2, 0.7) * noise(rng, len(time), sample_rate, 0.3)
    mouth_hz = rng.uniform(600, 1400)
    mouth = signal.butter(1, (0.6 * mouth_hz, 1.7 * mouth_hz), "bandpass", fs=sample_rate,
                          output="sos")
    shape = part ** 0.3 * (1 - part) ** rng.uniform(0.5, 1.2)
    return _finish((signal.sosfilt(mouth, rough) + 0.2 * rough) * shape), False


def footsteps(rng, sample_rate):
    """Someone walks by: a low thud and a scuff of noise at every step."""
    period_s = rng.uniform(0.35, 0.75)
    times = np.arange(0, rng.uniform(*_LONG_S), period_s)
    times = times + rng.uniform(0, 0.03, len(times))
    thud_hz, hardness = rng.uniform(60, 180), rng.uniform(0.2, 1.2)
    scuff_hz = rng.uniform(700, 1500), rng.uniform(2200, 5500)
    steps = []
    for _ in times:
        thud = _ping(0.16, thud_hz * rng.uniform(0.9, 1.1), 0.035, sample_rate)
        scuff = noise(rng, len(thud), sample_rate, 0, scuff_hz)
        shape = np.exp(-np.arange(len(thud)) / (rng.uniform(0.01, 0.04) * sample_rate))
        steps.append((thud + hardness * scuff * shape) * rng.uniform(0.7, 1))
    return _finish(_place(times, steps, sample_rate)), True


def telephone(rng, sample_rate):
    """One ring: a quick warble between two tones, or two tones beating against each other."""
    time = _time(rng.uniform(0.6, 1.6), sample_rate)
    low_hz = rng.uniform(500, 1300)
    high_hz = low_hz * rng.uniform(1.15, 1.5)
    amplitudes = _timbre(rng, 3, rng.uniform(1, 2.5))
    warble = np.tanh(8 * np.sin(2 * np.pi * rng.uniform(10, 25) * time))
    if rng.uniform() < 0.6:
        hz = low_hz + (high_hz - low_hz) * (0.5 + 0.5 * warble)
        waveform = _voice(_phase(hz, sample_rate), amplitudes)
    else:
        waveform = sum(_voice(_phase(np.full_like(time, hz), sample_rate), amplitudes)
                       for hz in (low_hz, high_hz)) * (1 + 0.9 * warble)
    return _finish(waveform * _ramps(len(time), sample_rate, 0.01, 0.06)), False


SOUNDS = {"Alarm bell": alarm_bell, "Bark": bark, "Bird chirp": bird_chirp, "Car horn": car_horn,
          "Clock tick": clock_tick, "Engine": engine, "Footsteps": footsteps, "Rain": rain,
          "Siren": siren, "Telephone": telephone}
LABELS = tuple(SOUNDS)


@functools.lru_cache(maxsize=8)
def _bins(length, sample_rate):
    hz = np.fft.rfftfreq(length, 1 / sample_rate).astype(np.float32)
    return hz, np.log(np.maximum(hz, 1))


def _time(duration_s, sample_rate):
    return (np.arange(int(duration_s * sample_rate)) / sample_rate).astype(np.float32)


def _phase(hz, sample_rate):
    """Cycles so far of an oscillator whose pitch in Hz is given sample by sample."""
    return np.cumsum(hz, dtype=np.float64) / sample_rate


def _voice(phase, amplitudes):
    """A tone of these harmonics at this phase (in cycles), read from a table of one cycle."""
    spectrum = np.zeros(1025, np.complex64)
    spectrum[1:len(amplitudes) + 1] = -1024j * np.asarray(amplitudes)
    table = scipy.fft.irfft(spectrum, 2048)
    return table[(phase * 2048).astype(np.int64) & 2047]


def _timbre(rng, num_harmonics, fall):
    """Amplitudes that fall as 1 / harmonic^fall, each off by some decibels."""
    harmonic = np.arange(1, num_harmonics + 1)
    return harmonic ** -fall * 10 ** (rng.uniform(-6, 6, num_harmonics) / 20)


def _ping(duration_s, hz, decay_s, sample_rate):
    time = _time(duration_s, sample_rate)
    return np.exp(-time / decay_s) * np.sin(2 * np.pi * min(hz, 0.45 * sample_rate) * time)


def _ramps(num_samples, sample_rate, attack_s, release_s):
    at = np.arange(num_samples) / sample_rate
    return np.minimum(1, np.minimum(at / attack_s, (num_samples / sample_rate - at) / release_s))


def _place(times, sounds, sample_rate):
    """Sounds added one after another at these times in seconds."""
    starts = [int(time * sample_rate) for time in times]
    waveform = np.zeros(max(start + len(sound) for start, sound in zip(starts, sounds,
                                                                      strict=True)), np.float32)
    for start, sound in zip(starts, sounds, strict=True):
        waveform[start:start + len(sound)] += sound
    return waveform


def _level(waveform):
    return waveform / np.sqrt(np.vdot(waveform, waveform) / len(waveform) + 1e-12)


def _finish(waveform):
    return (waveform / np.abs(waveform).max()).astype(np.float32)
