"""Mixtures made beforehand: more rows, each of two that are there."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

_STREAM = 2_000_000     # keeps these random numbers apart from the sampler's


@dataclass(frozen=True)
class Mixed:
    """Rows of `values`, and behind them mixtures l x + (1 - l) x' of two of them, made when asked.

    Args:
        values: array-like (M, T, F) of one length; a memory map or pieces.Pieces are read as
            needed.
        first, second: int64 (Q,), the rows of each mixture; share: float32 (Q,), l.
    """

    values: np.ndarray
    first: np.ndarray
    second: np.ndarray
    share: np.ndarray

    def __len__(self):
        return len(self.values) + len(self.share)

    @property
    def shape(self):
        return (len(self), *self.values.shape[1:])

    def __getitem__(self, rows):
        rows = np.array(rows)
        mixed = rows >= len(self.values)
        mixture = rows[mixed] - len(self.values)
        rows[mixed] = self.first[mixture]
        x = self.values[rows].astype(np.float32)
        share = self.share[mixture, None, None]
        x[mixed] = share * x[mixed] + (1 - share) * self.values[self.second[mixture]]
        return x


def with_mixtures(values, tags, *, alpha, rate=1.0, seed=0):
    """A training set and as many mixtures again, of pairs drawn at random.

    l ~ Beta(alpha, alpha); a mixture's tags are l y + (1 - l) y'.

    Args:
        values: array-like (M, T, F); tags: array or scipy.sparse.csr_array (M, K).
        alpha: float > 0.
        rate: float > 0, mixtures per row. Defaults to 1.
        seed: int >= 0.
    Returns: Mixed of M + round(rate M) rows, and their tags, csr_array.
    Raises: ValueError when alpha or rate are not positive, or the rows differ in length.
    Source: Xu 2018, section 5.2.4; mixup, Zhang et al. 2018, https://arxiv.org/abs/1710.09412.
    """
    for key, value in (("alpha", alpha), ("rate", rate)):
        if not value > 0:
            raise ValueError(f"`{key}` must be positive. Received: {key}={value!r}")
    if values.shape[1] is None:
        raise ValueError("`values` must be of one length to be mixed. Received: clips of different "
                         "lengths")
    draw = np.random.default_rng((seed, _STREAM))
    num_mixtures = round(rate * len(values))
    first, second = draw.integers(0, len(values), (2, num_mixtures))
    share = draw.beta(alpha, alpha, num_mixtures).astype(np.float32)
    tags = sparse.csr_array(tags)
    mixed = tags[first].multiply(share[:, None]) + tags[second].multiply(1 - share[:, None])
    return (Mixed(values, first, second, share),
            sparse.vstack([tags, sparse.csr_array(mixed)], format="csr"))
