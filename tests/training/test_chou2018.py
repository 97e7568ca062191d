"""The rows of Chou, Jang & Yang 2018 against the printed tables, and trained at a tiny width."""

import csv
import json
import math
import shutil

import numpy as np
import pytest

from sedzoo import cli, features
from sedzoo.datasets import audioset, dcase2017_task4
from sedzoo.training import Recipe, fit, list_recipes, predict, recipe
from sedzoo.training.objectives import class_weights
from sedzoo.training.state import Keeper

ALL = list_recipes("chou2018/*")
# As printed: mAP, AUC, F1, R, P; millions of parameters.
TABLE1 = {
    "convnet": ("54.1 88.1 56.3 57.8 58.9", 1.54),
    "resnet-max": ("56.5 90.6 58.0 61.7 57.5", 3.70),
    "resnet-mean": ("57.1 90.7 58.5 58.6 61.9", 3.70),
    "resnet-wlat": ("56.5 90.5 57.3 64.1 54.0", 3.70),
    "resnet-slat": ("58.9 91.5 58.4 58.3 62.6", 3.70),
    "resnet-plat": ("53.1 88.0 57.1 62.4 55.0", 3.72),
    "resnet-att": ("59.0 90.5 59.3 67.0 56.0", 4.14),
    "resnet-spda": ("59.6 91.1 60.0 64.0 59.3", 6.84),
    "mmnet": ("63.2 91.9 63.4 66.1 64.4", 4.16),
    "mmnet-no-ep": ("61.4 92.1 62.3 68.7 58.6", 4.16),
}
# F1, R, P.
TABLE2 = {"dcase2017-baseline": "13.1 12.2 14.1", "sdcnn": "41.2 37.6 45.7",
          "densecrnn": "51.8 49.5 54.2", "framecnn": "53.8 55.4 54.0", "cnn-eb": "57.0 47.9 70.3",
          "cvssp": "61.9 64.7 59.4", "mmnet-ms": "65.6 67.5 65.2"}
# mAP, AUC.
TABLE3 = {"wlat": "21.3 92.7", "convnet": "20.3 93.5", "resnet-mean": "21.8 93.6",
          "resnet-att": "22.0 93.5", "resnet-spda": "21.9 93.6", "mmnet": "22.6 93.8",
          "mmnet-ms": "23.2 94.0"}
TABLE4 = {"resnet28": "27.8 94.0", "resnet50": "26.6 93.8", "resnet-att": "29.8 94.0",
          "mmnet-ms": "32.7 95.1"}
QUOTED = {*TABLE2} - {"mmnet-ms"} | {"audioset20k-wlat"}
SEGMENT_FRAMES = (4, 8, 32, 64)
SWEEP = [f"{prefix}{system}-{frames}frames" for prefix in ("", "audioset20k-")
         for system in ("mmnet", "mmnet-ms") for frames in SEGMENT_FRAMES]
LOSSES = {"resnet-slat": {"frame": 1}, "resnet-plat": {"clip": 1, "pseudo": 1},
          "mmnet": {"clip": 1, "micro": 1}}
SHORT = {"mAP": "average_precision", "AUC": "auc", "F1": "f1", "R": "recall", "P": "precision"}


def row(name):
    return recipe(f"chou2018/{name}")


def printed(names, numbers):
    return {SHORT[name]: float(number)
            for name, number in zip(names.split(), numbers.split(), strict=True)}


def num_kernels(model):
    """Weights of convolutions and dense layers, without biases: how the paper seems to count."""
    return sum(math.prod(weight.shape) for weight in model.trainable_weights
               if len(weight.shape) > 1)


# -- the tables --------------------------------------------------------------------------------


def test_every_row_of_the_tables_and_of_the_sweep_is_there_and_no_other():
    names = [*TABLE1, "mmnet-repo", *TABLE2, *(f"audioset20k-{name}" for name in TABLE3),
             *(f"audioset1m-{name}" for name in TABLE4), *SWEEP]
    assert ALL == [f"chou2018/{name}" for name in names]
    assert len(set(ALL)) == len(ALL)


@pytest.mark.parametrize("name", TABLE1)
def test_table_1_is_as_printed(name):
    assert row(name).published == {"development": printed("mAP AUC F1 R P", TABLE1[name][0])}
    assert "Table 1" in row(name).source and "Chou et al. 2018" in row(name).source


