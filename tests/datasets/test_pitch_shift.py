"""Pitch-shifted copies: how many, of whom, and how they sound."""

from dataclasses import replace

import librosa
import numpy as np
import pytest
import soundfile

from sedzoo import audio
from sedzoo.datasets import Clip, Manifest, esc10, pitch_shift
from sedzoo.datasets.pitch_shift import original, pitch_shifted
from sedzoo.events import Event

RATE = 16000


def tone(path, hz=440.0, num_samples=4000, amplitude=0.5):
    time = np.arange(num_samples) / RATE
    audio.save(path, amplitude * np.sin(2 * np.pi * hz * time), RATE)
    return str(path)


def strongest_hz(waveform):
    """Frequency of the highest peak of the spectrum, by a parabola through it; and its bin's."""
    spectrum = np.log(np.abs(np.fft.rfft(waveform * np.hanning(len(waveform)), 2 ** 17)))
    at = spectrum.argmax()
    left, middle, right = spectrum[at - 1:at + 2]
    return (at + (left - right) / (2 * (left - 2 * middle + right))) * RATE / 2 ** 17


@pytest.fixture
def manifest(tmp_path):
    """Two dogs and three rains, with folds and what else is known of clips."""
    folder = tmp_path / "originals"
    folder.mkdir()
    clips = [Clip(f"{label} {i}.wav", tone(folder / f"{label} {i}.wav", 300 + 50 * i), (label,),
                  (Event(0.1, 0.2, label),), i, bool(i % 2))
             for label, count in (("dog", 2), ("rain", 3)) for i in range(count)]
    return Manifest("toy", ("dog", "rain"), tuple(clips))


def files(directory):
    return {path.name: path.stat().st_mtime_ns for path in directory.iterdir()}


def test_every_class_reaches_its_quota_after_the_originals(manifest, tmp_path):
    found = pitch_shifted(manifest, tmp_path / "copies", quota=7)
    assert found.class_counts().tolist() == [7, 7]
    assert found.clips[:5] == manifest.clips
    assert len({clip.name for clip in found.clips}) == 14
    assert len({clip.path for clip in found.present().clips}) == 14
    assert pitch_shifted(manifest, tmp_path / "copies", quota=3).class_counts().tolist() == [3, 3]


def test_classes_with_enough_clips_get_no_copies(manifest, tmp_path):
    assert pitch_shifted(manifest, tmp_path / "copies", quota=2) == manifest
    assert files(tmp_path / "copies") == {}


def test_copies_know_all_that_is_known_of_their_original(manifest, tmp_path):
    known = {clip.name: clip for clip in manifest.clips}
    for clip in pitch_shifted(manifest, tmp_path / "copies", quota=9).clips:
        source = known[original(clip)]
        assert replace(clip, name=source.name, path=source.path) == source


def test_originals_take_turns_and_no_shift_comes_twice(manifest, tmp_path):
    found = pitch_shifted(manifest, tmp_path / "copies", quota=9, semitones=4)
    copies = [clip.name for clip in found.clips[len(manifest):]]
    for label, count in (("dog", 2), ("rain", 3)):
        turns = [name.split(".")[0] for name in copies if name.startswith(label)]
        assert turns == (turns[:count] * 9)[:9 - count] and len(set(turns[:count])) == count
    shifts = {int(name.removesuffix("st").partition(".wav")[2]) for name in copies}
    assert shifts <= {-4, -3, -2, -1, 1, 2, 3, 4} and len(shifts) > 3


def test_shifts_are_used_again_only_when_all_have_been(manifest, tmp_path):
    dogs = manifest.select(lambda clip: clip.name == "dog 0.wav")
    names = [clip.name for clip in
             pitch_shifted(dogs, tmp_path / "copies", quota=6, semitones=2).clips]
    assert set(names[1:5]) == {f"dog 0.wav{shift}st" for shift in ("-2", "-1", "+1", "+2")}
    assert names[5] == f"{names[1]} 2"
    assert original(replace(dogs.clips[0], name=names[5])) == names[0]
    assert len(files(tmp_path / "copies")) == 4


