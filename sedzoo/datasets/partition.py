"""Parts of a data set: what is held out, and what a training may know of the rest."""

import warnings
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

    kinds = _kinds(manifest, 2)
    sizes = Counter(kinds).values()
    enough = min(sizes, default=0) > 1 and share * len(kinds) >= len(sizes)
    kept, held = train_test_split(np.arange(len(kinds)), test_size=share, random_state=seed,
                                  stratify=kinds if enough else None)
    return tuple(replace(manifest, clips=tuple(manifest.clips[i] for i in sorted(part)))
                 for part in (kept, held))


def hold_out_end(manifest, num_held, end="last"):
    """Split a Manifest in two by the order of its clips, as they are listed.

    Args:
        manifest: Manifest, with the clips that have no audio file still in their places.
        num_held: int > 0, clips that are held out.
        end: "last" or "first", which ones.
    Returns: Manifest to train on, Manifest held out.
    Raises: ValueError for another end, or a number that leaves one of them empty.
    Source: Xu 2018 (thesis), Table 8: of the 9,473 training clips of FSDKaggle2018 the extractors
        named "First" train on 1 to 8000, which holds out the last 1,473, and those named "Last"
        on 1474 to 9473, which holds out the first.
    """
    if end not in ("first", "last"):
        raise ValueError(f'`end` must be "first" or "last". Received: end={end!r}')
    if not (isinstance(num_held, int) and 0 < num_held < len(manifest)):
        raise ValueError(f"`num_held` must be an int in [1, {len(manifest) - 1}] for "
                         f"{len(manifest)} clips. Received: num_held={num_held!r}")
    at = num_held if end == "first" else len(manifest) - num_held
    parts = [replace(manifest, clips=clips) for clips in (manifest.clips[:at], manifest.clips[at:])]
    return tuple(parts[::-1] if end == "first" else parts)


def k_folds(manifest, num_folds=5, *, groups=None, seed=0):
    """A Manifest whose clips have the folds 0 to num_folds - 1 instead of those they had.

    Every class is spread evenly over the folds; of clips with several labels, every combination of
    labels; unlabelled clips are a kind of their own. Kinds with fewer clips than there are folds
    are spread together, as one. Clips of one group share a fold, and the spread is as even as they
    allow.

    Args:
        manifest: Manifest; its folds are overwritten.
        num_folds: int > 1.
        groups: function(Clip) -> key, equal for clips that must not be parted: copies, or takes of
            one recording. Defaults to a group for each clip.
        seed: int >= 0.
    Returns: Manifest, the clips in their order; `folds` of it gives the parts.
    Raises: ValueError for fewer groups than folds.
    """
    # Only a training needs it, and importing scikit-learn takes a second.
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    keys = range(len(manifest)) if groups is None else map(groups, manifest.clips)
    numbers = {}
    members = [numbers.setdefault(key, len(numbers)) for key in keys]
    if not (isinstance(num_folds, int) and 2 <= num_folds <= len(numbers)):
        raise ValueError(f"`num_folds` must be an int in [2, {len(numbers)}] for {len(numbers)} "
                         f"clips or groups of clips. Received: num_folds={num_folds!r}")
    splitter = StratifiedKFold if groups is None else StratifiedGroupKFold
    splits = splitter(num_folds, shuffle=True, random_state=seed).split(
        members, _kinds(manifest, num_folds), None if groups is None else members)
    folds = {}
    with warnings.catch_warnings():
        # Rare kinds, together, may still be fewer than the folds.
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        for fold, (_, held) in enumerate(splits):
            folds.update(dict.fromkeys(held.tolist(), fold))
    return replace(manifest, clips=tuple(replace(clip, fold=folds[i])
                                         for i, clip in enumerate(manifest.clips)))


def _kinds(manifest, enough):
    """Each clip's labels as text, "rare" where fewer than `enough` clips have the same."""
    kinds = [clip.labels for clip in manifest.clips]
    counts = Counter(kinds)
    return [str(kind) if counts[kind] >= enough else "rare" for kind in kinds]
