"""What is heard and what is seen: embeddings of the same clips from several extractors."""

from dataclasses import dataclass

import numpy as np

from sedzoo.embeddings import Embeddings
from sedzoo.embeddings.pieces import Pieces


@dataclass(frozen=True)
class Streams:
    """Several Embeddings, clip by clip the same; of labels and tags the first speaks for all.

    Args:
        parts: dict of name ("audio", "video", ...) -> Embeddings of the same clips in one order;
            `align` makes it so.

    Raises: ValueError when the clips differ.
    """

    parts: dict[str, Embeddings]

    def __post_init__(self):
        if not self.parts:
            raise ValueError("`parts` must hold at least one stream. Received: none")
        for key, part in self.parts.items():
            if len(part) != len(self) or (part.names != self._first.names).any():
                raise ValueError("`parts` must be of the same clips in the same order; "
                                 f"streams.align makes them so. Received: {key!r} of others")

    @property
    def _first(self):
        return next(iter(self.parts.values()))

    def __len__(self):
        return len(self._first)

    @property
    def labels(self):
        return self._first.labels

    @property
    def mids(self):
        return self._first.mids

    @property
    def name(self):
        return self._first.name

    @property
    def attribution(self):
        return self._first.attribution

    @property
    def tags(self):
        return self._first.tags

    @property
    def names(self):
        return self._first.names

    @property
    def folds(self):
        return self._first.folds

    @property
    def hop_s(self):
        return self._first.hop_s

    @property
    def scale(self):
        """Means and deviations by stream, two dicts of float32 ()."""
        return tuple({key: np.float32(getattr(part, name)) for key, part in self.parts.items()}
                     for name in ("mean", "std"))

    def pieces(self, length):
        """The clips as StreamPieces of `length` segments, see Embeddings.pieces."""
        return StreamPieces({key: part.pieces(length) for key, part in self.parts.items()})

    def select(self, rows):
        """Some of the clips, see Embeddings.select."""
        return Streams({key: part.select(rows) for key, part in self.parts.items()})

    def of_folds(self, *folds):
        """The clips of these folds."""
        return self.select(np.isin(self.folds, [str(fold) for fold in folds]))


@dataclass(frozen=True)
class StreamPieces:
    """Pieces of several streams, cut alike; indexing gives a dict of arrays.

    Args:
        parts: dict of name -> Pieces of the same clips, of as many segments in each.
    Raises: ValueError when a clip has more segments in one stream than in another.
    """

    parts: dict[str, Pieces]

    def __post_init__(self):
        for key, part in self.parts.items():
            differ = np.flatnonzero(part.counts != self._first.counts)
            if len(differ):
                raise ValueError(
                    f"`parts` must have the same segments in every stream; {len(differ)} clips "
                    f"differ. Received: {part.counts[differ[0]]} in {key!r} and "
                    f"{self._first.counts[differ[0]]} for clip {differ[0]}")

    @property
    def _first(self):
        return next(iter(self.parts.values()))

    def __len__(self):
        return len(self._first)

    def __getitem__(self, rows):
        return {key: part[rows] for key, part in self.parts.items()}

    @property
    def shape(self):
        return {key: part.shape for key, part in self.parts.items()}

    @property
    def owner(self):
        return self._first.owner

    @property
    def one_each(self):
        return self._first.one_each

    def frame_mask(self, rows):
        """See Pieces.frame_mask."""
        return self._first.frame_mask(rows)

    def of_clips(self, rows):
        """See Pieces.of_clips."""
        return self._first.of_clips(rows)

    def over_clips(self, scores, mean="arithmetic"):
        """See Pieces.over_clips."""
        return self._first.over_clips(scores, mean)


def align(**parts):
    """Streams of the clips that all have, in the order of the first.

    Args:
        **parts: Embeddings by the name of their stream; clips are known by their names.
    Returns: Streams.
    Raises: ValueError when no clip is in all, a name stands twice in one, or classes differ.
    """
    known = {}
    for key, part in parts.items():
        known[key] = {name: row for row, name in enumerate(part.names.tolist())}
        if len(known[key]) < len(part):
            raise ValueError(f"`{key}` must not hold two clips of one name.")
    first = next(iter(parts))
    names = [name for name in known[first] if all(name in rows for rows in known.values())]
    if not names:
        raise ValueError(f"No clip is in all of {', '.join(parts)}.")
    for key, part in parts.items():
        if part.labels != parts[first].labels:
            raise ValueError(f"`{key}` must have the classes of {first!r}. "
                             f"Received: {part.labels} and {parts[first].labels}")
    return Streams({key: part.select([known[key][name] for name in names])
                    for key, part in parts.items()})
