import keras
import librosa
import numpy as np
import pytest
import scipy.fft
import scipy.signal
from contracts import check_layer, noise, numpy_of
from hypothesis import given, settings
from hypothesis import strategies as st

from sedzoo.frontend import PRESETS, Frontend
from sedzoo.layers import MFCC, LogMel, Standardise, features, mel


def reference(frontend, waveform):
    """The recipe by librosa and SciPy in float64, (T, F)."""
    y = waveform.astype(np.float64)
    if frontend.peak_normalise:
        y = y / max(np.abs(y).max(), 1e-9)
    window = scipy.signal.get_window(frontend.window, frontend.window_samples,
                                     fftbins=frontend.periodic)
    if frontend.unit_energy:
        window = window / np.sqrt(np.sum(window ** 2))
    if not frontend.center:  # librosa centres the window in the FFT's frame
        y = np.pad(y, (frontend.fft_samples - frontend.window_samples) // 2)
    spectrum = librosa.stft(y, n_fft=frontend.fft_samples, hop_length=frontend.hop_samples,
                            win_length=frontend.window_samples, window=window,
                            center=frontend.center)
    triangles = vggish_triangles() if frontend.triangles == "mel" else librosa.filters.mel(
        sr=frontend.sample_rate, n_fft=frontend.fft_samples, n_mels=frontend.num_bands,
        fmin=frontend.fmin_hz, fmax=frontend.fmax_hz, htk=frontend.mel_scale == "htk",
        norm="slaney" if frontend.area_norm else None, dtype=np.float64)
    bands = triangles @ np.abs(spectrum) ** frontend.power
    log_mel = frontend.log_scale * np.log(
        np.maximum(frontend.log_gain * bands, frontend.log_floor) + frontend.log_offset)
    if not frontend.num_coefficients:
        return log_mel.T
    cepstrum = scipy.fft.dct(log_mel, axis=0, norm="ortho")[:frontend.num_coefficients]
    slopes = [librosa.feature.delta(cepstrum, width=9, order=order, mode="nearest")
              for order in range(1, frontend.num_deltas + 1)]
    return np.concatenate([cepstrum, *slopes]).T


def vggish_triangles():
    """VGGish's published recipe, bin by bin: sides straight in HTK mel, nothing from 0 Hz."""
    def to_mel(hz):
        return 1127.0 * np.log(1.0 + hz / 700.0)

    bins, edges = to_mel(np.linspace(0, 8000, 257)), np.linspace(to_mel(125.0), to_mel(7500.0), 66)
    weights = np.zeros((64, 257))
    for band in range(64):
        low, mid, high = edges[band:band + 3]
        for k in range(1, 257):
            weights[band, k] = max(0.0, min((bins[k] - low) / (mid - low),
                                            (high - bins[k]) / (high - mid)))
    return weights


def probe(sample_rate, seconds=2):
    """Noise, a tone, silence and a click."""
    t = np.arange(sample_rate * seconds) / sample_rate
    y = 0.1 * np.random.default_rng(0).standard_normal(t.size) * (t < 0.8)
    y += 0.5 * np.sin(2 * np.pi * 440 * t) * (t > 0.6) * (t < 1.4)
    y[-100] = 1.0
    return y.astype(np.float32)


@pytest.mark.parametrize("name", PRESETS)
def test_in_float64_every_preset_is_librosas_to_1e_4_in_every_cell(name):
    frontend = PRESETS[name]
    y = probe(frontend.sample_rate)
    got = numpy_of(features(frontend, "float64")(y[None]))[0]
    np.testing.assert_allclose(got, reference(frontend, y), atol=1e-4)


@pytest.mark.parametrize("name", PRESETS)
def test_real_audio_agrees_with_librosa(name, shared_data):
    soundfile, soxr = pytest.importorskip("soundfile"), pytest.importorskip("soxr")
    frontend = PRESETS[name]
    unit = frontend.log_scale  # natural-log units
    for path in sorted((shared_data / "esc10").glob("*/1-*.ogg"))[::16]:
        y, rate = soundfile.read(path, dtype="float32")
        y = soxr.resample(y, rate, frontend.sample_rate)
        expected = reference(frontend, y)
        exact = numpy_of(features(frontend, "float64")(y[None]))[0]
        assert np.abs(exact - expected).max() < 1e-4 * unit
        # Float32 loses what lies far (some 100 dB) under the loudest bin of its frame.
        quick = numpy_of(features(frontend)(y[None]))[0]
        assert np.mean(np.abs(quick - expected) < 1e-4 * unit) > 0.98


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(sorted(PRESETS)), st.integers(1, 5000))
def test_the_frame_count_is_right_at_every_length(name, num_samples):
    frontend = PRESETS[name]
    layer = features(frontend)
    shape = layer(np.zeros((1, num_samples), np.float32)).shape
    assert shape == layer.compute_output_shape((1, num_samples))
    assert shape == (1, frontend.num_frames(num_samples), frontend.num_features)


