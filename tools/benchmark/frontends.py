"""Waveforms to log-mel: sedzoo's layer against librosa, torch.stft and Keras' own layer."""

from functools import partial

import numpy as np
import report
import timing

from sedzoo.frontend import Frontend

PRESETS = ("boes2022", "vggish", "xu2018icassp-logmel")
REFERENCE, TORCH, TUNED = "librosa, a loop", "torch.stft, eager", "torch.stft, eager, tuned malloc"


def measure(quick=False):
    """The tables of all presets, as Markdown."""
    batch, duration_s, rounds = (4, 2.0, 2) if quick else (32, 10.0, 9)
    parts = [
        f"One call: {batch} clips of {duration_s:g} s at 16 kHz, float32. Median of {rounds} "
        "interleaved rounds, each contender in its own process.",
        "All do the same recipe (framing, window, magnitude, mel matrix, logarithm); `difference` "
        "is the largest from librosa's in the first clip, in the recipe's own units (boes2022: dB; "
        "the others: natural logarithm). keras.layers.MelSpectrogram cannot make these recipes: it "
        "always centres by reflection, on HTK mel; its settings are the nearest ones."]
    for preset in PRESETS:
        results = timing.race(contenders(preset, batch, duration_s), rounds=rounds, calls=3)
        parts += [f"## {preset}", _table(results, batch), *report.missing(results)]
    return "\n\n".join(parts)


def contenders(preset, batch, duration_s):
    recipe = Frontend.preset(preset)
    size = (batch, recipe.num_samples(duration_s))
    constants = _constants(recipe)
    return [
        timing.Contender("sedzoo LogMel, XLA", partial(of_sedzoo, recipe, size, True)),
        timing.Contender("sedzoo LogMel, graph", partial(of_sedzoo, recipe, size, False)),
        timing.Contender("keras MelSpectrogram, graph", partial(of_keras, recipe, size)),
        timing.Contender(REFERENCE, partial(of_librosa, recipe, size, *constants)),
        timing.Contender(TORCH, partial(of_torch, recipe, size, *constants)),
        timing.Contender(TUNED, partial(of_torch, recipe, size, *constants), timing.TUNED_MALLOC),
    ]


def _table(results, batch):
    columns = ["", "clips/s", "slowest..fastest round", "to librosa", "to torch",
               "to torch, tuned malloc", "difference"]
    expected = results[REFERENCE].facts.get("first")
    rows = []
    for name, result in results.items():
        if result.missing:
            continue
        fastest, slowest = result.spread
        rows.append([name, f"{batch / result.median:.0f}",
                     f"{batch / slowest:.0f}..{batch / fastest:.0f}",
                     *(report.ratio(results, name, peer) for peer in (REFERENCE, TORCH, TUNED)),
                     _difference(result.facts["first"], expected)])
    return report.table(columns, rows)


def _difference(first, expected):
    if expected is None or first is expected or first.shape != expected.shape:
        return "-"
    return f"{np.abs(first - expected).max():.1e}"


def waveforms(size):
    """Noise of ordinary loudness, the same for all, float32 (B, S)."""
    return 0.1 * np.random.default_rng(1).standard_normal(size, np.float32)


def _constants(recipe):
    """Window and mel matrix, float32; made here, so that the peers' processes hold no Keras."""
    from sedzoo.layers import mel
    return (mel.analysis_window(recipe).astype(np.float32),
            mel.mel_triangles(recipe).T.astype(np.float32))


# -- the contenders: (work, facts) each; work() gives float32 (B, T, F) -------------------------


def _contender(work):
    return work, {"first": work()[0]}


def of_sedzoo(recipe, size, compiled):
    import tensorflow as tf

    from sedzoo.layers import LogMel
    layer = tf.function(LogMel(recipe), jit_compile=compiled, autograph=False)
    x = tf.constant(waveforms(size))
    return _contender(lambda: layer(x).numpy())


def of_keras(recipe, size):
    import keras
    import tensorflow as tf
    spectrogram = keras.layers.MelSpectrogram(
        fft_length=recipe.fft_samples, sequence_stride=recipe.hop_samples,
        sequence_length=recipe.window_samples, window=recipe.window, mag_exp=recipe.power,
        sampling_rate=recipe.sample_rate, num_mel_bins=recipe.num_bands, min_freq=recipe.fmin_hz,
        max_freq=recipe.fmax_hz, power_to_db=False)
    spectrogram.build((None, size[1]))

    def log_mel(x):
        bands = tf.linalg.matrix_transpose(spectrogram(x))
        bands = tf.maximum(bands * recipe.log_gain, recipe.log_floor) + recipe.log_offset
        return tf.math.log(bands) * recipe.log_scale

    layer, x = tf.function(log_mel, autograph=False), tf.constant(waveforms(size))
    return _contender(lambda: layer(x).numpy())


def of_librosa(recipe, size, window, triangles):
    import librosa
    # librosa, like torch, centres a window in a longer FFT; ours starts with it.
    side = (recipe.fft_samples - recipe.window_samples) // 2

    def log_mel(x):
        if recipe.peak_normalise:
            x = x / max(np.abs(x).max(), 1e-9)
        spectrum = np.abs(librosa.stft(
            np.pad(x, side), n_fft=recipe.fft_samples, hop_length=recipe.hop_samples,
            win_length=recipe.window_samples, window=window, center=recipe.center))
        bands = triangles @ spectrum ** recipe.power
        bands = np.maximum(bands * recipe.log_gain, recipe.log_floor) + recipe.log_offset
        return (np.log(bands) * recipe.log_scale).T

    batch = waveforms(size)
    return _contender(lambda: np.stack([log_mel(x) for x in batch]))


def of_torch(recipe, size, window, triangles):
    import torch
    side = (recipe.fft_samples - recipe.window_samples) // 2
    window, triangles = torch.from_numpy(window), torch.from_numpy(triangles)
    batch = torch.from_numpy(waveforms(size))

    @torch.inference_mode()
    def log_mel():
        x = batch
        if recipe.peak_normalise:
            x = x / x.abs().amax(dim=-1, keepdim=True).clamp(min=1e-9)
        spectrum = torch.stft(
            torch.nn.functional.pad(x, (side, side)), recipe.fft_samples, recipe.hop_samples,
            recipe.window_samples, window, center=recipe.center, pad_mode="constant",
            return_complex=True).abs()
        bands = triangles @ (spectrum if recipe.power == 1 else spectrum ** recipe.power)
        bands = (bands * recipe.log_gain).clamp(min=recipe.log_floor) + recipe.log_offset
        return (bands.log() * recipe.log_scale).mT.numpy()

    return _contender(log_mel)
