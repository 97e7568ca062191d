"""Pictures and sound of video files come from the right moments, or the file is named."""

import dataclasses
import subprocess
import sys
from fractions import Fraction

import av
import numpy as np
import pytest
import soundfile
from videos import colours_of, plain, write_video

from sedzoo import audio, video
from sedzoo.audio import AudioDecodeError, AudioError, AudioWarning
from sedzoo.frontend import Frontend
from sedzoo.video import NoPicturesError, NoSoundError, VideoDecodeError, VideoError, demux
from sedzoo.video import soundtrack as video_sound

RATE = 16000
COLOURS = np.array(colours_of(25), np.uint8)
TONE = (0.5 * np.sin(0.05 * np.arange(RATE))).astype(np.float32)


def of_colour(found):
    """The colours (T, 3) of pictures that have but one."""
    assert (found == found[:, :1, :1]).all()
    return found[:, 0, 0]


def levels(number):
    """Grey pictures, each brighter than the one before, for codecs that lose a little."""
    grey = np.linspace(20, 235, number).round().astype(np.uint8)
    return grey, plain(np.repeat(grey[:, None], 3, 1), (32, 48))


@pytest.fixture
def colours(tmp_path):
    """One second of 25 pictures, each of its own colour, without loss; silent."""
    write_video(tmp_path / "colours.mkv", plain(COLOURS))
    return tmp_path / "colours.mkv"


@pytest.fixture
def talkie(tmp_path):
    """The same with sound."""
    write_video(tmp_path / "talkie.mkv", plain(COLOURS), waveform=TONE)
    return tmp_path / "talkie.mkv"


# -- pictures ----------------------------------------------------------------------------------


def test_at_each_time_the_last_picture_that_has_come_is_seen(colours):
    times_s = np.random.default_rng(0).uniform(0, 1, 200)
    found = video.frames(colours, times_s)
    assert found.shape == (200, 16, 24, 3) and found.dtype == np.uint8
    np.testing.assert_array_equal(of_colour(found), COLOURS[(times_s * 25).astype(int)])


def test_a_picture_is_seen_from_its_very_time_on(colours):
    starts = np.arange(25) / 25
    np.testing.assert_array_equal(of_colour(video.frames(colours, starts)), COLOURS)
    before = of_colour(video.frames(colours, starts[1:] - 1e-4))
    np.testing.assert_array_equal(before, COLOURS[:-1])


def test_before_the_first_picture_it_is_the_first(tmp_path):
    write_video(tmp_path / "late.mkv", plain(COLOURS[:3]), [0.5, 0.7, 0.9], waveform=TONE)
    found = of_colour(video.frames(tmp_path / "late.mkv", [-3, 0, 0.3, 0.6, 0.8]))
    np.testing.assert_array_equal(found, COLOURS[[0, 0, 0, 0, 1]])


def test_the_last_picture_lasts_its_own_time_and_as_long_as_it_is_held(colours):
    np.testing.assert_array_equal(of_colour(video.frames(colours, [0.999])), COLOURS[24:])
    with pytest.raises(VideoDecodeError, match=r"end at 1.000 s, one at 1.010 s was asked for"):
        video.frames(colours, [0.1, 1.01])
    np.testing.assert_array_equal(of_colour(video.frames(colours, [1.49], hold_s=0.5)),
                                  COLOURS[24:])
    with pytest.raises(VideoDecodeError, match="one at 1.500 s"):
        video.frames(colours, [1.5], hold_s=0.5)


@pytest.mark.parametrize("name, codec, pix_fmt", [
    ("v.mkv", "ffv1", "bgr0"), ("v.mp4", "libx264rgb", "rgb24"), ("v.mov", "png", "rgb24")])
