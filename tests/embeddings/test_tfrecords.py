"""Of a damaged TFRecord file every record that is whole is read, and none that is not."""

import pytest
import tensorflow as tf

from sedzoo.embeddings.tfrecords import (
    CHECKSUM,
    EMPTY,
    FRAMING,
    TRUNCATED,
    masked_crc,
    read_records,
)

RECORDS = [b"", b"one", bytes(range(256)), b"one", b"the end"]


@pytest.fixture
def path(tmp_path):
    with tf.io.TFRecordWriter(str(tmp_path / "x.tfrecord")) as writer:
        for record in RECORDS:
            writer.write(record)
    return tmp_path / "x.tfrecord"


def read(path):
    damaged = []
    return list(read_records(path, damaged)), damaged


def edges():
    """Where each record ends."""
    ends, end = [], 0
    for record in RECORDS:
        ends.append(end := end + 16 + len(record))
    return ends


def test_records_are_those_that_tensorflow_writes(path):
    assert read(path) == (list(enumerate(RECORDS)), [])


def test_the_checksum_is_masked_crc_32c():
    # 32 zeros have the CRC-32C 0x8A9136AA (RFC 3720, B.4).
    crc = 0x8A9136AA
    assert masked_crc(bytes(32)) == ((crc >> 15) + (crc << 17) + 0xA282EAD8) % 2 ** 32


def test_wherever_a_file_ends_the_whole_records_are_read(path):
    data = path.read_bytes()
    for size in range(1, len(data)):
        path.write_bytes(data[:size])
        num_whole = sum(end <= size for end in edges())
        damaged = [] if size in edges() else [(num_whole, TRUNCATED)]
        assert read(path) == (list(enumerate(RECORDS))[:num_whole], damaged), size


def test_whichever_byte_is_changed_no_wrong_record_is_read(path):
    data = path.read_bytes()
    for place in range(len(data)):
        path.write_bytes(data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1:])
        hit = sum(end <= place for end in edges())
        in_head = place - (edges()[hit - 1] if hit else 0) < 12
        after = [] if in_head else list(enumerate(RECORDS))[hit + 1:]
        assert read(path) == (list(enumerate(RECORDS))[:hit] + after,
                              [(hit, FRAMING if in_head else CHECKSUM)]), place


def test_an_empty_file_is_said_to_be_so(path):
    path.write_bytes(b"")
    assert read(path) == ([], [(0, EMPTY)])
