"""Which clips make up which batch: plans that depend on nothing but (seed, step).

A plan is called with the number of a step, 0, 1, 2, ..., and returns the clips of that batch. It
keeps no state, so training resumed at step n sees exactly what it would have seen undisturbed.
"""

from functools import lru_cache

import numpy as np
from scipy import sparse

# A class with fewer clips than LIMITS[i] enters the list i + 1 times, a larger one once more.
LIMITS = (1000, 2000, 3000, 4000)


class Uniform:
    """All clips in a fresh random order, over and over; batches run across the ends of passes.

    Args:
        num_clips: int > 0, N.
        batch_size: int > 0, B.
        seed: int >= 0.

    Call: step, int >= 0 -> int64 (B,).
    """

    def __init__(self, num_clips, batch_size, seed=0):
        _require_positive(num_clips=num_clips, batch_size=batch_size)
        self.num_clips = num_clips
        self.batch_size = batch_size
        self._order = _shuffler(np.arange(num_clips), seed, 0)

    def __call__(self, step):
        turn, place = divmod(step * self.batch_size + np.arange(self.batch_size), self.num_clips)
        clips = np.empty(self.batch_size, np.int64)
        for each in np.unique(turn):
            clips[turn == each] = self._order(each)[place[turn == each]]
        return clips


class Sequential:
    """The clips in their own order, once; the last batch may be short.

    Args: as Uniform, without a seed.
    Call: step, int in [0, num_steps) -> int64 (at most B,).
    """

    def __init__(self, num_clips, batch_size):
        _require_positive(num_clips=num_clips, batch_size=batch_size)
        self.num_clips = num_clips
        self.batch_size = batch_size

    @property
    def num_steps(self):
        return -(-self.num_clips // self.batch_size)

    def __call__(self, step):
        first = step * self.batch_size
        return np.arange(first, min(first + self.batch_size, self.num_clips))


class Balanced:
    """Mini-batch balancing: classes take turns, rare ones more often than they occur.

    A list holds class k r_k times (see `repetitions`). It is shuffled and read off, then shuffled
    anew; each entry draws the next clip of its class, each class goes through its own clips in its
    own random order. On average over the batches no class is therefore drawn more than max(r) /
    min(r) = 5 times as often as another, and in every batch where batch_size is the length of the
    list. A clip with two classes is drawn for either, so the labels that come along may stray.

    Args:
        tags: array or scipy.sparse.csr_array (N, K), above 0.5 where a clip has a class; clips
            without a class, or with NaN (unlabelled), are never drawn, and classes without a clip
            left out.
        batch_size: int > 0, B; the paper's 44 is the length of its list. (By the challenge's
            training list, with fewer clips than the paper counts, it would be 43.)
        seed: int >= 0.
        limits: ascending clip counts at which a class enters the list once more; () has all classes
            drawn equally often (the queue of Kong et al. 2018). The default suits
            the paper's 51,172 clips: with a few thousand clips or fewer every class falls below
            the first limit, and all are drawn equally often. Scale it for anything in between.

    Call: step, int >= 0 -> int64 (B,).
    Raises: ValueError when `tags` is not (N, K), or no clip has a class.
    Source: released code of Xu et al. 2018, https://arxiv.org/abs/1710.00343, section 2.2.
        Differs: a class that reaches the end of its clips starts its next order at once; the
        released code hands out a shorter batch there.
    """

    def __init__(self, tags, batch_size=44, seed=0, limits=LIMITS):
        _require_positive(batch_size=batch_size)
        if not sparse.issparse(tags):
            tags = np.asarray(tags)
        if tags.ndim != 2:
            raise ValueError(f"`tags` must have shape (clips, classes). "
                             f"Received: shape {tags.shape}")
        present = sparse.csc_array(tags > 0.5)            # (N, K); NaN compares as False
        if not present.nnz:
            raise ValueError("`tags` must give at least one clip a class. "
                             f"Received: none among {tags.shape[0]} clips")
        self.batch_size = batch_size
        self._num_members = np.diff(present.indptr)
        self.repetitions = repetitions(self._num_members, limits)
        entries = np.repeat(np.arange(tags.shape[1]), self.repetitions)
        self._num_entries = len(entries)
        self._queue = _shuffler(entries, seed, 0, _with_ranks)
        self._members = [_shuffler(np.sort(clips), seed, 1 + k) for k, clips
                         in enumerate(np.split(present.indices, present.indptr[1:-1]))]

    def classes(self, step):
        """The class each clip of the batch is drawn for, int64 (B,)."""
        return self._draws(step)[0]

    def __call__(self, step):
        classes, drawn = self._draws(step)
        again, index = divmod(drawn, self._num_members[classes])
        draws = zip(classes.tolist(), again.tolist(), index.tolist(), strict=True)
        return np.array([self._members[k](turn)[place] for k, turn, place in draws], np.int64)

    def _draws(self, step):
        """The class of each clip of the batch, and how often it was drawn before, int64 (B,)."""
        turn, place = divmod(step * self.batch_size + np.arange(self.batch_size),
                             self._num_entries)
        classes, ranks = np.empty((2, self.batch_size), np.int64)
        for each in np.unique(turn):
            here = turn == each
            queue, rank = self._queue(each)
            classes[here], ranks[here] = queue[place[here]], rank[place[here]]
        return classes, turn * self.repetitions[classes] + ranks


class AllPieces:
    """All pieces of the clips that another plan draws: batches of varying size.

    Args:
        sampler: step -> clips, int64 (B,).
        pieces: pieces.Pieces of these clips.

    Call: step, int >= 0 -> pieces, int64 (at least B,).
    """

    def __init__(self, sampler, pieces):
        self.sampler = sampler
        self.pieces = pieces

    def __call__(self, step):
        return self.pieces.of_clips(self.sampler(step))


def repetitions(counts, limits=LIMITS):
    """How often each class stands in the list of the balancing, int64 (K,); 0 without a clip."""
    counts = np.asarray(counts)
    return np.where(counts > 0, 1 + np.searchsorted(limits, counts, side="right"), 0)


def _shuffler(values, seed, stream, finish=lambda order: order):
    """turn -> `values` in the order of that turn; the last few orders are kept."""
    @lru_cache(maxsize=4)
    def order(turn):
        return finish(np.random.default_rng((seed, stream, int(turn))).permutation(values))
    return order


def _with_ranks(queue):
    """The queue, and how often each entry's class stands before it."""
    order = np.argsort(queue, kind="stable")
    first = np.searchsorted(queue[order], queue)
    rank = np.empty_like(queue)
    rank[order] = np.arange(len(queue))
    return queue, rank - first


def _require_positive(**counts):
    for key, value in counts.items():
        if not (isinstance(value, int | np.integer) and value > 0):
            raise ValueError(f"`{key}` must be a positive int. Received: {key}={value!r}")
