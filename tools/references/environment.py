"""An environment for the reference programs, apart from sedzoo's: they need older libraries.

psds_eval 0.5.3 runs neither on pandas 3 nor on NumPy 2.4, sed_scores_eval 0.0.4 not on pandas 3.
"""

import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

HOME = Path(__file__).parents[2] / ".references"
VARIABLE = "REFERENCES_PYTHON"
PACKAGES = ("psds_eval==0.5.3", "sed_scores_eval==0.0.4", "sed_eval==0.2.1", "pandas<3",
            "numpy<2.4", "setuptools<81")
_PYTHON = HOME / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
_DONE = HOME / "installed"


class Missing(Exception):
    """What the references need and this machine does not have."""


def python():
    """The Python that has the references.

    Raises: Missing where there is none.
    """
    if VARIABLE in os.environ:
        return Path(os.environ[VARIABLE])
    if not _DONE.exists():
        raise Missing("the references are not installed: python tools/references --install")
    return _PYTHON


def install():
    """Make the environment where it is not there yet.

    Raises: Missing without a C compiler.
    """
    if VARIABLE in os.environ or (_DONE.exists() and _DONE.read_text() == "\n".join(PACKAGES)):
        return
    if not any(map(shutil.which, (os.environ.get("CC", "cc"), "gcc", "clang"))):
        raise Missing("sed_scores_eval is compiled when it is installed: that takes a C compiler "
                      "(`cc`). On Debian or Ubuntu: apt install gcc python3-dev")
    print(f"Making {HOME} and installing {', '.join(PACKAGES)}", file=sys.stderr)
    venv.create(HOME, with_pip=True, clear=True)
    pip = [_PYTHON, "-m", "pip", "install", "--quiet"]
    try:
        subprocess.run([*pip, *PACKAGES], check=True)
    except subprocess.CalledProcessError as error:
        raise Missing("pip could not install the references: see its message above") from error
    _DONE.write_text("\n".join(PACKAGES))


class References:
    """A process of the references' Python that answers `ask`; use it in a `with`."""

    def __init__(self):
        command = [python(), Path(__file__).with_name("scorers.py")]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)

    def ask(self, measure, path=None, *, value=True, **arguments):
        """What a function of `scorers` gives for an .npz file: its value, and its seconds.

        Args:
            value: bool, False where the seconds alone are wanted.
        Raises: RuntimeError with its traceback when it fails.
        """
        request = {"measure": measure, "inputs": path and str(path), "arguments": arguments,
                   "value": value}
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline() or '{"error": "the process ended"}')
        if "error" in answer:
            raise RuntimeError(f"{measure} {arguments} failed:\n{answer['error']}")
        return answer["value"], answer["seconds"]

    def close(self):
        self.process.stdin.close()
        self.process.wait(30)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
