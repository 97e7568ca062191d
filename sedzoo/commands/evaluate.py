"""sedzoo evaluate --model EXPORT --truth FILE.tsv --audio FOLDER: scores on labelled recordings.

FILE is a table of events (filename, onset, offset, event_label; DESED's and DCASE's layouts);
FOLDER holds the recordings it names. Prints clip and segment scores with their parameters, and
event-based F1.
"""

import json

from absl import flags

from sedzoo.cli import UserError, progress_over

FRAMEWORK = "tensorflow"


def define(values):
    flags.DEFINE_string("model", None, "Folder of the export.", flag_values=values)
    flags.DEFINE_string("truth", None, "Table of the true events.", flag_values=values)
    flags.DEFINE_string("audio", None, "Folder of the recordings.", flag_values=values)
    flags.DEFINE_string("out", None, "JSON file for the scores, too.", flag_values=values)


def run(values, arguments):
    if not (values.model and values.truth and values.audio):
        raise UserError("--model, --truth and --audio are all needed")
    from sedzoo.assess import score_clips, score_scenes
    from sedzoo.serving import Detector

    detector = Detector(values.model)
    manifest = _manifest(values, tuple(detector.labels))
    scores = {"recordings": len(manifest),
              **score_clips(detector, manifest, progress_over("tagging")),
              **score_scenes(detector, manifest, progress_over("detecting"))}
    for key, value in scores.items():
        print(f"{key:>20}  {value:.4g}")
    print("clip scores: micro; segments: 1 s, micro; events: micro, onset collar 0.2 s, offset "
          "0.2 s or 20 %")
    if values.out:
        with open(values.out, "w", encoding="utf-8") as file:
            json.dump(scores, file, indent=2)


def _manifest(values, labels):
    from pathlib import Path

    from sedzoo.datasets import Clip, Manifest
    from sedzoo.labels import read_events

    clips = []
    for name, events in read_events(values.truth).items():
        heard = {event.label for event in events}
        clips.append(Clip(name, str(Path(values.audio) / name),
                          tuple(label for label in labels if label in heard)
                          if heard <= set(labels) else tuple(sorted(heard)), tuple(events)))
    return Manifest(values.truth, labels, tuple(clips)).present()
