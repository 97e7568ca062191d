"""The house's two promises: imports point down, and TensorFlow stands where it may."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import sedzoo

PACKAGE = Path(sedzoo.__file__).parent

# Floor of each module or package, by its first name under sedzoo.
FLOORS = {
    "audio": 0, "container": 0, "decode": 0, "frontend": 0, "events": 0, "rows": 0, "labels": 0,
    "nearest": 0, "card": 0, "waveform": 0, "stitching": 0, "plotting": 0, "segment_plots": 0,
    "preparation": 0, "frame_scores": 0, "score_files": 0, "outputs": 0, "video": 0,
    "attention_plots": 0, "attention_page": 0,
    "layers": 1, "datasets": 1, "weights": 1,
    "zoo": 2, "clip_cache": 2, "answers": 2,
    "evaluation": 3, "features": 3, "embeddings": 3, "sampling": 3, "batches": 3,
    "mixing": 3, "pipeline": 3.5,
    "training": 4, "comparison": 4,
    "export": 5,
    "serving": 6,
    "assess": 7, "cli": 7, "commands": 8, "__main__": 9,
}
# Floor 0 has a few steps of its own: the front end and events know nothing of files and cards.
GROUND = ["nearest", "frontend", "events", "rows", "labels", "frame_scores", "score_files",
          "outputs", "container", "decode", "audio", "waveform", "video",
          "preparation", "card", "stitching", "plotting", "segment_plots", "attention_plots",
          "attention_page"]
TENSORFLOW = {"pipeline.py", "embeddings/examples.py", "training/distribute.py", "serving.py",
              "layers/kernels_tensorflow.py", "weights/tensorflow_checkpoint.py"}


def modules():
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path.relative_to(PACKAGE)


def imports(path):
    """Dotted names that a module imports, wherever the statement stands."""
    for node in ast.walk(ast.parse((PACKAGE / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room(dotted):
    return dotted.split(".")[1] if "." in dotted else None


@pytest.mark.parametrize("path", list(modules()), ids=str)
def test_imports_point_down(path):
    here = path.parts[0].removesuffix(".py")
    if here == "__init__":
        return
    for dotted in imports(path):
        there = room(dotted) if dotted.split(".")[0] == "sedzoo" else None
        if there is None or there == here or there not in FLOORS:
            continue
        if here in GROUND and there in GROUND:
            assert GROUND.index(there) < GROUND.index(here), f"{path} imports {dotted}"
        else:
            assert FLOORS[there] < FLOORS[here], f"{path} imports {dotted}"


def test_every_module_has_its_floor():
    rooms = {path.parts[0].removesuffix(".py") for path in modules()} - {"__init__"}
    assert rooms == set(FLOORS) & rooms


@pytest.mark.parametrize("path", list(modules()), ids=str)
def test_tensorflow_is_imported_only_where_it_may_be(path):
    allowed = str(path) in TENSORFLOW or path.parts[0] == "export"
    names = {dotted.split(".")[0] for dotted in imports(path)}
    assert allowed or not names & {"tensorflow", "tensorflow_io", "tensorflow_hub"}


@pytest.mark.parametrize("path", list(modules()), ids=str)
def test_no_module_is_named_after_nothing(path):
    assert path.stem not in {"utils", "helpers", "common", "base", "misc"}


def test_importing_sedzoo_and_listing_imports_no_framework():
    code = ("import sedzoo, sys; names = sedzoo.list_models(); rows = sedzoo.list_recipes('*');"
            "assert names and rows;"
            "loaded = {'tensorflow', 'keras', 'jax', 'torch', 'librosa'} & set(sys.modules);"
            "assert not loaded, loaded")
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        sedzoo.no_such_name  # noqa: B018
    assert {"create_model", "load", "recipe"} <= set(dir(sedzoo))
