"""Speed of sedzoo against its peers: python tools/benchmark SUBJECT [--quick] [--out FILE.md]."""

import argparse
import importlib
import os
from pathlib import Path

import report

SUBJECTS = ("frontends", "training", "export", "evaluation", "embeddings")


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python tools/benchmark", description=__doc__)
    parser.add_argument("subject", choices=SUBJECTS)
    parser.add_argument("--quick", action="store_true", help="small sizes: shows that it runs")
    parser.add_argument("--only", nargs="+", metavar="PART", help="some parts of `evaluation`")
    parser.add_argument("--records", type=int, help="how many of `embeddings`")
    parser.add_argument("--out", type=Path, help="write the results here too, as Markdown")
    options = parser.parse_args(arguments)
    load = os.getloadavg()[0]
    module = importlib.import_module(options.subject)
    parts, size = _parts(parser, module, options.only), _size(parser, options)
    results = module.measure(options.quick, **parts, **size)
    command = " ".join([parser.prog, options.subject, *["--quick"] * options.quick,
                        *(["--only", *options.only] if parts else []),
                        *(["--records", str(options.records)] if size else [])])
    text = f"# {options.subject}\n\n{report.setting(command, load)}\n\n{results}\n"
    print(text)
    if options.out:
        options.out.write_text(text, encoding="utf-8")


def _parts(parser, module, only):
    if not only:
        return {}
    known = list(getattr(module, "PARTS", ()))
    if not set(only) <= set(known):
        parser.error(f"--only must name parts of the subject: {', '.join(known) or 'it has none'}")
    return {"only": only}


def _size(parser, options):
    if options.records is None:
        return {}
    if options.subject != "embeddings" or options.records < 1:
        parser.error("--records must be 1 or more, and is for `embeddings`")
    return {"records": options.records}


if __name__ == "__main__":
    main()
