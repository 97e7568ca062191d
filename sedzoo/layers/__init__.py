"""Layers in keras.ops: the same on TensorFlow, JAX and PyTorch."""

from sedzoo.layers.attention import MultiHeadAttention, StackWeights
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
from sedzoo.layers.multilevel import ClassAttention, LastFrame
from sedzoo.layers.patches import FramePatches, JoinPatches, PatchMask, SplitPatches
from sedzoo.layers.pooling import KeepFrames, PoolMask, TimePool
from sedzoo.layers.positions import LearnedPositions, SinusoidalPositions
from sedzoo.layers.quantise import (
    EmbeddingPCA,
    Postprocessor,
    dequantise,
    quantise,
    training_scale,
)
from sedzoo.layers.recurrent import BiGRU, GatedBiGRU
from sedzoo.layers.segments import (
    ChannelAttentionPool,
    EnsemblePrediction,
    SegmentAttention,
    SegmentPool,
    SpreadMask,
)
from sedzoo.layers.standardise import Standardise
from sedzoo.layers.transformer import DecoderBlock, EncoderBlock, FeedForward

__all__ = [
    "MFCC", "AttentionLocalisation", "BatchNorm", "BiGRU", "ChannelAttentionPool", "ClassAttention",
    "DecoderBlock", "EmbeddingPCA", "EncoderBlock", "EnsemblePrediction", "FeedForward",
    "FramePatches", "GatedBiGRU", "GatedConv2D", "JoinPatches", "KeepFrames", "LastFrame",
    "LearnedPositions", "LogMel", "MicroBinaryCrossentropy", "MultiHeadAttention", "PatchMask",
    "PoolMask", "Postprocessor", "PseudoLabelCrossentropy", "SegmentAttention", "SegmentPool",
    "SharedNorm", "SinusoidalPositions", "SplitPatches", "SpreadMask", "StackFrames",
    "StackWeights", "Standardise", "TimePool", "WeightedBinaryCrossentropy", "dequantise",
    "features", "quantise", "training_scale",
]
