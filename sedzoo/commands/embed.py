"""sedzoo embed FILE|FOLDER... --extractor X --out FOLDER: embeddings of recordings, one file each.

Writes NAME.npz for each recording: `embedding` float32 (segments, size), and `time_s` float64
(segments,), the second at which each segment begins. X is vggish (with --extractor_weights FILE),
the folder of a training run or of an export, a SavedModel's folder or address (YAMNet, VGGish,
OpenL3), or patches, of log-mel.
"""

import sys
from pathlib import Path

import numpy as np
from absl import flags

from sedzoo.cli import UserError, progress_over
from sedzoo.commands import extractors
from sedzoo.commands.detect import audio_files

FRAMEWORK = "keras"


def define(values):
    extractors.define(values)
    flags.DEFINE_string("out", None, "Folder for the embeddings.", flag_values=values)


def run(values, arguments):
    if not (values.extractor and values.out):
        raise UserError("--extractor and --out are both needed")
    if not arguments:
        raise UserError("name at least one audio file or folder")
    from sedzoo import audio

    files = audio_files(arguments)
    if len({file.stem for file in files}) < len(files):
        raise UserError("--out names files after recordings: no two may have the same name")
    extractor = extractors.choose(values.extractor, values.extractor_weights)
    out = Path(values.out)
    out.mkdir(parents=True, exist_ok=True)
    failed = 0
    for file in progress_over("Embeddings")(files):
        try:
            embedding = np.asarray(extractor(audio.load(str(file), extractor.sample_rate)))
        except (audio.AudioError, OSError) as error:
            failed += 1
            print(f"sedzoo embed: {' '.join(str(error).split())}", file=sys.stderr)
            continue
        np.savez(out / f"{file.stem}.npz", embedding=embedding,
                 time_s=np.arange(len(embedding)) * extractor.hop_s)
    print(f"{len(files) - failed} of {len(files)} recordings -> {out}/*.npz, a segment every "
          f"{extractor.hop_s:g} s")
    return 1 if failed else 0
