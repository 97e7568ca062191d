"""The official scorer of audio tagging in DCASE 2017 Task 4 (subtask A), with its quirks.

Both files have rows of clip, onset, offset and label, separated by tabs. The official scorer

- compares names of clips up to the first ".wav" or ".flac", and labels without spaces around
  them; times are not compared;
- passes over a row of four fields that ends at 0, and over empty rows;
- takes any other number of fields: the fourth is the label, and without it the row says that the
  clip was scored and has no tags;
- stops where the offset of a row of four fields is not a number;
- scores the clips that both files name. One that the prediction lacks is not scored at all: its
  tags are not missed. One that the truth lacks is ignored;
- counts a tag predicted twice as one hit and one false alarm, and a label that the truth never
  uses as a false alarm.

Source: Badlani et al., the task's repository, ankitshah009/Task-4-Large-scale-weakly-supervised-
sound-event-detection-for-smart-cars, evaluation/, last release.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from sedzoo.evaluation.counts import Result, require_average
from sedzoo.rows import open_text


class Problem(NamedTuple):
    """A row that is not as it should be.

    Args:
        line: int, from 1, of the prediction file; of the truth where the reason begins so.
        text: str, the row.
        reason: str, what is wrong, and what it counts as.
    """

    line: int
    text: str
    reason: str


@dataclass(frozen=True)
class TaggingScores(Result):
    """What the official scorer prints, as shares.

    Args:
        precision, recall, f1: float in [0, 1]; a rate of nothing is 0. For "macro": precision and
            recall are means over all labels that the scored clips have in either file, f1 is of
            these means.
        num_hits, num_false, num_missed: int, tags.
        num_clips: int, clips of the truth, scored or not.
        average: str, "micro" (the challenge's ranking), "macro", or "class" for one label alone.
        problems: tuple of Problem, those of the prediction by line, then those of the truth.
        per_class: dict of label -> TaggingScores, as the official scorer counts them: a tag
            predicted twice is no false alarm here.
    """

    precision: float
    recall: float
    f1: float
    num_hits: int
    num_false: int
    num_missed: int
    num_clips: int
    average: str = "micro"
    problems: tuple = field(default=(), repr=False)
    per_class: dict = field(default_factory=dict, repr=False)


def score_tagging(truth_path, prediction_path, *, average="micro"):
    """Score a prediction file as the official scorer does, and say what is wrong with it.

    Equal to the official scorer, to the twelve digits that it prints, but where that fails or
    counts by accident: without any clip to score all rates are 0 (it divides by 0), `num_clips`
    counts clips of the truth as in its example outputs (its last release counts names in the
    prediction), a carriage return alone ends a row too, and a byte order mark is no part of the
    first name. Its example output for invalid_prediction.csv (recall 99.6699669967) is that of a
    prediction without the first two rows of the truth; for the file itself, which lacks the
    third too and with it a whole clip, it prints 99.6694214876 as this does.

    Args:
        truth_path, prediction_path: paths, rows end in LF or CRLF.
        average: "micro" or "macro". Defaults to "micro".

    Returns: TaggingScores.
    Raises: ValueError naming file and line for an offset that is not a number, and for a truth
        without clips.
    """
    require_average(average)
    truth, truth_lines, truth_problems = _read(truth_path)
    if not truth:
        raise ValueError(f"{truth_path}: has no clips")
    found, _, problems = _read(prediction_path, truth)
    truth_problems += [Problem(*truth_lines[clip], "the prediction lacks this clip: not scored")
                       for clip in truth if clip not in found]
    problems += [problem._replace(reason=f"truth: {problem.reason}")
                 for problem in sorted(truth_problems)]
    scored = [(labels, found[clip]) for clip, labels in truth.items() if clip in found]
    per_class = {label: _of_counts(counts, len(truth), "class")
                 for label, counts in sorted(_class_counts(scored).items())}
    counts = _pooled_counts(scored)
    precision, recall, f1 = _macro(per_class) if average == "macro" else _rates(*counts)
    return TaggingScores(precision, recall, f1, *counts, len(truth), average,
                         tuple(problems), per_class)


def official_text(scores):
    """The four lines that the official scorer's example outputs hold, in its twelve digits.

    Args:
        scores: TaggingScores.
    Returns: str, without a line end after the last line.
    """
    return (f"Precision = {_percent(scores.precision)}\nRecall = {_percent(scores.recall)}\n"
            f"F1 Score = {_percent(scores.f1)}\nNumber of Audio Files = {scores.num_clips}")


def _percent(share):
    """As Python 2 printed numbers, which the scorer is written in."""
    text = f"{share * 100.0:.12g}"
    return text if set(text) & set(".e") else text + ".0"


# -- reading -----------------------------------------------------------------------------------


def _read(path, truth=None):
    """Tags of each clip, where it is first named, and what is wrong; measured by a truth if any.

    Returns: dict of clip -> list of labels, dict of clip -> (line, text), list of Problem.
    """
    known = {label for labels in (truth or {}).values() for label in labels}
    tags, lines, problems = {}, {}, []
    with open_text(path) as file:
        for line, text in enumerate(file, 1):
            text = text.rstrip("\r\n")
            clip, label, reasons = _row(path, line, text.split("\t"))
            if label is not None:
                labels = tags.setdefault(clip, [])
                lines.setdefault(clip, (line, text))
                if truth is not None and clip not in truth:
                    reasons.append("no such clip in the truth: ignored")
                elif truth is not None and label and label not in known:
                    reasons.append(f"{label!r} is no class of the truth: counts as false")
                elif label in labels:
                    reasons.append(f"{label!r} is there twice: counts again")
                labels += [label] if label else []
            if reasons:
                problems.append(Problem(line, text, "; ".join(reasons)))
    return tags, lines, problems


def _row(path, line, fields):
    """Fields of a row -> clip, label ("" for none, None for a row passed over), what is wrong."""
    clip = fields[0].split(".wav")[0].split(".flac")[0].strip()
    label = fields[3].strip() if len(fields) > 3 else ""
    if fields == [""]:
        return clip, None, ["empty: passed over"]
    if len(fields) == 1:
        return clip, label, ["names a clip alone: no tags"]
    if len(fields) != 4:
        return clip, label, [f"has {len(fields)} fields, not 4: "
                             + ("the fourth is the label" if label else "no tags")]
    try:
        offset = float(fields[2])
    except ValueError:
        raise ValueError(f"{path}, line {line}: the third field must be the offset in seconds. "
                         f"Received: {fields[2]!r}") from None
    if offset == 0:
        return clip, None, ["ends at 0: passed over"]
    return clip, label, [] if label else ["has no label: no tags"]


# -- counting ----------------------------------------------------------------------------------


def _pooled_counts(scored):
    """Hits, false alarms and misses over all labels: each tag of the truth is hit once."""
    counts = [0, 0, 0]
    for wanted, found in scored:
        num_hits = (Counter(wanted) & Counter(found)).total()
        for index, count in enumerate((num_hits, len(found) - num_hits, len(wanted) - num_hits)):
            counts[index] += count
    return counts


def _class_counts(scored):
    """Dict of label -> hits, false alarms and misses: is the label in the other file's clip."""
    counts = {}
    for wanted, found in scored:
        for label in wanted:
            counts.setdefault(label, [0, 0, 0])[0 if label in found else 2] += 1
        for label in found:
            if label not in wanted:
                counts.setdefault(label, [0, 0, 0])[1] += 1
    return counts


def _of_counts(counts, num_clips, average):
    return TaggingScores(*_rates(*counts), *counts, num_clips, average)


def _rates(num_hits, num_false, num_missed):
    precision = num_hits / max(1, num_hits + num_false)
    recall = num_hits / max(1, num_hits + num_missed)
    return precision, recall, _f1(precision, recall)


def _macro(per_class):
    precision, recall = (sum(getattr(one, rate) for one in per_class.values())
                         / max(1, len(per_class)) for rate in ("precision", "recall"))
    return precision, recall, _f1(precision, recall)


def _f1(precision, recall):
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0
