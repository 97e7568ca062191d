"""A picture of what models say of a recording segment by segment, and where they look."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sedzoo.frontend import Clock
from sedzoo.nearest import nearest
from sedzoo.plotting import (
    COLOURS,
    COLUMNS,
    INK,
    checked,
    draw_spectrogram,
    plain_axes,
    short,
    time_axis,
)

_MAX_CLASSES = 6
_TRUTH, _SMALL, _STRIPE = "#D5D8DF", "#777777", "#F4F5F7"
_LANE_INCHES, _HEIGHT = 0.4, 0.84     # of a lane, and the share of it that a curve may fill


@dataclass(frozen=True)
class Segments:
    """What a model says of the segments of a recording.

    Args:
        frame: float (T, K) in [0, 1], segment probabilities.
        clock: frontend.Clock of the segments.
        labels: K class names.
        attention: float (T,) >= 0 of sum 1, the share of each segment, or None.
    Raises: ValueError naming the argument whose shape does not fit `frame`.
    """

    frame: np.ndarray
    clock: Clock
    labels: tuple
    attention: np.ndarray | None = None

    def __post_init__(self):
        for key in ("frame", "attention"):
            if getattr(self, key) is not None:
                object.__setattr__(self, key, np.asarray(getattr(self, key), np.float64))
        object.__setattr__(self, "labels", tuple(self.labels))
        if self.frame.ndim != 2 or not len(self.frame) or len(self.labels) != self.frame.shape[1]:
            raise ValueError("`frame` must be (T, K), T > 0, with K `labels`. Received: shape "
                             f"{self.frame.shape} and {len(self.labels)} labels")
        if self.attention is not None and self.attention.shape != self.frame.shape[:1]:
            raise ValueError(f"`attention` must be ({len(self.frame)},), as many segments as "
                             f"`frame` has. Received: shape {self.attention.shape}")


def plot_segments(waveform, sample_rate, models, path, *, truth=None, labels=None, title=None):
    """Draw a recording, what is in it, and the segments of one or several models.

    From top to bottom: the mel-spectrogram; the true events of the classes shown; and for each
    model the probability of each class over time, 0 to 1, on a shade where the truth has the class,
    and the attention as a multiple of an even share. On the right stands each curve's highest
    value.

    Args:
        waveform: float (S,), S > 0.
        sample_rate: int, Hz.
        models: dict of name -> Segments, or a dict of its arguments; up to four are easy to read.
        path: path of the image; its ending says the format (.png, .svg, .pdf).
        truth: list of Event, or None for a recording of which nothing is known.
        labels: the classes to show, up to six are easy to read; None for those of `truth`, then
            the most probable ones, six in all.
        title: str or None.
    Raises: WaveformError for an empty waveform or one of another rank; ValueError without models,
        and for a class that no model has.
    Source: after Chou et al. 2018, https://doi.org/10.24963/ijcai.2018/463, Figure 5.
    """
    # Imported here so that serving starts without it; a Figure of its own touches no global state.
    from matplotlib.figure import Figure

    waveform = checked(waveform)
    if not models:
        raise ValueError("`models` must hold at least one model. Received: none")
    models = {name: Segments(**model) if isinstance(model, Mapping) else model
              for name, model in models.items()}
    labels = _classes(models, truth or [], labels)
    colours = {label: COLOURS[i % len(COLOURS)] for i, label in enumerate(labels)}
    events = {label: [event for event in truth or [] if event.label == label] for label in labels}
    events = {label: of_label for label, of_label in events.items() if of_label}

    inches = [3.0] + ([0.65 * _LANE_INCHES * max(1, len(events))] if truth is not None else []) + [
        _LANE_INCHES * (len(labels) + (model.attention is not None)) for model in models.values()]
    figure = Figure(figsize=(12, sum(inches) + 0.33 * len(inches) + 0.8), layout="constrained",
                    facecolor="white")
    above, *panels = figure.subplots(len(inches), 1, sharex=True, height_ratios=inches,
                                     squeeze=False)[:, 0]
    draw_spectrogram(above, waveform, sample_rate, title)
    if truth is not None:
        _draw_truth(panels.pop(0), events, colours)
    for axes, (name, model) in zip(panels, models.items(), strict=True):
        _draw_model(axes, name, model, events, colours)
    _explain(panels[0], bool(events), any(m.attention is not None for m in models.values()))
    for axes in figure.axes[1:]:
        time_axis(axes, len(waveform) / sample_rate)
        plain_axes(axes)
        axes.label_outer()
    figure.savefig(path, dpi=130)


def _classes(models, truth, labels):
    """The classes to show, in order."""
    known = dict.fromkeys(label for model in models.values() for label in model.labels)
    if labels is not None:
        for label in labels:
            if label not in known:
                raise ValueError(f"`labels`: no model has the class {label!r}."
                                 + nearest(label, list(known)))
        return tuple(labels)
    peaks = dict.fromkeys(known, 0.0)
    for model in models.values():
        for label, peak in zip(model.labels, model.frame.max(axis=0).tolist(), strict=True):
            peaks[label] = max(peaks[label], peak)
    there = dict.fromkeys(event.label for event in sorted(truth) if event.label in known)
    return tuple(dict.fromkeys([*there, *sorted(peaks, key=peaks.get, reverse=True)]))[
        :_MAX_CLASSES]


def _draw_truth(axes, events, colours):
    for row, (label, of_label) in enumerate(events.items()):
        axes.barh([row] * len(of_label), [event.duration_s for event in of_label],
                  left=[event.onset for event in of_label], height=0.8, color=colours[label],
                  lw=0.8, zorder=2)      # an edge, so that the shortest is seen, too
    _name_lanes(axes, "Truth", list(events) or ["none of these"])


def _draw_model(axes, name, model, events, colours):
    rows = list(colours)
    for row, label in enumerate(rows):
        for event in events.get(label, ()):
            axes.barh(row, event.duration_s, left=event.onset, height=1, color=_TRUTH, lw=0,
                      zorder=1.5)
        if label in model.labels:
            values = model.frame[:, model.labels.index(label)]
            _draw_curve(axes, row, values, model.clock, colours[label])
            _note(axes, row, f"{values.max():.2f}")
        else:
            axes.text(0.5, row, "not a class of this model", transform=axes.get_yaxis_transform(),
                      ha="center", va="center", color=_SMALL, fontsize=9)
    if model.attention is not None:
        multiples = model.attention * len(model.attention)
        top = max(2.0, multiples.max())
        _draw_curve(axes, len(rows), multiples / top, model.clock, INK)
        axes.axhline(len(rows) + _HEIGHT * (0.5 - 1 / top), color=INK, lw=0.8, ls=(0, (1, 2)),
                     zorder=4)
        _note(axes, len(rows), f"{multiples.max():.1f}×")
        rows.append("attention")
    _name_lanes(axes, name, rows)


def _explain(axes, has_truth, has_attention):
    said = ["shade: truth"] * has_truth + ["dotted: an even share of attention"] * has_attention
    axes.set_title(", ".join([*said, "on the right: highest value"]), loc="right", fontsize=9,
                   color=_SMALL, pad=4)


def _draw_curve(axes, row, values, clock, colour):
    """Steps, one a segment, up from the bottom of a lane; of many, the highest of each stretch."""
    stretch = math.ceil(len(values) / COLUMNS)
    starts = np.arange(0, len(values), stretch)
    edges = clock.seconds(np.append(starts, len(values)))
    floor = row + _HEIGHT / 2
    heights = floor - _HEIGHT * np.maximum.reduceat(values, starts)
    axes.stairs(heights, edges, baseline=floor, fill=True, color=colour, alpha=0.3, lw=0, zorder=2)
    axes.stairs(heights, edges, baseline=None, color=colour, lw=1.1, zorder=3)


def _note(axes, row, text):
    axes.text(1.006, row, text, transform=axes.get_yaxis_transform(), va="center", fontsize=9,
              color=_SMALL)


def _name_lanes(axes, title, rows):
    for row in range(0, len(rows), 2):
        axes.axhspan(row - 0.5, row + 0.5, color=_STRIPE, lw=0, zorder=0)
    axes.set_yticks(range(len(rows)), [short(label) for label in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_title(title, loc="left", fontsize=11, color=INK, fontweight="bold", pad=4)
