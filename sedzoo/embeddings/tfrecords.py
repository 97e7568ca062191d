"""TFRecord files record by record, past the damage that tf.data stops at.

Source: https://www.tensorflow.org/tutorials/load_data/tfrecord, "TFRecords format details".
"""

import itertools
import os
import struct

import google_crc32c

EMPTY = "the file is empty"
TRUNCATED = "the file ends within it"
FRAMING = "its length has another checksum: the rest of the file is lost"
CHECKSUM = "its content has another checksum"


def read_records(path, damaged):
    """(number, bytes) of an uncompressed file's records whose checksums hold.

    A record whose content has another checksum is skipped; where a length has another one, or the
    file ends too early, reading ends, for nobody knows where the next record starts.

    Args:
        path: str or Path.
        damaged: list, which gets (number, reason) of each record that is left out.
    Raises: OSError.
    """
    left = os.path.getsize(path)
    if not left:
        damaged.append((0, EMPTY))
    with open(path, "rb") as file:
        for number in itertools.count():
            head = file.read(12)
            if not head:
                return
            if len(head) < 12:
                damaged.append((number, TRUNCATED))
                return
            length, crc = struct.unpack("<QI", head)
            if masked_crc(head[:8]) != crc:
                damaged.append((number, FRAMING))
                return
            left -= 12 + length + 4
            if left < 0:
                damaged.append((number, TRUNCATED))
                return
            record, tail = file.read(length), file.read(4)
            if masked_crc(record) == int.from_bytes(tail, "little"):
                yield number, record
            else:
                damaged.append((number, CHECKSUM))


def masked_crc(data):
    """The format's checksum: CRC-32C, rotated by 15 bits, and a constant added."""
    crc = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
