"""From a trained model to files that others load: SavedModels with signatures and assets.

And back: HubLayer and HubExtractor take anybody's SavedModels in.
"""

from sedzoo.export.hub_extractor import HubExtractor
from sedzoo.export.hub_layer import HubLayer
from sedzoo.export.run import from_run
from sedzoo.export.savedmodel import MAX_EVENTS, save

__all__ = ["MAX_EVENTS", "HubExtractor", "HubLayer", "from_run", "save"]
