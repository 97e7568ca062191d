"""What `sedzoo train` learns from: a data set opened by the command's flags, as a recipe asks."""

from pathlib import Path

import numpy as np
from absl import flags

from sedzoo.cli import UserError
from sedzoo.commands import extractors

# Splits for training and validation, of a recipe for other data; its own where they are meant.
SPLITS = {"dcase2017_task4": ("training", "testing"), "audioset": ("balanced", "evaluation"),
          "fsdkaggle2018": ("training", "test"), "audioset_embeddings": ("balanced", "evaluation")}
KINDS = ("soundscapes", "esc10", "esc50", "folder", *SPLITS)


def define(values):
    flags.DEFINE_enum("data", None, KINDS, "Data set.", flag_values=values)
    flags.DEFINE_string("audio", None, "Folder of the data set's audio, or of the released "
                        "embeddings (audioset_embeddings).", flag_values=values)
    flags.DEFINE_string("metadata", None, "Folder of the data set's label files.",
                        flag_values=values)
    flags.DEFINE_string("cache", None, "Folder for what is computed of the audio, to share among "
                        "runs (default: cache in --out).", flag_values=values)
    flags.DEFINE_list("valid_folds", ["4"], "Folds for validation (esc10, esc50).",
                      flag_values=values)
    flags.DEFINE_float("valid_share", 0.1, "Share of the clips for validation (folder).", 0.01,
                       0.9, flag_values=values)
    flags.DEFINE_integer("num_scenes", 500, "Scenes to compose (soundscapes).", 1,
                         flag_values=values)
    extractors.define(values)
    flags.DEFINE_string("video_weights", None, "File of VGG16's weights, for models that see "
                        "films.", flag_values=values)


def open_data(values, row):
    """What to learn from and what to validate on: Manifests, or Embeddings for a row of segments.

    Of a row with folds both hold all of them. Pitch-shifted copies are to learn from alone.
    """
    _require(values, "audio", values.data != "soundscapes")
    _require(values, "metadata", values.data in SPLITS)
    if values.data == "audioset_embeddings":
        return _released(values, row)
    train, valid = _manifests(values, row)
    cache = cache_dir(values)
    extractor = None if row.segments is None else _extractor(values, row)
    if row.pitch_quota is not None:
        from sedzoo.datasets.pitch_shift import pitch_shifted

        train = pitch_shifted(train.present(cache / "pitch" / "missing_files.tsv"),
                              cache / "pitch", quota=row.pitch_quota, seed=row.seed,
                              sample_rate=(extractor or row.features()).sample_rate)
    if extractor is None:
        return train, valid
    from sedzoo.embeddings import extract

    if _streams(row):
        return tuple(_heard_and_seen(values, row, extractor, part, cache / name)
                     for name, part in (("train", train), ("valid", valid)))
    heard = extract(train, extractor, cache / "train")
    if row.folds:
        return heard, heard.select(np.isin(heard.names, [clip.name for clip in valid.clips]))
    return heard, extract(valid, extractor, cache / "valid")


def cache_dir(values):
    return Path(values.cache or Path(values.out) / "cache")


# -- clips -------------------------------------------------------------------------------------


def _manifests(values, row):
    """Clips to learn from and to validate on; of a row with folds all of them, twice."""
    from sedzoo.datasets.partition import hold_out, hold_out_end, k_folds

    if values.data == "soundscapes":
        if row.folds:
            raise UserError("soundscapes have no folds; take --set folds=0")
        return _soundscapes(values, row.features().sample_rate)
    whole = _whole(values, row)
    if row.folds:       # ESC's own, which keep takes of one recording together
        folded = whole if values.data in ("esc10", "esc50") else k_folds(whole, row.folds,
                                                                        seed=row.seed)
        return folded, folded
    if values.data == "folder":
        return hold_out(whole, values.valid_share)
    if values.data in SPLITS:
        end, _, count = _splits(values, row)[1].partition(" ")
        return hold_out_end(whole, int(count), end) if count.isdecimal() else (
            whole, _listed(values, end))
    held = {int(fold) for fold in values.valid_folds}
    return (whole.select(lambda clip: clip.fold not in held),
            whole.select(lambda clip: clip.fold in held))


def _whole(values, row):
    """All clips, or those of the training split."""
    from sedzoo import datasets

    if values.data == "folder":
        return datasets.folder.load(values.audio)
    if values.data in SPLITS:
        return _listed(values, _splits(values, row)[0])
    return getattr(datasets, values.data)(values.audio)


def _listed(values, split):
    from sedzoo import datasets

    return getattr(datasets, values.data).load(values.metadata, values.audio, split)


def _splits(values, row):
    """Of the data set's own lists: to learn from, and to validate on, or "last 1473" (or "first")
    of the former."""
    return (SPLITS[values.data] if row.dataset != values.data
            else (row.train_split, row.valid_split))


def _soundscapes(values, sample_rate):
    from sedzoo.datasets import esc10, soundscapes

    spec, sources = soundscapes.SceneSpec(sample_rate=sample_rate), (None, None)
    if values.audio:
        whole = esc10(values.audio)
        held = {int(fold) for fold in values.valid_folds}
        sources = (whole.select(lambda clip: clip.fold not in held),
                   whole.select(lambda clip: clip.fold in held))
    where = Path(values.out) / "scenes"
    return tuple(soundscapes.write(where / part, spec, source, count, seed, name=part)
                 for part, source, count, seed in (
                     ("training", sources[0], values.num_scenes, 1),
                     ("validation", sources[1], max(20, values.num_scenes // 10), 2)))


# -- their segments ----------------------------------------------------------------------------


def _released(values, row):
    """AudioSet's embeddings, as they were released."""
    from sedzoo.datasets.audioset import read_classes
    from sedzoo.embeddings.records import import_records

    if row.folds or row.pitch_quota is not None or row.segments is None or values.extractor:
        raise UserError("audioset_embeddings are embeddings already, in lists of their own: "
                        "--extractor is not for them, nor is a recipe without segments, with folds "
                        "or with pitch_quota (--set folds=0)")
    classes = read_classes(Path(values.metadata) / "class_labels_indices.csv")
    return tuple(import_records(values.audio, cache_dir(values) / split, classes, split)
                 for split in _splits(values, row))


def _extractor(values, row):
    """What makes segments of a waveform, by --extractor, or else by the recipe."""
    name = values.extractor or row.extractor or "patches"
    if name == row.extractor and "/" in name and not Path(name).exists():
        raise UserError(f"--extractor is needed: the folder of a run of {name}, which makes what "
                        f"{row.id} learns from; train it first")
    return extractors.choose(name, values.extractor_weights, row.features())


def _streams(row):
    """The streams that a recipe's model takes, or () for one of sound alone."""
    from sedzoo.zoo.registry import model_card

    if not model_card(row.model_name).streams:
        return ()
    return tuple(sorted({row.arguments.get("first", "audio"),
                         row.arguments.get("second", "video")}))


def _heard_and_seen(values, row, extractor, manifest, cache):
    """Streams of films: embeddings of their sound, and of their stills."""
    from sedzoo.embeddings import extract
    from sedzoo.embeddings.streams import align

    extracted = {"audio": extractor}
    if "video" in _streams(row):
        from sedzoo.embeddings.visual import VGG16Extractor

        extracted["video"] = VGG16Extractor(values.video_weights)
    return align(**{stream: extract(manifest, extracted[stream], cache / stream)
                    for stream in _streams(row)})


def _require(values, flag, holds=True, what=None):
    if holds and not getattr(values, flag):
        raise UserError(f"--{flag} is needed for {what or values.data}")
