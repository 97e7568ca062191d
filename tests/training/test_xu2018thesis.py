"""The rows of Xu's thesis (2018) against the printed tables."""

import json
import math

import numpy as np
import pytest
from scipy.special import ndtri

from sedzoo.datasets import audioset, fsdkaggle2018
from sedzoo.embeddings.records import SPLITS
from sedzoo.evaluation import class_metric, clip_metric
from sedzoo.training import Recipe, list_recipes, recipe
from sedzoo.training.recipes.xu2018thesis import PUBLISHED_P

ALL = list_recipes("xu2018thesis/*")
# As printed: mAP, AUC, d'; and the weights that follow from the text, in all and trained.
TABLE10 = {
    "dnn-1": ("0.253 0.934 2.133", 1_122_527, 1_118_927),
    "dnn-2": ("0.294 0.960 2.482", 1_122_527, 1_118_927),
    "lstm": ("0.307 0.953 2.367", 2_068_727, 2_067_527),
    "level-1": ("0.334 0.957 2.422", 991_510, 990_310),
    "level-2": ("0.346 0.961 2.497", 1_354_510, 1_352_110),
    "level-3": ("0.347 0.963 2.520", 1_717_510, 1_713_910),
    "level-12": ("0.338 0.957 2.423", 2_265_693, 2_263_293),
    "level-13": ("0.335 0.959 2.457", 2_628_693, 2_625_093),
    "level-23": ("0.345 0.962 2.506", 2_628_693, 2_625_093),
    "level-123": ("0.340 0.958 2.439", 3_539_876, 3_536_276),
}
EXTRACTORS = ("balanced-first", "balanced-last", "unbalanced-first", "unbalanced-last")
TABLE12 = {"baseline": 0.704, "1-segment-original": 0.606, "1-segment-balanced-first": 0.870,
           "1-segment-balanced-last": 0.864, "1-segment-balanced": 0.891,
           "1-segment-unbalanced-first": 0.858, "1-segment-unbalanced-last": 0.872,
           "1-segment-unbalanced": 0.892, "1-segment": 0.903}
MODEL_F = "6-segment-mixup-0.2"
TABLE13 = {"A": ("1-segment", 0.903), "B": ("lstm", 0.914), "C": ("6-segment", 0.925),
           "D": ("6-segment-pitch", 0.930), "E": ("6-segment-mixup-0.1", 0.930),
           "F": (MODEL_F, 0.936), "G": ("6-segment-mixup-0.4", 0.931),
           "H": ("6-segment-mixup-1.0", 0.930)}
TABLE14 = {"level-1": 0.930, "level-2": 0.929, "level-3": 0.934, "level-12": 0.935,
           "level-13": 0.929, "level-23": 0.928, "level-123": 0.936}
TABLE15 = {"1": 0.917, "2": 0.919, "4": 0.932, "6": 0.936, "8": 0.930, "10": 0.932, "all": 0.932}
# Weights of 41 classes, which the number of segments does not change.
NUM_PARAMS = {"level-1": 130_804, "level-2": 493_804, "level-3": 856_804, "level-12": 544_767,
              "level-13": 907_767, "level-23": 907_767, MODEL_F: 958_730, "lstm": 1_776_641,
              "1-segment": 884_807, "1-segment-mixup-0.2": 884_807, "6-segment": 958_730,
              "10-segment-mixup-0.2": 958_730}
