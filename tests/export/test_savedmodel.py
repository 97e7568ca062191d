"""An export keeps the contract: callable, signatures, assets, variables, and free of Keras."""

import csv
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
import tone_model

from sedzoo import export
from sedzoo.card import Card
from sedzoo.layers import Standardise, features

CLOCK = tone_model.FRONTEND.clock()


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tone_model.save(tmp_path_factory.mktemp("exported") / "tones" / "1")


@pytest.fixture(scope="module")
def loaded(directory):
    return tf.saved_model.load(str(directory))


@pytest.fixture
def waveforms():
    rng = np.random.default_rng(0)
    tones = np.stack([tone_model.sound(2, (0, 0.5, 1.0)), tone_model.sound(2, (1, 0.2, 1.4),
                                                                           (2, 0.8, 1.1))])
    return tones + rng.normal(0, 1e-6, tones.shape).astype(np.float32)


def expected(waveforms, time_stride=1):
    """The composition in Keras, layer by layer."""
    x = features(tone_model.FRONTEND)(waveforms)
    model = tone_model.model(time_stride)
    outputs = {key: value.numpy() for key, value in
               model(Standardise(np.zeros(64), np.ones(64))(x)).items()}
    return {**outputs, "embedding": x.numpy().mean(1)}


@pytest.mark.parametrize("training", [False, True])
def test_the_call_is_the_composition_of_features_and_model(loaded, waveforms, training):
    outputs = loaded(waveforms, training=training)
    assert set(outputs) == {"clip", "frame", "embedding", "frame_times"}
    for key, value in expected(waveforms).items():
        np.testing.assert_allclose(outputs[key], value, atol=1e-5, err_msg=key)
    np.testing.assert_allclose(outputs["frame_times"], CLOCK.centres(47), rtol=1e-6)


def test_one_waveform_is_a_batch_of_one(loaded, waveforms):
    for training in (False, True):
        alone = loaded(waveforms[0], training=training)
        assert alone["clip"].shape == (1, 3)
        np.testing.assert_allclose(alone["frame"], loaded(waveforms[:1])["frame"], atol=1e-6)


def test_the_signatures_are_the_call_and_the_decoder(loaded, waveforms):
    outputs = loaded(waveforms)
    run = {name: loaded.signatures[name](waveform=waveforms) for name in loaded.signatures}
    assert set(run) == {"serving_default", "tag", "frames", "embed", "detect"}
    for name in ("serving_default", "tag"):
        assert set(run[name]) == {"clip"}
        np.testing.assert_allclose(run[name]["clip"], outputs["clip"], atol=1e-6)
    np.testing.assert_allclose(run["frames"]["frame"], outputs["frame"], atol=1e-6)
    assert run["frames"]["frame_times"].shape == (2, 47)
    np.testing.assert_allclose(run["frames"]["frame_times"][1], outputs["frame_times"])
    np.testing.assert_allclose(run["embed"]["embedding"], outputs["embedding"], atol=1e-5)
    decoder = tone_model.card().decoder_spec
    for clip in range(2):
        events = decoder.decode(outputs["frame"][clip].numpy(), tone_model.LABELS, CLOCK)
        found = {key: value[clip].numpy() for key, value in run["detect"].items()}
        assert found["num_events"] == len(events) == clip + 1
        assert found["onset"].shape == (export.MAX_EVENTS,)
        for i, event in enumerate(events):
            assert tone_model.LABELS[found["class_index"][i]] == event.label
            np.testing.assert_allclose([found["onset"][i], found["offset"][i], found["score"][i]],
                                       [event.onset, event.offset, event.score], rtol=1e-5)


def test_thresholds_and_medians_change_in_place(directory, waveforms):
    obj = tf.saved_model.load(str(directory))
    detect = obj.signatures["detect"]
    assert detect(waveform=waveforms)["num_events"].numpy().tolist() == [1, 2]
    obj.thresholds.assign([0.5, 1.0, 0.3])  # nothing is above 1
    assert detect(waveform=waveforms)["num_events"].numpy().tolist() == [1, 1]
    obj.median_frames.assign([1, 1, 91])  # the short tone is in the minority
    assert detect(waveform=waveforms)["num_events"].numpy().tolist() == [1, 0]
    obj.min_frames.assign(40)
    assert detect(waveform=waveforms)["num_events"].numpy().tolist() == [0, 0]


