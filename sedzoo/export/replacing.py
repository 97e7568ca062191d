"""Directories that appear complete or not at all."""

import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(directory):
    """A scratch directory beside `directory`; its folder `new` takes the place in one rename.

    When the block or the rename fails, what was at `directory` before is there again. Nothing else
    stays behind.

    Args:
        directory: pathlib.Path; its parents are made if need be.
    """
    directory.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{directory.name}-", dir=directory.parent))
    try:
        yield scratch
        if directory.exists():
            os.rename(directory, scratch / "old")
        os.rename(scratch / "new", directory)
    except BaseException:
        if (scratch / "old").exists():
            os.rename(scratch / "old", directory)
        raise
    finally:
        shutil.rmtree(scratch)
