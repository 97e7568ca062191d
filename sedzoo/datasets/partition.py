"""Parts of a data set: what is held out, and what a training may know of the rest."""

from collections import Counter
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


def hold_out(manifest, share, seed=0):
    """Split a labelled Manifest in two, each class in the same shares where it has enough clips.

    Args:
        manifest: Manifest.
        share: float in (0, 1), of the clips that are held out.
        seed: int >= 0.
    Returns: Manifest to train on, Manifest held out; both keep the order of the clips.
    Raises: ValueError when the share leaves one of them empty.
    """
    # Only a training needs it, and importing scikit-learn takes a second.
    from sklearn.model_selection import train_test_split

    kinds = [clip.labels for clip in manifest.clips]
    counts = Counter(kinds)
    kinds = [str(kind) if counts[kind] > 1 else "rare" for kind in kinds]
    sizes = Counter(kinds).values()
    enough = min(sizes, default=0) > 1 and share * len(kinds) >= len(sizes)
    kept, held = train_test_split(np.arange(len(kinds)), test_size=share, random_state=seed,
                                  stratify=kinds if enough else None)
    return tuple(replace(manifest, clips=tuple(manifest.clips[i] for i in sorted(part)))
                 for part in (kept, held))
