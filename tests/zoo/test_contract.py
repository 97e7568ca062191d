"""What every registered model must do; a new one is tested the moment it is registered."""

import importlib

import keras
import numpy as np
import pytest
from contracts import FRAMES, assert_close, noise, numpy_of, train_step

from sedzoo.zoo import create_model, list_models, model_card, registry

SMALL = {"width": 8, "rnn_units": 8, "units": 8, "ff_units": 8}
# Sizes that only some models have to be given: elsewhere the depth is the model.
SMALL_OF = {"av_transformer": {"depth": 1}}


def small(name, **arguments):
    """The model at a size for tests: the small sizes that its builder takes."""
    known = builder_arguments(name)
    sizes = {key: value for key, value in SMALL.items() if key in known}
    return create_model(name, num_classes=3, **{**sizes, **SMALL_OF.get(name, {}), **arguments})


def builder_arguments(name):
    import inspect
    return inspect.signature(registry._entry(name)[0]).parameters


def num_frames(name):
    """Input frames of a test clip: enough for two output frames of any model."""
    return max(FRAMES, 2 * model_card(name).time_stride)


def features(name, batch=3, frames=None):
    """A batch of clips (B, T, F), or one of each stream."""
    card, shape = model_card(name), (batch, frames or num_frames(name))
    return ({stream: noise(*shape, size) for stream, size in card.streams.items()}
            or noise(*shape, card.num_features))


def each(function, x):
    """A function of a batch, or of each of its streams."""
    return keras.tree.map_structure(function, x)


# What a builder's arguments make of it that its defaults do not show.
VARIANTS = {"mmnet_resnet": [{"head": "att"}, {"head": "plat"}, {"head": "spda"}, {"head": "slat"},
                             {"depth": 28}, {"depth": 50}],
            "mmnet": [{"multi_scale": True}, {"alpha": "linear", "ensemble_space": "logit"}],
            "multilevel_attention": [{"style": "yu2018"}, {"final_dense": False}, {"levels": (2,)},
                                     {"activation": "softmax"}, {"attention": False}],
            "embedding_dnn": [{"pooling": "feature"}], "embedding_lstm": [{"style": "yu2018"}],
            "av_transformer": [{"first": "video", "second": "audio", "attention": "sigmoid",
                                "pool": "max", "positions": ()},
                               {"attention": "normalised_sigmoid", "return_attention": True,
                                "depth": 2}],
            "vggish": [{"embedding_activation": "linear"}, {"hidden": 0, "activation": "sigmoid"}]}


@pytest.fixture(params=list_models())
def name(request):
    return request.param


@pytest.fixture(params=[(name, arguments) for name, variants in VARIANTS.items()
                        for arguments in variants], ids=str)
def variant(request):
    return request.param


def test_the_names_are_those_that_the_families_register():
    for module, names in registry.FAMILIES.items():
        importlib.import_module(module)
        registered = {name for name, (builder, *_) in registry._MODELS.items()
                      if builder.__module__ == module}
        assert registered == set(names)


def test_the_card_counts_the_weights(name):
    assert create_model(name).count_params() == model_card(name).num_params


