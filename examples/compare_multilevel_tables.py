"""The scores, claims and tables of compare_multilevel.py."""

import math
from dataclasses import dataclass

import numpy as np
from compare_mmnet_tables import ALPHA, WORDS, Verdict, spread

import sedzoo
from sedzoo.evaluation.clip_metrics import class_metric
from sedzoo.evaluation.counts import macro
from sedzoo.evaluation.significance import holm, t_test
from sedzoo.training import fuse
from sedzoo.training.recipes.xu2018thesis import PUBLISHED_P

METRICS = ("MAP@3", "Accuracy", "mAP", "MAP@3, one extractor", "MAP@3, folds 1-3")
MAP_AT_3, PRECISION, ONE, HELD = 0, 2, 3, 4     # of METRICS

# What is said to beat what in MAP@3, by keys of rows.
CLAIMS = {
    "level-123 over VGGish's own head": ("f", "vggish"),
    "LSTM over 1 segment": ("b", "a"),
    "Attention on 5 segments over 1 segment": ("c", "a"),
    "Attention on 5 segments over LSTM": ("c", "b"),
    "Pitch shift over none": ("d", "c"),
    "Mixtures over none": ("f", "d"),
    "Mixtures over none, without pitch shift": ("mixed", "c"),
    **{f"level-123 over level-{levels}": ("f", f"level-{levels}")
       for levels in ("1", "2", "3", "12", "13", "23")},
    "5 segments over 1": ("f", "1-segment"),
    "5 segments over 2": ("f", "2-segment"),
    "5 segments over 3": ("f", "3-segment"),
    "5 segments over all lengths together": ("f", "all"),
    "5 segments over whole clips": ("d", "whole"),
    "Attention (level-3) over the mean (DNN)": ("level-3", "dnn"),
    "Attention by the text over `yu2018`": ("f", "yu2018"),
    "Final dense over none": ("f", "direct"),
}
ENSEMBLE = "Three extractors over one (1 segment)"


# -- scores ------------------------------------------------------------------------------------


def scores(said, heard):
    """METRICS of each class, (5, K), of a system on all extractors.

    Args:
        said: list of dicts, one an extractor, of clip probabilities (N, K): "held", of the fold
            that it was stopped on, "unseen", of fold 4.
        heard: list of objects with Embeddings of these clips, `held` and `unseen`.
    """
    tags = heard[0].unseen.tags.toarray()
    together = fuse(said, "geometric")["unseen"]
    held_tags = np.concatenate([each.held.tags.toarray() for each in heard])
    held = np.concatenate([each["held"] for each in said])
    return np.array([
        *(class_metric(name, tags, together)
          for name in ("map_at_3", "accuracy", "average_precision")),
        np.mean([class_metric("map_at_3", tags, each["unseen"]) for each in said], axis=0),
        class_metric("map_at_3", held_tags, held)])


# -- claims ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Finding(Verdict):
    """A Verdict, and besides:

    Args:
        published_p: float, the thesis' p-value, one-sided, or NaN.
        held: float, the difference in points on the folds left out.
    """

    published_p: float
    held: float


def findings(systems, rows):
    """What becomes of CLAIMS, and of ENSEMBLE.

    Args:
        systems: dict of row -> METRICS by seed and class, (S, 5, K); claims about others are left
            out.
        rows: dict of row -> its `of`, the thesis' recipe, and whether its score is `quoted`.
    Returns: list of Finding.
    """
    found = []
    for claim, pair in CLAIMS.items():
        if not set(pair) <= set(systems):
            continue
        first, second = (systems[key] for key in pair)
        found.append(_finding(
            claim, published(rows[pair[0]]) - published(rows[pair[1]]),
            first[:, MAP_AT_3], second[:, MAP_AT_3], _published_p(*(rows[key] for key in pair)),
            100 * float(np.mean(first[:, HELD] - second[:, HELD]))))
    if "a" in systems:
        alone = [_score(member) for member in sedzoo.recipe("xu2018thesis/1-segment").members]
        found.append(_finding(ENSEMBLE, published(rows["a"]) - np.mean(alone),
                              systems["a"][:, MAP_AT_3], systems["a"][:, ONE]))
    return found


