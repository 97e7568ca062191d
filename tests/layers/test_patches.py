import keras
import numpy as np
import pytest
from contracts import check_layer, noise, numpy_of
from hypothesis import given
from hypothesis import strategies as st

from sedzoo.layers import FramePatches, JoinPatches, PatchMask, SplitPatches


def by_hand(x, size, fill):
    """Patches of one clip (T, F), frame by frame."""
    if len(x) < size:
        x = np.concatenate([x, np.full((size - len(x), x.shape[1]), fill, np.float32)])
    return np.stack([x[start:start + size] for start in range(0, len(x) - size + 1, size)])


@pytest.mark.parametrize("frames", [1, 3, 4, 7, 8, 9])
def test_patches_follow_each_other_and_what_fills_none_is_dropped(frames):
    x, layer = noise(2, frames, 3), FramePatches(4, fill=-5.0)
    got = numpy_of(layer(x))
    np.testing.assert_array_equal(got, [by_hand(clip, 4, -5.0) for clip in x])
    check_layer(layer, x)


@pytest.mark.parametrize("frames", [1, 4, 7, 9])
def test_a_graph_of_unknown_length_gives_the_same_patches(frames):
    inputs = keras.Input((None, 3))
    mask = keras.Input((None,), dtype="bool")
    patches = FramePatches(4, fill=-5.0)(inputs)
    assert patches.shape == (None, None, 4, 3)
    model = keras.Model([inputs, mask], {
        "patches": patches, "mask": PatchMask(4)(mask),
        "back": JoinPatches()(keras.layers.Flatten()(SplitPatches()(patches)), patches)})
    x = noise(2, frames, 3)
    there = np.arange(frames)[None] < np.array([[frames], [frames // 2]])
    got = model.predict([x, there], verbose=0)
    np.testing.assert_array_equal(got["patches"], numpy_of(FramePatches(4, fill=-5.0)(x)))
    np.testing.assert_array_equal(got["mask"], numpy_of(PatchMask(4)(there)))
    np.testing.assert_array_equal(got["back"], got["patches"].reshape(2, -1, 12))


@given(st.lists(st.integers(0, 30), min_size=1, max_size=4), st.integers(1, 9))
def test_clips_of_several_lengths_are_cut_as_each_alone(lengths, size):
    frames = max(*lengths, 1)
    clips = [noise(length, 2, seed=length) for length in lengths]
    padded = np.stack([np.concatenate([clip, np.full((frames - len(clip), 2), np.nan, np.float32)])
                       for clip in clips])
    there = np.arange(frames)[None] < np.array(lengths)[:, None]
    patches = numpy_of(FramePatches(size, fill=1.5)(padded, frame_mask=there))
    counts = numpy_of(PatchMask(size)(there))
    assert patches.shape[:2] == counts.shape
    assert np.isfinite(patches).all()
    for clip, found, counted in zip(clips, patches, counts, strict=True):
        alone = by_hand(clip, size, 1.5) if len(clip) else np.zeros((0, size, 2))
        assert counted.tolist() == [number < len(alone) for number in range(len(counted))]
        np.testing.assert_array_equal(found[:len(alone)], alone)


def test_split_patches_are_images_and_join_in_the_same_order():
    patches = noise(2, 3, 4, 5)
    images = SplitPatches()(patches)
    np.testing.assert_array_equal(numpy_of(images), patches.reshape(6, 4, 5, 1))
    rows = numpy_of(images).reshape(6, 20)
    mask = np.array([[True, True, False], [True, False, False]])
    joined = numpy_of(JoinPatches()(rows, patches, patch_mask=mask))
    np.testing.assert_array_equal(joined, patches.reshape(2, 3, 20) * mask[:, :, None])
    np.testing.assert_array_equal(numpy_of(JoinPatches()(rows, patches)),
                                  patches.reshape(2, 3, 20))


def test_declared_shapes_are_the_real_ones():
    assert SplitPatches().compute_output_shape((2, 3, 4, 5)) == (6, 4, 5, 1)
    assert SplitPatches().compute_output_shape((None, 3, 4, 5)) == (None, 4, 5, 1)
    assert JoinPatches().compute_output_shape((None, 8), (None, 3, 4, 5)) == (None, 3, 8)
    assert PatchMask(4).compute_output_shape((2, 3)) == (2, 1)
    assert PatchMask(4).compute_output_shape((2, None)) == (2, None)


@pytest.mark.parametrize("layer", [FramePatches, PatchMask])
@pytest.mark.parametrize("size", [0, -1, 0.96, None])
def test_errors_name_the_argument(layer, size):
    with pytest.raises(ValueError, match=f"`size` must be an int > 0. Received: size={size}"):
        layer(size)