def test_outputs_are_probabilities_on_the_cards_clock(name):
    stride = model_card(name).time_stride
    y = small(name)(features(name))
    assert y["clip"].shape == (3, 3)
    if "frame" in y:
        assert y["frame"].shape == (3, num_frames(name) // stride, 3)
    for value in y.values():
        value = numpy_of(value)
        assert value.dtype == np.float32 and (value >= 0).all() and (value <= 1).all()


def test_silence_is_finite(name):
    for value in small(name)(each(np.zeros_like, features(name))).values():
        assert np.isfinite(numpy_of(value)).all()


def test_a_clip_alone_equals_the_clip_in_a_batch(name):
    model, x = small(name), features(name)
    alone = each(lambda clips: clips[1:2], x)
    assert_close(model(alone), {key: value[1:2] for key, value in model(x).items()})


def test_padding_changes_nothing_whatever_it_holds(name):
    check_padding(name)


def test_padding_changes_nothing_in_a_variant(variant):
    check_padding(variant[0], **variant[1])


def check_padding(name, **arguments):
    frames = num_frames(name) + 3  # not a multiple of the stride
    x = features(name, frames=frames)
    model, ragged = small(name, **arguments), small(name, ragged=True, **arguments)
    ragged.set_weights(model.get_weights())
    padded = each(lambda clips: np.concatenate(
        [clips, np.full((3, 9, clips.shape[-1]), np.nan, np.float32)], axis=1), x)
    mask = np.arange(frames + 9)[None] < np.full((3, 1), frames)
    streams = padded if isinstance(padded, dict) else {"audio": padded}
    short, long = model(x), ragged({**streams, "frame_mask": mask})
    for key, value in short.items():
        got = numpy_of(long[key]).copy()
        inside = tuple(slice(size) for size in value.shape)
        assert_close(got[inside], value)
        got[inside] = 0
        assert not got.any()


def test_a_saved_variant_gives_the_same_numbers(variant, tmp_path):
    name, arguments = variant
    model, x = small(name, **arguments), features(name)
    model.save(tmp_path / "model.keras")
    assert_close(keras.saving.load_model(tmp_path / "model.keras")(x), model(x), atol=1e-6)


@pytest.mark.slow
def test_a_training_step_moves_every_trainable_weight(name):
    keras.utils.set_random_seed(0)      # or once in hundreds all ReLUs of a small layer are dead
    model, x = small(name), features(name, batch=8)
    for weight, (before, after) in zip(model.trainable_weights,
                                       zip(*train_step(model, x), strict=True), strict=True):
        assert np.abs(after - before).max() > 0, weight.path


def test_a_saved_model_gives_the_same_numbers(name, tmp_path):
    model, x = small(name), features(name)
    model.save(tmp_path / "model.keras")
    assert_close(keras.saving.load_model(tmp_path / "model.keras")(x), model(x), atol=1e-6)


def test_all_layers_are_where_a_saved_model_looks_for_them(name):
    variants = [{}, *VARIANTS.get(name, ())]
    for layer in (layer for arguments in variants for layer in small(name, **arguments).layers):
        assert type(layer).__module__.startswith(("keras.", "sedzoo.layers.")), layer


def test_weights_load_from_a_file(name, tmp_path):
    model, x = small(name), features(name)
    model.save_weights(tmp_path / "model.weights.h5")
    assert_close(small(name, weights=str(tmp_path / "model.weights.h5"))(x), model(x), atol=1e-6)


def test_mixed_precision_gives_finite_float32(name):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        y = small(name)(features(name))
    finally:
        keras.config.set_dtype_policy("float32")
    for value in y.values():
        assert numpy_of(value).dtype == np.float32 and np.isfinite(numpy_of(value)).all()


def test_without_its_top_it_gives_the_embedding(name):
    trunk = small(name, include_top=False)
    y = trunk(features(name))
    assert y.keys() == {"embedding"} and len(y["embedding"].shape) == 3
    assert small(name).get_layer("embedding").output.shape[-1] == y["embedding"].shape[-1]


def test_an_unknown_argument_is_answered_with_the_nearest(name):
    with pytest.raises(ValueError, match="Did you mean 'num_classes'"):
        create_model(name, num_clases=3)


def test_an_unknown_model_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'gated_crnn'"):
        create_model("gated_crn")


def test_a_name_is_registered_once():
    create_model("dcase2017_mlp")
    def dcase2017_mlp():
        pass
    with pytest.raises(ValueError, match="registered twice"):
        registry.register(None)(dcase2017_mlp)


def test_the_search_space_names_arguments_of_the_builder(name):
    space = registry.search_space(name)
    if space is None:
        pytest.skip("this model declares no search space")
    import keras_tuner
    hp = keras_tuner.HyperParameters()
    assert set(space(hp)) <= set(builder_arguments(name))
    assert small(name, **space(hp)).count_params() > 0
