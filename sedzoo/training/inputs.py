"""A data set as a recipe's model takes it: features of clips, or pieces of their embeddings."""

from dataclasses import dataclass

import numpy as np

from sedzoo import features as feature_cache
from sedzoo.embeddings import Embeddings
from sedzoo.embeddings.pieces import Pieces
from sedzoo.embeddings.streams import StreamPieces, Streams
from sedzoo.features import Features


@dataclass(frozen=True)
class Inputs:
    """M rows to learn from, or to answer for.

    Args:
        values: array-like (M, T, F): Features.values, Pieces, or StreamPieces.
        tags: (M, K), dense or csr_array, of each row; clip_tags: the same of each clip.
        data: the Features, Embeddings or Streams they are of.
    """

    values: np.ndarray | Pieces | StreamPieces
    tags: object
    clip_tags: object
    data: Features | Embeddings | Streams

    def __len__(self):
        return len(self.values)

    @property
    def name(self):
        return self.data.manifest.name if isinstance(self.data, Features) else self.data.name

    @property
    def names(self):
        """Of the clips, in their order."""
        return ([clip.name for clip in self.data.manifest.clips]
                if isinstance(self.data, Features) else list(self.data.names))

    @property
    def pieces(self):
        """The Pieces, or None where every row is a clip."""
        return None if isinstance(self.data, Features) else self.values

    @property
    def shape(self):
        """Of one row, (1, T, F), or of its streams by name."""
        shape = self.values.shape
        if isinstance(shape, dict):
            return {key: (1, *part[1:]) for key, part in shape.items()}
        return (1, *shape[1:])

    @property
    def size(self):
        """Numbers of a frame, F, or of each stream's by name."""
        shape = self.shape
        return ({key: part[-1] for key, part in shape.items()} if isinstance(shape, dict)
                else shape[-1])

    def scale(self):
        """Mean and deviation of the z-score that this set gives: float32 (F,), (), or dicts."""
        if isinstance(self.data, Streams):
            return self.data.scale
        if isinstance(self.data, Features):
            return feature_cache.statistics(self.data, self.data.frontend)
        return np.float32(self.data.mean), np.float32(self.data.std)

    def require_scale(self, scale):
        """Raises ValueError where embeddings are on another scale than those of the training."""
        if isinstance(self.data, Features):
            return              # the training set's own z-score is for all
        ours, theirs = self.scale(), tuple(scale)
        if ours != theirs:
            raise ValueError(f"Embeddings must be on the scale of the training's. Received: mean "
                             f"and std {ours} of {self.name!r}, where the training has {theirs}")

    def frame_targets(self, num_outputs):
        """What is known of each of a clip's output frames, float32 (M, T', K)."""
        if not isinstance(self.data, Features):
            raise ValueError('`frame_targets` must be "tags" for embeddings: '
                             f"{self.name!r} has no marked times.")
        clock = self.data.frontend.clock(self.values.shape[1] // num_outputs)
        return self.data.manifest.frame_targets(clock, num_outputs)


def inputs(recipe, data, cache_dir=None, progress=True):
    """A data set cut as the recipe says.

    Args:
        recipe: Recipe.
        data: datasets.Manifest or Features, for recipes without `segments`; Embeddings or Streams,
            for those with.
        cache_dir: str or Path, for the features of a Manifest.
        progress: bool, a progress bar while features are computed.
    Returns: Inputs.
    Raises: ValueError when the recipe takes the other.
    """
    if (recipe.segments is not None) != isinstance(data, Embeddings | Streams):
        wanted = ("a Manifest" if recipe.segments is None else
                  "Embeddings (embeddings.extract makes them of a Manifest)")
        raise ValueError(f"Recipe {recipe.id!r} takes {wanted}. Received: {type(data).__name__}")
    if isinstance(data, Embeddings | Streams):
        pieces = data.pieces(None if recipe.segments == "clip" else recipe.segments)
        tags = data.tags if pieces.one_each else data.tags[pieces.owner]
        return Inputs(pieces, tags, data.tags, data)
    if not isinstance(data, Features):
        data = feature_cache.extract(data, recipe.features(), cache_dir, progress)
    elif data.frontend != recipe.features():
        raise ValueError("`data` must be made by the run's frontend "
                         f"{recipe.features().name!r}. Received: {data.frontend.name!r}")
    tags = data.manifest.tags()
    return Inputs(data.values, tags, tags, data)
