"""The scores and tables of compare_av.py."""

from dataclasses import dataclass

import numpy as np
from compare_av_attention import NUM_SHUFFLES, pointing
from compare_av_scenes import KINDS, LABELS

from sedzoo.evaluation import (
    Summed,
    best_threshold,
    class_metric,
    holm,
    over_runs,
    paired_bootstrap,
    t_test,
)

ALPHA = 0.05
COLUMNS = {kind: [LABELS.index(label) for label in labels] for kind, labels in KINDS.items()}


@dataclass(frozen=True)
class Answers:
    """What a trained system says.

    Args:
        valid, test: float (N, K), probabilities. attention_valid, attention_test: (M, T, H, T'),
            of the last decoder block, for the clips that compare_av_attention.intervals picks.
        num_epochs, num_weights: int.
    """

    valid: np.ndarray
    test: np.ndarray
    attention_valid: np.ndarray
    attention_test: np.ndarray
    num_epochs: int
    num_weights: int

    def counts(self, tags):
        """Of every scene to score and every class: hits, decided, tagged, int (N, K, 3).

        Args:
            tags: dict of part -> (N, K); the threshold is that of "valid".
        """
        threshold = best_threshold(tags["valid"], self.valid)
        decided, there = self.test > self.test.dtype.type(threshold), tags["test"] > 0
        return np.stack([decided & there, decided, there], axis=-1).astype(int)

    def f1(self, tags, classes=slice(None)):
        return float(micro_f1(self.counts(tags)[:, classes].sum(axis=(0, 1))[None])[0])

    def precisions(self, tags):
        """Average precision of each class, (K,)."""
        return class_metric("average_precision", tags["test"], self.test)


def micro_f1(sums):
    """Sums of hits, decided, tagged (R, 3) -> F1 (R,)."""
    return 2 * sums[:, 0] / np.maximum(1, sums[:, 1] + sums[:, 2])


def tables(systems, rules, tags, where):
    """Dict of Markdown, and of the numbers that go with it.

    Args:
        systems: dict of row -> list of Answers, one a seed; rules: dict of row -> Recipe.
        tags: dict of part -> (N, K); where: dict of part -> what `intervals` returns.
    """
    found = comparisons(systems, rules, tags)
    looks = {key: looking(systems[key], rules[key], where) for key in rules
             if len(streams(rules[key])) > 1}
    return {"scores": _scores(systems, rules, tags),
            "comparisons": _compared(found), "verdict": _verdict(found, systems, rules, tags),
            "attention": _attention(looks, rules), "attention_words": _words(looks, rules),
            "num_pointed": len(where["test"][0]), "num_pointed_valid": len(where["valid"][0]),
            "num_shuffles": NUM_SHUFFLES}


def streams(rule):
    return {rule.arguments["first"], rule.arguments["second"]}


def name(rule):
    positions = "/".join(rule.arguments["positions"]) or "none"
    return [rule.arguments["first"], rule.arguments["second"], positions,
            rule.arguments["attention"].replace("_", " ")]


# -- scores ------------------------------------------------------------------------------------


def _scores(systems, rules, tags):
    lines = []
    for key, rule in rules.items():
        each = systems[key]
        published = rule.published["evaluation_with_video"]["f1"]
        lines.append([
            f"`{key}`", *name(rule), f"{spread([one.f1(tags) for one in each])} ({published})",
            spread([np.nanmean(one.precisions(tags)) for one in each]),
            *(spread([one.f1(tags, classes) for one in each]) for classes in COLUMNS.values()),
            "/".join(str(int(one.num_epochs)) for one in each), str(int(each[0].num_weights))])
    return table(["System", "First", "Second", "Positions", "Attention", "F1", "mAP", *COLUMNS,
                  "Epochs", "Weights"], lines)


# -- both against one --------------------------------------------------------------------------


def comparisons(systems, rules, tags):
    """Every system of two streams against every one of one: list of (row, row, Comparison of F1,
    TTest of average precision)."""
    counts = {key: sum(one.counts(tags).sum(axis=1) for one in each)            # (N, 3)
              for key, each in systems.items()}
    precisions = {key: np.mean([one.precisions(tags) for one in each], axis=0)
                  for key, each in systems.items()}
    return [(both, alone,
             paired_bootstrap(Summed(micro_f1, np.stack([counts[both], counts[alone]]))),
             t_test(precisions[both], precisions[alone]))
            for both in rules if len(streams(rules[both])) > 1
            for alone in rules if len(streams(rules[alone])) == 1]


