"""Event-based scores: is each event found, from when to when."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from sedzoo.evaluation.counts import Result, precision_recall_f1, require_micro


@dataclass(frozen=True)
class EventScores(Result):
    """How many events are found with the right class, onset and offset.

    Args:
        f1, precision, recall: float in [0, 1], NaN where they are rates of nothing.
        num_hits, num_estimated, num_reference: int, events.
        collar_s: float, seconds; offset_share: float, of the reference event's length.
        average: str, "micro": events of all classes are counted together.
    """

    f1: float
    precision: float
    recall: float
    num_hits: int
    num_estimated: int
    num_reference: int
    collar_s: float
    offset_share: float
    average: str = "micro"


def event_scores(reference, estimated, *, collar_s=0.2, offset_share=0.2, average="micro"):
    """F1 of events, all classes together: sed_eval's overall event-based F1.

    An estimated event hits a reference event of its class when the onsets differ by at most the
    collar, and the offsets by at most the larger of the collar and a share of the reference's
    length. Each event is used once; of all ways to pair them the one with most hits counts.

    Args:
        reference: dict of file name -> iterable of Event.
        estimated: dict of file name -> iterable of Event; a clip that is missing had none.
        collar_s: float >= 0, seconds. Defaults to 0.2.
        offset_share: float >= 0. Defaults to 0.2.
        average: "micro".

    Returns: EventScores.
    Raises: ValueError for an estimated clip without reference.
    Source: Mesaros, Heittola, Virtanen 2016, https://doi.org/10.3390/app6060162.
    """
    require_micro(average)
    unknown = [name for name in estimated if name not in reference]
    if unknown:
        raise ValueError(f"`estimated` has {len(unknown)} clips that `reference` has not, "
                         f"such as {unknown[0]!r}")
    num_hits = num_estimated = num_reference = 0
    for name, wanted in reference.items():
        wanted, found = list(wanted), list(estimated.get(name, ()))
        num_hits += _hits(wanted, found, collar_s, offset_share)
        num_estimated += len(found)
        num_reference += len(wanted)
    precision, recall, f1 = precision_recall_f1(num_hits, num_estimated, num_reference)
    return EventScores(f1, precision, recall, num_hits, num_estimated, num_reference,
                       float(collar_s), float(offset_share))


def _hits(wanted, found, collar_s, offset_share):
    if not wanted or not found:
        return 0
    reference, estimated = (np.array([[event.onset, event.offset] for event in events])
                            for events in (wanted, found))                 # (events, 2)
    same = np.array([[want.label == find.label for find in found] for want in wanted])
    onset, offset = np.moveaxis(np.abs(reference[:, None] - estimated), -1, 0)
    reach = np.maximum(collar_s, offset_share * (reference[:, 1] - reference[:, 0]))[:, None]
    hits = csr_array(same & (onset <= collar_s) & (offset <= reach))       # (wanted, found)
    return int((maximum_bipartite_matching(hits, perm_type="column") >= 0).sum())
