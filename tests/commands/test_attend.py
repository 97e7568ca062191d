"""sedzoo attend: from a film to scores and to pictures of attention."""

import json

import numpy as np
import pytest
from small_runs import write_run

from sedzoo.cli import main


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:VGG16 has random weights")
def test_a_film_becomes_scores_and_pictures(shared_data, tmp_path, capsys):
    film = shared_data / "video" / "bigbuckbunny.mp4"
    assert main(["attend", str(film), f"--out={tmp_path}"]) == 0
    assert "attention.png" in capsys.readouterr().out
    scores = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))
    assert len(scores) == 17 and all(0 < score < 1 for score in scores.values())
    assert (tmp_path / "attention.png").read_bytes().startswith(b"\x89PNG")
    page = (tmp_path / "attention.html").read_text(encoding="utf-8")
    assert "<video" in page and "untrained" in page


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:VGG16 has random weights")
def test_the_scores_of_a_run_are_the_model_s(shared_data, tmp_path):
    from sedzoo import video
    from sedzoo.embeddings.extractors import ModelExtractor
    from sedzoo.training import Recipe
    from sedzoo.zoo import create_model

    film = str(shared_data / "video" / "bigbuckbunny.mp4")
    vggish = create_model("vggish", width=8, units=8)
    recipe = Recipe(id="test/av", model_name="av_transformer", frontend="vggish", segments=5,
                    arguments={"first": "audio", "second": "audio", "width": 8, "depth": 1})
    model = recipe.model(2, {"audio": 128})
    heads = write_run(tmp_path / "heads", recipe, model, ["a", "b"], {"audio": 0.1},
                      {"audio": 2.0})
    patches = recipe.replace(model_name="vggish", arguments={}, segments=1)
    extractor = write_run(tmp_path / "vggish", patches, vggish, ["a", "b"])
    assert main(["attend", film, f"--run={heads}", f"--out={tmp_path / 'out'}",
                 f"--extractor={extractor}"]) == 0
    heard = ModelExtractor(vggish)(video.load_sound(film, 16000))
    expected = np.asarray(model({"audio": ((heard - 0.1) / 2)[None]})["clip"])[0]
    scores = json.loads((tmp_path / "out" / "scores.json").read_text(encoding="utf-8"))
    np.testing.assert_allclose([scores["a"], scores["b"]], expected, atol=1e-5)


@pytest.mark.parametrize(("arguments", "message"), [
    (["attend", "--out=x"], "name one film"), (["attend", "film.mp4"], "--out"),
    (["attend", "no_such.mp4", "--out=x", "--run=nowhere"], "nowhere"),
])
def test_says_what_is_missing(arguments, message, capsys):
    assert main(arguments) == 1
    assert message in capsys.readouterr().err
