"""Where the sound is inside an isolated clip."""

import numpy as np

from sedzoo.events import runs

_FRAME_S = 0.01
# The threshold rides above the clip's own floor, but neither buries the decay of a sound in it nor,
# where the sound never stops and is its own floor, cuts into the sound.
_ABOVE_FLOOR_DB = 12.0
_BELOW_PEAK_DB = (15.0, 30.0)
_SILENCE_DB = -75.0  # quieter frames are padding, whatever a lossy codec left in them
_GAP_S = 0.2         # a pause shorter than this is part of the sound
_MIN_S = 0.05        # what remains alone and shorter is a crackle of the recording
# Nobody hears one tick of a clock as an event: clicks in quick succession are one sound.
_CLICK_S = 0.2
_CLICK_GAP_S = 1.1


def find_extents(waveform, sample_rate):
    """Extents of the sounds in an isolated clip, found by their energy.

    A frame of 10 ms sounds when its level is 12 dB above the clip's floor (its tenth percentile,
    padding left out), held between 30 and 15 dB below its loudest frame. Pauses under 0.2 s are
    bridged; at least four bursts, each under 0.2 s, with pauses under 1.1 s (a clock, a crackling
    fire) are one sound; other bursts of 0.05 s or more are sounds of their own, so that the silence
    that pads short clips is in none.

    Args:
        waveform: float (S,), in [-1, 1].
        sample_rate: int, Hz.
    Returns: list of (start, stop) in samples, in order; empty for a silent clip.
    """
    frame = max(1, round(_FRAME_S * sample_rate))
    level_db = _level_db(np.asarray(waveform), frame)                                    # (T,)
    heard = level_db[level_db > _SILENCE_DB]
    if not len(heard):
        return []
    peak_db = heard.max()
    threshold_db = np.clip(np.percentile(heard, 10) + _ABOVE_FLOOR_DB,
                           peak_db - _BELOW_PEAK_DB[1], peak_db - _BELOW_PEAK_DB[0])
    bursts = runs(level_db > max(threshold_db, _SILENCE_DB))
    bursts = _bridge(bursts, _GAP_S / _FRAME_S)
    clicks = [stop - start <= _CLICK_S / _FRAME_S for start, stop in bursts]
    if len(bursts) >= 4 and all(clicks):
        bursts = _bridge(bursts, _CLICK_GAP_S / _FRAME_S)
    if len(bursts) > 1:
        bursts = [(start, stop) for start, stop in bursts if stop - start >= _MIN_S / _FRAME_S]
    return [(start * frame, min(stop * frame, len(waveform))) for start, stop in bursts]


def _level_db(waveform, frame):
    """Mean power of each frame in dB, the last one padded with zeros; float (T,)."""
    padded = np.pad(waveform, (0, -len(waveform) % frame)).reshape(-1, frame)     # (T, frame)
    return 10 * np.log10(np.mean(np.square(padded, dtype=np.float64), axis=1) + 1e-12)


def _bridge(bursts, max_gap):
    """Join bursts whose pause is shorter than `max_gap` frames."""
    joined = []
    for start, stop in bursts:
        if joined and start - joined[-1][1] < max_gap:
            joined[-1] = joined[-1][0], stop
        else:
            joined.append((start, stop))
    return joined
