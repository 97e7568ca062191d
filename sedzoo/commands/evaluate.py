"""sedzoo evaluate: how good a system's answers are, each number with its exact parameters.

Of an export, on recordings in a folder:
    sedzoo evaluate --model EXPORT --truth FILE --audio FOLDER
Of anybody's system, by what it left behind:
    sedzoo evaluate --scores SCORES --truth FILE [--durations FILE]

FILE is a table of events (filename, onset, offset, event_label; DESED's and DCASE's layouts).
SCORES is a folder of score tables or archives, one a clip (as `sedzoo detect --scores_out` and
sed_scores_eval write them); or a table of detections; or a folder of such tables, one for each
threshold, which stands in its name (found_0.5.tsv). More tables may follow as arguments.
"""

import dataclasses
import json
from pathlib import Path

from absl import flags

from sedzoo.cli import UserError, import_quietly, progress_over

_TAGGING = "dcase2017-tagging"


def define(values):
    flags.DEFINE_string("scores", None, "What a system left behind: scores or detections.",
                        flag_values=values)
    flags.DEFINE_string("model", None, "Folder of an export.", flag_values=values)
    flags.DEFINE_string("audio", None, "Folder of the recordings, for --model.",
                        flag_values=values)
    flags.DEFINE_string("truth", None, "Table of the true events.", flag_values=values)
    flags.DEFINE_string("durations", None, "Table of the clips' seconds (filename, duration); "
                        "detections have no PSDS without.", flag_values=values)
    flags.DEFINE_enum("task", None, [_TAGGING], "A challenge's official scorer, in place of all "
                      "else.", flag_values=values)
    flags.DEFINE_float("threshold", None, "Where scores become events, for all classes; of several "
                       "tables the one that is looked at (default: the export's own, else 0.5).",
                       0.0, 1.0, flag_values=values)
    flags.DEFINE_string("decisions", None, "JSON file of tuned thresholds and median lengths, in "
                        "place of --threshold.", flag_values=values)
    flags.DEFINE_string("thresholds", None, "Operating points of PSDS from scores, separated by "
                        "commas, or how many evenly spaced ones (default: all there are).",
                        flag_values=values)
    flags.DEFINE_bool("truth_classes", False, "Score only classes that the truth has.",
                      flag_values=values)
    for name, default, text in (
            ("segment_s", 1.0, "Seconds of a segment."),
            ("collar_s", 0.2, "Seconds by which onsets and offsets may be off."),
            ("offset_share", 0.2, "Share of an event by which its offset may be off."),
            ("dtc", 0.5, "Share of a detection that must overlap, for intersection F1."),
            ("gtc", 0.5, "Share of an event that must be covered, for intersection F1."),
            ("cttc", 0.3, "Share of a false detection that makes a cross trigger.")):
        flags.DEFINE_float(name, default, text, 0.0, flag_values=values)
    flags.DEFINE_bool("onsets_only", False, "Compare no offsets.", flag_values=values)
    flags.DEFINE_bool("json", False, "Print JSON.", flag_values=values)
    flags.DEFINE_string("out", None, "JSON file for the scores, too.", flag_values=values)
    flags.DEFINE_string("plots", None, "Folder for pictures: PSD-ROC, classes, durations, "
                        "confusions.", flag_values=values)


def run(values, arguments):
    if bool(values.model) == bool(values.scores):
        raise UserError("one of --scores and --model is needed, and --truth")
    if not values.truth:
        raise UserError("--truth is needed: the table of the true events")
    if values.model and (not values.audio or arguments or values.task):
        raise UserError("--model needs --audio, and goes with neither --task nor more tables")
    if values.task == _TAGGING:
        return _tagging(values, arguments)
    from sedzoo.evaluation.reporting.text import report_text

    result, more = (_of_model(values) if values.model else _of_output(values, arguments))
    content = {**result.to_dict(), **more}
    _write(values, content)
    if values.plots:
        from sedzoo.evaluation.reporting.pictures import plot_report

        plot_report(result, Path(values.plots))
    if values.json:
        print(json.dumps(content, indent=1, allow_nan=False))
    else:
        print(report_text(result))
        for name, value in more.get("clip_head", {}).items():
            print(f"{name:<14} {value:.4f}   of the export's clip head, micro, own thresholds, the "
                  "likeliest class where none is above")


def _of_output(values, arguments):
    """Report of what a system left behind."""
    from sedzoo.evaluation.reporting.report import report
    from sedzoo.events import Decoder
    from sedzoo.frame_scores import FrameScores
    from sedzoo.labels import read_events
    from sedzoo.outputs import read_durations, read_output

    truth = read_events(values.truth)
    output = read_output([values.scores, *arguments])
    if not isinstance(output, FrameScores) and (values.decisions or values.thresholds):
        raise UserError("--decisions and --thresholds are for scores; these are detections")
    durations = read_durations(values.durations) if values.durations else None
    options = _options(values, truth, getattr(output, "labels", ()), Decoder())
    return report(truth, output, durations, options), {}


