"""The decoder beneath `sedzoo.video`: any source -> frames of its streams on one clock."""

import contextlib
from collections import Counter
from fractions import Fraction

import av
from av.stream import Disposition

from sedzoo.decode import AudioDecodeError, AudioError, binary

# What a hostile file may cost: pixels of a picture (8K has 3.3e7), frames decoded, and seconds of a
# length that only its header knows.
MAX_PIXELS, MAX_FRAMES, MAX_LENGTH_S = 2 ** 25, 2 ** 22, 2 ** 20

# Playlists are not among them: they would make FFmpeg open other files, and addresses.
_FORMATS = "mov,matroska,avi,mpegts,mpeg,flv,asf"
_LIMITS = {"max_pixels": str(MAX_PIXELS)}
_CUT_S = 0.5            # what a header may promise in vain; more, and the file was cut off


class VideoError(AudioError):
    """A video that cannot be used; the message names it and the reason in one line."""


class VideoDecodeError(VideoError):
    """No video, or none that can be decoded, or not as far as was asked."""


class NoPicturesError(VideoError):
    """A video file of sound alone; a cover is no picture."""


class NoSoundError(VideoError):
    """A video file of pictures alone."""


@contextlib.contextmanager
def opened(source):
    """Opened, of a path, the bytes of a file, or a binary file.

    Raises: FileNotFoundError; VideoDecodeError where there is no video.
    """
    try:
        name, file = binary(source, "video")
    except AudioDecodeError as error:
        raise VideoDecodeError(str(error)) from error
    except AudioError as error:
        raise VideoError(str(error)) from error
    with contextlib.ExitStack() as stack:
        if file is not source:
            stack.enter_context(file)
        size = file.seek(0, 2)
        file.seek(0)
        head = file.read(12)
        file.seek(0)
        if not size:
            raise VideoDecodeError(f"{name}: empty, not one byte")
        try:
            container = stack.enter_context(av.open(
                file, options=_LIMITS, container_options={"format_whitelist": _FORMATS},
                metadata_errors="replace"))
        except av.FFmpegError as error:
            raise VideoDecodeError(f"{name}: cannot be opened as a video: {error.strerror} "
                                   f"({size} bytes, the first are {head!r})") from error
        yield Opened(container, name)


class Opened:
    """A video file that is open.

    Second 0 is where the first of its two streams begins; what is before a container's own zero is
    there for decoders to start with, and belongs to neither.

    Args:
        container: av.container.InputContainer.
        name: str, for messages.
    Attributes:
        pictures, sound: av.Stream or None, the first of each kind.
        damage: Counter of the reasons for which packets could not be decoded so far.
        end_s: float, the end of what was read so far, of any stream.
    """

    def __init__(self, container, name):
        self.container, self.name = container, name
        self.pictures = next((stream for stream in container.streams.video
                              if not stream.disposition & Disposition.attached_pic), None)
        self.sound = next(iter(container.streams.audio), None)
        starts = [stream.start_time * stream.time_base for stream in (self.pictures, self.sound)
                  if stream is not None and stream.start_time is not None]
        self._start_s = max(Fraction(0), min(starts, default=Fraction(0)))
        self.damage, self.end_s = Counter(), 0.0

    def require_pictures(self):
        """The stream of pictures.

        Raises: NoPicturesError; VideoDecodeError for an unknown codec, or pictures too large.
        """
        if self.pictures is None:
            raise NoPicturesError(f"{self.name}: has no pictures")
        context = self._require_codec(self.pictures)
        if context.width * context.height > MAX_PIXELS:
            raise VideoDecodeError(f"{self.name}: its pictures of {context.width} x "
                                   f"{context.height} are larger than {MAX_PIXELS} pixels")
        context.options = _LIMITS           # later ones may be larger than the header says
        self.pictures.thread_type = "AUTO"
        return self.pictures

    def require_sound(self):
        """The stream of sound.

        Raises: NoSoundError; VideoDecodeError for an unknown codec.
        """
        if self.sound is None:
            raise NoSoundError(f"{self.name}: has no sound")
        self._require_codec(self.sound)
        return self.sound

    def decoded(self, stream):
        """(Fraction of seconds or None, frame) of a stream, in the order of presentation.

        Raises: VideoDecodeError beyond MAX_FRAMES.
        """
        num_frames = 0
        for packet in self._packets():
            if packet.stream is not stream:     # the empty last one does not know its index
                continue
            try:
                frames = packet.decode()
            except av.FFmpegError as error:
                self.damage[error.strerror] += 1
                continue
            num_frames += len(frames)
            if num_frames > MAX_FRAMES:
                raise VideoDecodeError(f"{self.name}: more than {MAX_FRAMES} frames")
            for frame in frames:
                self.damage["decoded in part"] += frame.is_corrupt
                yield self._seconds(frame.pts, frame.time_base), frame

    def length_s(self):
        """Seconds by the header where that knows, else by reading to the end.

        Raises: VideoDecodeError beyond MAX_LENGTH_S.
        """
        length_s = self._promised_s()
        if length_s is None:
            for _ in self._packets():
                pass
            length_s = self.end_s
        if length_s > MAX_LENGTH_S:
            raise VideoDecodeError(f"{self.name}: claims to last {length_s:.0f} s")
        return length_s

    def doubts(self, at_end=False):
        """What was wrong so far, as a phrase, or ""; `at_end` after all packets were read."""
        doubts = [f"{count} packets: {reason}" for reason, count in self.damage.items()
                  if count]
        promised_s = self._promised_s() or 0.0
        if at_end and self.end_s < promised_s - _CUT_S:
            doubts.append(f"truncated: {self.end_s:.3f} s of {promised_s:.3f} s are there")
        return "; ".join(doubts)

    def _promised_s(self):
        if not self.container.duration or self.container.duration < 0:
            return None
        length_s = self.container.duration / av.time_base
        if "matroska" in self.container.format.name:        # counts from its own zero
            length_s -= float(self._start_s)
        return max(0.0, length_s) or None

    def _require_codec(self, stream):
        if stream.codec_context is None:
            raise VideoDecodeError(f"{self.name}: no decoder knows the codec of its {stream.type}")
        return stream.codec_context

    def _packets(self):
        packets = self.container.demux()
        while True:
            try:
                packet = next(packets, None)
            except av.FFmpegError as error:     # the demuxer's last word
                self.damage[error.strerror] += 1
                return
            except IndexError:
                self.damage["a stream that was not announced"] += 1
                return
            if packet is None:
                return
            if packet.pts is not None:
                end_s = self._seconds(packet.pts + (packet.duration or 0), packet.time_base)
                self.end_s = max(self.end_s, float(end_s))
            yield packet

    def _seconds(self, pts, time_base):
        return None if pts is None else pts * time_base - self._start_s
