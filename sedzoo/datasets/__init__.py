"""Public data sets and composed scenes, each handed on as the same Manifest."""

from sedzoo.datasets import audioset, dcase2017_task4, folder, fsdkaggle2018, soundscapes
from sedzoo.datasets.esc import esc10, esc50
from sedzoo.datasets.manifest import Clip, Manifest

__all__ = ["Clip", "Manifest", "audioset", "dcase2017_task4", "esc10", "esc50", "folder",
           "fsdkaggle2018", "soundscapes"]