def _of_model(values):
    """Report of an export's frame scores, and scores of its clip head."""
    import_quietly("tensorflow")
    from sedzoo.assess import frame_scores, score_clips
    from sedzoo.audio import duration_s
    from sedzoo.evaluation.reporting.alignment import note
    from sedzoo.evaluation.reporting.report import report
    from sedzoo.serving import Detector

    detector = Detector(values.model)
    every, notes = _manifest(values, tuple(detector.labels)), []
    manifest = every.present()
    note(notes, [clip.path for clip in every.clips if not Path(clip.path).is_file()],
         "clips of the truth have no audio file: not scored")
    truth = {clip.name: clip.events for clip in manifest.clips}
    durations = {clip.name: duration_s(clip.path) for clip in manifest.clips}
    options = _options(values, truth, detector.labels, detector.decoder)
    scores = frame_scores(detector, manifest, progress_over("detecting"))
    result = report(truth, scores, durations, options)
    return (dataclasses.replace(result, notes=(*notes, *result.notes)),
            {"clip_head": score_clips(detector, manifest, progress_over("tagging"))})


def _manifest(values, labels):
    from sedzoo.datasets import Clip, Manifest
    from sedzoo.labels import read_events

    clips = []
    for name, events in read_events(values.truth).items():
        heard = {event.label for event in events}
        clips.append(Clip(name, str(Path(values.audio) / name),
                          tuple(label for label in labels if label in heard)
                          if heard <= set(labels) else tuple(sorted(heard)), tuple(events)))
    return Manifest(values.truth, labels, tuple(clips))


def _options(values, truth, labels, decoder):
    """evaluation.report.Options from the flags, given a system's classes and own decisions."""
    from sedzoo.evaluation.reporting.report import Options, decoder_for

    tuned = ""
    if values.threshold is not None and values.decisions:
        raise UserError("--threshold and --decisions: one of them")
    if values.decisions:
        decisions = _read_decisions(values.decisions)
        decoder, tuned = decoder_for(decisions.decoder(), decisions.labels, labels), decisions.note
    elif values.threshold is not None:
        decoder = dataclasses.replace(decoder, thresholds=values.threshold)
    heard = sorted({event.label for events in truth.values() for event in events})
    return Options(
        decoder=decoder, tuned=tuned, labels=tuple(heard) if values.truth_classes else None,
        offset_share=None if values.onsets_only else values.offset_share,
        thresholds=_thresholds(values.thresholds),
        **{name: getattr(values, name) for name in ("segment_s", "collar_s", "dtc", "gtc",
                                                    "cttc")})


def _read_decisions(path):
    from sedzoo.evaluation.tuning.decisions import Decisions

    with open(path, encoding="utf-8") as file:
        try:
            return Decisions.from_dict(json.load(file))
        except (AttributeError, TypeError, ValueError) as error:
            raise UserError(f"{path}: holds no decisions: {error}") from error


def _thresholds(text):
    """"50" -> 0.01, 0.03, ... 0.99; "0.2,0.5" -> these; None for all."""
    if text is None:
        return None
    if text.isdecimal() and int(text) > 1:
        return tuple((2 * i + 1) / (2 * int(text)) for i in range(int(text)))
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise UserError("--thresholds must be numbers separated by commas, or how many. "
                        f"Received: {text}") from None


def _tagging(values, arguments):
    """The official scorer of DCASE 2017 task 4, subtask A."""
    from sedzoo.evaluation.dcase2017_task4 import official_text, score_tagging

    if arguments:
        raise UserError(f"--task={_TAGGING} takes one prediction. Received: {arguments[0]} beside")
    scores = score_tagging(values.truth, values.scores)
    macro = score_tagging(values.truth, values.scores, average="macro")
    content = {"micro": scores.to_dict(), "macro": macro.to_dict()}
    _write(values, content)
    if values.json:
        print(json.dumps(content, indent=1, allow_nan=False))
    else:
        print(official_text(scores))
        width = max(map(len, scores.per_class), default=0)
        print(f"\n{'class':<{width}}        F1  precision    recall")
        for label, one in [("all, macro", macro), *scores.per_class.items()]:
            print(f"{label:<{width}}  {one.f1:8.4f}   {one.precision:8.4f}  {one.recall:8.4f}")
        if scores.problems:
            print(f"\n{len(scores.problems)} rows are not as they should be:")
        for problem in scores.problems:
            print(f"  line {problem.line}: {problem.reason}: {problem.text!r}")


def _write(values, content):
    if values.out:
        with open(values.out, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=1, allow_nan=False)
