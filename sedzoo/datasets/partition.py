"""What a training may know of its clips: strong, weak and unlabelled parts."""

from dataclasses import replace

import numpy as np


def partition(manifest, *, strong, weak=0.0, unlabelled=0.0, seed=0):
    """Split a strongly labelled Manifest by what a training may know of its clips.

    Args:
        manifest: Manifest.
        strong, weak, unlabelled: float shares in [0, 1] whose sum is 1. Weak clips keep their
            labels and lose their events; unlabelled ones lose both.
        seed: int >= 0 of the shuffle.
    Returns: dict with the keys "strong", "weak", "unlabelled" of disjoint Manifests, together all
        clips, each in the order of `manifest`.
    Raises: ValueError when the shares do not add up.
    """
    shares = {"strong": strong, "weak": weak, "unlabelled": unlabelled}
    if min(shares.values()) < 0 or abs(sum(shares.values()) - 1) > 1e-9:
        raise ValueError(f"`strong`, `weak` and `unlabelled` must be shares that add up to 1. "
                         f"Received: {shares}")
    order = np.random.default_rng(seed).permutation(len(manifest))
    edges = np.round(np.cumsum([0, *shares.values()]) * len(manifest)).astype(int)
    lost = {"strong": {}, "weak": {"events": None}, "unlabelled": {"labels": None, "events": None}}
    return {key: replace(manifest, name=f"{manifest.name}/{key}", clips=tuple(
                replace(manifest.clips[i], **lost[key]) for i in sorted(order[start:stop])))
            for key, start, stop in zip(shares, edges[:-1], edges[1:], strict=True)}
