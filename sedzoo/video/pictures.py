"""Video files: pictures at stated times and sound, on one clock, or an error that says why not.

Second 0 is where the first of the two begins; what begins later keeps its delay.
"""

import warnings
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from sedzoo.audio import AudioWarning
from sedzoo.frontend import Frontend
from sedzoo.video.demux import NoPicturesError, NoSoundError, VideoDecodeError, opened
from sedzoo.video.soundtrack import sound

MAX_BYTES = 2 ** 31     # of all pictures that are asked for
_SAME_S = 1e-6          # times that differ by less are the same


@dataclass(frozen=True)
class VideoClip:
    """What is seen and heard in a file, on one clock.

    Args:
        frames: uint8 (T, H, W, 3), RGB, what is seen at `times_s`, or None where nothing is.
        times_s: float64 (T,), the centres of T windows.
        waveform: float32 (S,), or None where nothing is heard.
        sample_rate: int, Hz.
    """

    frames: np.ndarray | None
    times_s: np.ndarray
    waveform: np.ndarray | None
    sample_rate: int


def read_clip(source, frontend="vggish", window_frames=96, size=None):
    """A video file in one call: its sound, and a picture from the centre of each window of it.

    The windows are those of extractors.Patches and of VGGish: consecutive, what remains at the end
    left out, one at least. Without sound they are counted by the file's length. Where the pictures
    end before the sound, the last one stays for one more window.

    Args:
        source: path, the bytes of a file, or a binary file.
        frontend: Frontend whose frames fill the windows, or the name of a preset.
        window_frames: int > 0, of a window. Defaults to 96, which are VGGish's 0.96 s.
        size: as for `frames`.
    Returns: VideoClip.
    Raises, Warns: as `frames` and `sound`, but for one of the two missing.
    """
    if isinstance(frontend, str):
        frontend = Frontend.preset(frontend)
    clock = frontend.clock(window_frames)
    try:
        heard = sound(source, frontend.sample_rate)
        num_samples = len(heard)
    except NoSoundError:
        heard, num_samples = None, round(duration_s(source) * frontend.sample_rate)
    times_s = clock.centres(max(1, frontend.num_frames(num_samples) // window_frames))
    try:
        seen = frames(source, times_s, size, hold_s=clock.hop_s)
    except NoPicturesError:
        if heard is None:
            raise
        seen = None
    return VideoClip(seen, times_s, heard, frontend.sample_rate)


def frames(source, times_s, size=None, *, hold_s=0.0):
    """The pictures that are seen at some times, from one pass over the file.

    At each time it is the last one whose presentation time is not later; before the first one, the
    first. Pictures are upright, turned as the file says.

    Args:
        source: path, the bytes of a file, or a binary file.
        times_s: T >= 1 floats, seconds, in any order.
        size: (H, W), to which pictures are scaled, or None for the size of the first.
        hold_s: float >= 0, how long the last picture stays after its own duration. Defaults to 0.

    Returns: uint8 (T, H, W, 3), RGB.
    Raises:
        FileNotFoundError: there is no such file.
        NoPicturesError: sound alone.
        VideoDecodeError: no video; damaged, or over, before the last time; or more than 2^31 bytes
            of pictures.
    Warns: AudioWarning where pictures were damaged; the one before stands for them.
    """
    times_s = np.asarray(times_s, np.float64)
    if times_s.ndim != 1 or not len(times_s) or not np.isfinite(times_s).all():
        raise ValueError("`times_s` must be finite numbers, one at least. "
                         f"Received: times_s={times_s!r}")
    order = np.argsort(times_s, kind="stable")
    asked, done, end_s, found = times_s[order], 0, None, None
    with opened(source) as file:
        for picture, end_s, is_last in _spans(file, file.require_pictures()):
            until = np.searchsorted(asked, end_s + (hold_s if is_last else 0.0) - _SAME_S)
            if until > done:
                pixels = _upright(picture, size)
                if found is None:
                    found = _room(len(asked), pixels.shape, file.name)
                    size = pixels.shape[:2]             # pictures may change on the way
                found[order[done:until]] = pixels
                done = until
            if done == len(asked):
                break
        doubts = file.doubts(at_end=done < len(asked))
    if done < len(asked):
        reason = ("not one picture can be decoded" if end_s is None else
                  f"its pictures end at {end_s:.3f} s, one at {asked[done]:.3f} s was asked for")
        raise VideoDecodeError(f"{file.name}: {reason}" + (f" ({doubts})" if doubts else ""))
    if doubts:
        warnings.warn(f"{file.name}: damaged, earlier pictures may stand for later ones "
                      f"({doubts})", AudioWarning, stacklevel=2)
    return found


def duration_s(source):
    """Seconds of a video file, of its pictures or its sound, whichever end later.

    By its header where that knows, also where the file was cut off; else by reading it.

    Args:
        source: as for `frames`.
    Raises: FileNotFoundError, VideoDecodeError.
    """
    with opened(source) as file:
        return file.length_s()


def has_pictures(source):
    """Whether a video file has pictures other than a cover; raises as `duration_s`."""
    with opened(source) as file:
        return file.pictures is not None


def has_sound(source):
    """Whether a video file has sound; raises as `duration_s`."""
    with opened(source) as file:
        return file.sound is not None


def _spans(file, stream):
    """(picture, second at which it is over, whether it is the last) of a stream."""
    usual_s = 1 / stream.average_rate if stream.average_rate else Fraction(0)
    before, start_s, step_s = None, Fraction(0), usual_s
    for at_s, picture in file.decoded(stream):
        at_s = start_s + step_s if at_s is None else at_s
        if before is not None:
            at_s = max(at_s, start_s)           # a clock that goes back stands still
            yield before, float(at_s), False
            step_s = at_s - start_s
        before, start_s = picture, at_s
    if before is not None:
        own_s = before.duration * before.time_base if before.duration else step_s or usual_s
        yield before, float(start_s + own_s), True


def _upright(picture, size):
    """Pixels (H, W, 3) of a picture, scaled to a size and turned as its file says."""
    turns = round(picture.rotation / 90) % 4
    height, width = size or (picture.height, picture.width)
    if size and turns % 2:
        height, width = width, height
    # Area averaging, because pictures are shrunk as a rule.
    pixels = picture.reformat(width, height, "rgb24", interpolation="AREA").to_ndarray()
    return np.rot90(pixels, turns)


def _room(num_pictures, shape, name):
    if num_pictures * np.prod(shape, dtype=np.int64) > MAX_BYTES:
        raise VideoDecodeError(f"{name}: {num_pictures} pictures of {shape[0]} x {shape[1]} are "
                               f"more than {MAX_BYTES} bytes; ask for a smaller `size`")
    return np.empty((num_pictures, *shape), np.uint8)