@pytest.mark.parametrize("name", TABLE2)
def test_table_2_is_as_printed(name):
    assert row(name).published == {"development": printed("F1 R P", TABLE2[name])}
    assert "Table 2" in row(name).source


@pytest.mark.parametrize("prefix, table, numbers",
                         [("audioset20k-", 3, TABLE3), ("audioset1m-", 4, TABLE4)])
def test_tables_3_and_4_are_as_printed(prefix, table, numbers):
    for name, line in numbers.items():
        found = row(prefix + name)
        assert found.published == {"evaluation": printed("mAP AUC", line)}
        assert f"Table {table}" in found.source
        assert (found.dataset, found.valid_split) == ("audioset", "evaluation")
        assert found.train_split == ("balanced" if table == 3 else "training_1m")
        assert found.train_split in audioset.SPLITS and found.valid_split in audioset.SPLITS


def test_what_the_paper_prints_no_numbers_of_has_none():
    assert {name for name in ALL if not recipe(name).published} == {
        f"chou2018/{name}" for name in ("mmnet-repo", *SWEEP)}
    assert all("prints no numbers" in row(name).notes and "Figure 6" in row(name).source
               for name in SWEEP)
    assert "No row of the paper" in row("mmnet-repo").notes


@pytest.mark.parametrize("name", ALL)
def test_scores_are_class_averages_of_the_row_s_own_metrics(name):
    found = recipe(name)
    assert found.average == "macro"
    assert all(tuple(numbers) == found.metrics for numbers in found.published.values())
    assert set(found.metrics) <= set(SHORT.values())


@pytest.mark.parametrize("name", sorted(QUOTED))
def test_quoted_rows_have_numbers_and_say_why_they_have_no_model(name):
    with pytest.raises(ValueError, match="another team"):
        row(name).model()


@pytest.mark.parametrize("name", [name for name in ALL if name[9:] not in QUOTED])
def test_training_is_the_paper_s(name):
    found = recipe(name)
    assert (found.frontend, found.batch_size, found.epochs) == ("chou2018", 64, 100)
    assert (found.optimizer, found.learning_rate) == ("sgd", 0.1)
    assert found.optimizer_arguments == {"momentum": 0.9, "weight_decay": 1e-3}
    assert found.decay == {"class_name": "ExponentialDecay", "config": {
        "decay_epochs": 30, "decay_rate": 0.1, "staircase": True}}
    assert (found.sampler, found.mixup_rate, found.spec_augment) == ("uniform", 0, None)
    repo = "repo" in name
    assert found.class_weights == ("labels" if repo else "clips")
    assert found.micro == ("repo" if repo else "paper")
    base = "mmnet" if "mmnet" in name else name.split("/")[1]
    assert found.loss_weights == LOSSES.get(base, {"clip": 1})
    assert found.frame_targets == ("tags" if "slat" in name else "events")
    assert found.arguments["num_classes"] == (527 if "audioset" in name else 17)
    assert found.features().clip_frames == 896
    assert Recipe.from_dict(json.loads(json.dumps(found.to_dict()))) == found


def test_ensemble_prediction_is_for_tests_never_or_always():
    assert row("mmnet").arguments == {"num_classes": 17}
    same = {"id", "source", "published", "arguments"}
    changed = {key for key, value in row("mmnet").to_dict().items()
               if value != row("mmnet-no-ep").to_dict()[key]}
    assert changed == same and row("mmnet-no-ep").arguments["ensemble"] == "never"
    assert row("mmnet-repo").arguments == {"num_classes": 17, "ensemble": "always",
                                           "ensemble_space": "logit"}


# -- the models --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["convnet", "resnet-mean", "resnet-plat", "resnet-att",
                                  "resnet-spda", "mmnet"])
def test_kernels_of_table_1_are_the_printed_millions_cut_after_two_places(name):
    assert math.floor(num_kernels(row(name).model()) / 1e4) / 100 == TABLE1[name][1]


