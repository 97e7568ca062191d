"""What the reference programs say of given inputs, for tests/evaluation/test_parity.py.

Run with sedzoo's Python: python tools/references. It installs psds_eval, sed_scores_eval and
sed_eval apart, in .references (or takes the Python that the variable REFERENCES_PYTHON names), and
writes tests/evaluation/references/{small,large}.json.
"""

import argparse
import json
import math
import os
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import environment

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

import inputs  # noqa: E402
import random_cases  # noqa: E402
import real_cases  # noqa: E402

from sedzoo.evaluation.psd_roc import PSDS1, PSDS2, THRESHOLDS_50  # noqa: E402

FIXTURES = ROOT / "tests" / "evaluation" / "references"
DATA = Path(os.environ.get("SEDZOO_SHARED_DATA", ROOT.parent / "shared" / "data"))
# Criteria this much lower are reached by 7 of 10 frames at 0.7, however the shares were rounded.
SLACK = 1e-9
INTERSECTION = {"dtc": 0.5, "gtc": 0.5, "cttc": 0.3}


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python tools/references", description=__doc__)
    parser.add_argument("--install", action="store_true", help="make the environment, no more")
    parser.add_argument("--cases", type=int, default=300, help="how many small ones")
    parser.add_argument("--only", choices=("small", "large"))
    options = parser.parse_args(arguments)
    try:
        environment.install()
    except environment.Missing as missing:
        sys.exit(str(missing))
    if options.install:
        return
    with environment.References() as references, tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "inputs.npz")
        if options.only != "large":
            _write("small", references, small(references, path, options.cases))
        if options.only != "small":
            _write("large", references, large(references, path))


def small(references, path, num_cases):
    thresholds = random_cases.THRESHOLDS
    for seed in range(num_cases):
        case, settings = random_cases.small(seed), random_cases.settings(seed)
        inputs.write(path, case, [case.detections(threshold) for threshold in thresholds])
        yield {"seed": seed, "digest": case.digest,
               **_psds_eval(references, path, settings, thresholds.index(0.5)),
               **_sed_scores_eval(references, path, settings)}


def large(references, path):
    """Cases of a real data set's size, at 50 thresholds, and real detections at ten."""
    settings = {"PSDS1": PSDS1, "PSDS2": PSDS2}
    cases = {"64 frames": random_cases.large(1),
             "156 frames": random_cases.large(3, num_frames=156),
             "DESED": real_cases.desed(DATA), "DCASE 2017": real_cases.dcase2017(DATA)}
    for name, case in cases.items():
        inputs.write(path, case, [case.detections(threshold) for threshold in
                                  (*THRESHOLDS_50, 0.5)])
        yield {"name": name, "digest": case.digest,
               **_psds_eval(references, path, settings, -1, num_points=len(THRESHOLDS_50)),
               **_sed_scores_eval(references, path, settings)}
    case, points = real_cases.baseline(DATA)
    inputs.write(path, case, [case.rows(point) for point in points])
    yield {"name": "baseline", "digest": case.digest,
           **_psds_eval(references, path, real_cases.BASELINE_SETTINGS, point=4)}


def _psds_eval(references, path, settings, point, num_points=None):
    """PSDS with criteria a trace lower; and with their own, where ties make that another. F1 of an
    operating point."""
    found = {"psds_eval": {}, "psds_eval, own criteria": {}}
    for name, setting in settings.items():
        own, tied = (_plain(references.ask("psds_eval_psds", path, num_points=num_points,
                                           **_criteria(setting, slack))[0])
                     for slack in (0, SLACK))
        found["psds_eval"][name] = tied
        if own != tied:
            found["psds_eval, own criteria"][name] = own
    criteria = {name: share - SLACK for name, share in INTERSECTION.items()}
    found["psds_eval, F1"] = _plain(references.ask("psds_eval_f1", path, point=point,
                                                   **criteria)[0])
    return found


def _criteria(setting, slack=0.0):
    criteria = {**asdict(setting), "cttc": 0.3 if setting.cttc is None else setting.cttc}
    del criteria["name"]
    return {**criteria, **{key: criteria[key] - slack for key in ("dtc", "gtc", "cttc")}}


def _sed_scores_eval(references, path, settings):
    """PSDS over all thresholds, F1 at 0.5 and at the best thresholds."""
    def f1(kind, **criteria):
        at_half, best = (_plain(references.ask("sed_scores_eval_f1", path, kind=kind, best=best,
                                               **criteria)[0]) for best in (False, True))
        return {f"{kind} F1": at_half, f"best {kind} F1": best[:2]}

    return {"sed_scores_eval": {
        **{name: _plain(references.ask("sed_scores_eval_psds", path, **_criteria(setting))[0])
           for name, setting in settings.items()},
        **f1("collar", onset_collar=0.2, offset_collar=0.2, offset_collar_rate=0.2),
        **f1("segment", segment_length=1.0),
        **f1("intersection", dtc_threshold=0.5, gtc_threshold=0.5)}}


def _plain(numbers):
    """Numbers to 10 decimals; None for what is none."""
    return [round(number, 10) if math.isfinite(number) else None for number in numbers]


def _write(name, references, cases):
    cases = [json.dumps(case) for case in cases]
    heading = json.dumps({"by": "python tools/references", "with": references.ask("versions")[0]})
    text = f'{{"made": {heading},\n"cases": [\n' + ",\n".join(cases) + "\n]}\n"
    FIXTURES.mkdir(exist_ok=True)
    (FIXTURES / f"{name}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
