"""The numbers of a training batch: gathered, standardised, mixed up. NumPy, one step at a time."""

import numpy as np

_MIXUP = 1_000_000      # keeps the random stream of mixup apart from the sampler's


class Batches:
    """Features and targets -> the batch of any step; the same step gives the same batch.

    Mixup, clip by clip with probability mixup_rate: x <- l x + (1 - l) x', y <- l y + (1 - l) y'
    with l ~ Beta(alpha, alpha) and x', y' another clip of the batch; clip and frame targets share
    l. Targets that are NaN (unlabelled, or weakly labelled among strong) get weight 0, output by
    output, and so do those mixed with such a one.

    Args:
        values: float array (N, T, F), raw features; a memory map is read as needed.
        targets: dict of arrays, "clip" (N, K) and perhaps "frame" (N, T', K), in [0, 1] or NaN.
        sampler: step -> indices (B,), see sampling.
        mean, std: float32 (F,), see features.statistics.
        mixup_alpha: float > 0; mixup_rate: float in [0, 1], 0 is off.
        seed: int >= 0, of the mixup.

    Call: step, int >= 0 -> x (B, T, F), y {output: float32}, weight {output: float32 (B,) or
        (B, T')}.
    Raises: ValueError when a target has another number of clips than the features, or a mixup
        argument is out of bounds.
    Source: mixup, Zhang et al. 2018, https://arxiv.org/abs/1710.09412.
    """

    def __init__(self, values, targets, sampler, *, mean, std, mixup_alpha=0.2, mixup_rate=0.0,
                 seed=0):
        for key, target in targets.items():
            if len(target) != len(values):
                raise ValueError(f"`targets[{key!r}]` must have one row per clip ({len(values)}). "
                                 f"Received: {len(target)}")
        if not 0 <= mixup_rate <= 1:
            raise ValueError("`mixup_rate` must lie in [0, 1]. "
                             f"Received: mixup_rate={mixup_rate!r}")
        if mixup_rate and not mixup_alpha > 0:
            raise ValueError("`mixup_alpha` must be positive. "
                             f"Received: mixup_alpha={mixup_alpha!r}")
        self.values = values
        self.targets = targets
        self.sampler = sampler
        self.mean = np.asarray(mean, np.float32)
        self.std = np.maximum(np.asarray(std, np.float32), np.float32(1e-6))
        self.mixup_alpha = mixup_alpha
        self.mixup_rate = mixup_rate
        self.seed = seed

    def __call__(self, step):
        clips = self.sampler(int(step))
        x = (self.values[clips] - self.mean) / self.std                        # (B, T, F)
        y = {key: np.asarray(target[clips], np.float32) for key, target in self.targets.items()}
        if self.mixup_rate:
            share, partner = self.mixing(step, len(clips))
            x = _mix(x, share, partner)
            y = {key: _mix(target, share, partner) for key, target in y.items()}
        weight = {key: np.isfinite(target).all(axis=-1).astype(np.float32)     # (B,) or (B, T')
                  for key, target in y.items()}
        return x, {key: np.nan_to_num(target) for key, target in y.items()}, weight

    def mixing(self, step, num_clips):
        """What mixup does at a step: shares l, float32 (B,), 1 for untouched, and partners (B,)."""
        draw = np.random.default_rng((self.seed, _MIXUP, int(step)))
        share = draw.beta(self.mixup_alpha, self.mixup_alpha, num_clips).astype(np.float32)
        chosen = draw.random(num_clips) < self.mixup_rate
        return np.where(chosen, share, np.float32(1)), draw.permutation(num_clips)


def _mix(values, share, partner):
    share = share.reshape(-1, *(1,) * (values.ndim - 1))
    # An untouched clip must not catch the NaN of a partner that has no say: 0 * NaN is NaN.
    return np.where(share == 1, values, share * values + (1 - share) * values[partner])
