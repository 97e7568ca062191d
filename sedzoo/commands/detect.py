"""sedzoo detect FILE|FOLDER... --model exported/NAME/VERSION: sound events, from when to when.

Takes WAV, FLAC, OGG, MP3 and AIFF of any rate and length, from one second to many hours. A damaged
file is named on standard error and does not stop the others.
"""

import dataclasses
import sys
from pathlib import Path

from absl import flags

from sedzoo.cli import UserError
from sedzoo.frame_scores import FrameScores
from sedzoo.score_files import write_scores

SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".w64", ".rf64")

FRAMEWORK = "tensorflow"


def define(values):
    flags.DEFINE_string("model", None, "Folder of the export, exported/NAME/VERSION.",
                        flag_values=values)
    flags.DEFINE_enum("format", "table", ["table", "tsv", "csv", "json", "audacity"],
                      "How events are written.", flag_values=values)
    flags.DEFINE_string("out", None, "File for the events; standard output if not given.",
                        flag_values=values)
    flags.DEFINE_string("plot", None, "PNG file, or a folder when there are several recordings: "
                        "spectrogram with event lanes.", flag_values=values)
    flags.DEFINE_string("scores_out", None, "Folder for the frame scores, a table for each "
                        "recording, as `sedzoo evaluate --scores` reads them.", flag_values=values)
    flags.DEFINE_float("threshold", None, "One threshold for all classes, in place of the "
                       "export's own.", 0.0, 1.0, flag_values=values)
    flags.DEFINE_bool("progress", None, "Progress bar on standard error (default: on a terminal).",
                      flag_values=values)


def run(values, arguments):
    if not values.model:
        raise UserError("--model is needed: the folder of an export, such as "
                        "exported/gated_crnn_esc10/1")
    if not arguments:
        raise UserError("name at least one audio file or folder")
    from sedzoo.audio import AudioError
    from sedzoo.serving import Detector

    files = audio_files(arguments)
    if values.plot and len(files) > 1 and Path(values.plot).suffix:
        raise UserError(f"--plot must be a folder for {len(files)} recordings. "
                        f"Received: {values.plot}")
    if values.scores_out and len({file.name for file in files}) < len(files):
        raise UserError("--scores_out names tables after recordings: no two may have the same name")
    detector = Detector(values.model)
    found, failed = {}, 0
    for file in files:
        try:
            events = _detect(detector, file, values)
        except (AudioError, OSError) as error:
            failed += 1
            print(f"sedzoo detect: {' '.join(str(error).split())}", file=sys.stderr)
            continue
        found[str(file)] = events
        if values.plot:
            _plot(detector, file, events, values.plot, several=len(files) > 1)
    _write(found, values)
    if failed and len(files) > 1:
        print(f"sedzoo detect: {failed} of {len(files)} files could not be read", file=sys.stderr)
    return 1 if failed else 0


def audio_files(arguments):
    """The audio files that are named, or lie in the folders that are named, in order."""
    files = []
    for argument in map(Path, arguments):
        if argument.is_dir():
            inside = sorted(path for path in argument.rglob("*")
                            if path.suffix.lower() in SUFFIXES and path.is_file())
            if not inside:
                raise UserError(f"no audio files in {argument} (looked for {' '.join(SUFFIXES)})")
            files += inside
        else:
            files.append(argument)
    return files


def _detect(detector, file, values):
    wanted = sys.stderr.isatty() if values.progress is None else values.progress
    if wanted:
        scores, clock = _scores_with_bar(detector, file)
    else:
        scores, clock = detector.scores(str(file))
    if values.scores_out:
        write_scores(values.scores_out, FrameScores(detector.labels, {file.name: scores}, clock))
    decoder = detector.decoder
    if values.threshold is not None:
        decoder = dataclasses.replace(decoder, thresholds=values.threshold)
    return decoder.decode(scores, detector.labels, clock)


def _scores_with_bar(detector, file):
    from rich.console import Console
    from rich.progress import Progress

    from sedzoo import audio

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(file.name, total=audio.duration_s(str(file)))
        return detector.scores(str(file),
                               progress=lambda seconds: bar.update(task, completed=seconds))


def _plot(detector, file, events, plot, several):
    from sedzoo import audio
    from sedzoo.plotting import plot_events

    path = Path(plot)
    if several or not path.suffix:
        path.mkdir(parents=True, exist_ok=True)
        path = path / f"{file.stem}.png"
    waveform = audio.load(str(file), detector.sample_rate)
    plot_events(waveform, detector.sample_rate, events, path, title=file.name)


def _write(found, values):
    from sedzoo.labels import write_events

    if values.format == "table":
        text = _table(found)
        if values.out:
            Path(values.out).write_text(text + "\n", encoding="utf-8")
        else:
            print(text)
    else:
        write_events(values.out or sys.stdout, found, values.format)


def _table(found):
    """Events for people: one block a file."""
    blocks = []
    for file, events in found.items():
        width = max([len(event.label) for event in events], default=0)
        rows = [f"{event.onset:10.2f} {event.offset:10.2f}  {event.label:<{width}}  "
                f"{event.score:.2f}" for event in events]
        blocks.append("\n".join([file, f"{'onset s':>10} {'offset s':>10}  label, score", *rows]
                                if rows else [file, "   no events"]))
    return "\n\n".join(blocks)
