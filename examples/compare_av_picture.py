"""A picture of where the decoder of compare_av.py looks, in a scene like any other."""

import numpy as np
from compare_av_attention import pointing
from compare_av_scenes import NUM_SEGMENTS, still_times

from sedzoo.attention_plots import CrossAttention, plot_attention
from sedzoo.audio import load
from sedzoo.video import VideoClip

RATE = 16000


def draw(path, answers, rule, manifest, stills, where):
    """Draw the scene whose mass on the true frames is the median, by the best head on "valid".

    Stills are drawn as the squares of grey that their numbers are.

    Args:
        path: of the image; answers: compare_av_tables.Answers of a row; rule: its Recipe.
        manifest: Manifest of the scenes to score; stills: float (N * T, size), what is seen there.
        where: dict of part -> what `intervals` returns.
    """
    first, second = rule.arguments["first"], rule.arguments["second"]
    clips, frames = where["test"]
    valid = pointing(answers.attention_valid, where["valid"][1][second], where["valid"][1][first])
    test = pointing(answers.attention_test, frames[second], frames[first])
    mass = test.mass[:, valid.lift().argmax()]
    one = int(np.argsort(mass)[len(mass) // 2])
    clip = manifest.clips[clips[one]]
    seen = stills.reshape(len(manifest), NUM_SEGMENTS, -1)[clips[one]]
    attention = CrossAttention(answers.attention_test[one], first=first, second=second)
    asked = np.flatnonzero(frames[second][one])
    event = clip.events[0]
    plot_attention(
        VideoClip(squares(seen), still_times(), load(clip.path, RATE), RATE), attention,
        still_times()[asked[len(asked) // 2]], path,
        title=f"{event.label}, {event.onset:.1f} to {event.offset:.1f} s",
        scores=dict(zip(manifest.labels, answers.test[clips[one]].tolist(), strict=True)))


def squares(seen, scale=8):
    """Embeddings (T, n * n), about normal -> uint8 (T, H, W, 3)."""
    side = int(np.sqrt(seen.shape[1]))
    grey = np.clip(128 + 42 * seen[:, :side * side], 0, 255).astype(np.uint8)
    grey = grey.reshape(-1, side, side).repeat(scale, axis=1).repeat(scale, axis=2)
    return np.repeat(grey[..., None], 3, axis=-1)