# p-values as the thesis prints them, both halves of each table.
MATRICES = {
    "Table 11": """
        - 0 0 3.9e-4 0.065 3.3e-15 2.2e-7
        0 - 0.21 4.8e-10 1.1e-16 0.10 6.6e-7
        0 0.21 - 1.2e-11 1.0e-15 0.018 1.1e-7
        3.9e-4 4.8e-10 1.2e-11 - 0.019 4.0e-8 0.041
        0.065 1.1e-16 1.0e-15 0.019 - 4.0e-13 7.0e-5
        3.3e-15 0.10 0.018 4.0e-8 4.0e-13 - 1.1e-4
        2.2e-7 6.6e-7 1.1e-7 0.041 7.0e-5 1.1e-4 -""",
    "Table 14": """
        - 0.360 0.108 0.165 0.120 0.323 0.050
        0.360 - 0.204 0.286 0.238 0.258 0.048
        0.108 0.204 - 0.400 0.428 0.066 0.169
        0.165 0.286 0.400 - 0.475 0.098 0.159
        0.120 0.238 0.428 0.475 - 0.019 0.101
        0.323 0.258 0.066 0.098 0.019 - 0.012
        0.050 0.048 0.169 0.159 0.101 0.012 -""",
    "Table 15": """
        - 0.083 0.046 0.037 0.208 0.144 0.008
        0.083 - 0.114 0.121 0.495 0.476 0.036
        0.046 0.114 - 0.480 0.061 0.087 0.485
        0.037 0.121 0.480 - 0.044 0.043 0.494
        0.208 0.495 0.061 0.044 - 0.466 0.087
        0.144 0.476 0.087 0.043 0.466 - 0.025
        0.008 0.036 0.485 0.494 0.087 0.025 -""",
}
SYSTEMS = [name for name in ALL if recipe(name).members]
MEMBERS = [name for name in ALL if recipe(name).folds]


def row(name):
    return recipe(f"xu2018thesis/{name}")


def of_level(name):
    return MODEL_F if name == "level-123" else name


def of_length(length):
    return "all-segments" if length == "all" else f"{length}-segment-mixup-0.2"


def map_at_3(name):
    (split, numbers), = row(name).published.items()
    assert split == "test" and tuple(numbers) == row(name).metrics == ("map_at_3",)
    return numbers["map_at_3"]


# -- the tables --------------------------------------------------------------------------------


def test_every_row_is_there_once():
    assert len(set(ALL)) == len(ALL) == 10 + 4 + 9 + 4 * 18 + 18 + 1
    named = {*(f"audioset-{name}" for name in TABLE10), *TABLE12,
             *(name for name, _ in TABLE13.values()), *map(of_level, TABLE14),
             *map(of_length, TABLE15), *(f"vggish-{name}" for name in EXTRACTORS)}
    others = {name.removeprefix("xu2018thesis/") for name in ALL} - named
    assert all("no row of its own" in row(name).source and not row(name).published
               for name in others)
    assert all(row(name).published for name in named if not name.startswith("vggish"))


@pytest.mark.parametrize("name", TABLE10)
def test_table_10_is_as_printed(name):
    found, numbers = row(f"audioset-{name}"), [float(n) for n in TABLE10[name][0].split()]
    assert found.published == {"evaluation": dict(zip(
        ("average_precision", "auc", "d_prime"), numbers, strict=True))}
    assert "Table 10" in found.source and found.average == "macro"
    # d' is of the mean AUC, which is rounded.
    low, high = (math.sqrt(2) * ndtri(numbers[1] + half) for half in (-6e-4, 6e-4))
    assert low < numbers[2] < high


@pytest.mark.parametrize("name", TABLE12)
def test_table_12_is_as_printed(name):
    assert map_at_3(name) == TABLE12[name] and "Table 12" in row(name).source


@pytest.mark.parametrize("index", TABLE13)
def test_table_13_is_as_printed(index):
    name, score = TABLE13[index]
    assert map_at_3(name) == score and f"Table 13, {index}" in row(name).source


def test_tables_14_and_15_are_as_printed():
    assert {name: map_at_3(of_level(name)) for name in TABLE14} == TABLE14
    assert {length: map_at_3(of_length(length)) for length in TABLE15} == TABLE15
    assert all(f"Table 14, {name}" in row(of_level(name)).source for name in TABLE14)
    assert all(f"Table 15, {length}" in row(of_length(length)).source for length in TABLE15)


@pytest.mark.parametrize("table", MATRICES)
def test_p_values_are_as_printed_on_both_sides_of_the_diagonal(table):
    names = {"Table 11": [f"audioset-{name}" for name in TABLE14],
             "Table 14": [of_level(name) for name in TABLE14],
             "Table 15": [of_length(length) for length in TABLE15]}[table]
    lines = [line.split() for line in MATRICES[table].strip().splitlines()]
    pairs = {(f"xu2018thesis/{first}", f"xu2018thesis/{second}"): float(lines[i][j])
             for i, first in enumerate(names) for j, second in enumerate(names) if i != j}
    assert len(PUBLISHED_P[table]) == 21
    for (first, second), p in PUBLISHED_P[table].items():
        assert pairs[first, second] == pairs[second, first] == p
        assert {first, second} <= set(ALL)


