"""What an extractor says of sound, segment by segment: on disk, in pieces, in several streams."""

from sedzoo.embeddings.store import Embeddings, extract
from sedzoo.embeddings.writer import Writer

__all__ = ["Embeddings", "Writer", "extract"]
