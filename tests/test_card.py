"""Cards are plain data that come back as they were written, or say what is wrong."""

import json

import pytest

from sedzoo.card import Card
from sedzoo.events import Decoder
from sedzoo.frontend import Frontend

METRIC = {"metric": "clip accuracy", "value": 0.8, "dataset": "ESC-10", "split": "fold 4",
          "command": "sedzoo evaluate run", "commit": "0123abc"}


def card(**changes):
    fields = {"name": "tiny", "model": "gated_crnn", "arguments": {"width": 8},
              "frontend": Frontend.preset("xu2018icassp-logmel").to_dict(), "time_stride": 8,
              "labels": ("Dog bark", "Rain"), "mids": ("/m/05tny_", "/m/06mb1"),
              "decoder": {"thresholds": (0.3, 0.4), "median_frames": 5}, "metrics": (METRIC,),
              "data": "scenes", "attribution": "somebody", "licence": "CC-BY-4.0",
              "paper": "Xu et al. 2018", "versions": {"sedzoo": "0.1.0"}}
    return Card(**{**fields, **changes})


def test_a_card_comes_back_from_json_as_it_was(tmp_path):
    card().write(tmp_path / "card.json")
    assert Card.read(tmp_path / "card.json") == card()
    assert json.loads((tmp_path / "card.json").read_text())["labels"] == ["Dog bark", "Rain"]


def test_a_card_says_when_frames_happen_and_how_events_are_decided():
    assert card().clock.hop_samples == 8 * 664
    assert card().sample_rate == 16000
    assert card().decoder_spec == Decoder(thresholds=(0.3, 0.4), median_frames=5)


@pytest.mark.parametrize(("changes", "message"), [
    ({"name": ""}, "`name` must be a non-empty str"),
    ({"time_stride": 0}, "time_stride=0"),
    ({"labels": ("Rain", "Rain")}, "distinct"),
    ({"labels": ()}, "`labels`"),
    ({"mids": ("/m/06mb1",)}, "one per label \\(2\\)"),
    ({"metrics": ({"metric": "F1", "value": 0.5},)}, "`metrics` must be dicts of metric, value"),
    ({"metrics": ({**METRIC, "value": float("nan")},)}, "finite value"),
    ({"arguments": {"width": object()}}, "`arguments` must be plain data"),
    ({"decoder": {"treshold": 0.3}}, "`decoder`"),
    ({"decoder": {"thresholds": (0.1, 0.2, 0.3)}}, "one per label"),
    ({"decoder": {"median_frames": 4}}, "median_frames=4"),
    ({"frontend": {"hop": 3}}, "Unknown key 'hop' in frontend"),
])
def test_a_bad_field_is_named(changes, message):
    with pytest.raises(ValueError, match=message):
        card(**changes)


def test_an_unknown_or_missing_key_is_named():
    with pytest.raises(ValueError, match="Did you mean 'labels'"):
        Card.from_dict({**card().to_dict(), "label": []})
    with pytest.raises(ValueError, match="needs the keys \\['labels'\\]"):
        Card.from_dict({key: value for key, value in card().to_dict().items() if key != "labels"})


@pytest.mark.parametrize("text", ["", "[1, 2]", "{", "3", '{"name": "x"}'])
def test_a_file_that_is_no_card_is_named(tmp_path, text):
    (tmp_path / "card.json").write_text(text)
    with pytest.raises(ValueError, match="card.json is no model card"):
        Card.read(tmp_path / "card.json")
