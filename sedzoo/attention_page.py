"""A page that plays a clip, and shows what one of its streams sees of the other at any moment."""

import base64
import html
import io
import json
import mimetypes
import os
import re
import urllib.parse
from pathlib import Path

from sedzoo.attention_plots import SHADES, duration_s, explained, named_scores, stills
from sedzoo.plotting import COLOURS, INK, draw_spectrogram

MAX_WEIGHTS = 2_000_000     # more than that no browser likes to read as text
_STILL_ROWS = 160


def write_attention_page(clip, attention, path, *, video_path=None, query_s=0.0, scores=None,
                         title=None, embed_bytes=2 ** 23):
    """Write an HTML page: the film, stills, spectrogram, and the weights of every head.

    A cursor runs over all as the film plays; a slider, or the film itself, chooses the query's
    frame, and a list the block. The page is one file, asks nothing of the network, and holds the
    film, too, where that is small.

    Args:
        clip: video.VideoClip, whose second 0 is the film's.
        attention: CrossAttention.
        path: path of the page.
        video_path: path of the film, or None for a page that plays none.
        query_s: float, seconds, in the frame that is shown at first.
        scores: dict of label -> probability of the clip, the highest three of which are named.
        title: str or None.
        embed_bytes: int, up to which the film becomes a part of the page; a larger one is linked
            to, relative to the page, and has to stay there. Defaults to 8 MiB.
    Raises: ValueError for more than MAX_WEIGHTS weights; FileNotFoundError for no such film.
    """
    if attention.weights.size > MAX_WEIGHTS:
        raise ValueError(f"`attention` must hold at most {MAX_WEIGHTS} weights for a page. "
                         f"Received: {attention.weights.size}")
    length_s, depth = duration_s(clip, attention), attention.weights.shape[1]
    data = {"weights": attention.weights.round(4).tolist(), "hop": attention.clock.hop_s,
            "length": length_s, "query": attention.query(query_s), "second": attention.second,
            "shades": SHADES, "says": [explained(attention, block) for block in range(depth)]}
    parts = {
        "title": html.escape(title or "Attention"), "scores": html.escape(named_scores(scores)),
        "film": _film(video_path, path, embed_bytes), "stills": _stills(clip, length_s),
        "spectrogram": _spectrogram(clip, length_s), "ink": INK, "mark": COLOURS[1],
        # No text of a script may hold what ends it.
        "data": json.dumps(data).replace("<", "\\u003c")}
    page = re.sub(r"@(\w+)@", lambda found: parts[found[1]], _PAGE)
    Path(path).write_text(page, encoding="utf-8")


def _film(video_path, path, embed_bytes):
    if video_path is None:
        return ""
    kind = mimetypes.guess_type(video_path)[0] or "video/mp4"
    if os.path.getsize(video_path) <= embed_bytes:
        source = _embedded(Path(video_path).read_bytes(), kind)
    else:
        relative = os.path.relpath(video_path, Path(path).parent)
        source = urllib.parse.quote(Path(relative).as_posix())
    return f'<video id="film" controls src="{source}"></video>'


def _stills(clip, length_s):
    if clip.frames is None:
        return ""
    from matplotlib.image import imsave

    step, images = max(1, clip.frames.shape[1] // _STILL_ROWS), []
    for index, start, end in stills(clip):
        file = io.BytesIO()
        imsave(file, clip.frames[index, ::step, ::step], format="jpg")
        images.append(f'<img alt="{start:.2f} s" style="left:{100 * start / length_s:.3f}%;'
                      f'width:{100 * (end - start) / length_s:.3f}%" '
                      f'src="{_embedded(file.getvalue(), "image/jpeg")}">')
    return _row("video", "".join(images))


def _spectrogram(clip, length_s):
    if clip.waveform is None:
        return ""
    from matplotlib.figure import Figure

    figure, file = Figure(figsize=(12, 2.2), facecolor="white"), io.BytesIO()
    axes = figure.add_axes((0, 0, 1, 1))
    draw_spectrogram(axes, clip.waveform, clip.sample_rate)
    axes.set_xlim(0, length_s)
    axes.set_axis_off()
    figure.savefig(file, format="png", dpi=100)
    return _row("audio", f'<img alt="spectrogram" src="{_embedded(file.getvalue(), "image/png")}">')


def _row(name, inside):
    return f'<span>{name}</span><div class="lane" id="{name}">{inside}</div>'


def _embedded(data, kind):
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


_PAGE = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>@title@</title>
<style>
body { font: 15px/1.4 system-ui, sans-serif; color: @ink@; max-width: 1100px; margin: 24px auto;
  padding: 0 16px }
header { display: flex; justify-content: space-between; align-items: baseline; gap: 24px }
h1 { font-size: 21px; margin: 0 0 10px }
video { display: block; max-height: 36vh; max-width: 100%; margin: 0 auto 14px }
form { display: flex; gap: 18px; align-items: center; margin: 0 0 10px }
form input[type=range] { flex: 1; accent-color: @mark@ }
#when { min-width: 120px; color: @mark@; font-weight: 600 }
#rows { display: grid; grid-template-columns: 64px 1fr; gap: 8px 10px; align-items: center;
  position: relative }
