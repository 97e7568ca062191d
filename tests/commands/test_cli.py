"""The command line answers, and says in one line what a user can put right."""

import json
import re
import subprocess
import sys

import pytest

from sedzoo import cli


def call(capsys, *argv):
    """Exit code, standard output, standard error."""
    code = cli.main([str(part) for part in argv])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_without_a_command_it_shows_them_all(capsys):
    code, out, _ = call(capsys)
    assert code == 2 and all(name in out for name in cli.COMMANDS)
    assert call(capsys, "--help")[0] == 0


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_explains_itself_and_its_flags(capsys, name):
    code, out, _ = call(capsys, name, "--help")
    assert code == 0 and out.startswith(f"sedzoo {name}") and "--debug" in out


def test_a_wrong_command_is_answered_with_the_nearest(capsys):
    code, _, err = call(capsys, "detekt")
    assert code == 2 and "Did you mean 'detect'" in err


def test_a_wrong_flag_is_answered_with_the_nearest(capsys):
    code, _, err = call(capsys, "detect", "--modle=x")
    assert code == 2 and "model" in err and "Traceback" not in err


def test_the_version_is_told(capsys):
    code, out, _ = call(capsys, "--version")
    assert code == 0 and re.fullmatch(r"\d+\.\d+\.\d+\n", out)


def test_lists_models_and_recipes(capsys):
    assert "gated_crnn" in call(capsys, "list")[1].split()
    assert call(capsys, "list", "*mlp")[1] == "dcase2017_mlp\n"
    assert "xu2018icassp/fusion" in call(capsys, "list", "--recipes")[1].split()
    assert call(capsys, "list", "nothing*")[0] == 1


def test_cards_of_a_model_and_a_recipe(capsys):
    card = json.loads(call(capsys, "card", "gated_crnn")[1])
    assert card["num_params"] == 1_194_914 and card["hop_s"] == pytest.approx(0.0415)
    row = json.loads(call(capsys, "card", "xu2018icassp/gated-crnn-logmel-sed")[1])
    assert row["model_name"] == "gated_crnn"


@pytest.mark.parametrize("argv, reason", [
    (["card", "gated_crn"], "Did you mean 'gated_crnn'"),
    (["card", "xu2018icassp/gated"], "No recipe"),
    (["card"], "name one model"),
    (["detect", "x.wav"], "--model is needed"),
    (["detect", "--model=none"], "name at least one"),
    (["detect", "x.wav", "--model=/nowhere/1"], "/nowhere/1"),
    (["export", "--run=/nowhere"], "--run and --out"),
    (["export", "--run=/nowhere", "--out=x/1"], "/nowhere"),
    (["train", "--recipe=xu2018icassp/fusion"], "--data"),
    (["train", "--recipe=a/b", "--data=folder", "--out=x", "--audio=/nowhere"], "No recipe"),
    (["train", "--recipe=xu2018icassp/crnn-logmel", "--data=folder", "--out=x"], "--audio"),
    (["train", "--recipe=xu2018icassp/crnn-logmel", "--data=folder", "--out=x", "--set=epoch=3"],
     "Did you mean 'epochs'"),
    (["evaluate", "--model=x"], "--truth"),
])
def test_a_mistake_is_one_line_and_an_exit_code(capsys, argv, reason):
    code, out, err = call(capsys, *argv)
    assert code == 1 and not out
    assert err.count("\n") == 1 and reason in err and "Traceback" not in err


@pytest.mark.slow
def test_a_reader_that_has_seen_enough_is_no_error():
    command = f"{sys.executable} -m sedzoo card gated_crnn 2>&1 >&3 | cat"
    done = subprocess.run(["bash", "-c", f"{{ {command}; }} 3> >(head -c 1 >/dev/null)"],
                          capture_output=True, text=True, check=True)
    assert "Broken pipe" not in done.stdout + done.stderr


def test_debug_shows_where_it_came_from():
    with pytest.raises(ValueError, match="gated_crnn"):
        cli.main(["card", "gated_crn", "--debug"])
