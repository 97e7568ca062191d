"""Speed of sedzoo against its peers: python tools/benchmark SUBJECT [--quick] [--out FILE.md]."""

import argparse
import importlib
import os
from pathlib import Path

import report

SUBJECTS = ("frontends", "training", "export")


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python tools/benchmark", description=__doc__)
    parser.add_argument("subject", choices=SUBJECTS)
    parser.add_argument("--quick", action="store_true", help="small sizes: shows that it runs")
    parser.add_argument("--out", type=Path, help="write the results here too, as Markdown")
    options = parser.parse_args(arguments)
    load = os.getloadavg()[0]
    results = importlib.import_module(options.subject).measure(options.quick)
    command = f"{parser.prog} {options.subject}{' --quick' if options.quick else ''}"
    text = f"# {options.subject}\n\n{report.setting(command, load)}\n\n{results}\n"
    print(text)
    if options.out:
        options.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
