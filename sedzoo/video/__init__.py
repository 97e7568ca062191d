"""Video files: pictures at stated times and sound, on one clock, or an error that says why not."""

from sedzoo.video.demux import NoPicturesError, NoSoundError, VideoDecodeError, VideoError
from sedzoo.video.pictures import VideoClip, duration_s, frames, has_pictures, has_sound, read_clip
from sedzoo.video.soundtrack import load_sound, sound

__all__ = [
    "NoPicturesError", "NoSoundError", "VideoClip", "VideoDecodeError", "VideoError",
    "duration_s", "frames", "has_pictures", "has_sound", "load_sound", "read_clip", "sound",
]
