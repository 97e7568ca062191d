"""Results as Markdown: the machine, the versions, and tables of ratios."""

import os
import platform
import re
from importlib import metadata
from pathlib import Path

_PACKAGES = ("tensorflow", "keras", "numpy", "librosa", "torch", "onnxruntime")
_BFLOAT16_FLAGS = ("amx_bf16", "avx512_bf16")
# Another process that wants a core makes OpenMP's barriers (PyTorch) wait out whole time slices.
BUSY_LOAD = 0.5
NO_BFLOAT16 = "bfloat16: not measured, this CPU has neither AMX-BF16 nor AVX512-BF16."


def setting(command, load):
    """Where and how the figures were made, as Markdown lines.

    Args:
        command: str.
        load: float, the machine's load average before the run.
    """
    versions = ", ".join(f"{package} {_version(package)}" for package in _PACKAGES)
    features = " ".join(flag for flag in ("avx2", "avx512f", "avx512_vnni", *_BFLOAT16_FLAGS)
                        if flag in cpu_flags())
    busy = ("; **the machine was busy: these figures are not to be trusted**"
            if load > BUSY_LOAD else "")
    return "\n".join([
        f"- Command: `{command}`",
        f"- Machine: {_cpu_model()}, {os.cpu_count()} cores ({features}); CPU only; "
        f"load average before the run {load:.2f}{busy}",
        f"- Versions: Python {platform.python_version()}, {versions}"])


def table(columns, rows):
    """A Markdown table; numbers right-aligned, by the look of the first row."""
    rows = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[k]) for row in [columns, *rows]) for k in range(len(columns))]
    lines = [[name.ljust(width) for name, width in zip(columns, widths, strict=True)],
             ["-" * width if k == 0 else "-" * (width - 1) + ":"
              for k, width in enumerate(widths)]]
    lines += [[cell.ljust(width) if k == 0 else cell.rjust(width)
               for k, (cell, width) in enumerate(zip(row, widths, strict=True))] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def ratio(results, name, reference):
    """How many times as fast as the reference, as "1.23 x", or "-"."""
    peer = results.get(reference)
    if name == reference or not (peer and peer.seconds and results[name].seconds):
        return "-"
    return f"{peer.median / results[name].median:.2f} x"


def missing(results):
    """A line for each contender that was not measured."""
    return [f"- {name}: not measured, {result.missing}" for name, result in results.items()
            if result.missing]


def cpu_flags():
    """Features of the CPU, as Linux names them."""
    return set(_cpu_field("flags").split())


def has_bfloat16():
    """Whether this CPU multiplies bfloat16 by itself."""
    return not cpu_flags().isdisjoint(_BFLOAT16_FLAGS)


def _cpu_model():
    return _cpu_field("model name") or platform.processor() or platform.machine()


def _cpu_field(key):
    info = Path("/proc/cpuinfo")
    text = info.read_text() if info.exists() else ""
    found = re.search(rf"^{key}\s*:\s*(.*)$", text, re.MULTILINE)
    return found.group(1) if found else ""


def _version(package):
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "(absent)"
