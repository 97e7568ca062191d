"""Layers in keras.ops: the same on TensorFlow, JAX and PyTorch."""

from sedzoo.layers.batch_norm import BatchNorm, SharedNorm
from sedzoo.layers.context import StackFrames
from sedzoo.layers.gated_conv import GatedConv2D
from sedzoo.layers.heads import AttentionLocalisation
from sedzoo.layers.log_mel import MFCC, LogMel, features
from sedzoo.layers.losses import (
    MicroBinaryCrossentropy,
    PseudoLabelCrossentropy,
    WeightedBinaryCrossentropy,
)
from sedzoo.layers.pooling import KeepFrames, PoolMask, TimePool
from sedzoo.layers.recurrent import BiGRU, GatedBiGRU
from sedzoo.layers.segments import (
    ChannelAttentionPool,
    EnsemblePrediction,
    SegmentAttention,
    SegmentPool,
    SpreadMask,
)
from sedzoo.layers.standardise import Standardise

__all__ = [
    "MFCC", "AttentionLocalisation", "BatchNorm", "BiGRU", "ChannelAttentionPool",
    "EnsemblePrediction", "GatedBiGRU", "GatedConv2D", "KeepFrames", "LogMel",
    "MicroBinaryCrossentropy", "PoolMask", "PseudoLabelCrossentropy", "SegmentAttention",
    "SegmentPool", "SharedNorm", "SpreadMask", "StackFrames", "Standardise", "TimePool",
    "WeightedBinaryCrossentropy", "features",
]
