"""The scores, claims and tables of compare_mmnet.py."""

import math
from dataclasses import dataclass

import numpy as np

from sedzoo.evaluation.clip import best_thresholds, clip_scores, decide
from sedzoo.evaluation.counts import macro
from sedzoo.evaluation.ranking import rank_clips
from sedzoo.evaluation.significance import holm, over_runs, t_test

BINS_S = {"under 1 s": (0, 1), "1 to 3 s": (1, 3), "over 3 s": (3, math.inf)}
METRICS = ("mAP", "AUC", "F1", *BINS_S)
SHORT, LONG = 3, -1   # of METRICS
MIN_CLIPS = 5         # with fewer, a class has no average precision in a bin
ALPHA = 0.05

# What is said to beat what in mAP, by keys of rows.
ATTENTION = ("att", "spda", "mmnet")
NO_ATTENTION = ("convnet", "max", "mean", "wlat", "slat", "plat")
CLAIMS = {
    "Attention over none (means of the rows)": (ATTENTION, NO_ATTENTION),
    "ResNet-ATT over ResNet, mean": (("att",), ("mean",)),
    "ResNet-SPDA over ResNet, mean": (("spda",), ("mean",)),
    "M&mnet over ResNet, mean": (("mmnet",), ("mean",)),
    "M&mnet over ResNet-ATT": (("mmnet",), ("att",)),
    "M&mnet-MS over ResNet-ATT": (("ms",), ("att",)),
    "M&mnet-MS over M&mnet": (("ms",), ("mmnet",)),
    "EP over no EP": (("mmnet",), ("no_ep",)),
    "M&mnet (`repo`) over ResNet-ATT": (("repo",), ("att",)),
    "M&mnet (`repo`) over M&mnet": (("repo",), ("mmnet",)),
}
# Whose gain over ResNet, mean, is said to be largest for short events.
GAINS = ("mmnet", "ms", "repo")
WORDS = ("holds", "undecided, in favour", "undecided, against", "the reverse holds", "not tested")


# -- scores ------------------------------------------------------------------------------------


def scores(valid, test, said_valid, said_test):
    """METRICS of each class, (6, K); what was said are probabilities (N, K).

    F1 is at each class's threshold of highest F1 on `valid`.
    """
    tags = test.tags()
    precision, auc = rank_clips(tags > 0, said_test)
    thresholds = best_thresholds(valid.tags(), said_valid)
    decided = clip_scores(tags, decide(said_test, thresholds, at_least_one=False),
                          labels=test.labels)
    f1 = [decided.per_class[label].f1 for label in test.labels]
    lengths = longest(test)
    return np.array([precision, auc, f1, *(precision_of(lengths, said_test, *bin_s)
                                           for bin_s in BINS_S.values())])


def longest(manifest):
    """Seconds of each class's longest event in each clip, (N, K); 0 where there is none."""
    lengths = np.zeros((len(manifest), len(manifest.labels)))
    for row, clip in zip(lengths, manifest.clips, strict=True):
        for event in clip.events:
            k = manifest.labels.index(event.label)
            row[k] = max(row[k], event.offset - event.onset)
    return lengths


def lasting(lengths, from_s, to_s):
    """Whose longest event lasts from_s up to, but not, to_s, bool (N, K)."""
    return (lengths > 0) & (lengths >= from_s) & (lengths < to_s)


def precision_of(lengths, said, from_s, to_s):
    """Average precision of each class (K,) among its clips of this duration and all clips without
    it; NaN for fewer than MIN_CLIPS of the first."""
    wanted = lasting(lengths, from_s, to_s)
    rates = np.full(lengths.shape[1], math.nan)
    for k in np.flatnonzero(wanted.sum(axis=0) >= MIN_CLIPS):
        some = wanted[:, k] | (lengths[:, k] == 0)
        rates[k] = rank_clips(wanted[some, k:k + 1], said[some, k:k + 1])[0][0]
    return rates


# -- claims ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Verdict:
    """A claim put to the test.

    Args:
        published: float, the paper's difference in points, or NaN.
        mean, std: float, the difference here, over seeds; NaN where no class has both.
        num_for: int, classes that agree in their means over seeds; num_classes: int, compared.
        p_value: float, of a paired t-test over them.
    """

    claim: str
    published: float
    mean: float
    std: float
    num_for: int
    num_classes: int
    p_value: float

    @property
    def word(self):
        if math.isnan(self.mean):
            return "not tested"
        if self.p_value < ALPHA:
            return "holds" if self.mean > 0 else "the reverse holds"
        return "undecided, " + ("in favour" if self.mean > 0 else "against")