@pytest.mark.parametrize("num_samples", [1, 100, 1023, 1024, 5000])
def test_a_graph_of_unknown_length_gives_the_same_frames(num_samples):
    layer = LogMel(PRESETS["xu2018icassp-logmel"])
    inputs = keras.Input((None,))
    model = keras.Model(inputs, layer(inputs))
    x = noise(2, num_samples)
    got = model.predict(x, verbose=0)
    np.testing.assert_allclose(got, numpy_of(layer(x)), atol=1e-4)


def test_contract():
    check_layer(LogMel(PRESETS["boes2022"]), noise(3, 4000), atol=1e-4)
    check_layer(MFCC(PRESETS["xu2018icassp-mfcc"]), noise(3, 8000), atol=1e-3)
    check_layer(Standardise([1.0, 2.0], [1.0, 4.0]), noise(3, 5, 2))


def test_a_loud_neighbour_in_the_batch_changes_nothing():
    quiet = 1e-4 * noise(1, 8000)
    layer = LogMel(PRESETS["boes2022"])
    together = layer(np.concatenate([quiet, noise(1, 8000, seed=1)]))
    np.testing.assert_allclose(numpy_of(together)[0], numpy_of(layer(quiet))[0], atol=1e-4)


@pytest.mark.parametrize("name", PRESETS)
def test_silence_is_finite_and_is_what_the_frontend_says(name):
    frontend = PRESETS[name]
    log_mel = LogMel(frontend)(np.zeros((1, 20000), np.float32))
    np.testing.assert_allclose(numpy_of(log_mel), frontend.silence, atol=1e-4, rtol=1e-5)


def test_standardise_takes_mean_and_deviation_out():
    x = noise(2, 4, 3)
    y = Standardise([1.0, 0.0, -1.0], [2.0, 1.0, 0.0])(x)
    np.testing.assert_allclose(
        numpy_of(y), (x - [1, 0, -1]) / np.maximum([2, 1, 0], 1e-6), rtol=1e-4)


def test_windows_and_scales_are_the_references():
    for name, frontend in PRESETS.items():
        expected = scipy.signal.get_window(frontend.window, frontend.window_samples,
                                           fftbins=frontend.periodic)
        got = mel.analysis_window(frontend)
        np.testing.assert_allclose(got / got.max(), expected / expected.max(), atol=1e-12,
                                   err_msg=name)
    hz = np.linspace(0, 20000, 50)
    for scale in ("slaney", "htk"):
        np.testing.assert_allclose(mel.hz_to_mel(hz, scale),
                                   librosa.hz_to_mel(hz, htk=scale == "htk"), atol=1e-9)
        np.testing.assert_allclose(mel.mel_to_hz(mel.hz_to_mel(hz, scale), scale), hz, atol=1e-6)


def test_errors_name_the_argument():
    with pytest.raises(ValueError, match="precision='half'"):
        LogMel(PRESETS["vggish"], precision="half")
    with pytest.raises(ValueError, match="num_coefficients"):
        MFCC(PRESETS["vggish"])
    with pytest.raises(ValueError, match="batch, samples"):
        LogMel(PRESETS["vggish"])(np.zeros(1000, np.float32))
    with pytest.raises(ValueError, match="shapes"):
        Standardise([1.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="2 bands"):
        Standardise([1.0, 1.0], [1.0, 2.0])(np.zeros((1, 4, 3), np.float32))


def test_a_frontend_survives_json_and_refuses_unknown_keys():
    for frontend in PRESETS.values():
        assert Frontend.from_dict(frontend.to_dict()) == frontend
    with pytest.raises(ValueError, match="Did you mean 'hop_samples'"):
        Frontend.from_dict({"hop_sample": 3})
