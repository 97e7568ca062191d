"""A picture of what was heard: the spectrogram, and below it a lane of events for each class."""

import math
import textwrap

import numpy as np

from sedzoo.waveform import WaveformError

COLUMNS = 1600     # as many as the picture shows, however long the recording
_BANDS = 160
_FFT_SAMPLES = 1024
_RANGE_DB = 65.0
_MAX_LANES = 30
# Okabe & Ito's colours, which all eyes tell apart; yellow left out, it is faint on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#555555")
INK = "#222222"


def plot_events(waveform, sample_rate, events, path, scores=None, clock=None, *, labels=None,
                title=None):
    """Draw a recording and its events into an image file.

    Args:
        waveform: float (S,), S > 0; hours are fine, the picture keeps its width.
        sample_rate: int, Hz.
        events: list of Event. Each label has a lane, in the order of first onsets; beyond 30, the
            30 labels with the highest scores.
        path: path of the image; its ending says the format (.png, .svg, .pdf).
        scores: float (T, K) in [0, 1], drawn as a curve in each lane, with `clock`, the Clock of
            their frames, and `labels`, the K class names. None for no curves.
        title: str or None.
    Raises: WaveformError for an empty waveform or one of another rank; ValueError when scores come
        without clock and labels.
    """
    # Imported here so that serving starts without it; a Figure of its own touches no global state.
    from matplotlib.figure import Figure

    waveform = checked(waveform)
    if scores is not None and (clock is None or labels is None or len(labels) != scores.shape[1]):
        raise ValueError("`scores` (T, K) need `clock` and K `labels` beside them.")
    duration_s = len(waveform) / sample_rate
    lanes = _lanes(events)
    curves = {} if scores is None else {
        label: _curve(scores[:, list(labels).index(label)], clock) for label in lanes
        if label in labels}

    lanes_inches = 0.42 * max(len(lanes), 1)
    figure = Figure(figsize=(12, 3.3 + lanes_inches + 0.5), layout="constrained", facecolor="white")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3.3, lanes_inches])
    draw_spectrogram(above, waveform, sample_rate, title)
    _draw_lanes(below, lanes, curves, duration_s)
    figure.savefig(path, dpi=130)