def test_a_class_without_clips_stays_so(manifest, tmp_path):
    wider = replace(manifest, labels=("cat", *manifest.labels))
    assert pitch_shifted(wider, tmp_path, quota=4).class_counts().tolist() == [0, 4, 4]


def test_clips_of_several_labels_count_in_each(manifest, tmp_path):
    both = replace(manifest.clips[0], name="both.wav", labels=("dog", "rain"))
    found = pitch_shifted(replace(manifest, clips=(*manifest.clips[2:], both)), tmp_path, quota=6)
    # Five copies of the one clip with a dog fill the class of rain too, which had four.
    assert found.class_counts().tolist() == [6, 9]
    assert {original(clip) for clip in found.clips[4:]} == {"both.wav"}


@pytest.mark.parametrize("shift", [-12, -5, 1, 7, 12])
def test_a_tone_moves_by_its_semitones_and_keeps_its_duration(tmp_path, shift):
    clip = Clip("a.wav", tone(tmp_path / "a.wav", 440.0, 12345), ("x",))
    pitch_shift._write(tmp_path / "b.wav", clip, shift, RATE)
    waveform, rate = soundfile.read(tmp_path / "b.wav")
    assert (len(waveform), rate) == (12345, RATE)
    assert abs(strongest_hz(waveform) / (440 * 2 ** (shift / 12)) - 1) < 0.01


def test_the_shift_in_the_name_is_the_one_that_is_heard(manifest, tmp_path):
    found = pitch_shifted(manifest, tmp_path / "copies", quota=6)
    known = {clip.name: clip for clip in manifest.clips}
    for clip in found.clips[len(manifest):]:
        heard = (strongest_hz(audio.load(clip.path, RATE))
                 / strongest_hz(audio.load(known[original(clip)].path, RATE)))
        assert round(12 * np.log2(heard)) == int(clip.name.split(".wav")[1].removesuffix("st"))


@pytest.mark.parametrize("num_samples", [1, 700])
def test_clips_shorter_than_a_spectrum_s_window_keep_their_length(tmp_path, num_samples):
    clip = Clip("a.wav", tone(tmp_path / "a.wav", 1000.0, num_samples), ("x",))
    pitch_shift._write(tmp_path / "b.wav", clip, 3, RATE)
    assert soundfile.info(tmp_path / "b.wav").frames == num_samples


def test_copies_are_16_bits_and_never_clipped(tmp_path):
    square = np.sign(np.sin(np.arange(RATE) / 7.3)).astype(np.float32)
    audio.save(tmp_path / "a.wav", square, RATE)
    pitch_shift._write(tmp_path / "b.wav", Clip("a.wav", str(tmp_path / "a.wav"), ("x",)), 2, RATE)
    waveform, _ = soundfile.read(tmp_path / "b.wav", dtype="float32")
    assert soundfile.info(tmp_path / "b.wav").subtype == "PCM_16"
    plain = librosa.effects.pitch_shift(audio.load(tmp_path / "a.wav", RATE), sr=RATE, n_steps=2)
    assert np.abs(plain).max() > 1
    np.testing.assert_allclose(waveform, plain / np.abs(plain).max(), atol=2 ** -15)


