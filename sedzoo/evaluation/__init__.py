"""Arrays and events in, numbers out."""

from sedzoo.evaluation.clip import ClipScores, accuracy, best_thresholds, clip_scores, decide
from sedzoo.evaluation.event import EventScores, event_scores
from sedzoo.evaluation.segment import SegmentScores, segment_scores

__all__ = ["ClipScores", "EventScores", "SegmentScores", "accuracy", "best_thresholds",
           "clip_scores", "decide", "event_scores", "segment_scores"]
