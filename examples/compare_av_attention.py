"""Does attention across streams point at the right frames: its mass there, against chance."""

from dataclasses import dataclass

import numpy as np
from compare_av_scenes import LABELS, SEEN, inside

MOST = 7            # of ten frames; a longer interval leaves little to point past
NUM_SHUFFLES = 999


@dataclass(frozen=True)
class Pointing:
    """Where a clip's queries look; of clips with one event, whose object is in the picture.

    Args:
        mass: float (N, H), share of a head's weights on the true keys, mean over the queries inside
            the event; outside: the same of the queries outside it, NaN where there are none.
        chance: float (N,), share of the keys that are true.
        shuffled: float (N, H), mass on the true keys of another clip, as often as `other_chance`.
        p_value: float (H,), share of shuffles that have as much mass over chance, in all clips.
    """

    mass: np.ndarray
    outside: np.ndarray
    chance: np.ndarray
    shuffled: np.ndarray
    other_chance: np.ndarray
    p_value: np.ndarray

    def lift(self):
        """Mass over chance of each head, (H,), 1 for a head that looks anywhere."""
        return self.mass.mean(axis=0) / self.chance.mean()


def intervals(manifest, shows):
    """Clips with a single event of a class that is seen, and its frames in both streams.

    Args:
        manifest: Manifest with events; shows: bool (N, T, K), see compare_av_scenes.watch.
    Returns: clips, int64 (M,); dict of stream -> bool (M, T): segments of sound whose middle lies
        in the event, and stills that show it.
    """
    clips, heard, seen = [], [], []
    for i, clip in enumerate(manifest.clips):
        if len(clip.events) != 1 or clip.events[0].label not in SEEN:
            continue
        sounds = inside(clip.events[0].onset, clip.events[0].offset)
        stills = shows[i, :, LABELS.index(clip.events[0].label)]
        if 0 < sounds.sum() <= MOST and 0 < stills.sum() <= MOST:
            clips.append(i)
            heard.append(sounds)
            seen.append(stills)
    return np.array(clips, np.int64), {"audio": np.array(heard), "video": np.array(seen)}


def pointing(weights, queries, keys, seed=0):
    """Pointing of attention weights.

    Args:
        weights: float (N, T, H, T'), of the keys for each query frame, >= 0 and of any sum.
        queries: bool (N, T), the query frames inside the event; keys: bool (N, T'), the true ones.
        seed: int, of the shuffles.
    """
    weights = weights / np.maximum(weights.sum(axis=-1, keepdims=True), 1e-12)
    on_event = _mean_over(weights, queries)                                     # (N, H, T')
    rest = _mean_over(weights, ~queries)
    draw = np.random.default_rng(seed)
    mass, chance = np.einsum("nht,nt->nh", on_event, keys), keys.mean(axis=1)
    found = (mass - chance[:, None]).mean(axis=0)
    # Of all pairs of clips: attention of one, interval of the other.
    every = np.einsum("nht,mt->nmh", on_event, keys)                            # (N, N, H)
    over = every - chance[None, :, None]
    rows, as_much = np.arange(len(keys)), np.zeros(weights.shape[2])
    for _ in range(NUM_SHUFFLES):
        as_much += over[rows, draw.permutation(len(keys))].mean(axis=0) >= found - 1e-9
    others = ~np.eye(len(keys), dtype=bool)
    count = max(1, len(keys) - 1)
    return Pointing(
        mass, np.einsum("nht,nt->nh", rest, keys), chance,
        np.einsum("nmh,nm->nh", every, others) / count, (others @ chance) / count,
        (1 + as_much) / (1 + NUM_SHUFFLES))


def _mean_over(weights, queries):
    """(N, T, H, T') and (N, T) -> (N, H, T'), NaN for clips without such a query."""
    counts = queries.sum(axis=1).astype(float)
    sums = np.einsum("nqht,nq->nht", weights, queries)
    return sums / np.where(counts, counts, np.nan)[:, None, None]