def _compared(found):
    of_f1, of_ap = (holm([each[i].p_value for each in found]) for i in (2, 3))
    return table(
        ["Both", "One", "F1", "95 % interval", "p", "Holm", "AP", "p", "Holm"],
        [[f"`{both}`", f"`{alone}`", f"{100 * f1.difference:+.1f}",
          f"{100 * f1.low:+.1f} to {100 * f1.high:+.1f}", f"{f1.p_value:.3f}", f"{p:.3f}",
          f"{100 * ap.difference:+.1f}", f"{ap.p_value:.3f}", f"{q:.3f}"]
         for (both, alone, f1, ap), p, q in zip(found, of_f1, of_ap, strict=True)])


def _verdict(found, systems, rules, tags):
    """Which systems of both beat all of one, in micro F1."""
    sure = holm([f1.p_value for _, _, f1, _ in found])
    beaten = {}
    for (both, _, f1, _), p in zip(found, sure, strict=True):
        beaten.setdefault(both, []).append(f1.difference > 0 and p < ALPHA)
    winners = [f"`{both}`" for both, each in beaten.items() if all(each)]
    others = [f"`{both}`" for both, each in beaten.items() if not all(each)]
    mean = {key: np.mean([one.f1(tags) for one in each]) for key, each in systems.items()}
    one, two = (max((key for key in rules if (len(streams(rules[key])) > 1) == both), key=mean.get)
                for both in (False, True))
    return (f"Better in F1 than every system of one stream, after Holm's correction: "
            f"{', '.join(winners) or 'none'}. Not so: {', '.join(others) or 'none'}. The best of "
            f"both, `{two}`, has {100 * mean[two]:.1f}, the best of one, `{one}`, "
            f"{100 * mean[one]:.1f}.\n\n"
            f"Points of F1 by kind of class, against `{one}`: "
            + "; ".join(_by_kind(key, systems[key], systems[one], tags) for key in beaten) + ".")


def _by_kind(key, both, one, tags):
    gains = {kind: np.mean([a.f1(tags, some) - b.f1(tags, some)
                            for a, b in zip(both, one, strict=True)])
             for kind, some in COLUMNS.items()}
    return f"`{key}` " + ", ".join(f"{kind} {100 * gain:+.1f}" for kind, gain in gains.items())


# -- where the decoder looks -------------------------------------------------------------------


@dataclass(frozen=True)
class Looking:
    """Where a system looks, one number a seed; shares in [0, 1]. best: int, the head."""

    chance: float
    heads: list
    best: list
    outside: list
    shuffled: list
    p_values: list


def looking(answers, rule, where):
    """Looking of a row's Answers."""
    first, second = rule.arguments["first"], rule.arguments["second"]
    heads, best, outside, shuffled, p_values = [], [], [], [], []
    for one in answers:
        valid, test = (pointing(weights, where[part][1][second], where[part][1][first])
                       for part, weights in (("valid", one.attention_valid),
                                             ("test", one.attention_test)))
        head = int(valid.lift().argmax())
        heads.append(test.mass.mean())
        best.append(test.mass[:, head].mean())
        outside.append(np.nanmean(test.outside[:, head]))
        shuffled.append(test.shuffled[:, head].mean())
        p_values.append(test.p_value[head])
    return Looking(test.chance.mean(), heads, best, outside, shuffled, p_values)


def _attention(looks, rules):
    return table(
        ["First", "Second", "Positions", "Attention", "Chance", "Heads", "Best", "Outside",
         "Shuffled", "p"],
        [[*name(rules[key]), f"{100 * look.chance:.1f}", *(spread(values) for values in (
            look.heads, look.best, look.outside, look.shuffled)), f"{max(look.p_values):.3f}"]
         for key, look in looks.items()])


def _words(looks, rules):
    lines = []
    for key, look in looks.items():
        lift, turn = np.mean(look.best) / look.chance, np.mean(look.best) / np.mean(look.outside)
        first, second, positions, function = name(rules[key])
        lines.append(f"- {second} asks {first}, positions {positions}, {function}: {lift:.2f} "
                     f"times chance, {turn:.2f} times as much as from outside the event, "
                     f"p below {ALPHA} in {sum(p < ALPHA for p in look.p_values)} of "
                     f"{len(look.p_values)} seeds.")
    return "\n".join(lines)


def table(head, lines):
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *lines))


def spread(values):
    """Shares, one a seed -> mean and deviation, "61.2 ± 0.8" percent."""
    runs = over_runs([100 * value for value in values])
    return f"{runs.mean:.1f}" + (f" ± {runs.std:.1f}" if runs.num_runs > 1 else "")
