"""Mel scales, mel triangles and analysis windows as NumPy constants."""

import numpy as np

_SLANEY_HZ = 200 / 3          # Hz per mel below the corner
_CORNER_HZ = 1000.0
_LOG_STEP = np.log(6.4) / 27   # natural-log Hz per mel above it


def hz_to_mel(hz, scale):
    """Hz -> mel on the "slaney" (Auditory Toolbox) or "htk" scale; float64 array."""
    hz = np.asarray(hz, np.float64)
    if scale == "htk":
        return 2595.0 * np.log10(1.0 + hz / 700.0)
    corner = _CORNER_HZ / _SLANEY_HZ
    above = corner + np.log(np.maximum(hz, _CORNER_HZ) / _CORNER_HZ) / _LOG_STEP
    return np.where(hz < _CORNER_HZ, hz / _SLANEY_HZ, above)


def mel_to_hz(mel, scale):
    """The inverse of hz_to_mel."""
    mel = np.asarray(mel, np.float64)
    if scale == "htk":
        return 700.0 * (10.0 ** (mel / 2595.0) - 1.0)
    corner = _CORNER_HZ / _SLANEY_HZ
    above = _CORNER_HZ * np.exp(_LOG_STEP * (np.maximum(mel, corner) - corner))
    return np.where(mel < corner, mel * _SLANEY_HZ, above)


def mel_triangles(frontend):
    """Weights from FFT bins to mel bands, float64 (fft_samples // 2 + 1, num_bands).

    Equal to librosa.filters.mel(...).T when the triangles are straight in Hz; VGGish draws them
    straight in mel and leaves the bin at 0 Hz out.
    """
    edges = np.linspace(hz_to_mel(frontend.fmin_hz, frontend.mel_scale),
                        hz_to_mel(frontend.fmax_hz, frontend.mel_scale), frontend.num_bands + 2)
    bins = np.arange(frontend.fft_samples // 2 + 1) * frontend.sample_rate / frontend.fft_samples
    edges_hz = mel_to_hz(edges, frontend.mel_scale)
    if frontend.triangles == "mel":
        bins = hz_to_mel(bins, frontend.mel_scale)
    else:
        edges = edges_hz
    lower, centre, upper = edges[:-2], edges[1:-1], edges[2:]
    rising = (bins[:, None] - lower) / (centre - lower)
    falling = (upper - bins[:, None]) / (upper - centre)
    weights = np.maximum(0.0, np.minimum(rising, falling))
    if frontend.triangles == "mel":
        weights[0] = 0.0
    if frontend.area_norm:
        weights *= 2.0 / (edges_hz[2:] - edges_hz[:-2])
    return weights


def analysis_window(frontend):
    """The frontend's window, float64 (window_samples,)."""
    n = frontend.window_samples
    phase = 2 * np.pi * np.arange(n) / (n if frontend.periodic else n - 1)
    a = {"hann": 0.5, "hamming": 0.54}[frontend.window]
    window = a - (1 - a) * np.cos(phase)
    return window / np.sqrt(np.sum(window ** 2)) if frontend.unit_energy else window


def cosine_basis(num_bands, num_coefficients):
    """Orthonormal DCT-II, float64 (num_bands, num_coefficients)."""
    band = np.arange(num_bands)[:, None] + 0.5
    basis = np.cos(np.pi / num_bands * band * np.arange(num_coefficients))
    basis *= np.sqrt(2.0 / num_bands)
    basis[:, 0] /= np.sqrt(2.0)
    return basis


def slope_kernel(order, width=9):
    """Savitzky-Golay weights of the order-th derivative at the centre of `width` frames."""
    frames = np.arange(width) - width // 2
    fit = np.linalg.pinv(np.vander(frames, order + 1, increasing=True))
    return fit[order] * np.prod(np.arange(1, order + 1))
