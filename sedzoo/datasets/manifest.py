"""The one form in which every data set is handed on."""

import csv
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sedzoo.events import Event, encode


@dataclass(frozen=True)
class Clip:
    """One recording and what is known of it.

    Args:
        name: str, unique in its data set, as its metadata spell it.
        path: str, where the audio file is or should be.
        labels: tuple of class names heard in it, or None where nobody said (unlabelled).
        events: tuple of Event, or None where nobody marked times (weakly labelled).
        fold: int or str, the data set's own split, or None.
        verified: bool, whether a person has checked the labels, or None where nobody says.
    """

    name: str
    path: str
    labels: tuple[str, ...] | None = None
    events: tuple[Event, ...] | None = None
    fold: int | str | None = None
    verified: bool | None = None


@dataclass(frozen=True)
class Manifest:
    """A data set: class names in class order, and clips.

    Args:
        name: str, for cards and messages.
        labels: tuple of K display names; their order is the order of every model output.
        clips: tuple of Clip.
        mids: tuple of K machine ids (AudioSet's, where there are any), or ().
        attribution: str, source, licence and whom to name.
        sustained: tuple of the labels whose sounds go on (rain, an engine) and may be cut or looped
            when scenes are composed, or None where the data set does not say.
    """

    name: str
    labels: tuple[str, ...]
    clips: tuple[Clip, ...]
    mids: tuple[str, ...] = ()
    attribution: str = ""
    sustained: tuple[str, ...] | None = None

    def __post_init__(self):
        if len(set(self.labels)) != len(self.labels):
            raise ValueError(f"`labels` must differ from each other. Received: {self.labels}")
        if self.mids and len(self.mids) != len(self.labels):
            raise ValueError(f"`mids` must be one per label ({len(self.labels)}). "
                             f"Received: {len(self.mids)}")
        known = set(self.labels)
        if not set(self.sustained or ()) <= known:
            raise ValueError(f"`sustained` must hold labels of {self.name!r}. "
                             f"Received: {sorted(set(self.sustained) - known)}")
        for clip in self.clips:
            strange = set(clip.labels or ()) - known
            if strange:
                raise ValueError(f"Clip {clip.name!r} has labels that {self.name!r} does not know: "
                                 f"{sorted(strange)}")

    def __len__(self):
        return len(self.clips)

    def select(self, keep):
        """The clips for which `keep(clip)` is true, as a Manifest."""
        return replace(self, clips=tuple(clip for clip in self.clips if keep(clip)))

    def folds(self, *folds):
        """The clips of these folds, as a Manifest."""
        return self.select(lambda clip: clip.fold in folds)

    def tags(self):
        """Clip targets, float32 (N, K); NaN in the rows of unlabelled clips."""
        index = {label: k for k, label in enumerate(self.labels)}
        tags = np.zeros((len(self.clips), len(self.labels)), np.float32)
        for row, clip in zip(tags, self.clips, strict=True):
            if clip.labels is None:
                row[:] = np.nan
            else:
                row[[index[label] for label in clip.labels]] = 1
        return tags

    def frame_targets(self, clock, num_frames):
        """Frame targets, float32 (N, T, K); NaN for clips without marked times."""
        return np.stack([
            np.full((num_frames, len(self.labels)), np.nan, np.float32) if clip.events is None
            else encode(clip.events, self.labels, clock, num_frames) for clip in self.clips])

    def class_counts(self):
        """Clips per class, int64 (K,); unlabelled clips count nowhere."""
        return np.nansum(self.tags(), axis=0).astype(np.int64)

    def present(self, report=None):
        """The clips whose audio file exists; the others are written to the TSV file `report`.

        Public data sets lose files every year: a missing one is skipped, counted and listed,
        never fatal, unless nothing is left.

        Args:
            report: path of the list to write (`missing_files.tsv`), or None.
        Raises: FileNotFoundError when no clip has its file.
        """
        missing = [clip for clip in self.clips if not Path(clip.path).is_file()]
        if missing and report is not None:
            Path(report).parent.mkdir(parents=True, exist_ok=True)
            with open(report, "w", newline="", encoding="utf-8") as file:
                rows = csv.writer(file, delimiter="\t")
                rows.writerow(["filename", "path"])
                rows.writerows([clip.name, clip.path] for clip in missing)
        if len(missing) == len(self.clips):
            where = f", such as {missing[0].path}" if missing else ""
            raise FileNotFoundError(f"No audio file of {self.name!r} is there "
                                    f"({len(missing)} missing{where}).")
        gone = set(missing)
        return self.select(lambda clip: clip not in gone)
