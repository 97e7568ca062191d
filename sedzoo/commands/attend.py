"""sedzoo attend FILM [--run DIR] --out FOLDER: what an audiovisual transformer hears and sees.

From a film to embeddings of its sound and stills, the scores of its classes, and two pictures of
where one stream looks in the other: attention.png for the moment --query_s, and attention.html, a
page that plays the film. Without --run the model is untrained, for a look at the road.
"""

import json
from pathlib import Path

from absl import flags

from sedzoo.cli import UserError
from sedzoo.commands import extractors

FRAMEWORK = "keras"
_UNTRAINED = "boes2019/video-audio-video-positions-sigmoid-mean"


def define(values):
    flags.DEFINE_string("run", None, "Folder of a training run of av_transformer.",
                        flag_values=values)
    extractors.define(values)
    flags.DEFINE_string("video_weights", None, "File of VGG16's weights.", flag_values=values)
    flags.DEFINE_float("query_s", None, "The moment that looks, in seconds (default: the middle).",
                       0.0, flag_values=values)
    flags.DEFINE_string("out", None, "Folder for the pictures and scores.json.",
                        flag_values=values)


def run(values, arguments):
    if len(arguments) != 1 or not values.out:
        raise UserError("name one film, and --out")
    from sedzoo import video
    from sedzoo.attention_page import write_attention_page
    from sedzoo.attention_plots import CrossAttention, plot_attention
    from sedzoo.zoo.registry import model_card

    film, out = arguments[0], Path(values.out)
    model, labels, scale, arguments = _model(values.run)
    heard = _streams(film, values, sorted(set(model.input) & {"audio", "video"}))
    said = model({key: ((x - scale[0][key]) / scale[1][key])[None] for key, x in heard.items()},
                 training=False)
    scores = dict(zip(labels, (float(p) for p in said["clip"][0]), strict=True))
    clip = video.read_clip(film)
    attention = CrossAttention(said["attention"][0], model_card("av_transformer").clock,
                               arguments["first"], arguments["second"])
    query_s = len(heard[arguments["second"]]) * attention.clock.hop_s / 2
    query_s = query_s if values.query_s is None else values.query_s
    out.mkdir(parents=True, exist_ok=True)
    title = Path(film).name + ("" if values.run else " (untrained model)")
    plot_attention(clip, attention, query_s, out / "attention.png", scores=scores, title=title)
    write_attention_page(clip, attention, out / "attention.html", video_path=film,
                         query_s=query_s, scores=scores, title=title)
    (out / "scores.json").write_text(json.dumps(scores, indent=2, ensure_ascii=False) + "\n",
                                     encoding="utf-8")
    for label in sorted(scores, key=scores.get, reverse=True)[:3]:
        print(f"{scores[label]:.3f}  {label}")
    print(f"{out}/attention.png, {out}/attention.html, {out}/scores.json")


def _model(directory):
    """Model with attention among its outputs, labels, z-score by stream, arguments."""
    from absl import logging

    from sedzoo.training import Run, recipe

    if directory is None:
        logging.warning("without --run the model is untrained: its scores and attention mean "
                        "nothing")
        row = recipe(_UNTRAINED)
        arguments = {**row.arguments, "return_attention": True}
        labels = [f"class {k + 1}" for k in range(arguments["num_classes"])]
        return (row.replace(arguments=arguments).model(), labels,
                ({"audio": 0.0, "video": 0.0}, {"audio": 1.0, "video": 1.0}), arguments)
    finished = Run.load(directory)
    if finished.recipe.model_name != "av_transformer":
        raise UserError(f"--run must be a run of av_transformer. Received: {directory}, a run of "
                        f"{finished.recipe.model_name}")
    arguments = {"first": "audio", "second": "video", **finished.recipe.arguments,
                 "return_attention": True}
    sizes = {key: tensor.shape[-1] for key, tensor in finished.model.input.items()}
    model = finished.recipe.replace(arguments=arguments).model(len(finished.labels), sizes)
    model.set_weights(finished.model.get_weights())
    return model, finished.labels, (finished.mean, finished.std), arguments


def _streams(film, values, names):
    """Embeddings of a film by stream, as many of one as of the other."""
    import numpy as np

    from sedzoo import video
    from sedzoo.embeddings.visual import VGG16Extractor

    found = {}
    if "audio" in names:
        extractor = (extractors.choose(values.extractor, values.extractor_weights)
                     if values.extractor else _random_vggish())
        found["audio"] = np.asarray(extractor(video.load_sound(film, extractor.sample_rate)))
    if "video" in names:
        extractor = VGG16Extractor(values.video_weights)
        found["video"] = extractor(extractor.read(film))
    length = min(map(len, found.values()))
    return {key: x[:length].astype(np.float32) for key, x in found.items()}


def _random_vggish():
    from absl import logging

    from sedzoo.embeddings.extractors import ModelExtractor
    from sedzoo.zoo.registry import create_model

    logging.warning("without --extractor the sound's embeddings come from an untrained VGGish and "
                    "mean nothing")
    return ModelExtractor(create_model("vggish", include_top=False))
