import numpy as np
import pytest
from contracts import check_layer, check_mask, noise, numpy_of

from sedzoo.layers import AttentionLocalisation, PoolMask, TimePool


@pytest.mark.parametrize("options", [
    {}, {"attention_input": "classes"}, {"attention_axis": "time"}, {"frame_output": "product"}])
def test_contract(options):
    check_layer(AttentionLocalisation(3, **options), noise(3, 7, 4))
    check_mask(AttentionLocalisation(3, **options), noise(3, 7, 4))


@pytest.mark.parametrize("source", ["features", "classes"])
@pytest.mark.parametrize("axis", ["class", "time"])
def test_localisation_is_equations_3_and_4(source, axis):
    x = noise(2, 5, 4)
    layer = AttentionLocalisation(3, source, axis)
    got = {key: numpy_of(value) for key, value in layer(x).items()}
    kernel_o, bias_o, kernel_z, bias_z = [numpy_of(w) for w in layer.weights]
    o = 1 / (1 + np.exp(-(x @ kernel_o + bias_o)))
    logits = (o if source == "classes" else x) @ kernel_z + bias_z
    z = np.exp(logits) / np.exp(logits).sum(-1 if axis == "class" else 1, keepdims=True)
    np.testing.assert_allclose(got["frame"], o, atol=1e-6)
    np.testing.assert_allclose(got["attention"], z, atol=1e-6)
    np.testing.assert_allclose(got["clip"], (o * z).sum(1) / np.maximum(z, 1e-7).sum(1), atol=1e-6)


@pytest.mark.parametrize("pool, expected", [
    ("mean", lambda x: x.mean(1)), ("max", lambda x: x.max(1)),
    ("linear_softmax", lambda x: (x * x).sum(1) / x.sum(1))])
def test_pools_are_their_formulas(pool, expected):
    x = np.abs(noise(3, 6, 2))
    check_layer(TimePool(pool), x)
    check_mask(TimePool(pool), x)
    np.testing.assert_allclose(numpy_of(TimePool(pool)(x)), expected(x), atol=1e-6)


@pytest.mark.parametrize("layer", [TimePool("mean"), TimePool("max"), TimePool("linear_softmax"),
                                   AttentionLocalisation(2)])
def test_a_clip_without_any_frame_scores_zero(layer):
    y = layer(np.abs(noise(2, 4, 2)), frame_mask=np.zeros((2, 4), bool))
    clip = y["clip"] if isinstance(y, dict) else y
    np.testing.assert_array_equal(numpy_of(clip), 0)


def test_a_pooled_frame_counts_when_all_its_frames_do():
    mask = np.array([[True] * 5 + [False] * 2, [True] * 6 + [False]])
    assert numpy_of(PoolMask(2)(mask)).tolist() == [[True, True, False], [True, True, True]]


def test_errors_name_the_argument():
    with pytest.raises(ValueError, match="attention_axis='band'"):
        AttentionLocalisation(3, attention_axis="band")
    with pytest.raises(ValueError, match="pool='median'"):
        TimePool("median")
