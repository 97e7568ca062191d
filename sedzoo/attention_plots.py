"""A picture of what a frame of one stream sees of another: stills, spectrogram, and every head."""

from dataclasses import dataclass

import numpy as np

from sedzoo.frontend import Clock
from sedzoo.plotting import COLOURS, INK, draw_spectrogram, plain_axes, short, time_axis

STREAMS = ("audio", "video")
MAX_STILLS = 12             # side by side; of more, one of every few is shown
_MAX_NUMBERS = 24           # frames whose weights can be written out
_QUERY, _SMALL = COLOURS[1], "#777777"
SHADES = ("#F3F5F8", "#CFE3F1", "#6FAED6", "#0072B2", "#003A5C")    # from 0 to the highest
_INCHES = 10.9              # of the time axis, about


@dataclass(frozen=True)
class CrossAttention:
    """What each frame of one stream, the query, sees of the frames of another.

    Args:
        weights: float (Tq, heads, Tk) >= 0, or (Tq, depth, heads, Tk) of several blocks, as
            av_transformer's "attention" has them for a clip.
        clock: frontend.Clock of the frames of both streams. Defaults to VGGish's 0.96 s.
        first: "audio" or "video", the stream that is seen; second: that of the queries.
    Raises: ValueError naming the argument.
    """

    weights: np.ndarray
    clock: Clock = Clock(15360, 16000)
    first: str = "video"
    second: str = "audio"

    def __post_init__(self):
        weights = np.asarray(self.weights, np.float64)
        if weights.ndim not in (3, 4) or not weights.size or not (weights >= 0).all():
            raise ValueError("`weights` must be (Tq, heads, Tk) or (Tq, depth, heads, Tk), not "
                             f"empty, >= 0. Received: shape {weights.shape}")
        for key in ("first", "second"):
            if getattr(self, key) not in STREAMS:
                raise ValueError(f"`{key}` must be one of {STREAMS}. "
                                 f"Received: {key}={getattr(self, key)!r}")
        object.__setattr__(self, "weights",
                           weights if weights.ndim == 4 else weights[:, None])

    @property
    def is_share(self):
        """Whether what a frame sees sums to one."""
        return bool(np.allclose(self.weights.sum(-1), 1, atol=1e-3))

    def query(self, seconds):
        """The frame of the queries' stream at a time, the nearest one beyond its ends."""
        frame = np.floor(seconds / self.clock.hop_s + 1e-6)
        return int(np.clip(frame, 0, len(self.weights) - 1))

    def span(self, frame):
        """Start and end of a frame, in seconds."""
        return tuple(self.clock.seconds([frame, frame + 1]).tolist())


def plot_attention(clip, attention, query_s, path, *, block=-1, scores=None, title=None):
    """Draw a clip, and what every head of a block sees of it from one moment, into an image file.

    From top to bottom, on one time axis: stills; mel-spectrogram; and for each head a row of the
    weights that the frame at `query_s`, framed, gives the frames of the other stream.

    Args:
        clip: video.VideoClip. What it lacks, pictures or sound, is left out.
        attention: CrossAttention.
        query_s: float, seconds, in the query's frame.
        path: path of the image; its ending says the format (.png, .svg, .pdf).
        block: int, of the decoder's blocks. Defaults to -1, the last.
        scores: dict of label -> probability of the clip, the highest three of which are named.
        title: str or None.
    Raises: ValueError for a block that is not there.
    Source: after Boes and Van hamme 2019, https://arxiv.org/abs/1912.02615, Figures 4-7.
    """
    # Imported here so that serving starts without it; a Figure of its own touches no global state.
    from matplotlib.figure import Figure

    depth, num_heads = attention.weights.shape[1:3]
    if not -depth <= block < depth:
        raise ValueError(f"`block` must be one of {depth} blocks. Received: block={block!r}")
    query = attention.query(query_s)
    inches = {}
    if clip.frames is not None:
        inches["video"] = _strip_inches(clip, attention)
    if clip.waveform is not None:
        inches["audio"] = 2.6
    inches["heads"] = 0.36 * num_heads + 0.1
    figure = Figure(figsize=(12, sum(inches.values()) + 1.2 + 0.12 * len(inches)),
                    layout="constrained", facecolor="white")
    panels = figure.subplots(len(inches), 1, sharex=True, height_ratios=list(inches.values()),
                             squeeze=False)[:, 0]
    panels = dict(zip(inches, panels, strict=True))
    if "video" in panels:
        _draw_stills(panels["video"], clip, attention, query)
    if "audio" in panels:
        draw_spectrogram(panels["audio"], clip.waveform, clip.sample_rate)
    _draw_heads(panels["heads"], attention, query, block)
    for axes in panels.values():
        time_axis(axes, duration_s(clip, attention))
        plain_axes(axes)
        axes.label_outer()
        axes.grid(False)
    _mark_query(panels, attention, query)
    top, pad = figure.axes[0], 22 if next(iter(panels)) == attention.second else 10
    top.set_title(title or "", loc="left", fontsize=13, color=INK, fontweight="bold", pad=pad)
    top.set_title(named_scores(scores), loc="right", fontsize=10, color=INK, pad=pad)
    figure.savefig(path, dpi=130)


def duration_s(clip, attention):
    """Seconds of the time axis: until sound, and what is attended to, are over."""
    heard_s = 0.0 if clip.waveform is None else len(clip.waveform) / clip.sample_rate
    return max(heard_s, attention.span(attention.weights.shape[-1] - 1)[1])


