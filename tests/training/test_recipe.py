import json
import math
import subprocess
import sys

import pytest

from sedzoo.frontend import Frontend
from sedzoo.training import Recipe, list_recipes, recipe

ALL = list_recipes("xu2018icassp/*")
# Paper 004, Tables 1 and 2 and section 4.2.2, as printed.
PRINTED = {
    "dcase2017-mlp": {"development": (10.9, 7.8, 17.5), "evaluation": (18.2, 15.0, 23.1)},
    "crnn-logmel-nobatchbal": {"development": (42.0, 47.1, 38.0)},
    "crnn-logmel": {"development": (52.8, 49.9, 56.1)},
    "gated-crnn-logmel": {"development": (56.7, 53.8, 60.1), "evaluation": (54.2, 58.9, 50.2)},
    "gated-crnn-mfcc": {"development": (52.1, 51.7, 52.5)},
    "fusion": {"development": (57.7, 56.5, 58.9), "evaluation": (55.6, 61.4, 50.8)},
    "cnn-ensemble": {"evaluation": (52.6, 69.7, 42.3)},
    "frame-cnn": {"evaluation": (49.0, 53.8, 45.0)},
    "dcase2017-mlp-sed": {"development": (13.8, 1.02), "evaluation": (28.4, 0.93)},
    "gated-crnn-logmel-sed": {"development": (47.2, 0.76), "evaluation": (47.5, 0.78)},
    "gated-crnn-mfcc-sed": {},
    "fusion-sed": {"development": (49.7, 0.72), "evaluation": (51.8, 0.73)},
    "cnn-ensemble-sed": {"evaluation": (55.5, 0.66)},
}


def test_every_row_of_both_tables_is_there_with_its_printed_numbers():
    assert ALL == [f"xu2018icassp/{name}" for name in PRINTED]
    for name, splits in PRINTED.items():
        row = recipe(f"xu2018icassp/{name}")
        assert {split: tuple(numbers[metric] for metric in row.metrics)
                for split, numbers in row.published.items()} == splits
        assert row.average == "micro"
        assert "Xu et al. 2018" in row.source


def test_numbers_are_found_by_split_and_metric():
    published = recipe("xu2018icassp/gated-crnn-logmel").published
    assert published["development"]["f1"] == 56.7 and published["evaluation"]["recall"] == 50.2
    published = recipe("xu2018icassp/fusion-sed").published
    assert published["evaluation"] == {"segment_f1": 51.8, "segment_error_rate": 0.73}


def test_training_is_the_papers():
    row = recipe("xu2018icassp/gated-crnn-logmel")
    assert (row.sampler, row.batch_size, row.steps_per_epoch) == ("balanced", 44, 100)
    assert (row.optimizer, row.learning_rate, row.loss_weights) == ("adam", 1e-3, {"clip": 1.0})
    assert row.fusion_epochs == (20, 30, 40, 50, 60, 70, 80)
    assert all(epoch % row.checkpoint_every == 0 <= epoch <= row.epochs
               for epoch in row.fusion_epochs)
    assert row.decisions == {"clip_threshold": 0.3, "clip_fallback": "argmax"}
    plain, balanced = (recipe(f"xu2018icassp/crnn-logmel{end}") for end in ("-nobatchbal", ""))
    same = {"id", "source", "published", "sampler"}
    assert {key for key, value in plain.to_dict().items()
            if value != balanced.to_dict()[key]} == same


def test_detection_decides_as_the_released_code():
    decoder = recipe("xu2018icassp/gated-crnn-logmel-sed").decoder()
    assert (decoder.thresholds, decoder.max_gap_frames, decoder.min_frames) == (0.3, 9, 11)
    assert recipe("xu2018icassp/dcase2017-mlp-sed").decoder().median_frames == 27


@pytest.mark.parametrize(("name", "num_params"), [
    ("dcase2017-mlp", 13_467), ("crnn-logmel", 671_313), ("gated-crnn-logmel", 1_190_545),
    ("gated-crnn-logmel-sed", 1_194_914), ("dcase2017-mlp-sed", 13_467)])
