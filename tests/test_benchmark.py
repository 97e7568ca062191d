"""The benchmark compares like with like, takes turns, and says what it could not measure."""

import importlib
import runpy
from functools import partial
from pathlib import Path

import numpy as np
import pytest

TOOL = Path(__file__).parents[1] / "tools" / "benchmark"
RACERS = """
import timing

def counter(path, name):
    def work():
        with open(path, "a") as file:
            file.write(name)
    return work, {"name": name}

def absent():
    raise timing.Missing("no such machine")

def broken():
    return lambda: 1 / 0, {}
"""


@pytest.fixture
def tool(monkeypatch):
    """Imports a module of tools/benchmark by name, here and in the processes it starts."""
    monkeypatch.syspath_prepend(TOOL)
    return importlib.import_module


@pytest.fixture
def racers(tmp_path, tool, monkeypatch):
    (tmp_path / "benchmark_racers.py").write_text(RACERS)
    monkeypatch.syspath_prepend(tmp_path)
    return tool("benchmark_racers")


def contender(tool, name, build, *arguments):
    return tool("timing").Contender(name, partial(build, *arguments))


@pytest.mark.parametrize("fresh", (False, True))
def test_contenders_take_turns_and_missing_ones_are_named(tmp_path, tool, racers, fresh):
    path = tmp_path / "calls"
    entries = [contender(tool, "a", racers.counter, path, "a"),
               contender(tool, "none", racers.absent),
               contender(tool, "b", racers.counter, path, "b")]
    results = tool("timing").race(entries, rounds=2, calls=2, fresh=fresh)
    assert path.read_text() == "aaabbb" * 2  # each turn: one call that is not timed, and two
    assert [len(results[name].seconds) for name in ("a", "none", "b")] == [2, 0, 2]
    assert results["a"].facts["name"] == "a" and results["a"].median > 0
    assert tool("report").missing(results) == ["- none: not measured, no such machine"]


def test_a_contender_that_fails_is_an_error(tool, racers):
    with pytest.raises(RuntimeError, match="(?s)broken failed.*ZeroDivisionError"):
        tool("timing").race([contender(tool, "broken", racers.broken)], rounds=1, calls=1)


@pytest.mark.parametrize("preset", ("boes2022", "vggish", "xu2018icassp-logmel"))
def test_frontends_compute_the_same_features(tool, preset):
    frontends = tool("frontends")
    recipe, size = frontends.Frontend.preset(preset), (2, 8000)
    constants = frontends._constants(recipe)
    expected = frontends.of_librosa(recipe, size, *constants)[0]()
    assert expected.shape == (2, recipe.num_frames(8000), 64)
    for compiled in (False, True):
        ours = frontends.of_sedzoo(recipe, size, compiled)[0]()
        np.testing.assert_allclose(ours, expected, atol=1e-3)
    pytest.importorskip("torch")
    np.testing.assert_allclose(frontends.of_torch(recipe, size, *constants)[0](), expected,
                               atol=1e-3)


def test_the_command_writes_a_table_of_ratios(tmp_path, tool, monkeypatch, capsys):
    frontends, everyone = tool("frontends"), tool("frontends").contenders
    monkeypatch.setattr(frontends, "PRESETS", ("vggish",))
    monkeypatch.setattr(frontends, "contenders", lambda *size: [
        entry for entry in everyone(*size) if entry.name in ("librosa, a loop", "torch.stft, eager")
    ] + [contender(tool, "sedzoo", frontends.of_librosa, frontends.Frontend.preset("vggish"),
                   (4, 32000), *frontends._constants(frontends.Frontend.preset("vggish")))])
    main = runpy.run_path(str(TOOL / "__main__.py"))["main"]
    main(["frontends", "--quick", "--out", str(tmp_path / "out.md")])
    text = (tmp_path / "out.md").read_text()
    assert text in capsys.readouterr().out
    assert "`python tools/benchmark frontends --quick`" in text and "## vggish" in text
    row = next(line for line in text.splitlines() if line.startswith("| sedzoo"))
    clips_per_s, _, to_librosa = row.split("|")[2:5]
    assert float(clips_per_s) > 0 and float(to_librosa.removesuffix("x ")) > 0
    assert row.split("|")[7].strip() == "0.0e+00"


def test_all_networks_are_the_same_network(tool):
    networks = tool("keras_networks")
    model, stock = networks.of_sedzoo(4), networks.of_keras(4)
    assert networks.num_parameters(model) == networks.num_parameters(stock)
    random = np.random.default_rng(1)
    weights = [0.2 * random.standard_normal(w.shape, np.float32) + (w.name == "moving_variance")
               for w in model.weights]
    model.set_weights(weights)
    x = random.standard_normal((2, 6, 64), np.float32)
    expected = model(x, training=False)

    torch_network = pytest.importorskip("torch") and tool("torch_network")
    twin = torch_network.GatedCRNN(width=4).eval()
    torch_network.carry_over(weights, twin)
    assert torch_network.num_parameters(twin) == networks.num_parameters(model)
    assert (torch_network.num_parameters(torch_network.GatedCRNN(width=4, fused=True))
            == networks.num_parameters(model))
    import torch
    with torch.no_grad():
        clip, frame = twin(torch.from_numpy(x))
    np.testing.assert_allclose(clip, expected["clip"], atol=1e-5)
    np.testing.assert_allclose(frame, expected["frame"], atol=1e-5)


@pytest.mark.slow
def test_every_road_of_the_export_gives_the_same_scores(tmp_path, tool, monkeypatch):
    export = tool("export")
    monkeypatch.setattr(export, "BATCHES", (1, 2))
    export.prepare(tmp_path, width=4)
    scores = {}
    for entry in export.contenders(str(tmp_path), 1):
        if entry.name == export.ONNX and not (tmp_path / "model.onnx").exists():
            continue
        work, facts = entry.build()
        work()
        scores[entry.name] = facts["clip"]
    assert len(scores) >= 7
    for name, clip in scores.items():
        np.testing.assert_allclose(clip, scores[export.PREDICT], atol=1e-5, err_msg=name)
