"""A Detector gives the export's own answers, in recordings of any length, or one line of reason."""

import io
import json
import os
import resource
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
import soundfile
import soxr
import tensorflow as tf
import tone_model

from sedzoo import audio
from sedzoo.events import Event
from sedzoo.serving import Detector, ExportError

RATE, HOP_S = tone_model.RATE, tone_model.FRONTEND.clock().hop_s
BURSTS = ((0, 0.5, 1.0), (2, 1.2, 1.9), (1, 2.2, 2.6))


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tone_model.save(tmp_path_factory.mktemp("exported") / "tones" / "1")


@pytest.fixture(scope="module")
def detector(directory):
    return Detector(directory)


@pytest.fixture(scope="module")
def loaded(directory):
    return tf.saved_model.load(str(directory))


def truth(bursts):
    return [Event(onset, offset, tone_model.LABELS[k]) for k, onset, offset in bursts]


def assert_same_events(found, expected):
    assert [event.label for event in found] == [event.label for event in expected]
    times = [[(event.onset, event.offset) for event in events] for events in (found, expected)]
    np.testing.assert_allclose(*times, atol=2 * HOP_S)


def test_it_knows_its_card(detector):
    assert detector.card.name == "tones"
    assert detector.labels == tone_model.LABELS
    assert detector.sample_rate == 16000
    assert detector.decoder.thresholds == pytest.approx((0.5, 0.4, 0.3))
    assert detector.decoder.median_frames == (3, 3, 3)


@pytest.mark.parametrize("num_samples", [1, 1023, 1024, 16000, 159720, 160383])
def test_up_to_a_window_it_gives_exactly_what_the_export_gives(detector, loaded, num_samples):
    waveform = tone_model.sound(11, *BURSTS)[:num_samples]
    scores, clock = detector.scores(waveform)
    outputs = loaded(waveform)
    np.testing.assert_array_equal(scores, outputs["frame"][0])
    assert clock == detector.clock
    tags = detector.tag(waveform)
    assert [tags[label] for label in detector.labels] == outputs["clip"][0].numpy().tolist()
    found = {key: value[0].numpy() for key, value in
             loaded.signatures["detect"](waveform=waveform[None]).items()}
    events = detector.detect(waveform)
    assert found["num_events"] == len(events)
    for i, event in enumerate(events):
        assert event.onset == pytest.approx(found["onset"][i])
        assert event.offset == pytest.approx(found["offset"][i])
        assert event.label == detector.labels[found["class_index"][i]]


def test_tags_come_by_probability_and_events_by_time(detector):
    waveform = tone_model.sound(3, *BURSTS)
    tags = detector.tag(waveform)
    assert list(tags.values()) == sorted(tags.values(), reverse=True)
    assert min(tags.values()) > 0.9
    assert_same_events(detector.detect(waveform), truth(BURSTS))
    assert all(0.5 < event.score <= 1 for event in detector.detect(waveform))


def test_thresholds_may_be_given(detector):
    waveform = tone_model.sound(3, *BURSTS)
    assert detector.detect(waveform, thresholds=1.0) == []
    labels = [event.label for event in detector.detect(waveform, thresholds=[0.5, 1.0, 0.5])]
    assert labels == ["Low tone", "High tone"]
    with pytest.raises(ValueError, match="one or 3, one per label. Received: shape \\(2,\\)"):
        detector.detect(waveform, thresholds=[0.1, 0.2])
    with pytest.raises(ValueError, match="thresholds"):
        detector.detect(waveform, thresholds=1.5)


@pytest.mark.parametrize("seconds", [10.03, 10.5, 17.5, 18.0, 31.7, 64.2])
@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.7])
def test_windows_of_a_frame_wise_model_join_to_what_one_call_gives(directory, loaded, seconds,
                                                                   overlap):
    rng = np.random.default_rng(4)
    waveform = rng.normal(0, 1e-4, round(seconds * RATE)).astype(np.float32)
    scores, _ = Detector(directory, overlap=overlap, batch_size=2).scores(waveform)
    np.testing.assert_allclose(scores, loaded(waveform)["frame"][0], atol=1e-5)


