import numpy as np
import pytest
from contracts import assert_close, noise

from sedzoo.zoo import create_model


@pytest.mark.parametrize("name, arguments, count", [
    ("dcase2017_mlp", {}, 13_467),
    ("crnn", {}, 671_313),
    ("gated_crnn", {"task": "tagging"}, 1_190_545),
    ("gated_crnn", {"task": "detection"}, 1_194_914),
    ("gated_crnn", {"attention_input": "classes"}, 1_190_851),
    ("gated_crnn", {"recurrence": "cudnn"}, 1_194_914 + 1_536),
    ("gated_crnn", {"last_pool": 3}, 1_194_914),
    # The network as the paper's text has it: three blocks of two, one plain BiGRU.
    ("gated_crnn", {"task": "tagging", "num_gated": 6, "projection": None, "rnn": "single"},
     869_521),
    ("gated_crnn", {"num_gated": 6, "projection": None, "rnn": "single"}, 873_890),
])
def test_parameter_counts_are_the_released_graphs(name, arguments, count):
    assert create_model(name, **arguments).count_params() == count


def test_the_published_counts_split_into_trainable_and_moving():
    model = create_model("gated_crnn")
    assert sum(w.numpy().size if hasattr(w, "numpy") else w.size
               for w in model.trainable_weights) == 1_193_122


@pytest.mark.parametrize("options", [
    {"num_gated": 8}, {"last_pool": 3}, {"frame_output": "product"}, {"attention_axis": "time"},
    {"time_pools": (2, 1, 1)}, {"dropout": 0.3}, {"recurrence": "cudnn"}, {"rnn": "single"},
    {"input_shape": (240, 120)}])
def test_every_documented_option_builds_and_answers(options):
    model = create_model("gated_crnn", num_classes=2, width=4, rnn_units=4, **options)
    bands = options.get("input_shape", (None, 64))[1]
    frames = options.get("input_shape", (24, 64))[0]
    y = model(noise(1, frames, bands))
    assert y["frame"].shape == (1, frames // (2 if "time_pools" in options else 1), 2)


def test_tagging_pools_time_by_eight():
    model = create_model("gated_crnn", num_classes=2, width=4, rnn_units=4, task="tagging")
    y = model(noise(1, 240, 64))
    assert y["frame"].shape == (1, 30, 2) and "attention" not in y


def test_padding_changes_nothing_where_time_is_pooled():
    sizes = {"num_classes": 2, "width": 4, "rnn_units": 4, "task": "tagging"}
    plain, ragged = create_model("gated_crnn", **sizes), create_model("gated_crnn", ragged=True,
                                                                      **sizes)
    ragged.set_weights(plain.get_weights())
    x = noise(2, 45, 64)  # leaves a remainder at each of the three pools
    padded = np.concatenate([x, np.full((2, 19, 64), np.nan, np.float32)], axis=1)
    mask = np.arange(64)[None] < np.array([[45], [45]])
    short, long = plain(x), ragged({"audio": padded, "frame_mask": mask})
    assert_close(long["clip"], short["clip"])
    assert_close(long["frame"][:, :5], short["frame"])


@pytest.mark.parametrize("argument, value", [
    ("task", "sed"), ("num_gated", 5), ("rnn", "lstm"), ("input_shape", (240,))])
def test_errors_name_the_argument(argument, value):
    with pytest.raises(ValueError, match=argument):
        create_model("gated_crnn", **{argument: value})
