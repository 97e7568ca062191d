"""Pictures of results: curves, classes, durations, confusions; each into an image file.

A file's ending says its format (.png, .svg, .pdf).
"""

import math
import textwrap

import numpy as np

from sedzoo.evaluation.reporting.text import describe_collar, describe_range

# Okabe & Ito's colours, which all eyes tell apart; the first is what a picture is about.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#777777")
_INK, _SMALL, _FAINT = "#222222", "#777777", "#D8DADF"
_DASHES = ("-", (0, (4, 1.5)), (0, (1.2, 1.2)), (0, (6, 1.5, 1, 1.5)))
_MAX_NAMED = 24                 # curves that still have room for their names
_MAX_BARS, _MAX_CELLS = 200, 60


def plot_psd_roc(result, path, note=""):
    """Draw a PSD-ROC: the classes' curves, and the effective one with its area.

    Args:
        result: psds.Psds.
        path: path of the image.
        note: str, small print below: what the score's parameters are.
    """
    figure, axes = _figure(8, 5.6)
    setting, per_class = result.setting, result.per_class
    named = len(per_class) <= _MAX_NAMED
    names = []
    for k, (label, curve) in enumerate(per_class.items()):
        colour = _COLOURS[1 + k % (len(_COLOURS) - 1)] if named else _SMALL
        x, heights = _stairs(curve.efpr, curve.tpr, setting.max_efpr)
        axes.plot(x, heights, drawstyle="steps-post", color=colour, lw=1.1 if named else 0.7,
                  ls=_DASHES[k // (len(_COLOURS) - 1) % len(_DASHES)] if named else "-",
                  alpha=0.7 if named else 0.35, zorder=2)
        names.append((heights[-1], _short(label, 24), colour))
    if len(result.efpr):
        x, heights = _stairs(result.efpr, result.etpr, setting.max_efpr)
        axes.fill_between(x, heights, step="post", color=_COLOURS[0], alpha=0.14, lw=0, zorder=1)
        axes.plot(x, heights, drawstyle="steps-post", color=_COLOURS[0], lw=2.8, zorder=4)
        names.append((heights[-1], "effective", _COLOURS[0]))
    else:
        _say_nothing(axes, "no class with events")
    _name_curves(axes, names if named else names[-1:])
    axes.set_xlim(0, setting.max_efpr)
    axes.set_ylim(0, 1)
    axes.set_xlabel("Effective false alarms an hour", color=_INK)
    axes.set_ylabel("True positive rate", color=_INK)
    _finish(figure, axes, path, f"{setting.name} = {_rate(result.value)}", note, grid="both")


def plot_classes(per_class, path, title="F1 of each class", unit="events", note=""):
    """Draw F1 of each class as bars, best first, with precision and recall.

    Args:
        per_class: dict of label -> result with f1, precision, recall and num_reference.
        path, note: as for `plot_psd_roc`.
        title: str. unit: str, what num_reference counts.
    """
    scored = [label for label, one in per_class.items() if math.isfinite(one.f1)]
    order = sorted(scored, key=lambda label: -per_class[label].f1) + [
        label for label in per_class if label not in scored]
    if len(order) > _MAX_BARS:
        title += f" ({_MAX_BARS // 2} best and worst of {len(order)})"
        order = order[:_MAX_BARS // 2] + order[-_MAX_BARS // 2:]
    figure, axes = _figure(8, 1.8 + 0.27 * max(len(order), 2))
    rows = np.arange(len(order))
    f1, precision, recall = (np.array([getattr(per_class[label], rate) for label in order], float)
                             for rate in ("f1", "precision", "recall"))
    bars = axes.barh(rows, np.nan_to_num(f1), height=0.72, color=_COLOURS[0], alpha=0.85, zorder=2,
                     label="F1")
    for rates, marker, name in ((precision, "o", "precision"), (recall, "D", "recall")):
        axes.scatter(rates, rows, s=26, marker=marker, color="white" if marker == "o" else
                     _COLOURS[1], edgecolor=_COLOURS[1], lw=1.3, zorder=4, label=name,
                     clip_on=False)
    for row, label in enumerate(order):
        _beside(axes, row, (_rate(f1[row], 2), f"{per_class[label].num_reference:,}"), _INK)
    _beside(axes, -1, ("F1", unit), _SMALL)
    axes.set_yticks(rows, [_short(label, 36) for label in order])
    axes.set_ylim(max(len(order), 1) - 0.4, -0.6)
    axes.set_xlim(0, 1)
    if not order:
        _say_nothing(axes, "no classes")
    figure.legend(handles=[bars, *axes.collections], loc="outside upper right", ncols=3,
                  frameon=False, fontsize=9)
    _finish(figure, axes, path, title, note, grid="x")


def plot_durations(bins, path, note=""):
    """Draw what became of events by how long they last: hits from below, then kinds of errors.

    Args:
        bins: list of durations.DurationBin.
        path, note: as for `plot_psd_roc`.
    """
    figure, axes = _figure(8, 4.6)
    columns = np.arange(len(bins))
    bottom = np.zeros(len(bins))
    for k, kind in enumerate(bins[0].reference):
        shares = np.array([one.reference[kind] / max(1, one.num_reference) for one in bins])
        axes.bar(columns, shares, bottom=bottom, width=0.72, lw=0, zorder=2, label=kind,
                 color=_COLOURS[k], alpha=1.0 if k == 0 else 0.55)
        bottom += shares
    for column, one in enumerate(bins):
        if one.num_reference:
            axes.text(column, one.recall + 0.012, f"{one.recall:.2f}", ha="center", va="bottom",
                      fontsize=9.5, fontweight="bold", color=_INK, zorder=5)
        axes.text(column, 1.02, f"{one.num_reference:,}", ha="center", va="bottom", fontsize=9,
                  color=_SMALL)
    axes.set_xticks(columns, [describe_range(one.from_s, one.to_s) for one in bins])
    axes.set_ylim(0, 1)
    axes.set_xlabel("Duration of the event (s); above: how many events", color=_INK)
    axes.set_ylabel("Share of the events", color=_INK)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles[::-1], labels[::-1], loc="outside right center", frameon=False,
                  fontsize=9.5)
    _finish(figure, axes, path, "Recall by duration, and what else became of the events", note)


def plot_cross_triggers(triggers, path, note=""):
    """Draw what is there where a class is detected falsely, as a heat map of counts.

    Args:
        triggers: cross_triggers.CrossTriggers.
        path, note: as for `plot_psd_roc`.
    """
    counts, title = np.asarray(triggers.counts), "What false detections overlap"
    kept = np.argsort(-counts.sum(axis=0) - counts.sum(axis=1) - triggers.background,
                      kind="stable")[:_MAX_CELLS]
    if len(kept) < len(counts):
        title += f" (the {len(kept)} classes with most of them, of {len(counts)})"
    kept = np.sort(kept)
    counts = np.column_stack([counts[np.ix_(kept, kept)], triggers.background[kept]])  # (k, k + 1)
    large = len(kept) <= _MAX_NAMED
    size = (0.34 if large else 0.2) * max(len(kept), 4)
    figure, axes = _figure(3.4 + size, 2.6 + size)
    shown = np.sqrt(counts / max(1, counts.max(initial=0)))                  # few are seen, too
    if len(kept):
        axes.imshow(shown, cmap="Blues", vmin=0, vmax=1.15, aspect="equal")
    else:
        _say_nothing(axes, "no classes")
    names = [_short(triggers.labels[k], 26) for k in kept]
    axes.set_xticks(range(len(kept) + 1), [*names, "nothing"], rotation=90)
    axes.set_yticks(range(len(kept)), names)
    axes.axvline(len(kept) - 0.5, color="white", lw=3)
    for row, column in np.argwhere(counts):
        axes.text(column, row, f"{counts[row, column]:,}", ha="center", va="center",
                  fontsize=7.5 if large else 4.5,
                  color="white" if shown[row, column] > 0.6 else _INK)
    axes.set_xlabel("What is there", color=_INK)
    axes.set_ylabel("Falsely detected", color=_INK)
    _finish(figure, axes, path, title, note, font=9 if large else 7)


def plot_report(report, folder, ending="png"):
    """All pictures of a report into a folder.

    Args:
        report: report.Report.
        folder: pathlib.Path, made where it is not there.
        ending: "png", "svg" or "pdf".
    Returns: list of the paths.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []

    def draw(plot, result, name, **more):
        paths.append(folder / f"{name}.{ending}")
        plot(result, paths[-1], **more)

    for part in report.parts:
        first = next(iter(part.results.values()))
        if part.name.startswith("PSDS"):
            draw(plot_psd_roc, first, part.name.lower(), note=part.parameters)
        elif hasattr(first, "f1"):
            draw(plot_classes, part.per_class, f"{part.name}_f1", unit=part.unit,
                 title=f"{part.name.capitalize()} F1 of each class", note=part.parameters)
    lost = report.failures
    note = f"{describe_collar(lost.collar_s, lost.offset_share)}; {report.decisions}"
    draw(plot_durations, lost.by_duration(), "durations", note=note)
    triggers = lost.cross_triggers()
    draw(plot_cross_triggers, triggers, "cross_triggers", note="false detections, substitutions "
         f"included, of which at least {100 * triggers.cttc:g} % overlap a class; {note}")
    return paths


def _figure(width, height):
    # Imported here so that scoring starts without it; a Figure of its own touches no global state.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    return figure, figure.subplots()


def _finish(figure, axes, path, title, note, *, grid=None, font=9.5):
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.tick_params(length=0, colors=_INK, labelsize=font)
    if grid:
        axes.grid(axis=grid, color=_FAINT, lw=0.7, zorder=0)
        axes.set_axisbelow(True)
    figure.suptitle(title, x=0.01, ha="left", fontsize=13, color=_INK, fontweight="bold")
    if note:
        width = int(figure.get_figwidth() * 15)
        figure.supxlabel("\n".join(textwrap.wrap(note, width)), x=0.01, ha="left", fontsize=8,
                         color=_SMALL)
    figure.savefig(path, dpi=130)


def _stairs(x, heights, stop):
    """A staircase up to `stop`, where its last step ends."""
    inside = x <= stop
    return np.append(x[inside], stop), np.append(heights[inside], heights[inside][-1])


def _name_curves(axes, names):
    """Names at the right, near where their curves end, none upon another."""
    if not names:
        return
    gap = min(0.043, 1.0 / len(names))
    names = sorted(names)
    steps = gap * np.arange(len(names))
    free = np.array([height for height, _, _ in names]) - steps
    # Midway between making room from below and from above: both keep the gap.
    places = steps + (np.maximum.accumulate(free) + np.minimum.accumulate(free[::-1])[::-1]) / 2
    places = np.clip(places, steps, 1.0 - steps[::-1])
    for place, (height, name, colour) in zip(places, names, strict=True):
        axes.plot([1.0, 1.018], [height, place], color=colour, lw=0.8, clip_on=False,
                  transform=axes.get_yaxis_transform())
        axes.text(1.024, place, name, transform=axes.get_yaxis_transform(), va="center",
                  fontsize=9, color=colour,
                  fontweight="bold" if colour == _COLOURS[0] else "normal")


def _beside(axes, row, texts, colour):
    """Two columns of text at the right of a row."""
    for points, text in zip((32, 82), texts, strict=True):
        axes.annotate(text, (1, row), (points, 0), axes.get_yaxis_transform(), "offset points",
                      ha="right", va="center", fontsize=8.5, color=colour, annotation_clip=False)


def _say_nothing(axes, text):
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color="#888888",
              fontsize=11)


def _rate(value, decimals=4):
    return f"{value:.{decimals}f}" if math.isfinite(value) else "none"


def _short(label, width):
    return label if len(label) <= width else f"{label[:width - 1]}…"
