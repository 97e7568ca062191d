"""The picture of attention shows stills, sound and every head's weights, each at its time."""

import subprocess
import sys

import numpy as np
import pytest

from sedzoo.attention_plots import MAX_STILLS, CrossAttention, plot_attention, stills
from sedzoo.frontend import Clock
from sedzoo.video import VideoClip

RATE = 16000
HOP = 0.96


def weights(num_queries=10, num_keys=10, depth=2, heads=3, seed=0):
    return np.random.default_rng(seed).dirichlet(np.ones(num_keys), (num_queries, depth, heads))


def clip(number=10, seen=True, heard=True, size=(9, 16)):
    """Stills of one colour each, and noise of ten windows and a little more."""
    frames = np.empty((number, *size, 3), np.uint8)
    frames[:] = np.arange(number, dtype=np.uint8)[:, None, None, None]
    sound = None
    if heard:
        num_samples = round((number * HOP + 0.4) * RATE)
        sound = np.random.default_rng(0).normal(0, 0.1, num_samples).astype(np.float32)
    return VideoClip(frames if seen else None, (np.arange(number) + 0.5) * HOP, sound, RATE)


@pytest.fixture
def draw(monkeypatch):
    """plot_attention that gives its figure in place of a file."""
    from matplotlib.figure import Figure

    figures = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: figures.append(figure))

    def draw(clip, attention, query_s, **arguments):
        plot_attention(clip, attention, query_s, "unwritten.png", **arguments)
        return figures.pop()

    return draw


def shown(axes):
    """(array, left, right) of the images of axes, from the left."""
    found = [(np.asarray(image.get_array()), *image.get_extent()[:2]) for image in axes.images]
    return sorted(found, key=lambda image: image[1])