@pytest.mark.parametrize("name, kernels, millions", [
    ("resnet-max", 3_703_808, 3.70), ("resnet-wlat", 3_703_808, 3.70),
    ("resnet-slat", 3_703_808, 3.70), ("mmnet-no-ep", 4_165_760, 4.16),
    ("mmnet-repo", 4_165_760, None), ("mmnet-ms", 5_627_008, None),
    ("audioset20k-convnet", 2_063_360, None), ("audioset20k-resnet-mean", 4_226_048, None),
    ("audioset20k-resnet-att", 4_668_416, None), ("audioset20k-resnet-spda", 7_371_776, None),
    ("audioset20k-mmnet", 5_275_520, None), ("audioset20k-mmnet-ms", 8_303_488, None),
    ("audioset1m-resnet28", 16_251_904, 16), ("audioset1m-resnet50", 19_643_392, 20),
    ("audioset1m-resnet-att", 4_668_416, 4), ("audioset1m-mmnet-ms", 8_303_488, 8)])
def test_every_other_row_has_the_size_it_was_reconstructed_by(name, kernels, millions):
    assert num_kernels(row(name).model()) == kernels
    # Whole millions are rounded (20) or cut (4): both are within one of what is printed.
    assert millions is None or abs(kernels / 1e6 - millions) < 0.7