def test_the_smallest_p_values_are_what_one_tail_leaves_of_one_in_floats():
    smallest = [p for p in PUBLISHED_P["Table 11"].values() if 0 < p < 1e-14]
    multiples = [p / 2**-53 for p in smallest]
    assert sorted(round(multiple) for multiple in multiples) == [1, 9, 30]
    for p, multiple in zip(smallest, multiples, strict=True):       # two digits are printed
        assert float(f"{round(multiple) * 2**-53:.1e}") == p
    assert max(max(PUBLISHED_P[table].values()) for table in ("Table 14", "Table 15")) < 0.5


# -- what they are made of ---------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
def test_a_row_survives_json_and_scores_what_it_reports(name):
    found = recipe(name)
    assert Recipe.from_dict(json.loads(json.dumps(found.to_dict()))) == found
    assert all(tuple(numbers) == found.metrics for numbers in found.published.values())
    assert "Aalto University, 2018" in found.source
    assert found.average == ("macro" if "audioset" in name else "micro")


@pytest.mark.parametrize("name", TABLE10)
def test_audioset_is_learned_as_the_thesis_says(name):
    found = row(f"audioset-{name}")
    assert (found.dataset, found.valid_split) == ("audioset_embeddings", "evaluation")
    assert found.train_split == ("balanced" if name == "dnn-1" else "training")
    assert {found.train_split, found.valid_split} <= set(SPLITS) & set(audioset.SPLITS)
    assert (found.optimizer, found.learning_rate, found.batch_size) == ("adam", 1e-3, 500)
    assert (found.steps_per_epoch, found.segments, found.extractor) == (1000, 10, "vggish")
    assert (found.sampler, found.sampler_arguments) == ("balanced", {"limits": []})
    assert found.early_stopping == {"monitor": "val_average_precision", "patience": 10}
    assert "average_precision" in found.valid_metrics and not found.single_label


@pytest.mark.parametrize("name", EXTRACTORS)
def test_extractors_are_tuned_by_table_8(name):
    found = row(f"vggish-{name}")
    sampling, end = name.split("-")
    assert found.sampler == {"balanced": "balanced", "unbalanced": "uniform"}[sampling]
    assert found.valid_split == {"first": "last 1473", "last": "first 1473"}[end]
    assert (found.model_name, found.batch_of, found.batch_size) == ("vggish", "clips", 41)
    assert (found.segments, found.extractor, found.single_label) == (1, "", True)
    assert found.early_stopping["monitor"] == "val_loss" and found.keep == "best"
    frontend = found.features()
    assert (frontend.sample_rate, frontend.trim_db, frontend.peak_normalise) == (16000, 60, True)
    assert (frontend.num_bands, frontend.fmin_hz, frontend.fmax_hz) == (64, 125, 7500)
    assert len(fsdkaggle2018.LABELS) == found.arguments["num_classes"] == found.batch_size


@pytest.mark.parametrize("name", MEMBERS)
def test_members_are_cross_validated_on_the_embeddings_of_their_own_extractor(name):
    found = recipe(name)
    assert (found.folds, found.ensemble, found.single_label) == (5, "geometric", True)
    assert (found.batch_size, found.learning_rate, found.sampler) == (500, 1e-3, "uniform")
    assert found.arguments["activation"] == "softmax" and found.arguments["num_classes"] == 41
    if name.endswith("-original"):
        assert found.extractor == "vggish"
    else:
        assert name.endswith(found.extractor.removeprefix("xu2018thesis/vggish"))
        assert recipe(found.extractor).features() == found.features()
    assert found.mixtures is None or found.pitch_quota == 600


@pytest.mark.parametrize("name", SYSTEMS)
def test_systems_are_means_of_rows_that_are_there(name):
    found = recipe(name)
    assert set(found.members) < set(ALL) and found.ensemble == "geometric"
    if "all-segments" in name:
        assert [recipe(member).source.rsplit(", ", 1)[1] for member in found.members] == [
            "1", "2", "4", "6", "8", "10"]
        return
    assert len(found.members) == (2 if name.endswith("balanced") else 4)
    settings = [recipe(member).to_dict() for member in found.members]
    for fields in settings:
        assert {key for key in fields if fields[key] != settings[0][key]} <= {
            "id", "extractor", "source", "published"}
    with pytest.raises(ValueError, match="it averages"):
        found.model()