def test_the_assets_say_what_it_hears(directory, loaded):
    with open(loaded.class_map_path().numpy().decode(), newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["display_name"] for row in rows] == list(tone_model.LABELS)
    assert [row["mid"] for row in rows] == ["/m/low", "/m/middle", "/m/high"]
    assert [row["index"] for row in rows] == ["0", "1", "2"]
    assert loaded.sample_rate() == 16000
    card = Card.read(loaded.card_path().numpy().decode())
    assert card == Card.read(directory / "assets" / "card.json")
    assert card.labels == tone_model.LABELS
    assert card.versions["tensorflow"] == tf.__version__


def test_it_trains_again(loaded, waveforms):
    assert len(loaded.trainable_variables) == 2
    assert len(loaded.variables) == 2 + 4  # thresholds, medians, gap and shortest run
    kernel = tone_model.model().get_layer("frame").get_weights()[0]
    (penalty,) = loaded.regularization_losses
    np.testing.assert_allclose(penalty(), 0.5 * np.square(kernel).sum())
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(loaded(waveforms, training=True)["frame"]) + penalty()
    for gradient in tape.gradient(loss, list(loaded.trainable_variables)):
        assert np.abs(gradient).max() > 0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30])
def test_a_bad_clip_gives_finite_scores_and_changes_no_neighbour(loaded, waveforms, bad):
    waveforms = np.concatenate([waveforms, waveforms[:1]])
    good = loaded(waveforms)
    waveforms[1, 300:310] = bad
    spoilt = loaded(waveforms)
    for key in ("clip", "frame", "embedding"):
        assert np.isfinite(spoilt[key]).all(), key
        np.testing.assert_array_equal(spoilt[key].numpy()[[0, 2]], good[key].numpy()[[0, 2]])


def test_samples_that_are_not_finite_count_as_silence(loaded, waveforms):
    spoilt, silent = waveforms.copy(), waveforms.copy()
    spoilt[0, 300:310], silent[0, 300:310] = np.nan, 0
    np.testing.assert_array_equal(loaded(spoilt)["frame"], loaded(silent)["frame"])


@pytest.fixture(scope="module", params=[1, 8])
def strided(request, tmp_path_factory, loaded):
    """A time stride, and an export with it."""
    if request.param == 1:
        return 1, loaded
    directory = tmp_path_factory.mktemp("strided") / "1"
    return request.param, tf.saved_model.load(str(tone_model.save(directory, request.param)))


