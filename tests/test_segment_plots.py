"""The picture of segments shows each model's numbers at their times, on any backend of images."""

import subprocess
import sys

import numpy as np
import pytest

from sedzoo.events import Event
from sedzoo.frontend import Clock
from sedzoo.segment_plots import Segments, plot_segments
from sedzoo.waveform import WaveformError

RATE = 16000
WAVE = (0.1 * np.random.default_rng(0).standard_normal(4 * RATE)).astype(np.float32)
LABELS = ("Dog bark", "Rain", "Rooster")
CLOCK = Clock(3200, RATE)                      # segments of 0.2 s
TRUTH = [Event(2.0, 3.0, "Rain"), Event(0.5, 1.0, "Dog bark"), Event(1.5, 1.6, "Dog bark")]


def model(num_segments=20, labels=LABELS, clock=CLOCK, attention=True, seed=0):
    random = np.random.default_rng(seed)
    return Segments(random.random((num_segments, len(labels))), clock, labels,
                    random.dirichlet(np.ones(num_segments)) if attention else None)


@pytest.fixture
def draw(monkeypatch):
    """plot_segments that gives its figure in place of a file."""
    from matplotlib.figure import Figure

    figures = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: figures.append(figure))

    def draw(models, **arguments):
        plot_segments(WAVE, RATE, models, "unwritten.png", **arguments)
        return figures.pop()

    return draw


def lanes(axes):
    return [tick.get_text() for tick in axes.get_yticklabels()]


def curves(axes):
    """Heights in [0, 1] and edges in seconds of the lines of each lane, from the top down."""
    from matplotlib.patches import StepPatch

    steps = [patch.get_data() for patch in axes.patches if isinstance(patch, StepPatch)
             and not patch.get_fill()]
    return [((row + 0.42 - data.values) / 0.84, data.edges) for row, data in enumerate(steps)]


def bars(axes, row):
    """Onsets and offsets of the bars in a lane."""
    from matplotlib.patches import Rectangle

    found = [patch for patch in axes.patches if isinstance(patch, Rectangle)
             and patch.get_y() <= row < patch.get_y() + patch.get_height()
             and patch.get_zorder() > 0]                # the stripes behind the lanes are at 0
    return sorted((patch.get_x(), patch.get_x() + patch.get_width()) for patch in found)


def test_curves_are_the_segments_probabilities_at_their_times(draw):
    one = model()
    axes = draw({"one": one}).axes[1]
    assert axes.get_title(loc="left") == "one"
    assert set(lanes(axes)) == {*LABELS, "attention"}
    for label, (heights, edges) in zip(lanes(axes)[:3], curves(axes)[:3], strict=True):
        np.testing.assert_allclose(heights, one.frame[:, LABELS.index(label)])
        np.testing.assert_allclose(edges, np.arange(21) * 0.2)
    assert axes.get_xlim() == (0, 4)


def test_attention_is_drawn_as_a_multiple_of_an_even_share(draw):
    one = model()
    axes = draw({"one": one}).axes[1]
    heights, _ = curves(axes)[3]
    multiples = 20 * one.attention
    np.testing.assert_allclose(heights, multiples / multiples.max())
    even = axes.lines[0].get_ydata()[0]
    assert (3 + 0.42 - even) / 0.84 == pytest.approx(1 / multiples.max())
    assert f"{multiples.max():.1f}×" in [text.get_text() for text in axes.texts]


def test_even_attention_stands_at_half_the_lane(draw):
    even = Segments(np.zeros((4, 1)), CLOCK, ("Rain",), np.full(4, 0.25))
    heights, _ = curves(draw({"even": even}).axes[1])[1]
    np.testing.assert_allclose(heights, 0.5)


def test_the_truth_has_lanes_of_its_own_and_a_shade_behind_each_model(draw):
    figure = draw({"one": model(), "two": model(attention=False, seed=1)}, truth=TRUTH)
    _, truth, one, two = figure.axes
    assert lanes(truth) == ["Dog bark", "Rain"]           # by onset; no rooster is there
    for axes in (truth, one, two):
        assert bars(axes, 0) == [(0.5, 1.0), (1.5, 1.6)] and bars(axes, 1) == [(2.0, 3.0)]
    assert lanes(one) == [*LABELS, "attention"] and lanes(two) == list(LABELS)


def test_no_truth_and_an_empty_one_are_told_apart(draw):
    assert len(draw({"one": model()}).axes) == 2
    figure = draw({"one": model()}, truth=[])
    assert len(figure.axes) == 3 and lanes(figure.axes[1]) == ["none of these"]