def test_the_tags_of_a_long_recording_are_the_highest_of_its_windows(detector):
    tags = detector.tag(tone_model.sound(40, (1, 33.0, 34.0)))
    assert tags["Middle tone"] > 0.9
    assert tags["Low tone"] < 0.1


def test_a_model_with_a_time_stride_keeps_its_own_grid(tmp_path):
    detector = Detector(tone_model.save(tmp_path / "1", time_stride=8))
    waveform = tone_model.sound(47, (0, 3.0, 5.0), (2, 40.0, 42.5))
    scores, clock = detector.scores(waveform)
    assert clock.hop_samples == 8 * 664
    assert len(scores) == tone_model.FRONTEND.num_frames(len(waveform)) // 8
    np.testing.assert_allclose(scores, detector._export(waveform)["frame"][0], atol=1e-5)


def test_paths_bytes_arrays_and_pcm_are_the_same_sound(detector, tmp_path):
    waveform = tone_model.sound(3, *BURSTS)
    pcm = (waveform * 32768).round().astype(np.int16)
    path = tmp_path / "sound.wav"
    soundfile.write(path, pcm, RATE)
    expected, _ = detector.scores(pcm / np.float32(32768))
    for source in (path, str(path), path.read_bytes(), io.BytesIO(path.read_bytes()), pcm,
                   pcm.astype(np.int32) * 65536, (pcm / 32768).tolist()):
        np.testing.assert_array_equal(detector.scores(source)[0], expected)
    eight_bits = (waveform * 128 + 128).round().astype(np.uint8)
    assert_same_events(detector.detect(eight_bits), truth(BURSTS))


def test_an_array_at_another_rate_is_resampled(detector, tmp_path):
    waveform = soxr.resample(tone_model.sound(30, (0, 0.5, 1.0), (1, 28.5, 29.0)), RATE, 44100)
    events = detector.detect(waveform, sample_rate=44100)
    assert_same_events(events, truth(((0, 0.5, 1.0), (1, 28.5, 29.0))))
    audio.save(tmp_path / "sound.wav", waveform, 44100, subtype="FLOAT")
    np.testing.assert_allclose(detector.scores(tmp_path / "sound.wav")[0],
                               detector.scores(waveform, sample_rate=44100)[0], atol=1e-4)


@pytest.mark.parametrize(("source", "message"), [
    (np.full(100, np.nan), "not finite, the first nan is at sample 0"),
    (np.r_[np.zeros(50), np.inf].astype(np.float32), "not finite, the first inf is at sample 50"),
    (np.full(100, 3e4), "integers stored as floats"),
    (np.zeros((2, 100)), "shape \\(2, 100\\); average the channels"),
    (np.zeros((1, 2, 100)), "shape \\(1, 2, 100\\)"),
    (np.float32(0.5), "shape \\(\\)"),
    (np.zeros(100, complex), "complex128"),
    (np.zeros(100, bool), "bool"),
    (np.zeros(100, np.int64), "int64"),
    (np.array(["a", "b"]), "type must be float"),
    ([[0.1, 0.2], [0.3]], "not an array"),
    ([None, 0.3], "object"),
    (None, "object"),
    (np.zeros(0), "holds 0 samples"),
    (b"no sound at all", "cannot be decoded"),
    (b"", "empty"),
])
def test_what_is_no_sound_is_refused_in_one_line(detector, source, message):
    for method in (detector.tag, detector.detect, detector.scores):
        with pytest.raises(audio.AudioError, match=message) as caught:
            method(source)
        assert "\n" not in str(caught.value)


def test_a_rate_that_cannot_be_is_refused(detector, tmp_path):
    with pytest.raises(ValueError, match="sample_rate=0"):
        detector.tag(np.zeros(100), sample_rate=0)
    with pytest.raises(ValueError, match="a file knows its own"):
        detector.tag(tmp_path / "sound.wav", sample_rate=16000)
    with pytest.raises(FileNotFoundError):
        detector.tag(tmp_path / "sound.wav")


