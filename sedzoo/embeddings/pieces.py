"""Clips of any number of segments as rows of the same number."""

from dataclasses import dataclass

import numpy as np

MEANS = ("arithmetic", "geometric")
_FLOOR = 1e-7       # so that one system's zero is no veto over a geometric mean


@dataclass(frozen=True)
class Pieces:
    """Pieces of `length` segments: long clips cut into consecutive ones, short ones repeated.

    The last piece of a clip repeats the segments that are left over. With length None a clip is one
    piece, as long as it is: batches are padded with zeros, and have a frame mask.

    Indexing with rows (b,) gives (b, length, D) of the values' own type; segments that are frames
    themselves, (96, 64) each, come joined, (b, length * 96, 64).

    Args:
        values: array (S, D) or (S, t, D), segments of all clips; a memory map is read as needed.
        starts, counts: int64 (N,), where each clip's segments start, and how many they are.
        length: int > 0, segments of a piece, or None.
        pad: number that the padded segments hold (8-bit embeddings: the code of zero).

    Raises: ValueError when `length` is neither, or a clip has no segment.
    Source: Xu 2018, section 5.2.3 of the thesis; how the rest of a long clip is used is not said.
    """

    values: np.ndarray
    starts: np.ndarray
    counts: np.ndarray
    length: int | None
    pad: float = 0

    def __post_init__(self):
        if self.length is not None and not (isinstance(self.length, int) and self.length > 0):
            raise ValueError("`length` must be an int > 0, or None. "
                             f"Received: length={self.length!r}")
        if len(self.counts) and self.counts.min() < 1:
            raise ValueError("`counts` must be 1 or more for every clip. "
                             f"Received: {self.counts.min()}")
        per_clip = (np.ones_like(self.counts) if self.length is None
                    else -(-self.counts // self.length))                            # (N,)
        owner = np.repeat(np.arange(len(self.counts)), per_clip)                    # (M,)
        number = np.arange(len(owner)) - np.repeat(np.cumsum(per_clip) - per_clip, per_clip)
        object.__setattr__(self, "owner", owner)
        object.__setattr__(self, "_first", number * (self.length or 0))

    def __len__(self):
        return len(self.owner)

    @property
    def shape(self):
        """(M, frames of a piece or None, D)."""
        return (len(self), self.length and self.length * self._frames, self.values.shape[-1])

    @property
    def one_each(self):
        """Whether every clip is one piece."""
        return len(self) == len(self.counts)

    def __getitem__(self, rows):
        rows = np.asarray(rows)
        left = self._left(rows)
        place = np.arange(self.length or left.max(initial=1))                       # (L,)
        within = place % left[:, None]                                              # (b, L)
        segments = (self.starts[self.owner[rows]] + self._first[rows])[:, None] + within
        found = self.values[segments]                                               # (b, L, ...)
        if self.length is None:
            found[place >= left[:, None]] = self.pad
        return found.reshape(len(rows), len(place) * self._frames, found.shape[-1])

    def frame_mask(self, rows):
        """Which frames of these pieces are no padding, bool (b, frames); None where all are."""
        if self.length is not None:
            return None
        left = self._left(np.asarray(rows))
        mask = np.arange(left.max(initial=1)) < left[:, None]
        return np.repeat(mask, self._frames, axis=1)

    def of_clips(self, rows):
        """The pieces of these clips, clip after clip: int64 (at least b,)."""
        firsts = np.searchsorted(self.owner, rows)
        lasts = np.searchsorted(self.owner, rows, side="right")
        return np.concatenate([np.arange(first, last) for first, last
                               in zip(firsts, lasts, strict=True)])

    def over_clips(self, scores, mean="arithmetic"):
        """What is said of pieces as what is said of clips: (M, K) -> (N, K), the mean of each.

        Raises: ValueError when there is not one row a piece, or for another `mean`.
        """
        if len(scores) != len(self):
            raise ValueError(f"`scores` must have one row per piece ({len(self)}). "
                             f"Received: {len(scores)}")
        edges = np.searchsorted(self.owner, np.arange(len(self.counts)))
        counts = np.diff(edges, append=len(self))
        return mean_of(lambda x: np.add.reduceat(x, edges) / counts[:, None], scores, mean)

    @property
    def _frames(self):
        """Frames of a segment."""
        return self.values.shape[1] if self.values.ndim == 3 else 1

    def _left(self, rows):
        """Segments that these pieces have of their own, int64 (b,)."""
        left = self.counts[self.owner[rows]] - self._first[rows]
        return left if self.length is None else np.minimum(left, self.length)


def mean_of(average, scores, mean="arithmetic"):
    """An average of probabilities, or of their logarithms: exp(average(log p)), float32.

    Args:
        average: function(float64 array) -> float64 array.
        scores: float array in [0, 1].
        mean: "arithmetic" or "geometric" (of max(p, 1e-7); the results of several classes need not
            add up to 1).
    Raises: ValueError for another `mean`.
    """
    if mean not in MEANS:
        raise ValueError(f"`mean` must be one of {MEANS}. Received: mean={mean!r}")
    scores = np.asarray(scores, np.float64)
    if mean == "geometric":
        return np.exp(average(np.log(np.maximum(scores, _FLOOR)))).astype(np.float32)
    return average(scores).astype(np.float32)
