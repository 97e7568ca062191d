"""What became of every reference event and every detection: one category each."""

import math
from dataclasses import dataclass

import numpy as np

from sedzoo.evaluation.event import event_partners
from sedzoo.evaluation.failure_analysis.overlap import overlaps
from sedzoo.evaluation.intersection import reached

REFERENCE_TYPES = ("hit", "boundary", "merged", "split", "substituted", "missed")
ESTIMATED_TYPES = ("hit", "boundary", "merge", "fragment", "substitution", "false_alarm")
HIT, BOUNDARY, MERGE, SPLIT, SUBSTITUTION, UNEXPLAINED = range(6)


@dataclass(frozen=True)
class ErrorTypes:
    """The category of each event of two EventTables, see `error_types`.

    Args:
        reference: int8 (n,), indices of REFERENCE_TYPES.
        estimated: int8 (m,), indices of ESTIMATED_TYPES.
        partner: int64 (n,), the detection that hits a reference event or is off at its
            boundaries; -1 for other events.
    """

    reference: np.ndarray
    estimated: np.ndarray
    partner: np.ndarray


def error_types(reference, estimated, *, collar_s=0.2, offset_share=0.2, overlap=0.5):
    """Put every event in one category.

    Two events overlap when they share at least `overlap` of the shorter one. In this order:

    1. A detection and a reference event that hit each other, as `event_scores` pairs them, are a
       hit.
    2. Of the others, a detection that overlaps several reference events of its class is a merge,
       and those that it alone overlaps are merged; a reference event that several detections of
       its class overlap is split, and those that overlap it alone are its fragments. Where only
       two overlap each other, both are a boundary error: onset or offset is beyond the collar.
    3. A reference event left over that overlaps a hit of its class is merged too; a detection left
       over that does is a fragment.
    4. A reference event and a detection left over that overlap, of two classes, are substituted
       and substitution.
    5. What is left is missed, or a false alarm.

    These substitutions are wider than those of `event_scores`' error rate, where the two events
    must be within the collars, one with one.

    Args:
        reference, estimated: EventTables of the same clips and labels.
        collar_s, offset_share: as for `event_scores`. Default to 0.2.
        overlap: float in (0, 1]. Defaults to 0.5.

    Returns: ErrorTypes.
    Raises: ValueError for arguments out of range.
    Source: merges and fragments as in Ward, Lukowicz, Gellersen 2011,
        https://doi.org/10.1145/1889681.1889687; the rules, and collars and classes, are ours.
    """
    partner = event_partners(reference, estimated, collar_s, offset_share)
    of_reference = np.where(partner >= 0, HIT, UNEXPLAINED).astype(np.int8)
    of_estimated = np.full(len(estimated), UNEXPLAINED, np.int8)
    of_estimated[partner[partner >= 0]] = HIT
    r, e = _overlapping(reference, estimated, overlap)
    own = reference.label[r] == estimated.label[e]

    # 2. Chains, too, fall apart by how many each event overlaps.
    among = own & (of_reference[r] != HIT) & (of_estimated[e] != HIT)
    left_r, left_e = r[among], e[among]
    one_r = np.bincount(left_r, minlength=len(reference))[left_r] == 1
    one_e = np.bincount(left_e, minlength=len(estimated))[left_e] == 1
    of_reference[left_r] = np.select([~one_r, ~one_e], [SPLIT, MERGE], BOUNDARY)
    of_estimated[left_e] = np.select([~one_e, ~one_r], [MERGE, SPLIT], BOUNDARY)
    partner[left_r[one_r & one_e]] = left_e[one_r & one_e]

    # 3. and 4. ask what was left before them.
    hit_r, hit_e = of_reference[r] == HIT, of_estimated[e] == HIT
    free_r, free_e = of_reference[r] == UNEXPLAINED, of_estimated[e] == UNEXPLAINED
    of_reference[r[own & free_r & hit_e]] = MERGE
    of_estimated[e[own & free_e & hit_r]] = SPLIT
    crossed = ~own & (of_reference[r] == UNEXPLAINED) & (of_estimated[e] == UNEXPLAINED)
    of_reference[r[crossed]] = of_estimated[e[crossed]] = SUBSTITUTION
    return ErrorTypes(of_reference, of_estimated, partner)


def misses(reference, estimated, which, collar_s, offset_share):
    """Whether onsets and offsets of pairs of events are beyond the collar, two bool (pairs,).

    Args:
        reference, estimated: EventTables.
        which: two int64 (pairs,), indices of either.
        collar_s, offset_share: as for `event_scores`.
    """
    r, e = which
    onset = np.abs(reference.onset[r] - estimated.onset[e]) > collar_s
    if offset_share is None:
        return onset, np.zeros_like(onset)
    reach = np.maximum(collar_s, offset_share * (reference.offset - reference.onset)[r])
    return onset, np.abs(reference.offset[r] - estimated.offset[e]) > reach


def crosstab(rows, columns, shape):
    """How often each pair of a row and a column occurs, int64 of a shape (rows, columns)."""
    cells = np.asarray(rows, np.int64) * shape[1] + columns
    return np.bincount(cells, minlength=math.prod(shape)).reshape(shape)


def _overlapping(reference, estimated, share):
    if not 0 < share <= 1:
        raise ValueError(f"`overlap` must lie in (0, 1]. Received: overlap={share!r}")
    r, e, seconds = overlaps(reference, estimated)
    shorter = np.minimum((reference.offset - reference.onset)[r],
                         (estimated.offset - estimated.onset)[e])
    enough = reached(seconds, share * shorter)
    return r[enough], e[enough]