def test_what_is_no_export_is_refused(directory, tmp_path):
    with pytest.raises(FileNotFoundError, match="no export at"):
        Detector(tmp_path / "nothing")
    with pytest.raises(ExportError, match="has no saved_model.pb"):
        Detector(tmp_path)
    tf.saved_model.save(tf.train.Checkpoint(), str(tmp_path / "other"))
    with pytest.raises(ExportError, match="has no assets/card.json"):
        Detector(tmp_path / "other")
    for arguments in ({"window_s": 0}, {"overlap": 1.0}, {"batch_size": 0}):
        with pytest.raises(ValueError, match=next(iter(arguments))):
            Detector(directory, **arguments)


def test_a_name_without_a_version_is_its_latest(directory, tmp_path):
    exported = tmp_path / "tones"
    exported.mkdir()
    (exported / "9").symlink_to(directory)
    (exported / "10").symlink_to(directory)
    (exported / "11").mkdir()
    with pytest.raises(ExportError, match="11 is no export"):
        Detector(exported)
    (exported / "11").rmdir()
    assert Detector(exported).card.name == "tones"


def test_progress_is_told_in_seconds(detector):
    told = []
    detector.scores(tone_model.sound(200), progress=told.append)
    assert told == sorted(told) and len(told) > 2
    assert told[-1] == pytest.approx(200, abs=0.1)


def test_serving_needs_no_keras_and_imports_no_layers(directory, tmp_path):
    # TensorFlow imports Keras by itself where it can, so that Keras must be out of reach.
    soundfile.write(tmp_path / "sound.wav", tone_model.sound(3, *BURSTS), RATE)
    done = subprocess.run([sys.executable, "-c", """
import json
import sys
sys.modules.update(dict.fromkeys(["keras", "tf_keras"]))  # None: importing it raises
from sedzoo.serving import Detector
detector = Detector(sys.argv[1])
events = detector.detect(sys.argv[2])
print(json.dumps([[event.label for event in events],
                  [name for name in sys.modules if name.startswith("sedzoo.")]]))
""", directory, tmp_path / "sound.wav"], capture_output=True, text=True, timeout=300,
                          env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    assert done.returncode == 0, done.stderr
    labels, modules = json.loads(done.stdout.splitlines()[-1])
    assert labels == ["Low tone", "High tone", "Middle tone"]
    assert "sedzoo.serving" in modules
    assert not {f"sedzoo.{name}" for name in ("layers", "zoo", "training", "export", "pipeline",
                                              "evaluation", "datasets")} & set(modules)


@pytest.mark.slow
def test_two_hours_do_not_drift_and_take_no_more_memory(detector, tmp_path):
    bursts = [(i % 3, onset, onset + 0.8) for i, onset in enumerate(
        [0.2, 3.0, *np.arange(61.37, 7190, 97.131), 7197.5])]
    path = tmp_path / "long.wav"
    with soundfile.SoundFile(path, "w", RATE, 1, "PCM_16") as file:
        for minute in range(120):
            start, stop = 60 * minute, 60 * minute + 60
            here = [(k, max(on - start, 0), min(off - start, 60)) for k, on, off in bursts
                    if on < stop and off > start]
            file.write(tone_model.sound(60, *here))
    detector.scores(tone_model.sound(180))  # the graph has run, its memory is taken
    resident_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tracemalloc.start()
    events = detector.detect(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert_same_events(events, truth(bursts))
    errors = np.array([event.onset - onset for event, (_, onset, _) in
                       zip(events, bursts, strict=True)])
    # As late at the end as at the beginning: within a frame, in the mean.
    assert abs(errors[-20:].mean() - errors[:20].mean()) < HOP_S / 2
    assert peak < 60e6  # the recording itself is 460 MB of float32
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - resident_kb < 200e3
