"""Every detection that any threshold gives: the runs of a class's scores, and when each is one.

A threshold t detects the longest runs of frames with scores above t. As t falls, runs appear at
peaks, grow and merge; each distinct run is a detection for t in [low, high), where high is its
smallest score and low the larger score of its two neighbours. A clip of T frames has at most T of
them, so all thresholds together cost little more than one.

Source: the idea of treating all thresholds at once is of Ebbers, Serizel, Haeb-Umbach 2022,
https://arxiv.org/abs/2201.13148; the runs are the nodes of a component tree.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Detections:
    """Detections of one class, by clip, with the thresholds at which they are there.

    Args:
        clip: int64 (n,), which clip each is of; never falls.
        onset, offset: float64 (n,), seconds.
        low, high: (n,), each is a detection for thresholds in [low, high).
    """

    clip: np.ndarray
    onset: np.ndarray
    offset: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def __len__(self):
        return len(self.clip)


class Timeline:
    """The frames of all clips in a row, a gap before each clip and one after the last.

    Args:
        scores: FrameScores.
    """

    def __init__(self, scores):
        bounds = scores.bounds
        num_clips, num_frames = len(bounds) - 1, np.diff(bounds)
        self.gaps = bounds + np.arange(num_clips + 1)                   # places of the gaps
        self.clip = np.repeat(np.arange(num_clips + 1), np.append(num_frames + 1, 1))
        self.is_frame = np.ones(self.gaps[-1] + 1, bool)
        self.is_frame[self.gaps] = False
        # Where the frame at a place begins, and where the one before it ended.
        self.onset, self.offset = np.zeros((2, len(self.clip)))
        edges = [scores.edges(clip) for clip in scores.clips]
        if edges:
            self.onset[self.is_frame] = np.concatenate([edge[:-1] for edge in edges])
            self.offset[1:][self.is_frame[:-1]] = np.concatenate([edge[1:] for edge in edges])
        self.longest = int(num_frames.max(initial=1))

    def laid(self, scores):
        """Scores (sum of T,), or ranks of theirs, with gaps between clips, float or int (L,).

        A gap is at -inf, or at rank 0: what is no higher is never detected.
        """
        laid = np.full(len(self.clip), -np.inf if scores.dtype.kind == "f" else 0, scores.dtype)
        laid[self.is_frame] = scores
        return laid

    def detections(self, laid, clips=None):
        """All runs of `laid` scores, as Detections.

        Args:
            laid: (L,), see `laid`.
            clips: bool (N,), the clips that matter; None for all.
        """
        # A plateau's first frame speaks for all of it.
        frames = (laid > laid[0]) & np.append(True, laid[1:] != laid[:-1])
        if clips is not None:
            frames &= np.append(clips, False)[self.clip]
        frames = np.flatnonzero(frames)
        before = _last_below(laid, frames, self.longest, np.greater)       # <= laid[frames]
        first = laid[before] < laid[frames]                                # of equals in its run
        frames, before = frames[first], before[first]
        end = len(laid) - 1
        after = end - _last_below(laid[::-1], end - frames, self.longest, np.greater_equal)
        return Detections(self.clip[frames], self.onset[before + 1], self.offset[after],
                          np.maximum(laid[before], laid[after]), laid[frames])


def num_changes(laid):
    """How the number of runs changes as the threshold falls below each score, int8 (L,).

    +1 where a run appears, at the first frame of a peak; -1 where two become one.
    """
    rises = np.zeros(len(laid), np.int8)
    rises[1:] = laid[1:] > laid[:-1]
    change = rises.copy()
    change[:-1] -= rises[1:]
    change[laid == laid[0]] = 0                                           # the gaps
    return change


def _last_below(values, places, longest, above):
    """The last place before each of `places` whose value is not `above` the one there.

    By smallest values of the 1, 2, 4, ... places up to each one: the largest stride that stays
    above is taken first.
    """
    smallest = [values]
    while 2 ** len(smallest) <= longest:
        stride = 2 ** (len(smallest) - 1)
        wider = smallest[-1].copy()
        wider[:stride] = values[0]                                         # a gap
        np.minimum(smallest[-1][stride:], smallest[-1][:-stride], out=wider[stride:])
        smallest.append(wider)
    here = values[places]
    found = places - 1
    for power in range(len(smallest) - 1, -1, -1):
        found -= above(smallest[power][found], here).astype(np.int64) << power
    return found
