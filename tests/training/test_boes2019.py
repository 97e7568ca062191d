"""The rows of Boes & Van hamme (2019) against the printed tables, and their rules of training."""

import itertools

import numpy as np
import pytest
from scipy.sparse import csr_array

from sedzoo.embeddings import Embeddings
from sedzoo.embeddings.streams import align
from sedzoo.sampling import LIMITS, repetitions
from sedzoo.training import fit, list_recipes, predict, recipe
from sedzoo.training.state import has_stalled

ALL = list_recipes("boes2019/*")
QUOTED = {"gated-crnn-fusion": ("evaluation", 55.6, "Xu et al. 2018"),
          "capsule": ("evaluation", 58.6, "Iqbal et al. 2018"),
          "two-stream": ("evaluation_with_video", 64.2, "Parekh et al. 2018")}
# As printed: mean pooling with softmax, sigmoid, normalised sigmoid; then max pooling.
TABLE1 = """
    audio video audio/video  66.1 66.0 66.3   66.2 66.3 66.4
    audio video video        69.5 69.8 69.4   69.3 69.5 69.4
    audio video none         69.2 69.4 69.3   69.1 69.3 68.9
    video audio audio/video  67.7 67.5 67.8   67.3 67.1 67.6
    video audio video        69.7 70.1 69.7   69.7 69.8 69.7
    video audio none         69.6 69.8 69.5   69.7 69.7 69.7
    video video video        59.1 59.3 59.3   59.0 59.1 59.0
    video video none         58.8 59.1 59.0   58.8 58.8 58.8
    audio audio audio        57.0 56.9 56.8   56.2 56.4 56.4
    audio audio none         58.6 59.1 58.8   58.5 58.9 58.7"""
IN_BRACKETS = {"audio": (57.0, 57.0, 57.1, 56.4, 56.7, 56.7),
               "none": (59.3, 59.5, 59.3, 59.0, 59.4, 59.0)}
COLUMNS = list(itertools.product(("mean", "max"), ("softmax", "sigmoid", "normalised_sigmoid")))
WEIGHTS = {("audio", "video"): 2_526_097, ("video", "audio"): 2_526_097,
           ("video", "video"): 3_034_001, ("audio", "audio"): 2_018_193}


def cells():
    """((first, second, positions, pool, function), F1, F1 of the full test set or None)."""
    for line in TABLE1.strip().splitlines():
        first, second, positions, *scores = line.split()
        of_all = IN_BRACKETS[positions] if first == second == "audio" else [None] * 6
        for column, score, whole in zip(COLUMNS, map(float, scores), of_all, strict=True):
            yield (first, second, positions, *column), score, whole


def cell(found):
    """Where in the table a recipe stands, by its arguments."""
    arguments = found.arguments
    return (arguments["first"], arguments["second"],
            "/".join(arguments["positions"]) or "none", arguments["pool"], arguments["attention"])


# -- the tables --------------------------------------------------------------------------------


def test_every_cell_is_there_once_and_as_printed():
    found = {cell(row): row.published for row in map(recipe, ALL) if row.model_name}
    assert found == {
        where: {"evaluation_with_video": {"f1": score}}
        | ({} if whole is None else {"evaluation": {"f1": whole}})
        for where, score, whole in cells()}
    assert len(found) == 60 and len(set(ALL)) == len(ALL) == 63


def test_a_rows_name_says_what_it_is():
    for name in ALL[:60]:
        first, second, positions, pool, function = cell(recipe(name))
        positions = positions.replace("/", "-").replace("none", "no")
        assert name == (f"boes2019/{first}-{second}-{positions}-positions-"
                        f"{function.replace('_', '-')}-{pool}")


def test_what_is_quoted_has_its_number_and_no_model():
    assert {name.removeprefix("boes2019/") for name in ALL[60:]} == set(QUOTED)
    for name, (split, score, whose) in QUOTED.items():
        row = recipe(f"boes2019/{name}")
        assert row.published == {split: {"f1": score}} and whose in row.source
        with pytest.raises(ValueError, match="another team's system"):
            row.model()
    # The same system as in its own paper.
    assert recipe("xu2018icassp/fusion").published["evaluation"]["f1"] == 55.6


