import pytest

from sedzoo.training.run import write_json, write_whole
from sedzoo.training.state import has_stalled

RULE = {"monitor": "accuracy", "patience": 2, "min_delta": 0.01}


def history(*values, key="accuracy"):
    return [{key: value} for value in values]


def test_training_stalls_after_patience_epochs_without_a_gain():
    assert not has_stalled(history(0.5, 0.6, 0.605), RULE)
    assert has_stalled(history(0.5, 0.6, 0.605, 0.6), RULE)
    assert not has_stalled(history(0.5, 0.6, 0.605, 0.62), RULE)


def test_losses_are_to_fall():
    rule = {**RULE, "monitor": "val_loss"}
    assert not has_stalled(history(0.5, 0.4, 0.3, key="val_loss"), rule)
    assert has_stalled(history(0.5, 0.6, 0.7, key="val_loss"), rule)


def test_the_first_epochs_are_not_looked_at():
    rule = {**RULE, "start_epoch": 3}
    assert not has_stalled(history(0.9, 0.8, 0.7, 0.5, 0.5), rule)
    assert has_stalled(history(0.9, 0.8, 0.7, 0.5, 0.5, 0.5), rule)


def test_without_a_rule_nothing_stalls_and_an_unknown_key_is_named():
    assert not has_stalled(history(0.5, 0.5, 0.5, 0.5), None)
    with pytest.raises(ValueError, match="monitors 'accuracy'.*'loss'"):
        has_stalled(history(1.0, key="loss"), RULE)


def test_a_write_that_fails_leaves_the_old_file_whole(tmp_path):
    path = tmp_path / "fields.json"
    write_json(path, {"a": 1})

    def fail(partial):
        partial.write_text("{ half of")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_whole(path, fail)
    assert path.read_text() == '{\n  "a": 1\n}\n'