@pytest.mark.parametrize("name, segments, alpha, pitch", [
    ("1-segment", 1, None, None), ("lstm", "clip", None, None), ("6-segment", 6, None, None),
    ("6-segment-pitch", 6, None, 600), ("6-segment-mixup-0.1", 6, 0.1, 600),
    (MODEL_F, 6, 0.2, 600), ("6-segment-mixup-0.4", 6, 0.4, 600),
    ("6-segment-mixup-1.0", 6, 1.0, 600), ("level-13", 6, 0.2, 600),
    ("10-segment-mixup-0.2", 10, 0.2, 600), ("1-segment-mixup-0.2", 1, 0.2, 600)])
def test_models_a_to_h_and_their_kin_hear_and_mix_what_the_thesis_says(
        name, segments, alpha, pitch):
    found = row(f"{name}-unbalanced-last")
    assert (found.segments, found.pitch_quota) == (segments, pitch)
    assert found.mixtures == (None if alpha is None else {"alpha": alpha})
    assert found.arguments.get("attention", True) == (segments != 1)
    levels = [int(level) for level in name.removeprefix("level-")] if "level" in name else [1, 2, 3]
    assert found.arguments.get("levels", levels) == levels


def test_the_challenge_s_baseline_is_a_number_alone():
    with pytest.raises(ValueError, match="quotes its numbers"):
        row("baseline").model()


# -- the models --------------------------------------------------------------------------------


def num_weights(weights):
    return sum(math.prod(weight.shape) for weight in weights)


def some_fast(names, fast):
    """The rest of the names marked as slow."""
    return [name if name in fast else pytest.param(name, marks=pytest.mark.slow)
            for name in names]


@pytest.mark.parametrize("name", some_fast(TABLE10, ("dnn-1", "lstm", "level-123")))
def test_models_on_audioset_have_the_size_that_follows_from_the_text(name):
    model = row(f"audioset-{name}").model()
    assert num_weights(model.weights) == TABLE10[name][1]
    assert num_weights(model.trainable_weights) == TABLE10[name][2]
    assert model.output["clip"].shape == (None, 527)


@pytest.mark.parametrize("name", some_fast(NUM_PARAMS, ("1-segment", MODEL_F)))
def test_models_on_fsdkaggle2018_have_the_size_that_follows_from_the_text(name):
    model = row(f"{name}-balanced-first").model()
    assert num_weights(model.weights) == NUM_PARAMS[name]


@pytest.mark.slow
def test_the_extractor_is_vggish_with_the_thesis_head():
    model = row("vggish-balanced-first").model()
    assert num_weights(model.weights) == 72_158_225
    assert model.get_layer("embedding").output.shape[-1] == 128


# -- the thesis' own examples of its metrics (section 4.3) -------------------------------------


@pytest.mark.parametrize("results, precision", [
    ((1, 0, 1, 1, 0, 1), 0.77), ((0, 1, 0, 1, 0, 1), 0.5), ((0, 0, 1, 0, 0, 1, 0, 0, 1), 0.33)])
def test_average_precision_of_the_worked_examples(results, precision):
    targets = np.array(results)[:, None]
    falling = np.linspace(0.9, 0.1, len(results))[:, None]
    by_hand = np.mean([sum(results[:i + 1]) / (i + 1) for i, hit in enumerate(results) if hit])
    assert clip_metric("average_precision", targets, falling) == pytest.approx(by_hand)
    assert round(by_hand, 2) == precision


def test_map_at_3_of_the_worked_example():
    ranks = {1: 1, 2: 1 / 2, 3: 1 / 3, 4: 0}
    targets = np.zeros((4, 5), np.uint8)
    said = np.tile([0.4, 0.3, 0.15, 0.1, 0.05], (4, 1))
    for clip, rank in enumerate(ranks):
        targets[clip, rank - 1] = 1
        assert clip_metric("map_at_3", targets[[clip]], said[[clip]]) == ranks[rank]
    assert clip_metric("map_at_3", targets, said) == pytest.approx((1 + 1 / 2 + 1 / 3) / 4)
    np.testing.assert_allclose(class_metric("map_at_3", targets, said),
                               [1, 1 / 2, 1 / 3, 0, np.nan])