def published(row):
    """The thesis' MAP@3 in percent, or NaN."""
    return _score(f"xu2018thesis/{row.of}") if row.quoted else math.nan


def _score(id):
    return 100 * sedzoo.recipe(id).published["test"]["map_at_3"]


def _published_p(first, second):
    pair = tuple(f"xu2018thesis/{row.of}" for row in (first, second))
    if not (first.quoted and second.quoted):
        return math.nan
    return next((table[key] for table in PUBLISHED_P.values() for key in (pair, pair[::-1])
                 if key in table), math.nan)


def _finding(claim, thesis, first, second, published_p=math.nan, held=math.nan):
    """First and second: (S, K)."""
    by_seed = np.array([macro(of_class)[0] for of_class in 100 * (first - second)])
    test = t_test(first.mean(axis=0), second.mean(axis=0))
    return Finding(
        claim=claim, published=float(thesis), mean=float(by_seed.mean()),
        std=float(by_seed.std(ddof=1)) if len(by_seed) > 1 else math.nan,
        num_for=int((first.mean(axis=0) > second.mean(axis=0)).sum()),
        num_classes=test.num_pairs, p_value=test.p_value, published_p=published_p, held=held)


# -- tables ------------------------------------------------------------------------------------


def tables(systems, rows, labels):
    """Dict of Markdown: "scores", "precisions", "claims", and "summary" of these.

    Args:
        systems, rows: as findings. labels: K names of classes.
    """
    found = findings(systems, rows)
    corrected = holm([each.p_value for each in found])
    sure = [each.claim for each, p in zip(found, corrected, strict=True) if p < ALPHA]
    summary = [f"**{word.capitalize()}:** "
               f"{'; '.join(each.claim for each in found if each.word == word)}."
               for word in WORDS if any(each.word == word for each in found)]
    both = [each for each in found if not math.isnan(each.held)]
    same = [each for each in both if each.mean * each.held > 0]
    summary += [f"**Still below {ALPHA} after Holm:** {'; '.join(sure) or 'none'}.",
                f"**Of the same sign on folds 1 to 3:** {len(same)} of {len(both)}."]
    return {"scores": _scores(systems, rows), "precisions": _precisions(systems, rows, labels),
            "claims": _claims(found, corrected), "summary": "\n\n".join(summary)}


def _scores(systems, rows):
    lines = []
    for key, values in systems.items():
        thesis = f" ({published(rows[key]):.1f})" if rows[key].quoted else ""
        ours = [spread(values[:, i]) for i in range(len(METRICS))]
        lines.append([rows[key].name, ours[MAP_AT_3] + thesis, *ours[1:]])
    return _table(["System", *METRICS], lines)


def _precisions(systems, rows, labels):
    return _table(["System", *labels], [
        [rows[key].name, *(f"{100 * value:.0f}" for value in values[:, PRECISION].mean(axis=0))]
        for key, values in systems.items()])


def _claims(found, corrected):
    return _table(
        ["Claim", "Thesis", "Its p", "Fold 4", "Classes", "p", "Holm", "Folds 1-3", "Verdict"],
        [[each.claim, _signed(each.published), _plain(each.published_p),
          _signed(each.mean) + ("" if math.isnan(each.std) else f" ± {each.std:.1f}"),
          f"{each.num_for} of {each.num_classes}", _plain(each.p_value), _plain(after),
          _signed(each.held), each.word] for each, after in zip(found, corrected, strict=True)])


def _signed(points):
    return "" if math.isnan(points) else f"{points:+.1f}"


def _plain(p):
    return "" if math.isnan(p) else f"{p:.3f}"


def _table(head, lines):
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *lines))
