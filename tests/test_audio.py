import io
import logging
import os
import tracemalloc
import warnings

import numpy as np
import pytest
import soundfile
import soxr
from bad_audio import CASES, RATE, TWO_HOURS, chunk, encoded, tone, wav
from hypothesis import given, settings
from hypothesis import strategies as st

from sedzoo import audio

CONTENT = [case for case in CASES if case.is_content]
BY_NUMBER = {case.name[:2]: case for case in CASES}
# How far each lossy sample format may be from the sound that was written.
TOLERANCE = {"33": 0.01, "35": 0.03, "36": 0.05, "41": 0.05, "42": 0.05, "21": 0.005, "22": 0.005}


def names(cases):
    return [case.name[:2] for case in cases]


def outcome(source):
    """What load does: ("ok" or "warns", waveform) or (the error,)."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            waveform = audio.load(source, RATE)
        except Exception as error:
            return (error,)
    assert all(issubclass(warning.category, audio.AudioWarning) for warning in caught)
    return ("warns" if caught else "ok"), waveform


def check(case, source):
    got = outcome(source)
    if not isinstance(case.outcome, str):
        assert isinstance(got[0], case.outcome), got
        assert "\n" not in str(got[0])
        return str(got[0])
    assert got[0] == case.outcome
    waveform = got[1]
    assert waveform.dtype == np.float32 and waveform.ndim == 1
    assert np.isfinite(waveform).all()
    if case.num_samples is None:
        assert 3 * RATE < len(waveform) < 10 * RATE
    else:
        assert len(waveform) == case.num_samples


# -- the 53 inputs ---------------------------------------------------------------------------


def test_there_are_53_cases():
    assert [int(case.name[:2]) for case in CASES] == list(range(1, 54))


@pytest.mark.parametrize("case", [case for case in CASES if case.name[:2] != "50"],
                         ids=lambda case: case.name[:2])
def test_every_file_has_its_outcome_and_errors_name_it(case, tmp_path):
    path = case.make(tmp_path)
    message = check(case, path)
    if message is not None:
        # Names are printed escaped, so that a message is one line.
        assert ascii(case.name)[1:-1] in ascii(message).replace("\\\\", "\\")


@pytest.mark.parametrize("case", CONTENT, ids=names(CONTENT))
def test_bytes_and_file_objects_have_the_outcome_of_the_file(case, tmp_path):
    path = case.make(tmp_path)
    with open(path, "rb") as file:
        content = file.read()
        check(case, content)
        check(case, file)
        assert not file.closed
    check(case, io.BytesIO(content))


@pytest.mark.parametrize("case", [case for case in CONTENT if case.outcome == "warns"],
                         ids=lambda case: case.name[:2])
def test_strict_makes_errors_of_the_warnings(case, tmp_path):
    path = case.make(tmp_path)
    with pytest.raises(audio.AudioError):
        audio.load(path, RATE, strict=True)
    with pytest.raises(audio.AudioError):
        list(audio.blocks(path, RATE, strict=True))


@pytest.mark.parametrize("number", ["27", "29", "30", "31", "32", "33", "34", "35", "36", "37",
                                    "38", "39", "40", "41", "42", "43", "19", "21", "22", "51"])
def test_what_can_be_decoded_is_the_sound_that_was_written(number, tmp_path):
    _, waveform = outcome(BY_NUMBER[number].make(tmp_path))
    # The resampler rings where the tone starts and stops.
    inside = slice(100, 10 * RATE - 100)
    np.testing.assert_allclose(waveform[inside], tone()[inside],
                               atol=TOLERANCE.get(number, 1e-4))


@pytest.mark.parametrize("number", ["44", "45", "05", "06"])
def test_what_comes_before_the_damage_is_the_sound_that_was_written(number, tmp_path):
    _, waveform = outcome(BY_NUMBER[number].make(tmp_path))
    np.testing.assert_allclose(waveform, tone()[:len(waveform)], atol=1e-4)


def test_two_hours_come_in_blocks_of_bounded_memory(tmp_path):
    case = BY_NUMBER["50"]
    path = case.make(tmp_path)
    assert audio.duration_s(path) == 7200
    tracemalloc.start()
    try:
        num_samples = loud = 0
        for block in audio.blocks(path, RATE, block_s=60):
            num_samples += len(block)
            loud += np.count_nonzero(block)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert num_samples == case.num_samples == TWO_HOURS
    assert loud == 12 * np.count_nonzero((tone() * 32767).astype(np.int16))
    assert peak < 32 * 2 ** 20


# -- headers are not believed ----------------------------------------------------------------


def peak_of(call):
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("claim", [2_000_000_000, 0x7FFFFFFE, 0xFFFFFFFF])
def test_a_small_file_that_claims_gigabytes_takes_little_memory(claim):
    file = wav(bytes(16), size=claim)
    assert len(file) == 60

    def load():
        status, waveform = outcome(file)
        assert (status, len(waveform)) == ("ok" if claim == 0xFFFFFFFF else "warns", 8)

    assert peak_of(load) < 4 * 2 ** 20


def test_many_channels_take_little_memory():
    file = encoded(np.zeros((10, 1000), np.float32))
    assert peak_of(lambda: audio.load(file, RATE)) < 8 * 2 ** 20


def test_a_low_rate_asked_up_takes_little_memory_in_blocks():
    file = wav(bytes(40_000), rate=1000)                             # 20 s
    assert peak_of(lambda: [None for _ in audio.blocks(file, 1_000_000, 0.5)]) < 24 * 2 ** 20


@pytest.mark.parametrize("rate", [999, 1_000_001])
def test_rates_outside_1_khz_to_1_mhz_are_refused(rate):
    with pytest.raises(audio.AudioDecodeError, match=f"rate of {rate} Hz"):
        audio.load(wav(rate=rate), RATE)
    with pytest.raises(ValueError, match=f"sample_rate={rate}"):
        audio.load(wav(), rate)


def test_flac_that_does_not_know_its_length_is_decoded_whole():
    content = bytearray(encoded(tone(), format="FLAC"))
    # STREAMINFO: the low 36 bits of bytes 18 to 25 are the number of samples, 0 where unknown.
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    status, waveform = outcome(bytes(content))
    assert status == "ok"
    np.testing.assert_allclose(waveform, tone(), atol=1e-4)
    assert audio.duration_s(bytes(content)) == 10


def test_a_size_of_zero_before_other_chunks_is_empty_not_a_stream():
    file = wav(b"") + chunk(b"LIST", b"INFOISFT")
    with pytest.raises(audio.EmptyAudioError):
        audio.load(file, RATE)


@pytest.mark.parametrize("form", [{"format": "AIFF"}, {"format": "OGG"}, {"format": "MP3"},
                                  {"format": "RF64"}, {"format": "WAV", "subtype": "PCM_24"}],
                         ids=lambda form: form["format"])
def test_a_cut_file_of_any_format_warns(form):
    content = encoded(tone(), **form)
    status, whole = outcome(content)
    assert status == "ok"
    status, head = outcome(content[:len(content) * 2 // 3])
    assert status == "warns"
    assert 0.3 < len(head) / len(whole) < 0.9


def test_a_sound_shorter_than_one_sample_of_the_asked_rate_is_empty():
    with pytest.raises(audio.EmptyAudioError, match="holds 1 samples at 192000 Hz, none at 16000"):
        audio.load(wav(b"\0\1", rate=192000), RATE)


@settings(deadline=None, max_examples=150)
@given(number=st.sampled_from(["08", "31", "32", "38", "39", "40", "41", "42", "43"]),
       changes=st.lists(st.tuples(st.integers(0, 100), st.integers(0, 255)), max_size=6),
       cut=st.integers(1, 6000))
def test_damaged_headers_give_finite_sound_or_an_audio_error(number, changes, cut,
                                                             tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / BY_NUMBER[number].name
    if not path.exists():
        BY_NUMBER[number].make(path.parent)
    content = bytearray(path.read_bytes()[:cut])
    for where, byte in changes:
        if where < len(content):
            content[where] = byte
    got = outcome(bytes(content))
    assert isinstance(got[0], audio.AudioError) or np.isfinite(got[1]).all()


# -- samples -----------------------------------------------------------------------------------


def test_channels_are_averaged():
    left, right = tone(1000), np.linspace(-0.5, 0.5, 1000, dtype=np.float32)
    stereo = encoded(np.stack([left, right], axis=1), subtype="FLOAT")
    np.testing.assert_allclose(audio.load(stereo, RATE), (left + right) / 2, atol=1e-7)


def test_resampling_is_that_of_soxr():
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, 44100).astype(np.float32)
    got = audio.load(encoded(sound, 44100, subtype="FLOAT"), RATE)
    np.testing.assert_allclose(got, soxr.resample(sound, 44100, RATE, quality="HQ"), atol=1e-6)


def test_floats_above_full_scale_are_kept_up_to_the_limit():
    loud = encoded(np.array([1.5, -999.0], np.float32), subtype="FLOAT")
    np.testing.assert_array_equal(audio.load(loud, RATE), [1.5, -999.0])
    with pytest.raises(audio.AmplitudeError, match="-1001 at sample 1 "):
        audio.load(encoded(np.array([0, -1001.0], np.float32), subtype="FLOAT"), RATE)


def test_denormals_are_silence(tmp_path):
    assert not audio.load(BY_NUMBER["16"].make(tmp_path), RATE).any()


def test_a_sample_that_is_not_finite_is_named_by_its_place_in_the_file():
    sound = np.zeros((400_000, 2), np.float32)
    sound[300_000, 1] = np.nan
    with pytest.raises(audio.NonFiniteAudioError, match=r"sample 300000 \(18\.750 s\)"):
        audio.load(encoded(sound, subtype="FLOAT"), RATE)


def test_one_silent_channel_is_no_reason_to_warn():
    status, _ = outcome(encoded(np.stack([tone(), 0 * tone()], axis=1)))
    assert status == "ok"


def test_a_low_rate_is_a_note_for_debugging_and_no_warning(caplog):
    with caplog.at_level(logging.DEBUG, logger="sedzoo"):
        assert outcome(wav(rate=8000))[0] == "ok"
    assert "nothing above 4000 Hz" in caplog.text


# -- blocks ------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=30)
@given(rate=st.sampled_from([8000, 11025, 16000, 44100, 192000]), num=st.integers(20, 600_000),
       block_s=st.floats(0.05, 60))
def test_blocks_joined_equal_load(rate, num, block_s):
    content = encoded(np.random.default_rng(num).uniform(-1, 1, num), rate)
    pieces = list(audio.blocks(content, RATE, block_s))
    np.testing.assert_array_equal(np.concatenate(pieces), audio.load(content, RATE))
    assert {len(piece) for piece in pieces[:-1]} <= {round(block_s * RATE)}
    assert 0 < len(pieces[-1]) <= round(block_s * RATE)


def test_blocks_are_at_least_a_sample():
    with pytest.raises(ValueError, match="block_s=0"):
        next(audio.blocks(wav(), RATE, 0))


# -- sources -----------------------------------------------------------------------------------


def test_warnings_point_to_the_line_that_asked():
    for ask in (audio.load, lambda *arguments: list(audio.blocks(*arguments))):
        with pytest.warns(audio.AudioWarning, match="truncated") as caught:
            ask(wav(bytes(100), size=200), RATE)
        assert [warning.filename for warning in caught] == [__file__]


def test_a_file_that_cannot_seek_is_read():
    class Pipe(io.RawIOBase):
        def __init__(self):
            self.content = io.BytesIO(wav())

        def readable(self):
            return True

        def readinto(self, buffer):
            return self.content.readinto(buffer)

    assert len(audio.load(Pipe(), RATE)) == 10 * RATE


def test_a_disk_that_fails_while_reading_cuts_the_sound():
    class Failing(io.BytesIO):
        def read(self, count=-1):
            if self.tell() > 100_000:
                raise OSError(5, "Input/output error")
            return super().read(count)

    status, waveform = outcome(Failing(wav()))
    assert status == "warns" and 40_000 < len(waveform) < 60_000


def test_a_named_pipe_is_refused_rather_than_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    with pytest.raises(audio.AudioDecodeError, match="not a regular file"):
        audio.load(tmp_path / "pipe.wav", RATE)


def test_a_path_through_a_file_is_an_audio_error(tmp_path):
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(audio.AudioDecodeError, match="Not a directory"):
        audio.load(tmp_path / "file" / "a.wav", RATE)


@pytest.mark.parametrize("number, seconds", [("05", 3), ("21", 10), ("30", 10), ("40", 10),
                                             ("42", 10), ("04", 0)])
def test_duration_is_that_of_the_samples_there(number, seconds, tmp_path):
    assert audio.duration_s(BY_NUMBER[number].make(tmp_path)) == seconds


def test_real_recordings_decode_without_a_doubt(shared_data):
    clips = sorted(shared_data.glob("esc10/*/*.ogg"))[::20]
    assert clips
    for clip in clips:
        status, waveform = outcome(clip)
        # The first of the five seconds may start inside a Vorbis block.
        assert status == "ok" and abs(len(waveform) - 5 * RATE) < 0.1 * RATE, clip


# -- save --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name, subtype, atol", [("a.wav", None, 1e-4), ("a.flac", None, 1e-4),
                                                 ("a.wav", "FLOAT", 0)])
def test_saved_sound_loads_as_it_was(name, subtype, atol, tmp_path):
    audio.save(tmp_path / name, tone(), RATE, subtype=subtype)
    np.testing.assert_allclose(audio.load(tmp_path / name, RATE), tone(), atol=atol)
    assert soundfile.info(tmp_path / name).samplerate == RATE


def test_an_hour_is_saved_as_ogg(tmp_path):
    audio.save(tmp_path / "a.ogg", np.zeros(3600 * 4000, np.float32), 4000)
    assert audio.duration_s(tmp_path / "a.ogg") == 3600


def test_save_refuses_what_could_not_be_read_back(tmp_path):
    path = tmp_path / "a.wav"
    with pytest.raises(audio.AmplitudeError, match="reaches 1.5"):
        audio.save(path, np.array([1.5, 0]), RATE)
    audio.save(path, np.array([1.5, 0]), RATE, subtype="FLOAT")
    with pytest.raises(audio.AmplitudeError):
        audio.save(path, np.array([1e4, 0]), RATE, subtype="FLOAT")
    with pytest.raises(audio.NonFiniteAudioError):
        audio.save(path, np.array([np.nan, 0]), RATE)
    with pytest.raises(ValueError, match="int16"):
        audio.save(path, np.zeros(3, np.int16), RATE)
    with pytest.raises(ValueError, match="shape"):
        audio.save(path, np.zeros((3, 2)), RATE)