def test_an_interrupted_call_goes_on_where_it_was(manifest, tmp_path, monkeypatch):
    pitch_shifted(manifest, tmp_path / "whole", quota=8)
    whole = files(tmp_path / "whole")
    save, calls = audio.save, []

    def dying(path, *arguments):
        save(path, *arguments)
        calls.append(path)
        if len(calls) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(pitch_shift.audio, "save", dying)
    with pytest.raises(KeyboardInterrupt):
        pitch_shifted(manifest, tmp_path / "copies", quota=8)
    monkeypatch.undo()
    finished = files(tmp_path / "copies")
    assert len(finished) == 3                                # the fourth was never renamed
    found = pitch_shifted(manifest, tmp_path / "copies", quota=8)
    now = files(tmp_path / "copies")
    assert now.keys() == whole.keys() and len(now) == 11
    assert {name: now[name] for name in finished} == finished
    for clip in found.clips[len(manifest):]:
        name = clip.path.rpartition("/")[2]
        assert (tmp_path / "copies" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_more_copies_are_the_same_ones_and_more(manifest, tmp_path):
    few = pitch_shifted(manifest, tmp_path / "copies", quota=5)
    more = pitch_shifted(manifest, tmp_path / "copies", quota=8)
    assert set(few.clips) < set(more.clips)
    assert set(pitch_shifted(few, tmp_path / "copies", quota=8).clips) == set(more.clips)


def test_the_copies_follow_the_seed(manifest, tmp_path):
    one, two, other = (pitch_shifted(manifest, tmp_path / "copies", quota=8, seed=seed)
                       for seed in (1, 1, 2))
    assert one == two != other


def test_a_changed_original_gets_new_copies(manifest, tmp_path):
    before = pitch_shifted(manifest, tmp_path / "copies", quota=4)
    tone(manifest.clips[0].path, 800.0, 5000)
    after = pitch_shifted(manifest, tmp_path / "copies", quota=4)
    changed = [old.name for old, new in zip(before.clips, after.clips, strict=True) if old != new]
    assert changed and {name.partition("+")[0].partition("-")[0] for name in changed} == {
        "dog 0.wav"}


def test_clips_of_one_name_in_two_folders_have_their_own_copies(tmp_path):
    for folder, hz in (("a", 300.0), ("b", 500.0)):
        (tmp_path / folder).mkdir()
        tone(tmp_path / folder / "x.wav", hz)
    clips = tuple(Clip(f"{folder}/x.wav", str(tmp_path / folder / "x.wav"), ("x",))
                  for folder in "ab")
    found = pitch_shifted(Manifest("m", ("x",), clips), tmp_path / "copies", quota=6, semitones=1)
    assert len({clip.path for clip in found.clips}) == 6


@pytest.mark.parametrize("settings, message", [
    ({"quota": -1}, "`quota` must be .*quota=-1"), ({"quota": 2.5}, "`quota` must be .*quota=2.5"),
    ({"semitones": 0}, "`semitones` must be .*semitones=0"),
    ({"semitones": 0.5}, "`semitones` must be .*semitones=0.5")])
def test_bounds_are_named(manifest, tmp_path, settings, message):
    with pytest.raises(ValueError, match=message):
        pitch_shifted(manifest, tmp_path, **settings)


def test_a_file_that_cannot_be_read_is_named(manifest, tmp_path):
    (tmp_path / "broken.wav").write_bytes(b"no sound at all, but some forty bytes of text in it")
    broken = Clip("broken.wav", str(tmp_path / "broken.wav"), ("dog",))
    with pytest.raises(audio.AudioDecodeError, match="broken.wav"):
        pitch_shifted(replace(manifest, clips=(broken,)), tmp_path / "copies", quota=2)


def test_real_clips_keep_their_duration_and_fold(shared_data, tmp_path):
    few = esc10(shared_data / "esc10").select(
        lambda clip: clip.name.startswith("1-") and clip.labels[0] in ("Rooster", "Rain"))
    found = pitch_shifted(few, tmp_path, quota=10)
    assert found.class_counts().tolist()[1] == 10 and found.folds(1) == found
    known = {clip.name: clip for clip in few.clips}
    for clip in found.clips[len(few):]:
        copy, source = (audio.load(path, RATE) for path in (clip.path, known[original(clip)].path))
        assert len(copy) == len(source) and 0.1 < np.std(copy) / np.std(source) < 3
