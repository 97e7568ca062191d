"""Waveform to log-mel or MFCC, inside the graph."""

import keras
from keras import ops

from sedzoo.frontend import Frontend
from sedzoo.layers import mel


@keras.saving.register_keras_serializable("sedzoo")
class LogMel(keras.layers.Layer):
    """Logarithm of the mel spectrum, by a Frontend's recipe.

    y = log_scale * ln(max(log_gain * |STFT x|^power W, log_floor) + log_offset)

    Every clip is worked on alone: no maximum over the batch, no reference level. A clip shorter
    than one window is padded with silence to one frame.

    Args:
        frontend: Frontend, or the dict of one.
        precision: "float32" or "float64" for the spectrum. Float32 errs by about 1e-7 of the
            loudest bin of a frame; float64 agrees with librosa to 1e-4 in every cell, at half the
            speed (on TensorFlow and PyTorch; JAX only when its 64-bit mode is on).

    Call: waveform, float (batch, samples) in [-1, 1] -> float32 (batch, frames, num_bands), frames
        as Frontend.num_frames says.
    Raises: ValueError when `precision` is something else, or the waveform has not two axes.
    """

    def __init__(self, frontend, precision="float32", **kwargs):
        if precision not in ("float32", "float64"):
            raise ValueError('`precision` must be "float32" or "float64". '
                             f"Received: precision={precision!r}")
        super().__init__(**{"dtype": "float32", "trainable": False, **kwargs})
        self.frontend = (frontend if isinstance(frontend, Frontend)
                         else Frontend.from_dict(frontend))
        self.precision = precision
        self._window = mel.analysis_window(self.frontend).astype(precision)
        self._triangles = mel.mel_triangles(self.frontend).astype(precision)

    def call(self, waveform):
        recipe = self.frontend
        x = ops.cast(waveform, self.precision)
        if recipe.peak_normalise:
            x = x / ops.maximum(ops.max(ops.abs(x), axis=-1, keepdims=True), 1e-9)
        x = self._pad(x)
        frames = ops.extract_sequences(x, recipe.window_samples, recipe.hop_samples)  # (B, T, W)
        real, imag = ops.rfft(frames * self._window, recipe.fft_samples)
        power = ops.square(real) + ops.square(imag)                                   # (B, T, bins)
        spectrum = ops.sqrt(power) if recipe.power == 1 else power
        bands = ops.matmul(spectrum, self._triangles)                                 # (B, T, F)
        if recipe.log_gain != 1:
            bands = bands * recipe.log_gain
        if recipe.log_floor > 0:
            bands = ops.maximum(bands, recipe.log_floor)
        if recipe.log_offset > 0:
            bands = bands + recipe.log_offset
        return self._finish(ops.log(bands) * recipe.log_scale)

    def _finish(self, log_mel):
        return ops.cast(log_mel, "float32")

    def _pad(self, x):
        """Zeros around a centred recipe's clip; zeros after a clip shorter than a window."""
        recipe = self.frontend
        side = recipe.window_samples // 2 if recipe.center else 0
        # At least one window, and no more than that: appended zeros must add no frame.
        short = (recipe.window_samples - 2 * side if x.shape[1] is None
                 else max(0, recipe.window_samples - 2 * side - x.shape[1]))
        if x.shape[1] is None and short > 0:
            length = ops.shape(x)[1]
            x = ops.pad(x, ((0, 0), (0, short)))[:, :ops.maximum(length, short)]
            short = 0
        return ops.pad(x, ((0, 0), (side, side + short))) if side or short else x

    def compute_output_shape(self, input_shape):
        if len(input_shape) != 2:
            raise ValueError("A waveform batch must have the axes (batch, samples). "
                             f"Received: shape {tuple(input_shape)}")
        frames = None if input_shape[1] is None else self.frontend.num_frames(input_shape[1])
        return (input_shape[0], frames, self.frontend.num_bands)

    def build(self, input_shape):
        self.compute_output_shape(input_shape)

    def get_config(self):
        return {**super().get_config(), "frontend": self.frontend.to_dict(),
                "precision": self.precision}


@keras.saving.register_keras_serializable("sedzoo")
class MFCC(LogMel):
    """Mel-frequency cepstrum, with derivatives appended as the Frontend says.

    c = DCT-II(log-mel), orthonormal, the first num_coefficients; derivatives are Savitzky-Golay
    fits over nine frames with the clip's end frames repeated (librosa's delta, mode="nearest",
    which unlike its default answers for clips of any length).

    Args, Call, Raises: as LogMel; the last axis is Frontend.num_features wide.
    """

    def __init__(self, frontend, precision="float32", **kwargs):
        super().__init__(frontend, precision, **kwargs)
        if not self.frontend.num_coefficients:
            raise ValueError("`frontend.num_coefficients` must be a positive int for MFCC. "
                             f"Received: {self.frontend.num_coefficients!r}")
        self._basis = mel.cosine_basis(self.frontend.num_bands,
                                       self.frontend.num_coefficients).astype(precision)

    def _finish(self, log_mel):
        cepstrum = ops.matmul(log_mel, self._basis)                                   # (B, T, C)
        slopes = [_slope(cepstrum, order) for order in range(1, self.frontend.num_deltas + 1)]
        return ops.cast(ops.concatenate([cepstrum, *slopes], axis=-1), "float32")

    def compute_output_shape(self, input_shape):
        return (*super().compute_output_shape(input_shape)[:2], self.frontend.num_features)


def _slope(x, order):
    """The order-th derivative of (B, T, F) along time."""
    kernel = mel.slope_kernel(order)
    reach, frames = len(kernel) // 2, ops.shape(x)[1]
    index = ops.arange(-reach, frames + reach, dtype="int32")
    x = ops.take(x, ops.clip(index, 0, frames - 1), axis=1)
    parts = [float(weight) * x[:, lag:frames + lag] for lag, weight in enumerate(kernel) if weight]
    return sum(parts)


def features(frontend, precision="float32"):
    """The layer that makes a frontend's features: LogMel, or MFCC where it has coefficients."""
    return (MFCC if frontend.num_coefficients else LogMel)(frontend, precision, name="features")
