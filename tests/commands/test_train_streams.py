"""sedzoo train on films: what is heard and what is seen."""

import numpy as np
import pytest
from small_runs import write_run
from videos import plain, write_video

from sedzoo.cli import main


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:VGG16 has random weights")
def test_an_audiovisual_row_learns_from_a_folder_of_films(tmp_path, capsys):
    from sedzoo.training import Recipe, Run
    from sedzoo.zoo import create_model

    films = tmp_path / "films"
    draw = np.random.default_rng(0)
    for label, colour in (("dark", (20, 20, 20)), ("light", (220, 220, 220))):
        (films / label).mkdir(parents=True)
        for number in range(5):
            write_video(films / label / f"{number}.mkv", plain([colour] * 50),
                        waveform=draw.normal(0, 0.1, 32000))
    vggish = create_model("vggish", width=8, units=8)
    extractor = write_run(tmp_path / "vggish", Recipe(
        id="test/vggish", model_name="vggish", frontend="vggish", segments=1), vggish, ["a"] * 1)
    settings = ["segments=2", "epochs=1", "steps_per_epoch=2", "batch_size=4", "fusion_epochs=[-1]",
                "arguments.width=8", "arguments.depth=1"]
    assert main(["train", "--recipe=boes2019/audio-video-no-positions-softmax-mean",
                 "--data=folder", f"--audio={films}", f"--out={tmp_path / 'run'}",
                 f"--extractor={extractor}", "--valid_share=0.4",
                 *(f"--set={setting}" for setting in settings)]) == 0
    assert "6 training clips, 4 for validation, 2 classes" in capsys.readouterr().out
    run = Run.load(tmp_path / "run")
    assert {name: x.shape[-1] for name, x in run.model.input.items()} == {
        "audio": 128, "video": 4096}
    assert run.history()[0]["loss"] > 0
