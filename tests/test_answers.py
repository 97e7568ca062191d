import numpy as np
import pytest
from scipy.sparse import csr_array

from sedzoo.answers import read_answers, write_answers

NAMES, LABELS = ("b.wav", "a.wav", "ü.wav"), ("dog", "rain, heavy")
TARGETS = np.array([[1, 0], [0, 0], [1, 1]], np.float32)
SAID = np.array([[0.25, 1 / 3], [0, 1], [0.5, 0.125]], np.float32)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "answers"         # as it is called, without an ending


@pytest.mark.parametrize("targets", [TARGETS, csr_array(TARGETS), TARGETS.astype(bool).tolist()],
                         ids=["dense", "sparse", "bool"])
def test_answers_are_read_as_they_were_written(path, targets):
    write_answers(path, NAMES, LABELS, targets, SAID.astype(np.float64))
    found = read_answers(path)
    assert found.labels == LABELS and tuple(found.names) == NAMES and len(found) == 3
    assert (found.targets.dtype, found.probabilities.dtype) == (np.uint8, np.float32)
    np.testing.assert_array_equal(found.targets, TARGETS)
    np.testing.assert_array_equal(found.probabilities, SAID)


def test_clips_whose_tags_nobody_knows_are_left_out(path):
    targets = TARGETS.copy()
    targets[1] = np.nan
    write_answers(path, NAMES, LABELS, csr_array(targets), SAID)
    found = read_answers(path)
    assert tuple(found.names) == ("b.wav", "ü.wav")
    np.testing.assert_array_equal(found.probabilities, SAID[[0, 2]])


@pytest.mark.parametrize("changes, message", [
    ({"targets": TARGETS[:, :1]}, r"`targets` must be \(3, 2\).*Received: \(3, 1\)"),
    ({"said": SAID[:, :1]}, r"`probabilities` must be \(3, 2\).*Received: \(3, 1\)"),
    ({"targets": TARGETS / 2}, r"`targets` must be 0 or 1. Received: \[0.5\]"),
    ({"names": ("a", "b", "a")}, r"`names` must differ.*Received: 'a' 2 times")])
def test_what_does_not_fit_together_is_named_and_not_written(path, changes, message):
    given = {"names": NAMES, "targets": TARGETS, "said": SAID, **changes}
    with pytest.raises(ValueError, match=message):
        write_answers(path, given["names"], LABELS, given["targets"], given["said"])
    assert not path.exists()


def pickled(path):
    np.savez(path.open("wb"), names=np.array([object()]), labels=[], targets=[], probabilities=[])


@pytest.mark.parametrize("write", [
    lambda path: path.write_bytes(b""), lambda path: path.write_text("names,labels\n"),
    lambda path: np.save(path.open("wb"), SAID), lambda path: np.savez(path.open("wb"), x=SAID),
    lambda path: path.write_bytes(b"PK\x03\x04 and no more"), pickled],
    ids=["empty", "text", "array", "other arrays", "cut", "pickled"])
def test_a_file_that_holds_something_else_is_named(path, write):
    write(path)
    with pytest.raises(ValueError, match=f"{path} holds no answers of a system"):
        read_answers(path)


def test_a_file_that_is_not_there_is_not_found(path):
    with pytest.raises(FileNotFoundError):
        read_answers(path)