def query_box(axes):
    """Left and right of the frame around the query, or None."""
    boxes = [patch for patch in axes.patches if patch.get_linewidth() == 3]
    assert len(boxes) <= 1
    return tuple(np.round([boxes[0].get_x(), boxes[0].get_x() + boxes[0].get_width()], 6)) \
        if boxes else None


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_rows_are_what_each_head_sees_from_the_queries_frame(draw):
    attention = CrossAttention(weights())
    for block in (0, 1, -1, -2):
        heads = draw(clip(), attention, 3.0, block=block).axes[-1]
        expected = attention.weights[3, block]                      # 2.88 to 3.84 s
        found, left, right = shown(heads)[0]
        np.testing.assert_array_equal(found, expected)
        assert (left, right) == (0, pytest.approx(10 * HOP))
        assert heads.images[0].get_extent()[2:] == [2.5, -0.5]      # the first head on top
        assert [tick.get_text() for tick in heads.get_yticklabels()] == ["head 1", "head 2",
                                                                         "head 3"]
        assert sorted(texts(heads)) == sorted(f"{weight:.2f}" for weight in expected.ravel())
        for text in heads.texts:
            key, row = int(text.get_position()[0] // HOP), round(text.get_position()[1])
            assert text.get_text() == f"{expected[row, key]:.2f}"


def test_attention_of_one_block_needs_no_axis_for_it(draw):
    one = weights(depth=1)
    np.testing.assert_array_equal(CrossAttention(one[:, 0]).weights, one)
    assert "block" not in draw(clip(), CrossAttention(one[:, 0]), 0).axes[-1].get_title("left")
    title = draw(clip(), CrossAttention(weights()), 0, block=0).axes[-1].get_title("left")
    assert title == "What the framed audio sees of the video, block 1 of 2; an even share is 0.10"


def test_weights_that_are_no_shares_are_not_compared_with_one(draw):
    attention = CrossAttention(0.7 * np.ones((10, 3, 10)))                      # a sigmoid's
    assert "share" not in draw(clip(), attention, 0).axes[-1].get_title("left")


@pytest.mark.parametrize("second, panel", [("video", 0), ("audio", 1)])
def test_the_query_is_framed_in_its_own_stream(draw, second, panel):
    first = {"video": "audio", "audio": "video"}[second]
    figure = draw(clip(), CrossAttention(weights(), first=first, second=second), 6.0)
    assert [query_box(axes) for axes in figure.axes] == [
        (5.76, 6.72) if k == panel else None for k in range(3)]
    assert "5.76 to 6.72 s" in texts(figure.axes[panel])
    edges = sorted(line.get_xdata()[0] for line in figure.axes[2].lines
                   if line.get_linestyle() == "--")
    np.testing.assert_allclose(edges, [5.76, 6.72])


def test_all_panels_have_one_time_axis(draw):
    figure = draw(clip(), CrossAttention(weights()), 0)
    assert len(figure.axes) == 3
    assert [axes.get_xlim() for axes in figure.axes] == [(0, 10 * HOP + 0.4)] * 3


def test_stills_stand_in_their_windows(draw):
    figure = draw(clip(), CrossAttention(weights()), 0)
    for k, (picture, left, right) in enumerate(shown(figure.axes[0])):
        assert (picture == k).all()
        assert (left + right) / 2 == pytest.approx((k + 0.5) * HOP)
        assert right - left < HOP


@pytest.mark.parametrize("number", [1, 11, 12, 13, 62, 300])
def test_of_many_stills_some_are_shown_and_the_querys_is_among_them(number):
    found = stills(clip(number, heard=False, size=(1, 1)))
    assert len(found) == min(number, len(found)) <= MAX_STILLS
    edges = [start for _, start, _ in found] + [found[-1][2]]
    np.testing.assert_allclose([edges[0], edges[-1]], [0, number * HOP], atol=1e-9)
    np.testing.assert_allclose([end for _, _, end in found], edges[1:])
    for index, start, end in found:
        assert start < (index + 0.5) * HOP < end
    for query in range(0, number, 7):
        found = stills(clip(number, heard=False, size=(1, 1)), (query + 0.5) * HOP)
        assert query in [index for index, *_ in found]


def test_stills_without_room_are_cut_not_squeezed(draw):
    figure = draw(clip(62, size=(90, 160)), CrossAttention(weights(62, 62)), 0)
    whole, last = shown(figure.axes[0])[0], shown(figure.axes[0])[-1]
    seconds_per_pixel = [(right - left) / picture.shape[1] for picture, left, right in
                         (whole, last)]
    assert last[0].shape[1] < whole[0].shape[1]
    assert seconds_per_pixel[1] == pytest.approx(seconds_per_pixel[0], rel=0.05)


def test_of_many_frames_the_highest_weight_is_written_beside_each_head(draw):
    attention = CrossAttention(weights(62, 62))
    heads = draw(clip(62), attention, 30).axes[-1]
    assert texts(heads) == [f"{row.max():.2f}" for row in attention.weights[31, -1]]


def test_what_a_clip_lacks_is_left_out(draw):
    attention = CrossAttention(weights())
    assert len(draw(clip(seen=False), attention, 0).axes) == 2
    silent = draw(clip(heard=False), attention, 0)
    assert len(silent.axes) == 2 and silent.axes[0].get_xlim() == (0, 10 * HOP)
    assert all(query_box(axes) is None for axes in silent.axes)         # it is not to be seen


def test_streams_may_differ_in_their_frames_and_have_any_clock(draw):
    attention = CrossAttention(weights(4, 7), Clock(8000, RATE))
    figure = draw(clip(), attention, 1.2)
    found, left, right = shown(figure.axes[2])[0]
    np.testing.assert_array_equal(found, attention.weights[2, -1])
    assert (left, right) == (0, 3.5) and query_box(figure.axes[1]) == (1.0, 1.5)


def test_a_time_belongs_to_the_nearest_frame():
    attention = CrossAttention(weights(4, 7))
    times_s = [-1, 0, 0.95, 0.96, 2.88, 100]
    assert [attention.query(time_s) for time_s in times_s] == [0, 0, 0, 1, 3, 3]


def test_the_three_most_probable_classes_are_named(draw):
    scores = {"Train": 0.93, "Car": 0.2, "Bus": 0.41, "Bicycle": 0.05}
    top = draw(clip(), CrossAttention(weights()), 0, scores=scores, title="A title").axes[0]
    assert top.get_title("left") == "A title"
    assert top.get_title("right").split("   ") == ["Train 0.93", "Bus 0.41", "Car 0.20"]
    assert draw(clip(), CrossAttention(weights()), 0).axes[0].get_title("right") == ""


@pytest.mark.parametrize("ending, start", [("png", b"\x89PNG"), ("svg", b"<?xml")])
def test_it_is_drawn_in_each_format(tmp_path, ending, start):
    path = tmp_path / f"picture.{ending}"
    plot_attention(clip(), CrossAttention(weights()), 2.0, path, title="A picture")
    assert path.read_bytes().startswith(start)


def test_a_picture_leaves_no_global_state(tmp_path):
    code = f"""
import sys, numpy as np
import sedzoo.attention_plots as plots
from sedzoo.video import VideoClip
assert "matplotlib" not in sys.modules
clip = VideoClip(np.zeros((2, 4, 4, 3), np.uint8), np.array([0.48, 1.44]), np.zeros(40000), 16000)
plots.plot_attention(clip, plots.CrossAttention(np.ones((2, 1, 2))), 0.0,
                     {str(tmp_path / "x.png")!r})
assert "matplotlib.pyplot" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_what_a_model_returns_can_be_drawn(draw):
    from sedzoo.zoo import create_model

    model = create_model("av_transformer", first="video", second="audio", width=4, num_heads=2,
                         depth=2, ff_units=4, num_classes=3, return_attention=True)
    streams = {"audio": np.random.default_rng(0).normal(size=(1, 5, 128)).astype(np.float32),
               "video": np.random.default_rng(1).normal(size=(1, 5, 4096)).astype(np.float32)}
    seen = np.asarray(model(streams)["attention"])[0]
    attention = CrossAttention(seen)
    assert attention.weights.shape == (5, 2, 2, 5) and attention.is_share
    found = shown(draw(clip(5), attention, 1.0).axes[-1])[0][0]
    np.testing.assert_allclose(found, seen[1, -1])


@pytest.mark.parametrize("arguments, message", [
    ({"weights": np.ones((2, 3))}, r"`weights` must be \(Tq, heads, Tk\)"),
    ({"weights": np.ones((2, 0, 3))}, "not empty"),
    ({"weights": np.full((2, 2, 2), np.nan)}, ">= 0"),
    ({"weights": -np.ones((2, 2, 2))}, ">= 0"),
    ({"weights": np.ones((2, 2, 2)), "first": "sound"}, "`first` must be one of.*'sound'"),
    ({"weights": np.ones((2, 2, 2)), "second": "film"}, "`second` must be one of.*'film'")])
def test_names_the_bad_argument(arguments, message):
    with pytest.raises(ValueError, match=message):
        CrossAttention(**arguments)


@pytest.mark.parametrize("block", [2, -3])
def test_a_block_that_is_not_there_is_named(tmp_path, block):
    with pytest.raises(ValueError, match=f"`block` must be one of 2 blocks.*block={block}"):
        plot_attention(clip(), CrossAttention(weights()), 0, tmp_path / "x.png", block=block)