def test_pictures_may_come_at_any_rate(tmp_path, name, codec, pix_fmt):
    times_s = [0, 0.1, 0.5, 0.52, 0.9, 3.0]
    write_video(tmp_path / name, plain(COLOURS[:6]), times_s, codec=codec, pix_fmt=pix_fmt,
                options={"crf": "0"} if "264" in codec else None)
    asked = np.linspace(0, 3.001, 50)
    expected = COLOURS[np.searchsorted(times_s, asked, "right") - 1]
    np.testing.assert_array_equal(of_colour(video.frames(tmp_path / name, asked)), expected)


@pytest.mark.parametrize("ending", ["mp4", "mkv", "ts"])
def test_pictures_that_are_stored_out_of_order_are_seen_in_order(tmp_path, ending):
    grey, pictures = levels(30)
    path = tmp_path / f"b.{ending}"
    write_video(path, pictures, codec="libx264", pix_fmt="yuv420p",
                options={"x264-params": "bframes=4:b-adapt=0:scenecut=0", "crf": "5"})
    with av.open(str(path)) as file:
        stored = [packet.pts for packet in file.demux(video=0) if packet.pts is not None]
    assert stored != sorted(stored)
    found = video.frames(path, np.arange(30) / 25 + 0.02)
    np.testing.assert_allclose(found.mean((1, 2, 3)), grey, atol=3)


@pytest.mark.parametrize("sound_first", [False, True])
def test_the_last_pictures_and_sounds_come_out_whichever_stream_is_first(tmp_path, sound_first):
    grey, pictures = levels(25)
    write_video(tmp_path / "v.mp4", pictures, codec="libx264", pix_fmt="yuv420p", waveform=TONE,
                sound_codec="aac", sound_first=sound_first,
                options={"x264-params": "bframes=4:b-adapt=0:scenecut=0", "crf": "5"})
    with av.open(str(tmp_path / "v.mp4")) as file:
        assert (file.streams[0].type == "audio") == sound_first
    found = video.frames(tmp_path / "v.mp4", np.arange(25) / 25 + 0.02)
    np.testing.assert_allclose(found.mean((1, 2, 3)), grey, atol=3)
    assert len(video.sound(tmp_path / "v.mp4", RATE)) >= RATE


@pytest.mark.parametrize("codec, pix_fmt, size", [
    ("libx264", "yuv420p", (32, 48)), ("libx264", "yuv444p", (35, 27)),
    ("libx264", "yuv420p10le", (32, 48)), ("ffv1", "gray", (35, 27)),
    ("ffv1", "yuv420p", (35, 27)), ("ffv1", "yuva444p", (1, 3)), ("ffv1", "gbrp16le", (16, 16)),
    ("mjpeg", "yuvj422p", (32, 48)), ("libvpx-vp9", "yuv420p", (35, 27))])
def test_pictures_of_any_format_become_rgb(tmp_path, codec, pix_fmt, size):
    colours = [(40, 40, 40), (200, 200, 200)] if pix_fmt == "gray" else [(200, 60, 20),
                                                                       (20, 90, 180)]
    write_video(tmp_path / "v.mkv", plain(colours, size), codec=codec, pix_fmt=pix_fmt)
    found = video.frames(tmp_path / "v.mkv", [0.0, 0.05])
    assert found.shape == (2, *size, 3)
    np.testing.assert_allclose(found.astype(float), np.stack(plain(colours, size)), atol=8)