def spectrogram(waveform, sample_rate):
    """Decibels on a mel axis, float (bands, columns), and the mel at the bottom and the top.

    A column is the mean power of up to eight spectra spread over its stretch of time, so that the
    work does not grow with the recording.
    """
    num_columns = max(1, min(COLUMNS, len(waveform) // (_FFT_SAMPLES // 8)))
    edges = np.linspace(0, len(waveform), num_columns + 1)
    num_spectra = min(8, max(1, math.ceil((edges[1] - edges[0]) / _FFT_SAMPLES)))
    waveform = np.pad(waveform, (0, max(0, _FFT_SAMPLES - len(waveform))))
    window = np.hanning(_FFT_SAMPLES).astype(np.float32)
    power = 0
    for part in range(num_spectra):
        centres = edges[:-1] + (part + 0.5) / num_spectra * np.diff(edges)
        starts = (centres - _FFT_SAMPLES / 2).astype(int).clip(0, len(waveform) - _FFT_SAMPLES)
        frames = waveform[starts[:, None] + np.arange(_FFT_SAMPLES)]           # (columns, samples)
        power = power + np.abs(np.fft.rfft(frames * window)) ** 2 / num_spectra

    # Mean power between mel-spaced edges, as differences of the running sum over frequency.
    mels = np.linspace(_mel(40), _mel(sample_rate / 2), _BANDS + 1)
    bins = _hz(mels) * _FFT_SAMPLES / sample_rate
    sums = np.pad(np.cumsum(power, axis=1), ((0, 0), (1, 0)))                  # (columns, bins + 1)
    below = np.floor(bins).astype(int).clip(0, power.shape[1] - 1)
    at_edges = sums[:, below] + (bins - below) * power[:, below]
    bands = np.diff(at_edges, axis=1) / np.diff(bins)
    return 10 * np.log10(np.maximum(bands.T, 1e-10)), mels[0], mels[-1]


def checked(waveform):
    """The waveform as an array (S,).

    Raises: WaveformError for an empty one or one of another rank.
    """
    waveform = np.asarray(waveform)
    if waveform.ndim != 1 or not len(waveform):
        raise WaveformError("the waveform: it must have one axis and a sample. "
                            f"Received: shape {waveform.shape}")
    return waveform


def draw_spectrogram(axes, waveform, sample_rate, title=None):
    """Draw the spectrogram of a waveform (S,) into axes, under a title."""
    decibels, low, high = spectrogram(waveform, sample_rate)
    top = max(np.percentile(decibels, 99.8), _RANGE_DB - 100.0)  # silence, -100 dB, is black
    axes.imshow(decibels, origin="lower", aspect="auto", cmap="magma", interpolation="bilinear",
                extent=(0, len(waveform) / sample_rate, low, high), vmin=top - _RANGE_DB, vmax=top)
    ticks = [hz for hz in (125, 250, 500, 1000, 2000, 4000, 8000, 16000) if hz <= sample_rate / 2]
    axes.set_yticks([_mel(hz) for hz in ticks],
                    [f"{hz // 1000}k" if hz >= 1000 else str(hz) for hz in ticks])
    axes.set_ylabel("Frequency (Hz)", color=INK)
    if title:
        axes.set_title(title, loc="left", fontsize=13, color=INK, fontweight="bold", pad=8)
    plain_axes(axes)


def _draw_lanes(axes, lanes, curves, duration_s):
    for row, (label, events) in enumerate(lanes.items()):
        colour = COLOURS[row % len(COLOURS)]
        axes.axhspan(row - 0.5, row + 0.5, color="#F4F5F7" if row % 2 == 0 else "white", lw=0,
                     zorder=0)
        if label in curves:
            times, heights = curves[label]
            axes.fill_between(times, row + 0.42, row + 0.42 - 0.84 * heights, color=colour,
                              alpha=0.28, lw=0, zorder=2)
            axes.plot(times, row + 0.42 - 0.84 * heights, color=colour, lw=0.8, zorder=3)
        for event in events:
            _draw_event(axes, row, event, colour, duration_s, filled=label not in curves)
    axes.set_yticks(range(len(lanes)), [short(label) for label in lanes], fontweight="bold")
    if not lanes:
        axes.text(0.5, 0.5, "no events", transform=axes.transAxes, ha="center", va="center",
                  color="#888888", fontsize=11)
    axes.set_ylim(max(len(lanes), 1) - 0.5, -0.5)
    time_axis(axes, duration_s)
    plain_axes(axes)


def time_axis(axes, duration_s):
    """Times below axes, and lines at them, from the start to the end of a recording."""
    axes.set_xlim(0, duration_s)
    axes.xaxis.set_major_formatter(lambda seconds, _: _time(seconds, duration_s))
    if duration_s >= 120:
        axes.set_xticks(_tick_times(duration_s))
    axes.set_xlabel("Time (s)" if duration_s < 120 else "Time (min:s)" if duration_s < 3600
                    else "Time (h:min:s)", color=INK)
    axes.grid(axis="x", color="#D8DADF", lw=0.7, zorder=1)


def short(label):
    return textwrap.shorten(label, 32, placeholder=" …")


def _draw_event(axes, row, event, colour, duration_s, filled):
    """A bar, never too thin to be seen, with its score where there is room."""
    width = max(event.duration_s, duration_s * 0.0015)
    axes.barh(row, width, left=event.onset, height=0.84, color=colour,
              alpha=1.0 if filled else 0.35, lw=0, zorder=2)
    if not filled:  # the curve is inside: a lid says where the event is
        axes.plot([event.onset, event.onset + width], [row - 0.42] * 2, color=colour, lw=2.2,
                  solid_capstyle="butt", zorder=4)
    if width > 0.035 * duration_s:
        text = axes.text(event.onset + width / 2, row, f"{event.score:.2f}", ha="center",
                         va="center", fontsize=8.5, color="white" if filled else INK, zorder=5,
                         clip_on=True)
        if not filled:
            from matplotlib.patheffects import withStroke

            text.set_path_effects([withStroke(linewidth=2.5, foreground="white", alpha=0.8)])


def _lanes(events):
    """{label: events}, by first onset; the labels with the best scores when there are too many."""
    best = {}
    for event in events:
        best[event.label] = max(best.get(event.label, 0), event.score)
    kept = sorted(best, key=best.get, reverse=True)[:_MAX_LANES]
    lanes = {}
    for event in sorted(events, key=lambda event: event.onset):
        if event.label in kept:
            lanes.setdefault(event.label, []).append(event)
    return lanes


def _curve(scores, clock):
    """Times and heights of a class's scores; of many frames, the highest of each stretch."""
    stretch = max(1, math.ceil(len(scores) / COLUMNS))
    starts = np.arange(0, len(scores), stretch)
    heights = np.maximum.reduceat(scores, starts)
    return clock.seconds(starts) + clock.hop_s * stretch / 2, heights


def plain_axes(axes):
    """Neither frame nor tick marks."""
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.tick_params(length=0, colors=INK, labelsize=9.5)


def _tick_times(duration_s):
    """About ten round times."""
    steps = (15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)
    step = next((step for step in steps if duration_s / step <= 12), 21600)
    return np.arange(0, duration_s, step)


def _time(seconds, duration_s):
    if duration_s < 120:
        return f"{seconds:g}"
    minutes, rest = divmod(round(seconds), 60)
    if duration_s < 3600:
        return f"{minutes}:{rest:02d}"
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def _mel(hz):
    return 2595 * np.log10(1 + np.asarray(hz) / 700)


def _hz(mel):
    return 700 * (10 ** (np.asarray(mel) / 2595) - 1)