def test_the_classes_are_those_of_the_truth_and_then_the_most_probable(draw):
    labels = tuple("abcdefgh")
    frame = np.zeros((20, 8))
    frame[3] = [0.1, 0.8, 0.3, 0.4, 0.2, 0.6, 0.5, 0.7]
    other = np.zeros((20, 8))
    other[5, 2] = 0.95
    models = {"one": Segments(frame, CLOCK, labels), "two": Segments(other, CLOCK, labels)}
    assert lanes(draw(models).axes[1]) == list("cbhfgd")
    truth = [Event(1, 2, "e"), Event(0, 1, "a"), Event(0, 1, "unknown to all")]
    assert lanes(draw(models, truth=truth).axes[2]) == list("aecbhf")
    assert lanes(draw(models, labels=["h", "a"]).axes[1]) == ["h", "a"]


def test_models_have_clocks_and_classes_of_their_own(draw):
    fine = model(80, clock=Clock(800, RATE), attention=False)
    other = model(labels=("Rain", "Siren"), attention=False)
    figure = draw({"fine": fine, "other": other}, labels=["Rooster", "Siren", "Rain"])
    np.testing.assert_allclose(curves(figure.axes[1])[0][1], np.arange(81) * 0.05)
    assert [text.get_text() for text in figure.axes[2].texts][0] == "not a class of this model"
    assert len(curves(figure.axes[2])) == 2


def test_of_many_segments_the_highest_of_each_stretch_is_drawn(draw):
    frame = np.zeros((5000, 1))
    frame[4321] = 0.9
    heights, edges = curves(draw({"long": Segments(frame, Clock(1, RATE), ("a",))}).axes[1])[0]
    assert len(heights) <= 1600 and heights.max() == pytest.approx(0.9)
    peak = heights.argmax()
    assert edges[peak] <= 4321 / RATE < edges[peak + 1] and edges[-1] == 5000 / RATE


@pytest.mark.parametrize("num_models", [1, 4])
@pytest.mark.parametrize("ending, start", [("png", b"\x89PNG"), ("svg", b"<?xml"),
                                           ("pdf", b"%PDF")])
def test_one_to_four_models_are_drawn_in_each_format(tmp_path, num_models, ending, start):
    models = {f"model {n}": {"frame": model(seed=n).frame, "clock": CLOCK, "labels": LABELS,
                             "attention": model(seed=n).attention if n % 2 else None}
              for n in range(num_models)}
    path = tmp_path / f"picture.{ending}"
    plot_segments(WAVE, RATE, models, path, truth=TRUTH, title="A picture")
    assert path.read_bytes().startswith(start)


def test_a_picture_leaves_no_global_state(tmp_path):
    code = f"""
import sys, numpy as np
import sedzoo.segment_plots as plots
assert "matplotlib" not in sys.modules
import matplotlib
def settings():             # reading the backend would choose one, and import pyplot
    return {{key: matplotlib.rcParams[key] for key in matplotlib.rcParams if key != "backend"}}
before = settings()
from sedzoo.frontend import Clock
model = plots.Segments(np.ones((4, 1)), Clock(4000, 16000), ("a",), np.full(4, 0.25))
plots.plot_segments(np.zeros(16000), 16000, {{"one": model}}, {str(tmp_path / "x.png")!r})
assert "matplotlib.pyplot" not in sys.modules
assert settings() == before
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("frame, attention, message", [
    (np.zeros(20), None, r"`frame` must be \(T, K\)"),
    (np.zeros((20, 2)), None, "3 labels"),
    (np.zeros((0, 3)), None, "T > 0"),
    (np.zeros((20, 3)), np.zeros(10), r"`attention` must be \(20,\)"),
    (np.zeros((20, 3)), np.zeros((20, 3)), r"`attention` must be \(20,\)")])
def test_shapes_that_do_not_fit_are_named(frame, attention, message):
    with pytest.raises(ValueError, match=message):
        Segments(frame, CLOCK, LABELS, attention)


def test_what_cannot_be_drawn_is_named(tmp_path):
    with pytest.raises(ValueError, match="`models`"):
        plot_segments(WAVE, RATE, {}, tmp_path / "x.png")
    with pytest.raises(ValueError, match="'Roster'. Did you mean 'Rooster'"):
        plot_segments(WAVE, RATE, {"one": model()}, tmp_path / "x.png", labels=["Roster"])
    with pytest.raises(WaveformError, match="waveform"):
        plot_segments(WAVE[None], RATE, {"one": model()}, tmp_path / "x.png")
