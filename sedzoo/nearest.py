"""Strict names: an unknown one is an error that names the nearest known one."""

import difflib


def nearest(word, known):
    """The end of an error message: the known name nearest to `word`, and all of them."""
    near = difflib.get_close_matches(str(word), known, n=1)
    return (f" Did you mean {near[0]!r}?" if near else "") + f" Known: {', '.join(known)}"


def check_keys(fields, known, where):
    """Raise ValueError for the first key of a dict that is not among the known ones."""
    for key in fields:
        if key not in known:
            raise ValueError(f"Unknown key {key!r} in {where}." + nearest(key, known))
