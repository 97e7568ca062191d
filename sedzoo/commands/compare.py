"""sedzoo compare SYSTEM SYSTEM...: paired t-tests over classes between all pairs of systems.

SYSTEM is the folder of a training run, that of a cross-validation (fold-0, fold-1, ...), or a file
of answers.write_answers. NAME=RUN,RUN,... are several runs of one system, which differ by their
seed or by the fold they answer for: each class's scores are averaged over them first.

Prints, as a table of Markdown, how every system scores and the p-values of all pairs; --out FILE
writes it (.md), each pair in a row (.tsv), or all there is to know, by class too (.json).
"""

import json
from pathlib import Path

from absl import flags

from sedzoo.cli import UserError

_NAME = "valid_answers.npz"


def define(values):
    flags.DEFINE_string("metric", "average_precision", "What classes are scored by: "
                        "average_precision, auc, d_prime, map_at_3, accuracy or lwlrap.",
                        flag_values=values)
    flags.DEFINE_float("alpha", 0.05, "Smaller p-values are marked.", 0.0, 1.0,
                       flag_values=values)
    flags.DEFINE_bool("one_sided", False, "Of every pair, test that the one that scores more is no "
                      "better: half the two-sided p.", flag_values=values)
    flags.DEFINE_string("out", None, "File to write, too: .md, .tsv or .json.",
                        flag_values=values)


def run(values, arguments):
    if len(arguments) < 2:
        raise UserError("name two systems or more: folders of runs, or files of answers")
    if values.out and Path(values.out).suffix not in _WRITERS:
        raise UserError(f"--out must end in {', '.join(_WRITERS)}. Received: {values.out}")
    from sedzoo.comparison import compare

    result = compare(_systems(arguments), values.metric, one_sided=values.one_sided)
    print(_markdown(result, values.alpha))
    if values.out:
        text = _WRITERS[Path(values.out).suffix](result, values.alpha)
        Path(values.out).write_text(text + "\n", encoding="utf-8")


# -- what is compared --------------------------------------------------------------------------


def _systems(arguments):
    """{name: list of Answers}, by the arguments."""
    from sedzoo.answers import read_answers

    named = {}
    for argument in arguments:
        name, paths = _split(argument)
        if name in named:
            raise UserError(f"two systems are called {name!r}; name them as NAME={argument}")
        named[name] = paths
    return {name: [read_answers(file) for path in paths for file in _files(path)]
            for name, paths in named.items()}


def _split(argument):
    """Name and paths of an argument; without a name it is called by its first path."""
    name, equals, rest = argument.partition("=")
    if not equals or Path(argument).exists():
        name, rest = "", argument
    paths = [Path(part) for part in ([rest] if Path(rest).exists() else rest.split(","))]
    return name or _called(paths[0].resolve()), paths


def _called(path):
    if path.is_dir() or path.suffix != ".npz":
        return path.name
    return path.parent.name if path.name == _NAME else path.stem


def _files(path):
    """The files of answers that a path stands for."""
    if not path.is_dir():
        return [path]
    files = [path / _NAME] if (path / _NAME).is_file() else sorted(path.glob(f"fold-*/{_NAME}"))
    if not files:
        raise UserError(f"{path} holds no answers: neither {_NAME}, which a finished run with "
                        "validation clips has, nor folds with one")
    return files


# -- what is shown -----------------------------------------------------------------------------


def _markdown(result, alpha):
    """Scores, and below them p-values as in the tables of Xu 2018."""
    side = "one-sided" if result.one_sided else "two-sided"
    num_pairs = len(result.pairs())
    cells = [["", *result.names], [result.metric, *(f"{score:.4f}" for score in result.scores)]]
    for i, name in enumerate(result.names):
        row = [name]
        for j in range(len(result.names)):
            p = (result.p_values if i < j else result.corrected)[i, j]
            row.append("" if i == j else _p(p, alpha))
        cells.append(row)
    lines = [f"Paired t-tests over {_classes(result)}, by {result.metric}, {side}; bold where "
             f"p < {alpha:g}."]
    if num_pairs > 1:
        lines.append(f"Above the diagonal p, below it p after Holm's correction for {num_pairs} "
                     "pairs.")
    if (result.num_runs > 1).any():
        lines.append("Runs, averaged by class: " + ", ".join(
            f"{name} {count}" for name, count in zip(result.names, result.num_runs, strict=True)))
    return "\n".join([*lines, "", *_table(cells)])


def _classes(result):
    counts = [int(result.num_classes[i, j]) for i, j in result.pairs()]
    fewest, most = min(counts), max(counts)
    some = f"{fewest}" if fewest == most else f"{fewest} to {most}"
    total = len(result.labels)
    return f"{total} classes" if fewest == total else (
        f"{some} of {total} classes (the others cannot be scored)")


def _p(p, alpha):
    text = "-" if p != p else f"{p:.3f}" if p >= 0.001 else f"{p:.1e}"
    return f"**{text}**" if p < alpha else text


def _table(cells):
    """Rows of a Markdown table, in columns that a terminal shows as such."""
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
             + " |" for row in cells]
    return [lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]


def _tsv(result, alpha):
    """A row for each pair, unrounded."""
    rows = ["first second metric first_score second_score mean_difference t p p_holm num_classes"
            .split()]
    for i, j in result.pairs():
        rows.append([result.names[i], result.names[j], result.metric,
                     *(repr(float(number)) for number in (
                         result.scores[i], result.scores[j], result.differences[i, j],
                         result.statistics[i, j], result.p_values[i, j], result.corrected[i, j])),
                     str(result.num_classes[i, j])])
    return "\n".join("\t".join(row) for row in rows)


def _json(result, alpha):
    return json.dumps({"alpha": alpha, **result.to_dict()}, indent=1, ensure_ascii=False,
                      allow_nan=False)


_WRITERS = {".md": _markdown, ".tsv": _tsv, ".json": _json}
