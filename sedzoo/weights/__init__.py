"""Other people's weight files: arrays by name, and from there into a model, checked first."""

from sedzoo.weights.assigning import Report, assign
from sedzoo.weights.reading import read

__all__ = ["Report", "assign", "read"]
