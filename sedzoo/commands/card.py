"""sedzoo card NAME: what there is to know of a model, a recipe (paper/row) or an export (a folder).
"""

import dataclasses
import json
from pathlib import Path

from sedzoo.cli import UserError, import_quietly


def define(values):
    pass


def run(values, arguments):
    if len(arguments) != 1:
        raise UserError("name one model, recipe or export folder (sedzoo list shows the names)")
    name = arguments[0]
    if Path(name).is_dir():
        fields = _export(Path(name))
    elif "/" in name:
        from sedzoo.training.recipe import recipe
        fields = recipe(name).to_dict()
    else:
        from sedzoo.zoo.registry import model_card

        import_quietly("keras")
        card = model_card(name)
        fields = {"name": name, **dataclasses.asdict(card), "hop_s": card.clock.hop_s}
    print(json.dumps(fields, indent=2, ensure_ascii=False))


def _export(folder):
    paths = sorted(folder.glob("assets/card.json")) or sorted(
        folder.glob("*/assets/card.json"), key=lambda path: path.parts[-3].zfill(9))
    if not paths:
        raise UserError(f"{folder} holds no assets/card.json, so it is no export of sedzoo")
    return json.loads(paths[-1].read_text(encoding="utf-8"))
