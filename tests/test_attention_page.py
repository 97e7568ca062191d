"""The page holds the numbers and pictures of a clip, plays it, and needs nothing else."""

import base64
import io
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image
from videos import colours_of, plain, write_video

from sedzoo import attention_page
from sedzoo.attention_page import write_attention_page
from sedzoo.attention_plots import CrossAttention
from sedzoo.video import VideoClip, read_clip

RATE = 16000


class Page(HTMLParser):
    """Elements of a page as (tag, attributes), the text of its parts, and its data."""

    def __init__(self, path):
        super().__init__()
        self.elements, self.texts, self.open = [], {}, []
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)
        assert not [tag for tag in self.open if tag != "html"]      # each that opens is closed
        self.data = json.loads(re.search(r"^const data = (.*);$", self.source, re.M)[1])

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in ("meta", "img", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.setdefault(self.open[-1] if self.open else "", []).append(data)

    def named(self, tag):
        return [attributes for found, attributes in self.elements if found == tag]


@pytest.fixture
def film(tmp_path):
    """Three seconds of colours and a tone, in a folder of its own."""
    (tmp_path / "films").mkdir()
    path = tmp_path / "films" / "one film #1.mp4"
    write_video(path, plain(colours_of(75), (36, 64)), codec="libx264", pix_fmt="yuv420p",
                waveform=0.3 * np.sin(0.1 * np.arange(3 * RATE)), sound_codec="aac")
    return path


@pytest.fixture
def attention():
    return CrossAttention(np.random.default_rng(0).dirichlet(np.ones(3), (3, 2, 4)))


def decoded(source):
    kind, data = source.removeprefix("data:").split(";base64,")
    return kind, base64.b64decode(data)


def test_the_page_holds_all_that_it_shows(tmp_path, film, attention):
    clip = read_clip(film)
    write_attention_page(clip, attention, tmp_path / "page.html", video_path=film, query_s=2.0,
                         scores={"Rain": 0.7, "Dog": 0.9}, title="One film")
    page = Page(tmp_path / "page.html")
    np.testing.assert_allclose(page.data["weights"], attention.weights, atol=1e-4)
    assert (page.data["query"], page.data["hop"], page.data["second"]) == (2, 0.96, "audio")
    assert page.data["length"] == pytest.approx(len(clip.waveform) / RATE)
    assert page.data["says"][1].startswith("What the framed audio sees of the video, block 2 of 2")
    assert page.texts["h1"] == page.texts["title"] == ["One film"]
    assert "Dog 0.90   Rain 0.70" in page.texts["div"]
    [video] = page.named("video")
    assert decoded(video["src"]) == ("video/mp4", film.read_bytes())
    assert not re.findall(r"@\w+@|https?:", page.source)
    sources = [attributes["src"] for _, attributes in page.elements if "src" in attributes]
    assert len(sources) == 5 and all(source.startswith("data:") for source in sources)


def test_stills_and_spectrogram_are_those_of_the_clip(tmp_path, film, attention):
    clip = read_clip(film)
    write_attention_page(clip, attention, tmp_path / "page.html")
    *images, spectrogram = Page(tmp_path / "page.html").named("img")
    length_s = len(clip.waveform) / RATE
    for k, image in enumerate(images):
        kind, data = decoded(image["src"])
        pixels = np.asarray(Image.open(io.BytesIO(data)), np.float64)
        assert kind == "image/jpeg"
        np.testing.assert_allclose(pixels.mean((0, 1)), clip.frames[k].mean((0, 1)), atol=4)
        left, width = map(float, re.findall(r"([\d.]+)%", image["style"]))
        assert left == pytest.approx(100 * k * 0.96 / length_s, abs=0.01)
        assert width == pytest.approx(96 / length_s, abs=0.01)
    assert len(images) == 3 and spectrogram["alt"] == "spectrogram"
    pixels = np.asarray(Image.open(io.BytesIO(decoded(spectrogram["src"])[1])).convert("L"))
    assert pixels.std() > 10 and pixels.shape == (220, 1200)


def test_a_large_film_is_linked_to_from_the_page(tmp_path, film, attention):
    (tmp_path / "pages").mkdir()
    path = tmp_path / "pages" / "page.html"
    write_attention_page(read_clip(film), attention, path, video_path=film, embed_bytes=100)
    assert Page(path).named("video")[0]["src"] == "../films/one%20film%20%231.mp4"


def test_without_a_film_nothing_is_played_and_what_a_clip_lacks_is_left_out(tmp_path, attention):
    frames = np.zeros((3, 8, 8, 3), np.uint8)
    times_s = (np.arange(3) + 0.5) * 0.96
    for clip, num_images in ((VideoClip(frames, times_s, None, RATE), 3),
                             (VideoClip(None, times_s, np.zeros(3 * RATE, np.float32), RATE), 1)):
        write_attention_page(clip, attention, tmp_path / "page.html")
        page = Page(tmp_path / "page.html")
        assert page.named("video") == [] and len(page.named("img")) == num_images


def test_no_title_or_label_can_leave_its_place(tmp_path, film, attention):
    evil = "</title></script><script>alert(1)</script>@data@ & \"'"
    write_attention_page(read_clip(film), attention, tmp_path / "page.html", title=evil,
                         scores={"<img src=x>": 0.5})
    page = Page(tmp_path / "page.html")
    assert page.texts["h1"] == [evil]
    assert len(page.named("script")) == 1 and len(page.named("img")) == 4
    assert "<img src=x> 0.50" in page.texts["div"]


def test_its_script_can_be_parsed(tmp_path, film, attention):
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node to parse it")
    write_attention_page(read_clip(film), attention, tmp_path / "page.html")
    [script] = Page(tmp_path / "page.html").texts["script"]
    (tmp_path / "script.js").write_text(script, encoding="utf-8")
    done = subprocess.run([node, "--check", tmp_path / "script.js"], capture_output=True)
    assert done.returncode == 0, done.stderr


def test_what_no_page_can_hold_is_named(tmp_path, film, attention, monkeypatch):
    clip = read_clip(film)
    with pytest.raises(FileNotFoundError):
        write_attention_page(clip, attention, tmp_path / "page.html", video_path=tmp_path / "x.mp4")
    monkeypatch.setattr(attention_page, "MAX_WEIGHTS", 71)
    with pytest.raises(ValueError, match="`attention` must hold at most 71 weights.*72"):
        write_attention_page(clip, attention, tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()