def test_all_cells_are_trained_alike():
    same = {"id", "arguments", "published"}
    rows = [{key: value for key, value in recipe(name).to_dict().items() if key not in same}
            for name in ALL[:60]]
    assert all(row == rows[0] for row in rows)
    row = recipe(ALL[0])
    assert (row.batch_size, row.steps_per_epoch, row.epochs) == (40, 300, 30)
    assert (row.optimizer, row.learning_rate, row.optimizer_arguments) == (
        "adam", 1e-3, {"epsilon": 1e-8})
    assert (row.segments, row.extractor, row.average) == (10, "vggish", "micro")
    assert row.loss_weights == {"clip": 1.0} and row.decisions == {"clip_rule": "best_threshold"}


def test_classes_are_drawn_within_a_ratio_of_five():
    row = recipe(ALL[0])
    assert row.sampler == "balanced" and row.sampler_arguments == {}
    # Of the data set's classes the largest has about 130 times the clips of the smallest.
    assert repetitions([200, 26_000], LIMITS).tolist() == [1, 5]


@pytest.mark.parametrize("where", sorted(WEIGHTS))
def test_the_papers_models_build_at_their_sizes(where):
    name = f"boes2019/{where[0]}-{where[1]}-no-positions-normalised-sigmoid-max"
    model = recipe(name).model()
    assert model.count_params() == WEIGHTS[where]
    assert {key: x.shape[-1] for key, x in model.input.items()} == {
        key: size for key, size in (("audio", 128), ("video", 4096)) if key in where}


# -- their rules of training -------------------------------------------------------------------


def plain_rule(losses):
    """The paper's words: higher than all validation losses after the last seven epochs."""
    return len(losses) > 7 and all(losses[-1] > loss for loss in losses[-8:-1])


def test_training_stops_above_every_one_of_the_seven_losses_before():
    rule = recipe(ALL[0]).early_stopping
    draw = np.random.default_rng(0)
    stopped = set()
    for _ in range(400):
        losses = draw.integers(0, 5, draw.integers(1, 12)).tolist()
        stops = has_stalled([{"val_loss": loss} for loss in losses], rule)
        assert stops == plain_rule(losses)
        stopped.add(stops)
    assert stopped == {True, False}


def made(num_clips, seed):
    """Clips of two streams; which of three classes they have can be told from neither alone."""
    draw = np.random.default_rng(seed)
    classes = np.arange(num_clips) % 3
    parts = {}
    for key, size, told in (("audio", 4, classes == 0), ("video", 5, classes == 2)):
        values = draw.normal(0, 0.5, (num_clips, 2, size))
        values[told] += 1
        parts[key] = Embeddings(
            values.reshape(-1, size).astype(np.float32), 2 * np.arange(num_clips),
            np.full(num_clips, 2), csr_array(np.eye(3, dtype=np.float32)[classes]),
            np.array([f"{i}.wav" for i in range(num_clips)]), np.full(num_clips, ""),
            ("a", "b", "c"), name="blobs")
    return align(**parts)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A small model, trained by the paper's rules until they stop it."""
    row = recipe("boes2019/video-audio-video-positions-sigmoid-mean")
    row = row.replace(
        id="test/boes2019", segments=2, batch_size=6, steps_per_epoch=2, epochs=30, seed=1,
        learning_rate=0.1, sampler_arguments={"limits": ()},
        arguments={**row.arguments, "width": 4, "num_heads": 1, "depth": 1, "ff_units": 4})
    return fit(row, made(12, 0), made(9, 1), tmp_path_factory.mktemp("run"), progress=False)


@pytest.mark.slow
def test_a_run_ends_where_the_rule_strikes_first(run):
    losses = [row["val_loss"] for row in run.history()]
    assert 8 <= len(losses) < run.recipe.epochs
    assert [plain_rule(losses[:n]) for n in range(1, len(losses) + 1)] == [
        *[False] * (len(losses) - 1), True]


@pytest.mark.slow
def test_probabilities_are_means_over_the_last_seven_epochs(run):
    asked = made(5, 2)
    num_done = len(run.history())
    each = [predict(run, asked, (epoch,))["clip"] for epoch in range(num_done - 6, num_done + 1)]
    assert np.ptp(each, axis=0).max() > 1e-3
    np.testing.assert_allclose(predict(run, asked)["clip"], np.mean(each, axis=0), rtol=1e-5)
    np.testing.assert_allclose(predict(run, asked, ())["clip"], each[-1], rtol=1e-5)
    assert each[0].shape == (5, 3)