def test_pictures_are_scaled(tmp_path):
    picture = np.zeros((40, 60, 3), np.uint8)
    picture[:, 30:] = 255
    write_video(tmp_path / "v.mkv", [picture])
    for size in ((10, 20), (80, 40)):
        found = video.frames(tmp_path / "v.mkv", [0], size)[0]
        assert found.shape == (*size, 3)
        assert (found[:, :size[1] // 2 - 1] == 0).all()
        assert (found[:, size[1] // 2 + 1:] == 255).all()


@pytest.mark.parametrize("degrees", [-90, 90, 180])
@pytest.mark.parametrize("ending, codec, pix_fmt", [("mkv", "ffv1", "bgr0"),
                                                    ("mov", "png", "rgb24")])
def test_pictures_are_upright(tmp_path, degrees, ending, codec, pix_fmt):
    picture = np.random.default_rng(0).integers(0, 256, (16, 24, 3)).astype(np.uint8)
    path = tmp_path / f"turned.{ending}"
    write_video(path, [picture], codec=codec, pix_fmt=pix_fmt, rotation=degrees)
    upright = np.rot90(picture, degrees // 90)              # against the clock, as FFmpeg counts
    np.testing.assert_array_equal(video.frames(path, [0])[0], upright)
    assert video.frames(path, [0], (30, 50)).shape == (1, 30, 50, 3)


def test_pictures_that_change_their_size_keep_that_of_the_first(tmp_path):
    parts = []
    for k, (size, grey) in enumerate((((32, 48), 60), ((64, 64), 180))):
        write_video(tmp_path / "part.ts", plain([(grey,) * 3] * 5, size),
                    [k + n / 25 for n in range(5)], codec="libx264", pix_fmt="yuv420p")
        parts.append((tmp_path / "part.ts").read_bytes())
    found = video.frames(b"".join(parts), [0.1, 1.1], hold_s=1.0)
    assert found.shape == (2, 32, 48, 3)
    np.testing.assert_allclose(found.mean((1, 2, 3)), [60, 180], atol=3)


def test_a_path_bytes_and_a_file_give_the_same(talkie):
    data = talkie.read_bytes()
    with open(talkie, "rb") as file:
        for source in (str(talkie), data, bytearray(data), file):
            np.testing.assert_array_equal(of_colour(video.frames(source, [0.5])), COLOURS[12:13])
            assert len(video.sound(source, RATE)) == RATE
        assert not file.closed


@pytest.mark.parametrize("times_s", [[], [[0.0]], [np.nan], [0.0, np.inf]])
def test_times_that_are_none_are_named(colours, times_s):
    with pytest.raises(ValueError, match="`times_s` must be finite numbers, one at least"):
        video.frames(colours, times_s)


# -- sound -------------------------------------------------------------------------------------


@pytest.mark.parametrize("codec, tolerance", [("pcm_s16le", 2e-5), ("pcm_u8", 4e-3),
                                              ("pcm_s32le", 1e-7), ("pcm_f32le", 1e-7),
                                              ("pcm_f64le", 1e-7), ("flac", 2e-5)])
def test_sound_of_any_format_is_what_was_stored(tmp_path, codec, tolerance):
    write_video(tmp_path / "v.mkv", plain(COLOURS), waveform=TONE, sound_codec=codec)
    found = video.sound(tmp_path / "v.mkv", RATE)
    assert found.shape == (RATE,) and found.dtype == np.float32
    np.testing.assert_allclose(found, TONE, atol=tolerance)


@pytest.mark.parametrize("codec, rate", [("aac", RATE), ("libopus", 48000), ("libmp3lame", 44100)])
def test_coded_sound_lies_where_it_was(tmp_path, codec, rate):
    tone = 0.5 * np.sin(2 * np.pi * 300 / rate * np.arange(2 * rate))
    write_video(tmp_path / "v.mkv", plain(COLOURS), waveform=tone, rate=rate, sound_codec=codec)
    found = video.sound(tmp_path / "v.mkv", rate)
    inside = slice(rate // 2, 3 * rate // 2)
    np.testing.assert_allclose(found[inside], tone[inside], atol=0.03)


def test_channels_are_averaged_and_resampled_as_those_of_a_wav_file(tmp_path):
    stereo = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 44100)).astype(np.float32)
    write_video(tmp_path / "v.mkv", plain(COLOURS), waveform=stereo, rate=44100,
                sound_codec="pcm_f32le")
    soundfile.write(tmp_path / "a.wav", stereo.T, 44100, subtype="FLOAT")
    for rate in (44100, 16000, 48000):
        found = video.sound(tmp_path / "v.mkv", rate)
        np.testing.assert_allclose(found, audio.load(tmp_path / "a.wav", rate), atol=1e-6)


def test_eight_channels_are_averaged_too(tmp_path):
    frequencies = np.array([200, 300, 400, 0, 500, 600, 700, 800])[:, None]    # the fourth is low
    channels = 0.5 * np.sin(2 * np.pi * frequencies / 48000 * np.arange(48000))
    write_video(tmp_path / "v.mp4", levels(25)[1], codec="libx264", pix_fmt="yuv420p",
                waveform=channels, rate=48000, sound_codec="aac")
    with av.open(str(tmp_path / "v.mp4")) as file:
        assert next(file.decode(audio=0)).format.name == "fltp"                 # a plane each
    found = video.sound(tmp_path / "v.mp4", 48000)
    np.testing.assert_allclose(found[12000:36000], channels.mean(0)[12000:36000], atol=0.05)


FLASH, CLICK = 30, 0.02


@pytest.mark.parametrize("starts_s", [(0, 0.5), (0.5, 0), (1.4, 1.6)])
@pytest.mark.parametrize("ending, codec, sound_codec, rate", [
    ("mkv", "libx264", "pcm_s16le", RATE), ("mp4", "libx264", "aac", RATE),
    ("ts", "libx264", "aac", RATE), ("flv", "libx264", "aac", 44100),
    ("webm", "libvpx", "libopus", 48000)])
def test_what_flashes_and_clicks_at_once_does_so_on_the_clock(tmp_path, starts_s, ending, codec,
                                                              sound_codec, rate):
    first_s, sound_s = starts_s
    flash = [(255,) * 3 if k == FLASH else (0,) * 3 for k in range(50)]
    at_s = first_s + FLASH / 25                             # on the file's own clock
    first = round((at_s - sound_s) * rate)
    waveform = np.zeros(2 * rate)
    waveform[first:first + int(CLICK * rate)] = 0.8 * np.sin(
        2 * np.pi * 1000 / rate * np.arange(int(CLICK * rate)))
    path = tmp_path / f"v.{ending}"
    write_video(path, plain(flash, (32, 48)), [first_s + k / 25 for k in range(50)], codec=codec,
                pix_fmt="yuv420p", waveform=waveform, rate=rate, sound_codec=sound_codec,
                sound_times_s=(sound_s,))
    found = video.sound(path, RATE)
    heard_s = np.flatnonzero(np.abs(found) > 0.2)[0] / RATE
    seen = video.frames(path, [heard_s - 0.01, heard_s + 0.01, heard_s + 0.06])[:, 0, 0, 0] > 128
    assert seen.tolist() == [False, True, False]
    if ending in ("mkv", "mp4", "webm"):             # others begin where they like
        assert heard_s == pytest.approx(at_s - min(starts_s), abs=0.005)


def test_silence_stands_where_sound_is_missing(tmp_path):
    write_video(tmp_path / "v.mkv", plain(COLOURS), waveform=TONE, sound_times_s=(0.25, 2.0))
    found = video.sound(tmp_path / "v.mkv", RATE)
    half = RATE // 2
    expected = np.concatenate([np.zeros(half // 2), TONE[:half], np.zeros(5 * half // 2),
                               TONE[half:]])
    np.testing.assert_allclose(found, expected, atol=2e-5)


def test_a_clock_that_leaps_is_an_error(tmp_path):
    write_video(tmp_path / "v.mkv", plain(COLOURS), waveform=TONE, sound_times_s=(0, 1e6))
    with pytest.raises(VideoDecodeError, match="its timestamps leave 1000000 s without sound"):
        video.sound(tmp_path / "v.mkv", RATE)


@pytest.mark.parametrize("bad, error", [(np.nan, audio.NonFiniteAudioError),
                                        (5000.0, audio.AmplitudeError)])
def test_samples_that_are_no_sound_are_named_with_the_file(tmp_path, bad, error):
    waveform = TONE.copy()
    waveform[800] = bad
    write_video(tmp_path / "v.mkv", plain(COLOURS), waveform=waveform, sound_codec="pcm_f32le")
    with pytest.raises(error, match=r"v\.mkv': .* sample 800"):
        video.sound(tmp_path / "v.mkv", RATE)


def test_load_sound_reads_sound_files_as_ever_and_the_sound_of_videos(tmp_path, talkie, colours):
    soundfile.write(tmp_path / "a.wav", TONE, RATE)
    np.testing.assert_array_equal(video.load_sound(tmp_path / "a.wav", 8000),
                                  audio.load(tmp_path / "a.wav", 8000))
    np.testing.assert_array_equal(video.load_sound(talkie, 8000), video.sound(talkie, 8000))
    with pytest.raises(NoSoundError, match=r"colours\.mkv': has no sound"):
        video.load_sound(colours, RATE)
    (tmp_path / "bad.wav").write_bytes(b"no sound, but text")
    with pytest.raises(AudioDecodeError, match=r"bad\.wav': cannot be decoded as audio"):
        video.load_sound(tmp_path / "bad.wav", RATE)


# -- what a file has ---------------------------------------------------------------------------


def test_what_a_file_has_and_what_it_lacks(tmp_path, colours, talkie):
    write_video(tmp_path / "heard.m4a", waveform=TONE, sound_codec="aac")
    has = {path.name: (video.has_pictures(path), video.has_sound(path))
           for path in (colours, talkie, tmp_path / "heard.m4a")}
    assert has == {"colours.mkv": (True, False), "talkie.mkv": (True, True),
                   "heard.m4a": (False, True)}
    with pytest.raises(NoSoundError, match=r"colours\.mkv': has no sound"):
        video.sound(colours, RATE)
    with pytest.raises(NoPicturesError, match=r"heard\.m4a': has no pictures"):
        video.frames(tmp_path / "heard.m4a", [0])
    assert len(video.sound(tmp_path / "heard.m4a", RATE)) >= RATE


def test_a_cover_is_no_picture(tmp_path):
    with av.open(str(tmp_path / "song.mp4"), "w") as file:
        sound, cover = file.add_stream("aac", rate=RATE, layout="mono"), file.add_stream("mjpeg")
        cover.width, cover.height, cover.pix_fmt = 24, 16, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        frame = av.VideoFrame.from_ndarray(np.zeros((16, 24, 3), np.uint8), "rgb24")
        frame = frame.reformat(format="yuvj420p")
        frame.pts, frame.time_base = 0, Fraction(1, 25)
        file.mux(cover.encode(frame) + cover.encode(None))
        heard = av.AudioFrame.from_ndarray(TONE[None], "fltp", "mono")
        heard.sample_rate, heard.pts = RATE, 0
        file.mux(sound.encode(heard) + sound.encode(None))
    with av.open(str(tmp_path / "song.mp4")) as file:
        assert len(file.streams.video) == 1
    assert not video.has_pictures(tmp_path / "song.mp4")
    with pytest.raises(NoPicturesError):
        video.frames(tmp_path / "song.mp4", [0])


@pytest.mark.parametrize("ending", ["mkv", "mp4", "ts"])
def test_the_duration_is_that_of_what_ends_last(tmp_path, ending):
    for pictures, sound_s in ((25, 2.0), (75, 1.0)):
        path = tmp_path / f"v.{ending}"
        write_video(path, plain([(9, 9, 9)] * pictures, (32, 48)), codec="libx264",
                    pix_fmt="yuv420p", waveform=np.tile(TONE, round(sound_s)), sound_codec="aac")
        assert video.duration_s(path) == pytest.approx(max(pictures / 25, sound_s), abs=0.15)


def test_the_duration_that_no_header_knows_is_read(tmp_path):
    write_video(tmp_path / "v.mkv", levels(75)[1], codec="libx264", pix_fmt="yuv420p",
                muxer={"live": "1"})
    with av.open(str(tmp_path / "v.mkv")) as file:
        assert file.duration is None
    assert video.duration_s(tmp_path / "v.mkv") == pytest.approx(3.0, abs=0.01)


# -- clips -------------------------------------------------------------------------------------


def test_a_clip_has_a_picture_for_every_window_of_its_sound(tmp_path):
    starts = np.arange(78) / 25
    write_video(tmp_path / "v.mkv", plain(colours_of(78)), starts, waveform=np.tile(TONE, 4))
    clip = video.read_clip(tmp_path / "v.mkv")
    np.testing.assert_allclose(clip.times_s, [0.48, 1.44, 2.40, 3.36])
    # Pictures end at 3.12 s, and the last one stays.
    expected = np.array(colours_of(78), np.uint8)[[12, 36, 60, 77]]
    np.testing.assert_array_equal(of_colour(clip.frames), expected)
    np.testing.assert_array_equal(clip.waveform, video.sound(tmp_path / "v.mkv", RATE))
    assert clip.sample_rate == RATE
    other = video.read_clip(tmp_path / "v.mkv", dataclasses.replace(
        Frontend.preset("vggish"), sample_rate=8000, fmax_hz=4000.0, hop_samples=80), 50, (4, 6))
    assert other.frames.shape == (7, 4, 6, 3) and len(other.waveform) == 4 * 8000
    np.testing.assert_allclose(other.times_s, 0.25 + 0.5 * np.arange(7))


def test_a_clip_whose_pictures_end_long_before_its_sound_is_an_error(tmp_path):
    write_video(tmp_path / "v.mkv", plain(COLOURS), waveform=np.tile(TONE, 5))
    with pytest.raises(VideoDecodeError, match="end at 1.000 s, one at 2.400 s was asked for"):
        video.read_clip(tmp_path / "v.mkv")


def test_a_clip_may_lack_one_of_the_two(tmp_path, colours):
    seen = video.read_clip(colours)
    assert seen.waveform is None and seen.frames.shape == (1, 16, 24, 3)
    write_video(tmp_path / "heard.m4a", waveform=np.tile(TONE, 3), sound_codec="aac")
    heard = video.read_clip(tmp_path / "heard.m4a")
    assert heard.frames is None and len(heard.times_s) == 3 and len(heard.waveform) >= 3 * RATE


# -- damage ------------------------------------------------------------------------------------


def test_a_truncated_file_is_good_for_what_is_there(tmp_path, colours):
    data = colours.read_bytes()
    cut = data[:len(data) // 2]
    np.testing.assert_array_equal(of_colour(video.frames(cut, [0.0, 0.3])), COLOURS[[0, 7]])
    with pytest.raises(VideoDecodeError, match=r"end at 0\.\d+ s, one at 0\.990 s was asked for "
                       r"\(truncated: 0\.\d+ s of 1\.000 s are there\)"):
        video.frames(cut, [0.3, 0.99])
    write_video(tmp_path / "v.mkv", plain(colours_of(100)), waveform=np.tile(TONE, 4),
                sound_codec="flac")
    data = (tmp_path / "v.mkv").read_bytes()
    with pytest.warns(AudioWarning, match=r"truncated: [12]\.\d+ s of 4\.000 s are there"):
        found = video.sound(data[:len(data) // 2], RATE)
    np.testing.assert_allclose(found, np.tile(TONE, 4)[:len(found)], atol=2e-5)
    assert RATE < len(found) < 3 * RATE


@pytest.mark.parametrize("share", [0.001, 0.3, 0.9])
def test_an_mp4_file_without_its_index_is_named(tmp_path, share):
    path = tmp_path / "cut.mp4"
    write_video(path, levels(25)[1], codec="libx264", pix_fmt="yuv420p")
    data = path.read_bytes()
    path.write_bytes(data[:max(1, round(share * data.find(b"moov")))])
    for function in (video.has_sound, video.duration_s, video.read_clip):
        with pytest.raises(VideoDecodeError, match=r"cut\.mp4': cannot be opened as a video"):
            function(path)


@pytest.mark.parametrize("data", [
    b"", b"x", b"garbage, no video" * 1000, bytes(100_000),
    np.random.default_rng(0).bytes(100_000),
    b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nother.mkv\n#EXT-X-ENDLIST\n",
    b"ffconcat version 1.0\nfile other.mkv\n", b"RIFF\x24\0\0\0WAVEfmt "])
def test_what_is_no_video_is_an_error_of_one_line(tmp_path, data):
    write_video(tmp_path / "other.mkv", plain(COLOURS))
    (tmp_path / "bad.mp4").write_bytes(data)
    for function in (video.has_pictures, video.duration_s, video.read_clip):
        with pytest.raises(VideoDecodeError) as error:
            function(tmp_path / "bad.mp4")
        assert "bad.mp4': " in str(error.value) and "\n" not in str(error.value)
        with pytest.raises(VideoDecodeError, match=f"video of {len(data)} bytes: "):
            function(data)


def test_what_is_no_file_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        video.has_sound(tmp_path / "missing.mp4")
    with pytest.raises(VideoDecodeError, match="is a directory"):
        video.has_sound(tmp_path)
    with pytest.raises(VideoError, match="NUL byte"):
        video.has_sound("a\0b.mp4")
    assert issubclass(VideoError, AudioError)           # and so is met where sound is


def test_damaged_pictures_are_left_out_with_a_warning(tmp_path):
    grey, pictures = levels(50)
    path = tmp_path / "v.mp4"
    write_video(path, pictures, codec="libx264", pix_fmt="yuv420p", options={"g": "1"})
    with av.open(str(path)) as file:
        packets = [(packet.pos, packet.size) for packet in file.demux(video=0) if packet.size]
    data = bytearray(path.read_bytes())
    start, size = packets[20]
    data[start:start + size] = bytes(size)
    with pytest.warns(AudioWarning, match="video of .* damaged, earlier pictures may stand"):
        found = video.frames(bytes(data), np.arange(50) / 25 + 0.01)
    found = found.mean((1, 2, 3))
    np.testing.assert_allclose(np.delete(found, 20), np.delete(grey, 20), atol=3)
    assert found[20] == pytest.approx(grey[19], abs=3)


@pytest.mark.filterwarnings("ignore::sedzoo.audio.AudioWarning")
@pytest.mark.parametrize("ending", ["mkv", "mp4", "ts", "avi"])
def test_whatever_is_damaged_nothing_but_errors_of_video_and_sound_come(tmp_path, ending):
    write_video(tmp_path / f"v.{ending}", levels(25)[1], codec="mpeg4", pix_fmt="yuv420p",
                clock_hz=25, waveform=TONE, sound_codec="mp2" if ending == "ts" else "pcm_s16le")
    whole = (tmp_path / f"v.{ending}").read_bytes()
    draw = np.random.default_rng(0)
    num_clips = 0
    for _ in range(40):
        data = bytearray(whole[:draw.integers(len(whole) // 2, len(whole) + 1)])
        for place in draw.integers(0, min(len(data), draw.choice([300, 10 ** 9])),
                                   draw.integers(1, 30)):
            data[place] = draw.integers(256)
        try:
            clip = video.read_clip(bytes(data), size=(8, 8))
            assert clip.frames is not None or clip.waveform is not None
            num_clips += 1
        except AudioError as error:
            assert "\n" not in str(error)
    assert num_clips > 0


def test_titles_of_any_bytes_are_borne(tmp_path):
    path = tmp_path / "v.mkv"
    with av.open(str(path), "w") as file:
        file.metadata["title"] = "TITLE"
        stream = file.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 24, 16, "bgr0"
        file.mux(stream.encode(av.VideoFrame(24, 16, "bgr0")) + stream.encode(None))
    data = path.read_bytes()
    assert data.count(b"TITLE") == 1
    assert video.has_pictures(data.replace(b"TITLE", b"\xff\xfe\xe9TL"))


# -- limits ------------------------------------------------------------------------------------


def test_limits_hold(monkeypatch, colours, talkie):
    monkeypatch.setattr(demux, "MAX_PIXELS", 16 * 24 - 1)
    with pytest.raises(VideoDecodeError, match="pictures of 24 x 16 are larger than 383 pixels"):
        video.frames(colours, [0])
    monkeypatch.undo()
    monkeypatch.setattr(demux, "MAX_FRAMES", 10)
    assert len(video.frames(colours, [0.2])) == 1
    with pytest.raises(VideoDecodeError, match="more than 10 frames"):
        video.frames(colours, [0.9])
    monkeypatch.undo()
    monkeypatch.setattr(demux, "MAX_LENGTH_S", 0.5)
    with pytest.raises(VideoDecodeError, match="claims to last 1 s"):
        video.read_clip(colours)
    monkeypatch.setattr(video_sound, "MAX_SILENCE_S", 0.1)
    write_video(talkie, plain(COLOURS), waveform=TONE, sound_times_s=(0.2,))
    with pytest.raises(VideoDecodeError, match="without sound"):
        video.sound(talkie, RATE)


def test_pictures_that_fill_the_memory_are_refused_before(colours):
    with pytest.raises(VideoDecodeError, match="2000 pictures of 1000 x 1000 .* smaller `size`"):
        video.frames(colours, np.zeros(2000), (1000, 1000))


def test_a_picture_that_claims_to_be_huge_takes_no_memory(tmp_path):
    path = tmp_path / "huge.mov"
    write_video(path, plain([(1, 2, 3)]), codec="png", pix_fmt="rgb24")
    data = bytearray(path.read_bytes())
    place = data.find(b"IHDR") + 4
    data[place:place + 8] = (15000).to_bytes(4, "big") * 2          # 675 MB
    path.write_bytes(data)
    code = f"""
import resource
from sedzoo import video
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before = peak()
try:
    video.frames({str(path)!r}, [0])
except video.VideoDecodeError as error:
    assert "not one picture can be decoded" in str(error), error
else:
    raise AssertionError("decoded")
assert peak() < before + 100, (before, peak())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# -- real videos -------------------------------------------------------------------------------


@pytest.mark.parametrize("name, num_windows, length_s, has_sound", [
    ("bigbuckbunny", 5, 5.312, True), ("bikes", 10, 10.0, False),
    ("carphone_pristine", 4, 4.004, False)])
def test_real_videos(shared_data, name, num_windows, length_s, has_sound):
    path = shared_data / "video" / f"{name}.mp4"
    assert video.duration_s(path) == pytest.approx(length_s)
    assert (video.has_pictures(path), video.has_sound(path)) == (True, has_sound)
    clip = video.read_clip(path)
    assert len(clip.times_s) == len(clip.frames) == num_windows
    assert (clip.waveform is not None) == has_sound
    with av.open(str(path)) as file:                    # the same, all pictures at hand
        pictures = [(picture.time, picture) for picture in file.decode(video=0)]
    starts = [time_s for time_s, _ in pictures]
    for time_s, found in zip(clip.times_s, clip.frames, strict=True):
        _, picture = pictures[np.searchsorted(starts, time_s, "right") - 1]
        np.testing.assert_array_equal(found, picture.to_ndarray(format="rgb24",
                                                                interpolation="AREA"))


def test_the_sound_of_a_real_video(shared_data):
    path = shared_data / "video" / "bigbuckbunny.mp4"
    with av.open(str(path)) as file:
        frames = [frame.to_ndarray() for frame in file.decode(audio=0)]
    mono = np.concatenate(frames, axis=1).mean(axis=0)              # 5.1 channels at 48 kHz
    np.testing.assert_allclose(video.sound(path, 48000), mono, atol=1e-6)
    assert len(video.sound(path, RATE)) == round(len(mono) / 3)
