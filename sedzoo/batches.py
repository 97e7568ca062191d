"""The numbers of a training batch: gathered, standardised, mixed up. NumPy, one step at a time."""

import numpy as np
from scipy import sparse

_MIXUP = 1_000_000      # keeps the random stream of mixup apart from the sampler's


class Batches:
    """Features and targets -> the batch of any step; the same step gives the same batch.

    Mixup, clip by clip with probability mixup_rate: x <- l x + (1 - l) x', y <- l y + (1 - l) y'
    with l ~ Beta(alpha, alpha) and x', y' another clip of the batch; clip and frame targets share
    l. Targets that are NaN (unlabelled, or weakly labelled among strong) get weight 0, output by
    output, and so do those mixed with such a one.

    Args:
        values: float or uint8 array (N, T, F), raw features; a memory map, pieces.Pieces or
            mixing.Mixed are read as needed. Pieces of different lengths come with a frame mask;
            streams.StreamPieces give one array for each stream.
        targets: dict of arrays, "clip" (N, K), dense or scipy.sparse, and perhaps "frame"
            (N, T', K), in [0, 1] or NaN.
        sampler: step -> indices (B,), see sampling.
        mean, std: float or float32 (F,), see features.statistics; dicts of them for streams.
        mixup_alpha: float > 0; mixup_rate: float in [0, 1], 0 is off.
        seed: int >= 0, of the mixup.

    Call: step, int >= 0 -> x (B, T, F), or a dict of streams, "frame_mask" bool (B, T) among them
        where clips differ in length ("audio" is the name of a single stream);
        y {output: float32}, weight {output: float32 (B,) or (B, T')}.
    Raises: ValueError when a target has another number of clips than the features, or a mixup
        argument is out of bounds, or clips of different lengths are to be mixed.
    Source: mixup, Zhang et al. 2018, https://arxiv.org/abs/1710.09412.
    """

    def __init__(self, values, targets, sampler, *, mean, std, mixup_alpha=0.2, mixup_rate=0.0,
                 seed=0):
        for key, target in targets.items():
            if target.shape[0] != len(values):
                raise ValueError(f"`targets[{key!r}]` must have one row per clip ({len(values)}). "
                                 f"Received: {target.shape[0]}")
        if not 0 <= mixup_rate <= 1:
            raise ValueError("`mixup_rate` must lie in [0, 1]. "
                             f"Received: mixup_rate={mixup_rate!r}")
        if mixup_rate and not mixup_alpha > 0:
            raise ValueError("`mixup_alpha` must be positive. "
                             f"Received: mixup_alpha={mixup_alpha!r}")
        self.values = values
        self.targets = targets
        self.sampler = sampler
        if mixup_rate and self.is_ragged:
            raise ValueError("`mixup_rate` must be 0 for clips of different lengths. "
                             f"Received: mixup_rate={mixup_rate!r}")
        self._scale = _scale(mean, std)
        self.mixup_alpha = mixup_alpha
        self.mixup_rate = mixup_rate
        self.seed = seed

    def __call__(self, step):
        clips = self.sampler(int(step))
        x = _standardised(self.values[clips], self._scale)                     # (B, T, F)
        y = {key: _rows(target, clips) for key, target in self.targets.items()}
        if self.mixup_rate:
            share, partner = self.mixing(step, len(clips))
            x = ({key: _mix(part, share, partner) for key, part in x.items()}
                 if isinstance(x, dict) else _mix(x, share, partner))
            y = {key: _mix(target, share, partner) for key, target in y.items()}
        weight = {key: np.isfinite(target).all(axis=-1).astype(np.float32)     # (B,) or (B, T')
                  for key, target in y.items()}
        if self.is_ragged:
            mask = self.values.frame_mask(clips)
            parts = x if isinstance(x, dict) else {"audio": x}
            x = {key: np.where(mask[:, :, None], part, np.float32(0))
                 for key, part in parts.items()} | {"frame_mask": mask}
        return x, {key: target if weight[key].all() else np.nan_to_num(target)
                   for key, target in y.items()}, weight

    @property
    def x_shape(self):
        """Of x without the batch: (T, F), or of each of its parts by name."""
        shape = self.values.shape
        parts = shape if isinstance(shape, dict) else {"audio": shape}
        parts = {key: tuple(part[1:]) for key, part in parts.items()}
        if self.is_ragged:
            return {**parts, "frame_mask": (None,)}
        return parts if isinstance(shape, dict) else parts["audio"]

    @property
    def is_ragged(self):
        """Whether batches have a frame mask."""
        shape = self.values.shape
        shapes = shape.values() if isinstance(shape, dict) else [shape]
        return any(part[1] is None for part in shapes)

    def mixing(self, step, num_clips):
        """What mixup does at a step: shares l, float32 (B,), 1 for untouched, and partners (B,)."""
        draw = np.random.default_rng((self.seed, _MIXUP, int(step)))
        share = draw.beta(self.mixup_alpha, self.mixup_alpha, num_clips).astype(np.float32)
        chosen = draw.random(num_clips) < self.mixup_rate
        return np.where(chosen, share, np.float32(1)), draw.permutation(num_clips)


def _scale(mean, std):
    """Mean and deviation, float32 or dicts of it; no deviation is 0."""
    if isinstance(mean, dict):
        return {key: _scale(mean[key], std[key]) for key in mean}
    return np.asarray(mean, np.float32), np.maximum(np.asarray(std, np.float32), np.float32(1e-6))


def _standardised(x, scale):
    if isinstance(x, dict):
        return {key: _standardised(part, scale[key]) for key, part in x.items()}
    x = x.astype(np.float32)            # a copy, changed in place from here on
    x -= scale[0]
    x /= scale[1]
    return x


def _rows(target, clips):
    """Rows of a target, dense float32."""
    rows = target[clips]
    return np.asarray(rows.toarray() if sparse.issparse(rows) else rows, np.float32)


def _mix(values, share, partner):
    share = share.reshape(-1, *(1,) * (values.ndim - 1))
    # An untouched clip must not catch the NaN of a partner that has no say: 0 * NaN is NaN.
    return np.where(share == 1, values, share * values + (1 - share) * values[partner])