def stills(clip, query_s=None):
    """Which of a clip's pictures to show, and where.

    Args:
        clip: video.VideoClip.
        query_s: float, the time of a picture that must be among them, or None.
    Returns: list of (index, start, end), seconds, side by side, at most MAX_STILLS.
    """
    times_s = np.asarray(clip.times_s)
    half_s = np.diff(times_s).mean() / 2 if len(times_s) > 1 else times_s[0]
    edges = np.concatenate([[times_s[0] - half_s], (times_s[1:] + times_s[:-1]) / 2,
                            [times_s[-1] + half_s]])
    wanted = None if query_s is None else int(np.abs(times_s - query_s).argmin())
    size = -(-len(times_s) // MAX_STILLS)
    groups = [range(first, min(first + size, len(times_s)))
              for first in range(0, len(times_s), size)]
    return [(wanted if wanted in group else group[len(group) // 2],
             float(edges[group[0]]), float(edges[group[-1] + 1])) for group in groups]


def named_scores(scores, number=3):
    """The highest of a dict of label -> probability, in words."""
    scores = scores or {}
    best = sorted(scores, key=scores.get, reverse=True)[:number]
    return "   ".join(f"{short(label)} {scores[label]:.2f}" for label in best)


def explained(attention, block):
    """What the rows of the heads show, in words."""
    depth, num_keys = attention.weights.shape[1], attention.weights.shape[-1]
    what = f"What the framed {attention.second} sees of the {attention.first}"
    where = f", block {block % depth + 1} of {depth}" if depth > 1 else ""
    return what + where + (f"; an even share is {1 / num_keys:.2f}" if attention.is_share else "")


def _strip_inches(clip, attention):
    """Height at which stills are as wide as their share of the time axis."""
    _, start, end = stills(clip)[0]
    height, width = clip.frames.shape[1:3]
    wide = _INCHES * (end - start) / duration_s(clip, attention)
    return float(np.clip(wide * height / width, 0.6, 2.2))


def _draw_stills(axes, clip, attention, query):
    asked = np.mean(attention.span(query)) if attention.second == "video" else None
    inches, length_s = _strip_inches(clip, attention), duration_s(clip, attention)
    height, width = clip.frames.shape[1:3]
    whole_s = inches * width / height * length_s / _INCHES
    for index, start, end in stills(clip, asked):
        share = min(1.0, 0.97 * (end - start) / whole_s)        # the middle, where there is no room
        cut, half_s, centre = round((1 - share) * width / 2), share * whole_s / 2, (start + end) / 2
        axes.imshow(clip.frames[index][:, cut:width - cut],
                    extent=(centre - half_s, centre + half_s, 0, 1),
                    aspect="auto", interpolation="antialiased", zorder=2)
    axes.set_ylim(0, 1)
    axes.set_yticks([])


def _draw_heads(axes, attention, query, block):
    from matplotlib.colors import LinearSegmentedColormap

    weights = attention.weights[query, block]                                  # (heads, Tk)
    num_heads, num_keys = weights.shape
    top = weights.max() or 1.0
    axes.imshow(weights, extent=(0, attention.span(num_keys - 1)[1], num_heads - 0.5, -0.5),
                aspect="auto", interpolation="nearest", vmin=0, vmax=top, zorder=2,
                cmap=LinearSegmentedColormap.from_list("shades", SHADES))
    for edge in np.arange(1, num_heads) - 0.5:
        axes.axhline(edge, color="white", lw=3, zorder=3)
    if num_keys <= _MAX_NUMBERS:
        _write_numbers(axes, attention, weights / top, weights)
    else:
        for row, of_head in enumerate(weights):
            axes.text(1.006, row, f"{of_head.max():.2f}", transform=axes.get_yaxis_transform(),
                      va="center", fontsize=9, color=_SMALL)
        axes.set_title("on the right: highest value", loc="right", fontsize=9, color=_SMALL, pad=5)
    axes.set_yticks(range(num_heads), [f"head {row + 1}" for row in range(num_heads)])
    axes.set_ylim(num_heads - 0.5, -0.5)
    axes.set_title(explained(attention, block), loc="left", fontsize=10, color=INK, pad=5)


def _write_numbers(axes, attention, shades, weights):
    for key in range(weights.shape[1]):
        start, end = attention.span(key)
        axes.axvline(end, color="white", lw=1.5, zorder=3)
        for row, (shade, weight) in enumerate(zip(shades[:, key], weights[:, key], strict=True)):
            axes.text((start + end) / 2, row, f"{weight:.2f}", ha="center", va="center",
                      fontsize=9 if len(weights.T) <= 12 else 7.5, zorder=4,
                      color="white" if shade > 0.5 else INK)


def _mark_query(panels, attention, query):
    """A frame around the query in its stream, and its edges through all that is below."""
    from matplotlib.patches import Rectangle
    from matplotlib.patheffects import withStroke

    start, end = attention.span(query)
    for name, axes in panels.items():
        if name == attention.second:
            axes.add_patch(Rectangle(
                (start, 0), end - start, 1, transform=axes.get_xaxis_transform(), fill=False,
                edgecolor=_QUERY, lw=3, zorder=6, clip_on=False,
                path_effects=[withStroke(linewidth=5, foreground="white")]))
            axes.text((start + end) / 2, 1.02, f"{start:.2f} to {end:.2f} s", ha="center",
                      va="bottom", transform=axes.get_xaxis_transform(), fontsize=9,
                      color=_QUERY, fontweight="bold")
        elif name == "heads":
            for edge in (start, end):
                axes.axvline(edge, color=_QUERY, lw=1.2, ls=(0, (2, 2)), zorder=5)
