"""From a trained model to files that others load: SavedModels with signatures and assets."""

from sedzoo.export.run import from_run
from sedzoo.export.savedmodel import MAX_EVENTS, save

__all__ = ["MAX_EVENTS", "from_run", "save"]