#rows > span { text-align: right; color: #666 }
.lane { position: relative; cursor: pointer }
#video { height: 84px; overflow: hidden }
#video img { position: absolute; height: 100%; object-fit: cover; padding: 0 2px;
  box-sizing: border-box }
#audio img { display: block; width: 100%; height: 200px }
#says { grid-column: 2; margin-top: 4px }
.head { height: 32px }
.head i { position: absolute; height: 100%; display: grid; place-items: center; font-style: normal;
  font-size: 13px; border-right: 2px solid white; box-sizing: border-box; overflow: hidden }
.mark { position: absolute; top: 0; bottom: 0; border: 3px solid @mark@; box-sizing: border-box;
  box-shadow: 0 0 0 1px white; pointer-events: none }
.same { border-width: 0 1px; border-style: dashed; box-shadow: none }
#ticks { grid-column: 2; position: relative; height: 20px; color: #666; font-size: 13px }
#ticks b { position: absolute; transform: translateX(-50%); font-weight: normal }
#ticks b:first-child { transform: none }
#over { position: absolute; z-index: 1; left: 74px; right: 0; top: 0; bottom: 0;
  pointer-events: none }
#cursor { position: absolute; top: 0; bottom: 0; width: 2px; margin-left: -1px; background: #111;
  box-shadow: 0 0 0 1px white }
</style>
<header><h1>@title@</h1><div>@scores@</div></header>
@film@
<form>
  <span id="when"></span>
  <input type="range" id="query" min="0" aria-label="query frame">
  <label id="follows"><input type="checkbox" id="follow"> follow the film</label>
  <select id="block" aria-label="block"></select>
</form>
<div id="rows">@stills@@spectrogram@<div id="says"></div>
  <div id="over"><div id="cursor"></div></div>
</div>
<script>
"use strict";
const data = @data@;
const $ = id => document.getElementById(id);
const film = $("film"), depth = data.weights[0].length, heads = data.weights[0][0].length;
const keys = data.weights[0][0][0].length;
const percent = seconds => 100 * seconds / data.length + "%";
const colours = data.shades.map(text => [1, 3, 5].map(at => parseInt(text.slice(at, at + 2), 16)));

function shade(share) {                       // of the highest weight, 0 to 1
  const at = share * (colours.length - 1), low = Math.min(Math.floor(at), colours.length - 2);
  return "rgb(" + colours[low].map((value, k) =>
    Math.round(value + (colours[low + 1][k] - value) * (at - low))).join() + ")";
}

function element(kind, parent, name) {
  const made = document.createElement(kind);
  made.className = name || "";
  parent.append(made);
  return made;
}

function place(part, frame) {
  part.style.left = percent(frame * data.hop);
  part.style.width = percent(data.hop);
}

const marks = [], cells = [];
for (let head = 0; head < heads; head++) {
  element("span", $("rows")).textContent = "head " + (head + 1);
  const lane = element("div", $("rows"), "lane head");
  cells.push(Array.from({length: keys}, (_, key) => {
    const cell = element("i", lane);
    place(cell, key);
    return cell;
  }));
  marks.push(element("div", lane, "mark same"));
}
element("div", $("rows")).id = "ticks";
const steps = [0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600];
const step = steps.find(seconds => data.length / seconds <= 12) || 1800;
for (let seconds = 0; seconds < data.length; seconds += step) {
  const tick = element("b", $("ticks"));
  tick.style.left = percent(seconds);
  tick.textContent = seconds + (seconds ? "" : " s");
}
if ($(data.second)) marks.push(element("div", $(data.second), "mark"));
for (let block = 0; block < depth; block++)
  $("block").add(new Option("block " + (block + 1), block, false, block === depth - 1));
$("block").hidden = depth === 1;
$("follows").hidden = $("cursor").hidden = !film;
$("query").max = data.weights.length - 1;
$("query").value = data.query;

function show() {
  const query = +$("query").value, weights = data.weights[query][+$("block").value];
  const top = Math.max(...weights.flat()) || 1;
  weights.forEach((row, head) => row.forEach((weight, key) => {
    const cell = cells[head][key];
    cell.style.background = shade(weight / top);
    cell.style.color = weight > top / 2 ? "white" : "inherit";
    cell.textContent = keys <= 24 ? weight.toFixed(2) : "";
    cell.title = weight.toFixed(4);
  }));
  marks.forEach(mark => place(mark, query));
  $("when").textContent = (query * data.hop).toFixed(2) + " to " +
    ((query + 1) * data.hop).toFixed(2) + " s";
  $("says").textContent = data.says[+$("block").value];
}

function choose(seconds) {
  const query = Math.floor(seconds / data.hop + 1e-6);
  if (query === +$("query").value) return;
  $("query").value = query;                   // which keeps it within its bounds
  show();
}

function run() {
  $("cursor").style.left = percent(Math.min(film.currentTime, data.length));
  if ($("follow").checked) choose(film.currentTime);
  requestAnimationFrame(run);
}

$("query").oninput = $("block").onchange = show;
document.querySelectorAll(".lane").forEach(lane => lane.onclick = event => {
  const box = lane.getBoundingClientRect();
  const seconds = (event.clientX - box.left) / box.width * data.length;
  if (film) film.currentTime = seconds;
  choose(seconds);
});
show();
if (film) run();
</script>
</html>
"""
