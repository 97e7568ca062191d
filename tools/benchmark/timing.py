"""Contenders timed in turns (A, B, C, A, B, C ...), each in a process of its own.

A process each keeps one library's threads, allocator and caches out of the others' figures, and
lets a contender have environment variables that must be set before it starts.
"""

import multiprocessing
import os
import re
import statistics
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

# Linux gives big buffers back to the kernel and takes them again at once; this makes it keep them.
TUNED_MALLOC = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "16000000000"}
_QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": ""}


class Missing(Exception):
    """What a contender needs and this machine does not have."""


@dataclass(frozen=True)
class Contender:
    """Something to time.

    Args:
        name: str, of its row in the table.
        build: function without arguments that a new process can import -> (work, facts): a
            function that does the work once, and a dict of what the table needs to know besides.
            Raises ImportError or Missing where it cannot run.
        environment: dict of environment variables of its process.
    """

    name: str
    build: Callable
    environment: dict = field(default_factory=dict)


@dataclass
class Result:
    """What came of a contender: seconds of each round, facts, or why it is missing."""

    seconds: list = field(default_factory=list)
    facts: dict = field(default_factory=dict)
    missing: str = ""

    @property
    def median(self):
        """Seconds of one call, or NaN."""
        return statistics.median(self.seconds) if self.seconds else float("nan")

    @property
    def spread(self):
        """The fastest and the slowest round, seconds."""
        return (min(self.seconds), max(self.seconds)) if self.seconds else (float("nan"),) * 2


def race(contenders, *, rounds, calls, fresh=False):
    """Time every contender once a round.

    Args:
        contenders: list of Contender with distinct names.
        rounds: int > 0.
        calls: int > 0, timed calls of a contender in a round, after one that is not timed; the
            round's figure is their median.
        fresh: bool, start every process anew in every round: for those too large to stand beside
            each other, and to average over what differs from launch to launch.
    Returns: dict of name -> Result; facts hold "peak_mib", the process's largest memory.
    Raises: RuntimeError when a contender fails for another reason than something missing.
    """
    results = {contender.name: Result() for contender in contenders}
    workers = {}
    try:
        for _ in range(rounds):
            for contender in contenders:
                result = results[contender.name]
                if result.missing:
                    continue
                if contender.name not in workers:
                    workers[contender.name] = _Worker(contender)
                _visit(workers[contender.name], result, calls)
                if fresh or result.missing:
                    workers.pop(contender.name).close()
    finally:
        for worker in workers.values():
            worker.close()
    return results


def _visit(worker, result, calls):
    kind, value = worker.ask(calls)
    if kind == "missing":
        result.missing = value
    elif kind == "failed":
        raise RuntimeError(f"{worker.name} failed:\n{value}")
    else:
        seconds, result.facts = value
        result.seconds.append(seconds)


class _Worker:
    """The process of one contender."""

    def __init__(self, contender):
        self.name = contender.name
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, contender.build))
        before = dict(os.environ)
        os.environ.update(_QUIET, **contender.environment)
        try:
            self.process.start()
        finally:
            os.environ.clear()
            os.environ.update(before)
        theirs.close()

    def ask(self, calls):
        try:
            self.pipe.send(calls)
            return self.pipe.recv()
        except (EOFError, BrokenPipeError):
            self.process.join()
            return "failed", f"its process ended with code {self.process.exitcode}"

    def close(self):
        self.pipe.close()  # the other end reads the end of the file, and ends
        self.process.join(30)
        if self.process.is_alive():
            self.process.kill()


def _serve(pipe, build):
    """Build, then time whenever asked, until the pipe closes."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # start-up notices; errors go through the pipe
    try:
        work, facts = build()
        while True:
            seconds = _time(work, pipe.recv())
            pipe.send(("timed", (seconds, {**facts, "peak_mib": _peak_mib()})))
    except EOFError:
        pass
    except (ImportError, Missing) as error:
        pipe.send(("missing", str(error).splitlines()[0]))
    except Exception:
        pipe.send(("failed", traceback.format_exc()))


def _time(work, calls):
    work()  # the first call compiles; later first calls find caches that the others have emptied
    seconds = []
    for _ in range(calls):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def _peak_mib():
    """The largest memory this process has had, or NaN; getrusage's counts its parent's too."""
    status = Path("/proc/self/status")
    found = status.exists() and re.search(r"VmHWM:\s*(\d+) kB", status.read_text())
    return int(found.group(1)) / 1024 if found else float("nan")