@pytest.mark.parametrize("name", [name for name in SWEEP if "audioset" not in name])
def test_pools_make_segments_of_the_named_length(name):
    frames = int(name.rsplit("-", 1)[1].removesuffix("frames"))
    found = row(name)
    assert math.prod(found.arguments["pools"]) == frames
    assert f"{frames} frames, {found.features().clock(frames).hop_s:.3f} s" in found.notes
    tiny = found.replace(arguments={**found.arguments, "width": 2, "input_shape": (896, 128)})
    outputs = tiny.model(3).output
    assert outputs["frame"].shape == (None, 896 // frames, 3)
    if "ms" in name:
        first, second = (896 // pool for pool in (1, found.arguments["pools"][0]))
        assert [outputs[f"attention_{scale}"].shape[1] for scale in (1, 2, 4, 5)] == [
            first, second, second, first]
    twin = row(f"audioset20k-{name}")
    assert twin.arguments == {**found.arguments, "num_classes": 527}
    assert (twin.model_name, twin.loss_weights) == (found.model_name, found.loss_weights)


def test_segments_of_the_tables_last_0_18_s():
    small = row("mmnet").replace(arguments={"width": 2, "input_shape": (896, 128)})
    assert small.model(2).output["frame"].shape[1] == 56
    assert row("mmnet").features().clock(896 // 56).hop_s == pytest.approx(0.1785, abs=1e-4)


# -- class weights -----------------------------------------------------------------------------

# Clips of each class as two papers on this task count them, and the weights that follow.
COUNTS = (441, 407, 273, 337, 624, 2399, 2399, 1506, 744, 2020, 1617, 25744, 3724, 3745, 7090,
          3291, 2301)
WEIGHTS = {
    "clips": (1.888, 1.934, 2.182, 2.048, 1.699, 1.123, 1.123, 1.298, 1.611, 1.185, 1.270, 0.453,
              0.976, 0.974, 0.787, 1.015, 1.137),
    "labels": (1.824, 1.869, 2.105, 1.977, 1.646, 1.109, 1.109, 1.269, 1.562, 1.165, 1.243, 0.639,
               0.979, 0.977, 0.822, 1.013, 1.122)}


@pytest.mark.parametrize("counting", WEIGHTS)
def test_class_weights_of_given_counts(counting):
    assert sum(COUNTS) == 58_662
    tags = np.arange(51_172)[:, None] < np.array(COUNTS)
    np.testing.assert_allclose(class_weights(tags.astype(np.float32), counting),
                               WEIGHTS[counting], atol=5e-4)


@pytest.mark.parametrize("counting", WEIGHTS)
def test_class_weights_of_the_real_training_list_equal_plain_arithmetic(shared_data, counting):
    metadata = shared_data / "dcase2017_task4"
    clips = {}
    with open(metadata / "groundtruth_weak_label_training_set.csv") as file:
        for name, _, _, label in csv.reader(file, delimiter="\t"):
            clips.setdefault(name, set()).add(label)
    counts = [sum(label in labels for labels in clips.values())
              for label in dcase2017_task4.LABELS]
    total = len(clips) if counting == "clips" else sum(counts)
    mean = sum(counts) / total / 17
    expected = []
    for count in counts:
        p = count / total
        there = mean / p
        expected.append((there * (1 - p) / (1 - mean) if counting == "clips"
                         else there * (1 - mean) / (1 - p)) ** 0.3)
    tags = dcase2017_task4.load(metadata, "nowhere", "training").tags()
    np.testing.assert_allclose(class_weights(tags, counting), expected, rtol=1e-6)
    rarest = dcase2017_task4.LABELS.index("Car alarm")
    assert np.argmax(expected) == rarest and min(expected) < 1 < max(expected)


# -- training ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return tmp_path_factory.mktemp("chou2018")


@pytest.fixture
def tiny(recipe):
    """A function(name, **changes) -> a row of the paper on the test's tones, in seconds."""
    # The same row otherwise: steps of the learning rate come after two epochs.
    def shrink(name, **changes):
        full = row(name)
        pools = {} if "depth" in full.arguments else {"pools": [2, 2]}
        return full.replace(**{
            "arguments": {**full.arguments, **pools, "width": 4, "num_classes": 3},
            "frontend": recipe.frontend, "batch_size": 10, "epochs": 4, "checkpoint_every": 1,
            "decay": {**full.decay, "config": {**full.decay["config"], "decay_epochs": 2}},
            **changes})
    return shrink


@pytest.fixture
def train(manifest, made, monkeypatch):
    """A function(recipe, name) -> Run, and the optimizer's (rate, momentum, decay) each epoch."""
    def run(made_recipe, name):
        seen = []
        end = Keeper.on_epoch_end

        def spy(keeper, epoch, logs=None):
            end(keeper, epoch, logs)
            optimizer = keeper.model.optimizer
            seen.append((float(optimizer.learning_rate), optimizer.momentum,
                         optimizer.weight_decay))

        with monkeypatch.context() as patch:
            patch.setattr(Keeper, "on_epoch_end", spy)
            return fit(made_recipe, manifest, None, made / name, progress=False,
                       cache_dir=made / "cache"), seen
    return run


def same_weights(one, two):
    return all(np.array_equal(a, b) for a, b in
               zip(one.model.get_weights(), two.model.get_weights(), strict=True))


@pytest.mark.slow
def test_m_and_mnet_trains_by_its_schedule_and_goes_on_where_it_stopped(tiny, train):
    whole, seen = train(tiny("mmnet"), "whole")
    # The rate that the next epoch begins with.
    np.testing.assert_allclose([rate for rate, _, _ in seen], [0.1, 0.01, 0.01, 0.001], rtol=1e-5)
    assert {(momentum, decay) for _, momentum, decay in seen} == {(0.9, 1e-3)}
    assert {"loss", "clip_loss", "micro_loss"} <= set(whole.history()[0])
    for line in whole.history():
        assert line["loss"] == pytest.approx(line["clip_loss"] + line["micro_loss"], rel=1e-4)
    train(tiny("mmnet", epochs=3), "parts")
    resumed, rest = train(tiny("mmnet"), "parts")
    assert len(rest) == 1 and resumed.history() == whole.history()
    assert same_weights(resumed, whole)


@pytest.mark.slow
def test_without_momentum_a_rate_of_nothing_changes_nothing(tiny, train):
    stopping = tiny("mmnet", epochs=2, optimizer_arguments={"weight_decay": 1e-3},
                    decay={"class_name": "ExponentialDecay", "config": {
                        "decay_epochs": 1, "decay_rate": 1e-12, "staircase": True}})
    run, _ = train(stopping, "stopping")
    after = [run.model.get_weights(), [weight.numpy() for weight in run.model.trainable_weights]]
    run.model.load_weights(run.checkpoint(1))
    before = [run.model.get_weights(), [weight.numpy() for weight in run.model.trainable_weights]]
    for now, then in zip(after[1], before[1], strict=True):
        np.testing.assert_allclose(now, then, atol=1e-9)
    # The second epoch did happen: the statistics of the normalisations went on.
    assert any(not np.allclose(now, then) for now, then in zip(after[0], before[0], strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("name, parts", [
    ("resnet-slat", ()), ("resnet-plat", ("clip", "pseudo")), ("resnet-att", ()),
    ("resnet-spda", ()), ("mmnet-repo", ("clip", "micro")),
    ("mmnet-ms", ("clip", "micro", *(f"micro_{scale}" for scale in (1, 2, 4, 5))))])
def test_every_kind_of_row_learns_which_tone_is_in_a_clip(
        name, parts, tiny, train, manifest, made):
    run, _ = train(tiny(name, epochs=12, learning_rate=0.05, decay=None), name)
    # The parts of a loss of one part are not listed.
    assert {key for key in run.history()[0] if key.endswith("_loss")} == {
        f"{part}_loss" for part in parts}
    history = [line["loss"] for line in run.history()]
    assert history[-1] < 0.6 * history[0]
    heard = features.extract(manifest, run.recipe.features(), made / "cache" / "train",
                             progress=False)
    tags = heard.manifest.tags()
    known = np.isfinite(tags).all(axis=1)
    answers = predict(run, heard)["clip"]
    assert (answers.argmax(axis=1) == tags.argmax(axis=1))[known].mean() > 0.6


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet-plat", "mmnet-repo"])
def test_other_losses_go_on_where_they_stopped(name, tiny, train):
    whole, _ = train(tiny(name, epochs=2), f"{name}-whole")
    train(tiny(name, epochs=1), f"{name}-parts")
    resumed, _ = train(tiny(name, epochs=2), f"{name}-parts")
    assert same_weights(resumed, whole)


@pytest.mark.slow
def test_the_micro_way_and_the_class_weights_reach_the_losses(tiny, train, manifest):
    first = {}
    for name, changes in (("mmnet", {}), ("mmnet", {"micro": "repo"}),
                          ("mmnet", {"class_weights": None})):
        run, _ = train(tiny(name, epochs=1, **changes), f"first-{len(first)}")
        first[len(first)] = run.history()[0]
    assert first[0]["micro_loss"] != first[1]["micro_loss"]
    assert first[0]["clip_loss"] != first[2]["clip_loss"]


# -- the command line --------------------------------------------------------------------------


@pytest.fixture
def audioset_of_tones(manifest, tmp_path):
    """The tones as AudioSet: lists of five clips, one of the million, and their audio."""
    mids = ("/m/09x0r", "/m/04rlf", "/m/0bt9lr")
    (tmp_path / "class_labels_indices.csv").write_text("index,mid,display_name\n" + "".join(
        f"{k},{mid},{name}\n" for k, (mid, name) in enumerate(
            zip(mids, ("Speech", "Music", "Dog"), strict=True))))
    (tmp_path / "audio").mkdir()
    clips = iter(manifest.clips)
    for number, file in enumerate(("balanced_train", "unbalanced_train", "eval")):
        with open(tmp_path / f"{file}_segments.csv", "w") as rows:
            rows.write("# YTID, start_seconds, end_seconds, positive_labels\n")
            for take in range(5):
                clip, video = next(clips), f"-{number:05d}{take:05d}"
                mid = mids[manifest.labels.index(clip.labels[0])]
                rows.write(f'{video}, 0.000, 0.500, "{mid}"\n')
                shutil.copy(clip.path, tmp_path / "audio" / f"Y{video}.wav")
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("name, told", [
    ("audioset20k-mmnet", "5 training clips, 5 for validation, 3 classes"),
    ("audioset1m-resnet-att", "3 training clips, 5 for validation, 3 classes"),
    ("mmnet", "5 training clips, 5 for validation, 3 classes")])
def test_the_command_trains_a_row_on_its_split_of_audioset(
        name, told, audioset_of_tones, recipe, capsys):
    frontend = json.dumps(recipe.frontend)
    out = audioset_of_tones / "run"
    assert cli.main(["train", f"--recipe=chou2018/{name}", "--data=audioset", f"--out={out}",
                     f"--metadata={audioset_of_tones}", f"--audio={audioset_of_tones / 'audio'}",
                     "--set=arguments.width=2", f"--set=frontend={frontend}", "--set=epochs=1",
                     "--set=batch_size=3", "--set=class_weights=null"]) == 0
    assert f"chou2018/{name}: {told}" in capsys.readouterr().out
    assert (out / "model.keras").is_file()


def test_the_command_asks_for_audioset_s_lists(tmp_path, capsys):
    call = ["train", "--recipe=chou2018/audioset20k-mmnet", "--data=audioset",
            f"--out={tmp_path / 'run'}", f"--audio={tmp_path}"]
    assert cli.main(call) == 1
    assert "--metadata is needed for audioset" in capsys.readouterr().err
    assert cli.main([*call, f"--metadata={tmp_path}"]) == 1
    assert "class_labels_indices.csv, which is not there" in capsys.readouterr().err
    assert cli.main([*call, f"--metadata={tmp_path}", "--set=train_split=1m"]) == 1
    assert "`split` must be one of" in capsys.readouterr().err
