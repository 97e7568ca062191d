"""A report as a table for people, and parameters in words."""

import math

import numpy as np

_RATES = {"f1": "F1", "precision": "precision", "recall": "recall", "error_rate": "error rate",
          "average_precision": "mAP", "auc": "AUC", "d_prime": "d'"}
_TITLES = {"segment": "Segments", "event": "Events", "intersection": "Intersections",
           "clip": "Clips", "ranking": "Ranking"}
_COLUMNS = {"segment": "f1", "event": "f1", "intersection": "f1", "clip": "f1",
            "ranking": "average_precision"}


def report_text(report):
    """Every number of a report under its parameters, then each class, then what was left out."""
    hours = "" if report.duration_s is None else f" of {report.duration_s / 3600:.3g} h"
    lines = [f"{report.num_clips:,} clips{hours}, {report.num_events:,} events of "
             f"{len(report.labels)} classes", f"Decisions: {report.decisions}", ""]
    areas = [part for part in report.parts if "all" in part.results]
    for part in areas:
        lines.append(f"{part.name:<9}{_number(part.results['all'].value):>8}   {part.parameters}")
    if not areas:
        lines.append("PSDS            -   needs frame scores, or detections at several thresholds "
                     "and durations")
    for part in report.parts:
        if part not in areas:
            lines += ["", *_block(part)]
    lines += ["", *_classes(report), "", *_failures(report.failures)]
    if report.notes:
        lines += ["", "Note:", *(f"  {one}" for one in report.notes)]
    return "\n".join(lines)


def _block(part):
    """A score's parameters, and a row for each average."""
    first = next(iter(part.results.values()))
    rates = [rate for rate in _RATES if hasattr(first, rate)]
    lines = [f"{_TITLES[part.name]}: {part.parameters}",
             " " * 11 + "".join(f"{_RATES[rate]:>12}" for rate in rates)]
    for average, result in part.results.items():
        skipped = (f"   {result.num_skipped} of {len(part.per_class)} classes left out"
                   if average == "macro" and result.num_skipped else "")
        lines.append(f"  {average:<9}" + "".join(f"{_number(getattr(result, rate)):>12}"
                                                for rate in rates) + skipped)
    return lines


def _classes(report):
    """A row for each class, a column for each kind of score."""
    columns = {}
    for part in report.parts:
        rate = "value" if "all" in part.results else _COLUMNS[part.name]
        name = {"value": part.name, "f1": f"{part.name} F1"}.get(rate, "AP")
        columns[name] = {label: getattr(one, rate) for label, one in part.per_class.items()}
    width = max([len(label) for label in report.labels], default=0)
    heads = [f"{name:>{max(8, len(name)) + 2}}" for name in columns]
    lines = [f"{'class':<{width}}  {'events':>8}" + "".join(heads)]
    for label in report.labels:
        cells = [f"{_number(values.get(label, math.nan)):>{len(head)}}"
                 for head, values in zip(heads, columns.values(), strict=True)]
        lines.append(f"{label:<{width}}  {report.num_events_of[label]:>8,}" + "".join(cells))
    return lines


def _failures(failures):
    counts = failures.counts()
    collar = describe_collar(failures.collar_s, failures.offset_share)
    wanted = ("hits", "boundary", "merged", "split", "substituted", "missed")
    found = ("hits", "boundary", "merges", "fragments", "substitutions", "false_alarms")
    lines = [f"What became of events: {collar}"]
    for num, of, names in ((counts.num_reference, "events", wanted),
                           (counts.num_estimated, "detections", found)):
        kinds = ", ".join(f"{getattr(counts, f'num_{name}'):,} {name.replace('_', ' ')}"
                          for name in names)
        lines.append(f"  {num:,} {of}: {kinds}")
    bins = [f"{describe_range(one.from_s, one.to_s)} s: {_number(one.recall, 2)}"
            for one in failures.by_duration() if one.num_reference]
    return [*lines, f"  recall by duration: {', '.join(bins) or 'no events'}"]


def _number(value, decimals=4):
    if math.isnan(value):
        return "-"
    return f"{value:.{decimals}f}"


def describe_range(from_s, to_s):
    """A range of seconds, without the unit."""
    if math.isinf(to_s):
        return f"{from_s:g} or more"
    return f"under {to_s:g}" if not from_s else f"{from_s:g} to {to_s:g}"


def describe_setting(setting, num_thresholds):
    """The parameters of a PSDS in a line."""
    parts = [f"dtc {setting.dtc:g}", f"gtc {setting.gtc:g}"]
    if setting.cttc is not None:
        parts.append(f"cttc {setting.cttc:g}")
    parts += [f"alpha_ct {setting.alpha_ct:g}", f"alpha_st {setting.alpha_st:g}"]
    parts.append(f"max_efpr {setting.max_efpr:g} an hour")
    return f"{', '.join(parts)}; " + ("all thresholds" if num_thresholds is None
                                      else f"{num_thresholds} operating points")


def describe_collar(collar_s, offset_share):
    """What an event-based hit is, in a line."""
    offset = ("offsets not compared" if offset_share is None else
              f"offset within {collar_s:g} s or {100 * offset_share:g} % of the event")
    return f"onset within {collar_s:g} s, {offset}"


def describe_decoder(decoder):
    """How events are decided, in a line."""
    def span(values, unit=""):
        low, high = float(np.min(values)), float(np.max(values))
        return (f"{low:g}" if low == high else f"{low:g} to {high:g} by class") + unit

    return "".join([f"threshold {span(decoder.thresholds)}",
                    f", median {span(decoder.median_frames)} frames"
                    if np.max(decoder.median_frames) > 1 else "",
                    f", gaps of up to {decoder.max_gap_frames} frames filled"
                    if decoder.max_gap_frames else "",
                    f", runs under {decoder.min_frames} frames dropped"
                    if decoder.min_frames > 1 else ""])