@pytest.mark.parametrize("num_samples", [0, 1, 100, 1023, 1024, 1687, 1688, 16000])
def test_every_length_gives_the_frames_of_the_clock(strided, num_samples):
    time_stride, obj = strided
    outputs = obj(np.zeros((2, num_samples), np.float32))
    frames = max(1, tone_model.FRONTEND.num_frames(num_samples) // time_stride)
    assert outputs["frame"].shape == (2, frames, 3)
    centres = tone_model.FRONTEND.clock(time_stride).centres(frames)
    np.testing.assert_allclose(outputs["frame_times"], centres, rtol=1e-6)
    assert all(np.isfinite(value).all() for value in outputs.values())


def test_an_empty_batch_is_no_special_case(loaded):
    assert loaded(np.zeros((0, 16000), np.float32))["clip"].shape == (0, 3)
    found = loaded.signatures["detect"](waveform=np.zeros((0, 16000), np.float32))
    assert found["onset"].shape == (0, export.MAX_EVENTS)


def run_python(code, *arguments):
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run([sys.executable, "-c", code, *map(str, arguments)], text=True,
                          capture_output=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_loads_and_runs_without_keras_and_sedzoo(directory, loaded, waveforms, tmp_path):
    np.save(tmp_path / "waveforms.npy", waveforms)
    run_python("""
import sys
sys.modules.update(dict.fromkeys(["keras", "tf_keras", "sedzoo"]))  # None: importing it raises
import numpy as np
import tensorflow as tf
obj = tf.saved_model.load(sys.argv[1])
np.savez(sys.argv[2] + "/outputs.npz", **obj(np.load(sys.argv[2] + "/waveforms.npy")))
""", directory, tmp_path)
    with np.load(tmp_path / "outputs.npz") as outputs:
        for key, value in loaded(waveforms).items():
            np.testing.assert_array_equal(outputs[key], value, err_msg=key)


def test_tensorflow_hub_loads_it(directory, loaded, waveforms):
    hub = pytest.importorskip("tensorflow_hub")
    obj = hub.load(str(directory))
    np.testing.assert_array_equal(obj(waveforms)["frame"], loaded(waveforms)["frame"])


def test_nothing_of_this_machine_is_in_the_files(directory):
    for path in directory.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert str(directory.parent).encode() not in content, path
            assert b"site-packages" not in content, path


def test_what_is_there_is_replaced_only_when_asked(tmp_path):
    directory = tmp_path / "tones" / "1"
    directory.mkdir(parents=True)
    (directory / "old").touch()
    with pytest.raises(FileExistsError, match="overwrite=True"):
        tone_model.save(directory)
    assert (directory / "old").exists()
    tone_model.save(directory, overwrite=True)
    assert (directory / "saved_model.pb").exists() and not (directory / "old").exists()
    assert [path.name for path in directory.parent.iterdir()] == ["1"]


def test_a_failed_export_leaves_what_was_there_and_nothing_else(tmp_path, monkeypatch):
    directory = tmp_path / "tones" / "1"
    directory.mkdir(parents=True)
    (directory / "old").touch()

    def fail(obj, path, signatures):
        os.makedirs(path)
        raise OSError("disk full")

    monkeypatch.setattr(tf.saved_model, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        tone_model.save(directory, overwrite=True)
    assert (directory / "old").exists()
    assert [path.name for path in directory.parent.iterdir()] == ["1"]


def test_the_directory_is_a_version(tmp_path):
    with pytest.raises(ValueError, match="integer version"):
        tone_model.save(tmp_path / "tones")


@pytest.mark.parametrize(("changes", "message"), [
    ({"labels": ("a", "b"), "mids": (), "decoder": {}}, "one per class of the model \\(3\\)"),
    ({"frontend": {**tone_model.FRONTEND.to_dict(), "num_bands": 40}}, "64 features"),
    ({"time_stride": 2}, "time_stride=2"),
])
def test_a_card_of_another_model_is_refused(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        export.save(tone_model.model(), tmp_path / "tones" / "1", tone_model.card(**changes),
                    mean=np.zeros(64), std=np.ones(64))
    assert not list(tmp_path.glob("tones/*"))


def test_a_model_without_the_agreed_outputs_is_refused(tmp_path):
    inputs = keras.Input((None, 64))
    plain = keras.Model(inputs, keras.layers.Dense(3, name="embedding")(inputs))
    whole = tone_model.model()
    nameless = keras.Model(inputs, {key: keras.layers.Dense(3)(inputs) for key in ("clip",
                                                                                  "frame")})
    arguments = {"card": tone_model.card(), "mean": 0.0, "std": 1.0}
    with pytest.raises(ValueError, match='"clip" and "frame"'):
        export.save(plain, tmp_path / "1", **arguments)
    mask = keras.Input((None,))
    ragged = keras.Model([inputs, mask], whole(inputs))
    with pytest.raises(ValueError, match="2 inputs"):
        export.save(ragged, tmp_path / "1", **arguments)
    with pytest.raises(ValueError, match='layer named "embedding"'):
        export.save(nameless, tmp_path / "1", **arguments)
    with pytest.raises(ValueError, match="max_events=0"):
        export.save(whole, tmp_path / "1", max_events=0, **arguments)


def test_max_events_is_the_width_of_detect(tmp_path):
    obj = tf.saved_model.load(str(tone_model.save(tmp_path / "1", max_events=2)))
    pulses = tone_model.sound(6, *((0, i, i + 0.4) for i in range(6)))
    found = obj.signatures["detect"](waveform=pulses[None])
    assert found["num_events"] == 6
    assert found["onset"].shape == (1, 2)
    np.testing.assert_allclose(found["onset"][0], [0, 1], atol=0.07)


@pytest.mark.slow
def test_the_gated_crnn_gives_the_same_scores_from_its_export(tmp_path):
    from sedzoo.zoo import registry

    rng = np.random.default_rng(3)
    mean, std = rng.normal(-8, 1, 64), rng.uniform(1, 3, 64)
    for task, time_stride in (("detection", 1), ("tagging", 8)):
        model = registry.create_model("gated_crnn", num_classes=3, width=8, rnn_units=8, task=task,
                                      dropout=0.2)
        card = tone_model.card(model="gated_crnn", time_stride=time_stride)
        path = export.save(model, tmp_path / task / "1", card, mean=mean, std=std)
        waveforms = rng.normal(0, 0.1, (2, 32000)).astype(np.float32)
        x = Standardise(mean, std)(features(tone_model.FRONTEND)(waveforms))
        obj = tf.saved_model.load(str(path))
        outputs = obj(waveforms)
        for key, value in model(x).items():
            if key in outputs:
                np.testing.assert_allclose(outputs[key], value, atol=1e-5, err_msg=f"{task} {key}")
        assert len(obj.trainable_variables) == len(model.trainable_variables)
        trained = obj(waveforms, training=True)["frame"]  # dropout, and the batch's statistics
        assert np.abs(trained - outputs["frame"]).max() > 1e-4