def verdicts(systems, rows):
    """What becomes of CLAIMS, and of GAINS.

    Args:
        systems: dict of row -> METRICS by seed and class, (S, 6, K).
        rows: dict of row -> its `name` and `published` mAP, AUC and F1, or None.
    Returns: list of Verdict.
    """
    found = []
    for claim, pair in CLAIMS.items():
        printed = [np.mean([(rows[key].published or [math.nan])[0] for key in keys])
                   for keys in pair]
        ours = (np.mean([systems[key][:, 0] for key in keys], axis=0) for keys in pair)
        found.append(_verdict(claim, printed[0] - printed[1], *ours))
    for key in GAINS:
        gain = systems[key] - systems["mean"]
        found.append(_verdict(f"{rows[key].name} gains more in short events than in long",
                              math.nan, gain[:, SHORT], gain[:, LONG]))
    return found


def _verdict(claim, published, first, second):
    """First and second: (S, K)."""
    by_seed = np.array([macro(of_class)[0] for of_class in 100 * (first - second)])
    std = by_seed.std(ddof=1) if len(by_seed) > 1 else math.nan
    test = t_test(first.mean(axis=0), second.mean(axis=0))
    num_for = int((first.mean(axis=0) > second.mean(axis=0)).sum())
    return Verdict(claim, float(published), float(by_seed.mean()), float(std), num_for,
                   test.num_pairs, test.p_value)


# -- tables ------------------------------------------------------------------------------------


def tables(systems, rows, test):
    """Dict of Markdown: "scores", "durations", "claims", and "summary" of these.

    Args:
        systems, rows: as verdicts. test: Manifest with events.
    """
    found = verdicts(systems, rows)
    summary = [f"**{word.capitalize()}:** "
               f"{'; '.join(each.claim for each in found if each.word == word)}."
               for word in WORDS if any(each.word == word for each in found)]
    return {"scores": _scores(systems, rows), "durations": _durations(systems, rows, longest(test)),
            "claims": _claims(found), "summary": "\n\n".join(summary)}


def _scores(systems, rows):
    lines = []
    for key, row in rows.items():
        printed = [f" ({value})" for value in row.published] if row.published else [""] * 3
        lines.append([row.name, *(spread(systems[key][:, i]) + printed[i] for i in range(SHORT))])
    return _table(["System", *METRICS[:SHORT]], lines)


def _durations(systems, rows, lengths):
    lines = [[row.name, *(spread(systems[key][:, i]) for i in range(SHORT, len(METRICS)))]
             for key, row in rows.items()]
    counts = [lasting(lengths, *bin_s).sum(axis=0) for bin_s in BINS_S.values()]
    scored = [count[count >= MIN_CLIPS] for count in counts]
    return _table(["System", *BINS_S],
                  [*lines, ["Classes scored", *(str(len(count)) for count in scored)],
                   ["Their positive clips", *(str(count.sum()) for count in scored)]])


def _claims(found):
    corrected = holm([each.p_value for each in found])
    return _table(
        ["Claim", "Paper", "Here", "Classes", "p", "Holm", "Verdict"],
        [[each.claim, "" if math.isnan(each.published) else f"{each.published:+.1f}",
          f"{each.mean:+.1f}" + ("" if math.isnan(each.std) else f" ± {each.std:.1f}"),
          f"{each.num_for} of {each.num_classes}", f"{each.p_value:.3f}", f"{after:.3f}",
          each.word] for each, after in zip(found, corrected, strict=True)])


def _table(head, lines):
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *lines))


def spread(values):
    """(S, K) -> mean and deviation over seeds of the mean over classes, "61.2 ± 0.8" percent."""
    of_seeds = [100 * macro(of_class)[0] for of_class in values]
    if not np.isfinite(of_seeds).all():
        return "-"
    runs = over_runs(of_seeds)
    return f"{runs.mean:.1f}" + (f" ± {runs.std:.1f}" if runs.num_runs > 1 else "")
