"""sedzoo embed: one file of embeddings for each recording; and exports on top of an extractor."""

import numpy as np
import pytest
import soundfile

from sedzoo.cli import main


@pytest.fixture
def sounds(tmp_path):
    folder = tmp_path / "sounds"
    folder.mkdir()
    for name, seconds in (("long", 3.0), ("short", 0.4)):
        noise = np.random.default_rng(0).normal(0, 0.1, round(16000 * seconds))
        soundfile.write(folder / f"{name}.wav", noise, 16000)
    return folder


def test_writes_the_patches_of_every_recording_with_their_times(sounds, tmp_path, capsys):
    (sounds / "broken.wav").write_bytes(b"no sound")
    assert main(["embed", str(sounds), "--extractor=patches", f"--out={tmp_path / 'out'}"]) == 1
    said = capsys.readouterr()
    assert "broken.wav" in said.err and "2 of 3 recordings" in said.out
    with np.load(tmp_path / "out" / "long.npz") as file:
        assert file["embedding"].shape == (3, 96, 64)
        np.testing.assert_allclose(file["time_s"], [0, 0.96, 1.92])
    with np.load(tmp_path / "out" / "short.npz") as file:
        assert file["embedding"].shape == (1, 96, 64)


@pytest.mark.parametrize(("flags", "message"), [
    (["--out=x"], "--extractor and --out"),
    (["--extractor=vggish", "--out=x"], "--extractor_weights is needed"),
    (["--extractor=patches", "--extractor_weights=f", "--out=x"], "is for vggish"),
])
def test_says_what_is_missing(flags, message, sounds, capsys):
    assert main(["embed", str(sounds), *flags]) == 1
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_a_run_on_embeddings_is_exported_with_what_made_them(tmp_path):
    from sedzoo import export
    from sedzoo.datasets.manifest import Clip, Manifest
    from sedzoo.embeddings import extract
    from sedzoo.embeddings.extractors import ModelExtractor
    from sedzoo.serving import Detector
    from sedzoo.training import Recipe, fit, predict
    from sedzoo.zoo import create_model

    clips = []
    for i in range(12):
        path = tmp_path / f"{i}.wav"
        time = np.arange(32000) / 16000
        soundfile.write(path, 0.3 * np.sin(2 * np.pi * (300, 3000)[i % 2] * time), 16000)
        clips.append(Clip(path.name, str(path), (("low", "high")[i % 2],)))
    manifest = Manifest("tones", ("low", "high"), tuple(clips), attribution="made here")
    model = create_model("vggish", num_classes=2, width=8, units=16)
    heard = extract(manifest, ModelExtractor(model), tmp_path / "cache", progress=False)
    recipe = Recipe(id="test/head", model_name="multilevel_attention", arguments={"units": 8},
                    frontend="vggish", segments=2, epochs=2, batch_size=4)
    run = fit(recipe, heard, None, tmp_path / "run", progress=False)
    with pytest.raises(ValueError, match="`extractor` must be the ModelExtractor"):
        export.from_run(run.directory, tmp_path / "head" / "1")
    path = export.from_run(run.directory, tmp_path / "head" / "1",
                           extractor=ModelExtractor(model), licence="CC0")
    tags = Detector(path).tag(clips[1].path)
    expected = predict(run, heard)["clip"][1]
    assert tags == pytest.approx(dict(zip(manifest.labels, expected.tolist(), strict=True)),
                                 abs=1e-4)
