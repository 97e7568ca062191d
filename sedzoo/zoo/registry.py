"""What models there are: names without Keras, cards and builders with it."""

import fnmatch
import importlib
import inspect
from dataclasses import dataclass, field

from sedzoo.frontend import Frontend
from sedzoo.nearest import nearest

# The one line a new family adds: its module, and the names it registers. Names stand here so that
# listing them imports no deep-learning framework.
FAMILIES = {
    "sedzoo.zoo.av_transformer": ("av_transformer",),
    "sedzoo.zoo.gated_crnn": ("crnn", "dcase2017_mlp", "gated_crnn"),
    "sedzoo.zoo.mmnet": ("mmnet", "mmnet_convnet", "mmnet_resnet"),
    "sedzoo.zoo.multilevel_attention": ("embedding_dnn", "embedding_lstm", "multilevel_attention"),
    "sedzoo.zoo.vggish": ("vggish",),
}

_MODELS = {}


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """What a user must know of an architecture before building it.

    Args:
        summary: str, one line.
        source: str, paper with its address, and the equations or tables it comes from.
        frontend: str, the name of its frontend preset.
        extractor: str, the zoo's model whose embeddings it takes in place of features, or "".
        embedding_size: int, numbers of such an embedding, D; input_stride: int, feature frames that
            it stands for.
        streams: dict of name -> size of a frame, of a model that takes several streams by name; {}
            for a model of one input.
        time_stride: int, input frames per output frame with default arguments.
        num_params: int, all weights with default arguments.
        published_params: str, what the paper prints of its sizes, and by which rule they are so.
        differs: str, where this implementation departs from the paper's text.
        licence: str.
    """

    summary: str
    source: str
    frontend: str
    time_stride: int
    num_params: int
    extractor: str = ""
    embedding_size: int = 0
    input_stride: int = 1
    streams: dict = field(default_factory=dict)
    published_params: str = ""
    differs: str = ""
    licence: str = "Apache-2.0"

    @property
    def clock(self):
        """When its output frames happen."""
        return Frontend.preset(self.frontend).clock(self.time_stride * self.input_stride)

    @property
    def num_features(self):
        """Width of an input frame, F."""
        return self.embedding_size or Frontend.preset(self.frontend).num_features


def register(card, space=None):
    """Enter the decorated builder under its own name.

    Args:
        card: ModelCard.
        space: function(hp) -> dict of builder arguments, for searches; None for none.
    """
    def enter(builder):
        if builder.__name__ in _MODELS:
            raise ValueError(f"Model {builder.__name__!r} is registered twice.")
        _MODELS[builder.__name__] = builder, card, space
        return builder
    return enter


def list_models(pattern="*"):
    """Names of the models that match a shell pattern, sorted. Imports no framework."""
    names = sorted(name for family in FAMILIES.values() for name in family)
    return fnmatch.filter(names, pattern)


def create_model(name, **arguments):
    """Build a model by name: an untrained functional keras.Model with dict outputs.

    Args:
        name: str, one of list_models().
        **arguments: the builder's; an unknown one is answered with the nearest.
    Raises: ValueError for an unknown name or argument.
    """
    builder = _entry(name)[0]
    known = [key for key, parameter in inspect.signature(builder).parameters.items()]
    for key in arguments:
        if key not in known:
            raise ValueError(f"{name} has no argument {key!r}." + nearest(key, known))
    return builder(**arguments)


def model_card(name):
    """The ModelCard of a model."""
    return _entry(name)[1]


def search_space(name):
    """The model's own function(hp) -> arguments, or None."""
    return _entry(name)[2]


def _entry(name):
    for module, names in FAMILIES.items():
        if name in names:
            importlib.import_module(module)
            return _MODELS[name]
    raise ValueError(f"No model named {name!r}." + nearest(name, list_models()))
