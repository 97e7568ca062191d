"""Arrays and events in, numbers out. The README beside this file says which and how exactly."""

from sedzoo.evaluation.clip import (
    ClipScores,
    accuracy,
    best_threshold,
    best_thresholds,
    clip_scores,
    decide,
)
from sedzoo.evaluation.clip_metrics import CLIP_METRICS, class_metric, clip_metric
from sedzoo.evaluation.event import EventScores, event_scores
from sedzoo.evaluation.failure_analysis.outcome import Failures, failures
from sedzoo.evaluation.intersection import IntersectionScores, intersection_scores, merged
from sedzoo.evaluation.psd_roc import (
    PSDS1,
    PSDS2,
    THRESHOLDS_50,
    Psds,
    Setting,
    psds,
    psds_of_points,
)
from sedzoo.evaluation.ranking import (
    LwlrapScores,
    RankingScores,
    d_prime,
    lwlrap_scores,
    map_at_3,
    ranking_scores,
)
from sedzoo.evaluation.reporting.alignment import align
from sedzoo.evaluation.reporting.report import Options, Report, report
from sedzoo.evaluation.reporting.text import report_text
from sedzoo.evaluation.resampling import Sampled, Summed
from sedzoo.evaluation.segment import SegmentScores, segment_scores
from sedzoo.evaluation.significance import (
    bootstrap,
    holm,
    over_runs,
    paired_bootstrap,
    paired_permutation,
    t_test,
)
from sedzoo.evaluation.tuning.decisions import Decisions
from sedzoo.evaluation.tuning.search import tune, tune_and_score

__all__ = [
    "CLIP_METRICS", "PSDS1", "PSDS2", "THRESHOLDS_50", "ClipScores", "Decisions", "EventScores",
    "Failures", "IntersectionScores", "LwlrapScores", "Options", "Psds", "RankingScores",
    "Report", "Sampled", "SegmentScores", "Setting", "Summed", "accuracy", "align",
    "best_threshold", "best_thresholds", "bootstrap", "class_metric", "clip_metric",
    "clip_scores", "d_prime", "decide", "event_scores", "failures", "holm",
    "intersection_scores", "lwlrap_scores", "map_at_3", "merged", "over_runs",
    "paired_bootstrap", "paired_permutation", "psds", "psds_of_points", "ranking_scores",
    "report", "report_text", "segment_scores", "t_test", "tune", "tune_and_score",
]