def test_a_recipes_model_has_the_papers_size(name, num_params):
    model = recipe(f"xu2018icassp/{name}").model()
    assert sum(math.prod(weight.shape) for weight in model.weights) == num_params


def test_the_mfcc_recipe_reads_120_features_and_classes_can_be_changed():
    row = recipe("xu2018icassp/gated-crnn-mfcc")
    assert row.features() == Frontend.preset("xu2018icassp-mfcc")
    small = row.replace(arguments={**row.arguments, "width": 4, "rnn_units": 4})
    model = small.model(num_classes=3)
    assert model.input.shape == (None, None, 120)
    assert model.output["clip"].shape == (None, 3)


def test_fusions_name_their_members_and_have_no_model():
    row = recipe("xu2018icassp/fusion-sed")
    assert set(row.members) < set(ALL)
    hops = {recipe(member).features().clock().hop_s for member in row.members}
    assert len(hops) == 1
    with pytest.raises(ValueError, match="averages xu2018icassp/gated-crnn-logmel-sed"):
        row.model()


def test_quoted_rows_have_numbers_and_say_why_they_have_no_model():
    with pytest.raises(ValueError, match="another team"):
        recipe("xu2018icassp/frame-cnn").model()


@pytest.mark.parametrize("name", ALL)
def test_a_recipe_survives_json(name):
    row = recipe(name)
    assert Recipe.from_dict(json.loads(json.dumps(row.to_dict()))) == row


def test_an_unknown_key_is_an_error_that_names_the_nearest():
    with pytest.raises(ValueError, match="'learning_rat'.*Did you mean 'learning_rate'"):
        Recipe.from_dict({"id": "mine", "learning_rat": 1})
    with pytest.raises(ValueError, match="'clip_treshold' in decisions.*'clip_threshold'"):
        Recipe.from_dict({"id": "mine", "decisions": {"clip_treshold": 1}})
    with pytest.raises(ValueError, match="'clips' in loss_weights.*'clip'"):
        Recipe(id="mine", loss_weights={"clips": 1})
    with pytest.raises(ValueError, match="'batchsize'.*'batch_size'"):
        recipe("xu2018icassp/crnn-logmel").replace(batchsize=3)
    with pytest.raises(ValueError, match="needs an `id`"):
        Recipe.from_dict({})


def test_an_unknown_recipe_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'xu2018icassp/gated-crnn-logmel'"):
        recipe("xu2018icassp/gated-crnn-logmell")
    with pytest.raises(ValueError, match="No recipe 'crnn'"):
        recipe("crnn")


@pytest.mark.parametrize(("fields", "message"), [
    ({"batch_size": 0}, "batch_size=0"), ({"epochs": 1.5}, "epochs=1.5"),
    ({"learning_rate": -1}, "learning_rate=-1"), ({"sampler": "unifrom"}, "sampler='unifrom'"),
    ({"loss_weights": {"clip": 0}}, "loss_weights"), ({"mixup_rate": 2}, "mixup_rate=2"),
    ({"frontend": "xu2018icassp-logmal"}, "Did you mean 'xu2018icassp-logmel'"),
    ({"frame_targets": "weak"}, "frame_targets='weak'"),
    ({"decisions": {"thresholds": 3}}, "thresholds=3")])
def test_names_the_bad_argument(fields, message):
    with pytest.raises(ValueError, match=message):
        Recipe(id="mine", **fields)


def test_listing_recipes_imports_no_framework():
    code = ("import sys; from sedzoo.training import list_recipes, recipe\n"
            "recipe(list_recipes()[3])\n"
            "assert not {'keras', 'tensorflow', 'torch', 'jax'} & set(sys.modules)")
    subprocess.run([sys.executable, "-c", code], check=True)


def test_list_recipes_takes_a_pattern():
    assert list_recipes("xu2018icassp/*fusion*") == ["xu2018icassp/fusion",
                                                     "xu2018icassp/fusion-sed"]
