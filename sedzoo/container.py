"""Whether a container holds the audio that its header promises.

Decoders believe what they can read and say nothing of the rest: a WAV file that was cut off, or
written to a pipe without a size, comes back short or empty. This looks before they do.
"""

import contextlib
import struct

_FORMS = {b"RIFF": "<", b"RF64": "<", b"BW64": "<", b"RIFX": ">", b"FORM": ">"}
_UNKNOWN = 0xFFFFFFFF
_OGG_PAGE_BYTES = 65307       # the largest page there can be
_MAX_CHUNKS = 1000            # a walk through zeros would never end


def examine(file):
    """What to read differently in a seekable binary file, and what is wrong with it.

    Args:
        file: seekable binary file; it is left at an unspecified position.

    Returns:
        (View, doubt): what to decode; a phrase, or None where nothing is wrong.
    """
    size = file.seek(0, 2)
    file.seek(0)
    head = file.read(12)
    if head[:4] in _FORMS and head[8:] in (b"WAVE", b"AIFF", b"AIFC"):
        return _examine_chunks(file, size, head)
    if head[:4] == b"OggS":
        return View(file), _examine_ogg(file, size)
    return View(file), None


class View:
    """A binary file as a decoder written in C should see it.

    Some bytes may read differently, and nothing raises, for nobody would catch it: a seek to
    nowhere stays where it is, what cannot be read is the end of the file.

    Args:
        file: seekable binary file.
        at: int, bytes from the start.
        patch: bytes to be read there.
    """

    def __init__(self, file, at=0, patch=b""):
        self.file, self.at, self.patch = file, at, patch
        self.tell = file.tell

    def seek(self, offset, whence=0):
        with contextlib.suppress(OSError, ValueError):
            self.file.seek(offset, whence)
        return self.file.tell()

    def read(self, count):
        start = self.file.tell()
        try:
            data = self.file.read(count)
        except OSError:
            return b""
        if self.patch and start < self.at + len(self.patch):
            data = bytearray(data)
            for where, byte in enumerate(self.patch, self.at - start):
                if 0 <= where < len(data):
                    data[where] = byte
        return bytes(data)


def _examine_chunks(file, size, head):
    order = _FORMS[head[:4]]
    wave = head[8:] == b"WAVE"
    wanted = b"data" if wave else b"SSND"
    found = next((chunk for chunk in _chunks(file, 12, size, order) if chunk[1] == wanted), None)
    if found is None:
        return View(file), None
    at, _, length = found
    there = size - at - 8
    if length == _UNKNOWN and wave:
        if head[:4] not in (b"RF64", b"BW64"):
            return View(file), None         # the mark of a stream; decoders read to the end
        file.seek(28)                 # ds64: id, length, size of the form, size of the data
        length = struct.unpack("<Q", file.read(8).ljust(8, b"\0"))[0]
    if length == 0 and there and wave and not _ends_in_chunks(file, at + 8, size, order):
        return (View(file, at + 4, b"\xff" * 4),
                "its header claims no samples, as an unfinished stream does; "
                "it was read to the end of the file")
    if length > there:
        return (View(file),
                f"truncated: its header promises {length} bytes of audio, {there} are there")
    return View(file), None


def _chunks(file, start, size, order):
    """(offset, id, length) of the chunks from `start` on."""
    for _ in range(_MAX_CHUNKS):
        if start + 8 > size:
            return
        file.seek(start)
        name, length = struct.unpack(order + "4sI", file.read(8))
        yield start, name, length
        start += 8 + length + length % 2


def _ends_in_chunks(file, start, size, order):
    """Whether what follows are chunks up to the last byte, and so no samples."""
    end = start
    for at, name, length in _chunks(file, start, size, order):
        if not all(32 <= byte < 127 for byte in name):
            return False
        end = at + 8 + length
    return end in (size, size - 1)


def _examine_ogg(file, size):
    """Whether the last page is whole and says that it is the last."""
    file.seek(max(0, size - _OGG_PAGE_BYTES))
    tail = file.read()
    page = tail[tail.rfind(b"OggS"):]
    segments = page[26] if len(page) > 26 else 0
    whole = len(page) >= 27 + segments + sum(page[27:27 + segments])
    if page[:4] == b"OggS" and whole and page[5] & 4:
        return None
    return "truncated: its last page is missing or cut"
