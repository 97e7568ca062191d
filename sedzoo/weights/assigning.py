"""Arrays into the layers of a model: all that is wrong is said first, then all is done at once."""

import difflib
import math
from dataclasses import dataclass, replace

import numpy as np

LOADED, MISSING, MISMATCH, HELD_BACK = "loaded", "missing", "shape mismatch", "held back"


@dataclass(frozen=True)
class Row:
    """What became of one weight.

    Args:
        layer, weight: str, names in the model; shape: tuple, of the weight.
        source: str, the array's name in the file, or "" where none of the names is there.
        status: "loaded"; "missing"; "shape mismatch"; or "held back": it would fit, but its layer
            or the whole file does not.
        note: str, the shape that came, or the nearest name in the file.
    """

    layer: str
    weight: str
    shape: tuple
    source: str
    status: str
    note: str = ""


@dataclass(frozen=True)
class Report:
    """What was loaded into a model, weight by weight; as text it is a table.

    Args:
        rows: tuple of Row, in the order of the names that were asked for.
        unused: tuple of str, the file's arrays that no weight took.
    """

    rows: tuple[Row, ...]
    unused: tuple[str, ...]

    @property
    def num_loaded(self):
        return sum(row.status == LOADED for row in self.rows)

    @property
    def is_complete(self):
        return self.num_loaded == len(self.rows)

    def __str__(self):
        cells = [("layer", "weight", "shape", "source", "status")]
        cells += [(row.layer, row.weight, str(row.shape), row.source or "-",
                   row.status + (f": {row.note}" if row.note else "")) for row in self.rows]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = ["  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True))
                 .rstrip() for line in cells]
        lines.append(f"{self.num_loaded} of {len(self.rows)} weights loaded.")
        if self.unused:
            lines.append(f"Unused: {', '.join(self.unused)}")
        return "\n".join(lines)


def assign(model, arrays, names, *, partial=False):
    """Put arrays into a model's layers, all of them or none.

    Of a weight's names the first that the file has is taken. An array with more axes than a kernel
    has its leading ones flattened, in the order of its memory: a dense kernel kept as the
    convolution over what it reads, (t, f, C, C') for (t f C, C').

    Args:
        model: keras.Model, built.
        arrays: dict of name -> array of numbers, from `read`.
        names: dict of layer name -> for each of the layer's weights, in Keras' order (kernel,
            bias), the names that it may have in the file. Layers that are not in it stay as they
            are, and so do the file's other arrays unused: slots of optimizers, a step count.
        partial: bool, load the layers that fit whole and leave the others, as long as one does.

    Returns: Report.
    Raises: ValueError with the table of all layers when a weight has no array, or one of another
        shape, or (`partial`) no layer fits; the model is as before then.
    """
    wanted = [(layer, weight, known) for layer, of_layer in names.items()
              for weight, known in zip(model.get_layer(layer).weights, of_layer, strict=True)]
    taken = {_source(known, arrays) for *_, known in wanted}
    unused = tuple(name for name in arrays if name not in taken)
    rows = [_row(layer, weight, known, arrays, unused) for layer, weight, known in wanted]
    unfit = {row.layer for row in rows if row.status != LOADED}
    will_load = set() if unfit and not partial else set(names) - unfit
    report = Report(tuple(replace(row, status=HELD_BACK)
                          if row.status == LOADED and row.layer not in will_load else row
                          for row in rows), unused)
    if not will_load:
        raise ValueError(f"The weights do not fit {model.name}, which is left as it was:\n{report}")
    for row, (layer, weight, _) in zip(rows, wanted, strict=True):
        if layer in will_load:
            weight.assign(np.reshape(arrays[row.source], row.shape))
    return report


def _source(known, arrays):
    """The first of a weight's names that is there, or ""."""
    return next((name for name in known if name in arrays), "")


def _row(layer, weight, known, arrays, unused):
    """What can become of a weight, the others aside."""
    row = Row(layer, weight.name, tuple(weight.shape), _source(known, arrays), LOADED)
    if not row.source:
        near = _nearest(known, unused)
        return replace(row, status=MISSING, note=f"nearest is {near!r}" if near else "")
    array = np.asarray(arrays[row.source])
    if array.dtype.kind not in "fiu" or not _flattens(array.shape, row.shape):
        return replace(row, status=MISMATCH, note=f"{array.dtype} {array.shape}")
    return row


def _flattens(shape, wanted):
    """Whether a shape is the wanted one, or is so with its leading axes taken together."""
    if shape == wanted:
        return True
    lead = len(shape) - len(wanted) + 1
    return (len(wanted) > 1 and lead > 1 and math.prod(shape[:lead]) == wanted[0]
            and shape[lead:] == wanted[1:])


def _nearest(known, unused):
    """Of the file's unused names the one that is most like one of a weight's, or ""."""
    found = [near for name in known for near in difflib.get_close_matches(name, unused, n=1)]
    return max(found, default="", key=lambda near: max(
        difflib.SequenceMatcher(None, near, name).ratio() for name in known))
