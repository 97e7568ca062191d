"""Several streams of the same clips: kept in step, learned from, and answered for."""

import dataclasses

import keras
import numpy as np
import pytest
from scipy.sparse import csr_array

from sedzoo.batches import Batches
from sedzoo.embeddings import Embeddings
from sedzoo.embeddings.streams import Streams, align
from sedzoo.sampling import Sequential
from sedzoo.training import Recipe, Run, fit, predict

K = 3
SIZES = {"audio": 4, "video": 6}


def stream(size, counts, seed=0, names=None, mean=0.0, std=1.0):
    """Clips of one class each, which every segment tells, in noise."""
    draw = np.random.default_rng(seed)
    counts = np.asarray(counts)
    classes = np.arange(len(counts)) % K
    values = 2 * np.eye(K, size)[np.repeat(classes, counts)] + draw.normal(
        0, 0.5, (counts.sum(), size))
    return Embeddings(
        (values * std + mean).astype(np.float32), np.cumsum(counts) - counts, counts,
        csr_array(np.eye(K, dtype=np.float32)[classes]),
        np.array(names or [f"{i}.wav" for i in range(len(counts))]),
        np.array(["0", "1"])[np.arange(len(counts)) // K % 2], ("a", "b", "c"), ("/m/1", "", ""),
        name="blobs", attribution="made here", hop_s=0.5, mean=mean, std=std)


def both(num_clips=24, seed=0, longest=2, shortest=2):
    counts = np.random.default_rng(seed).integers(shortest, longest + 1, num_clips)
    return align(audio=stream(4, counts, seed, mean=-3.0, std=2.0),
                 video=stream(6, counts, seed + 1))


def recipe(**fields):
    return Recipe(**{
        "id": "test/streams", "model_name": "av_transformer", "segments": 2, "batch_size": 6,
        "arguments": {"width": 4, "num_heads": 2, "depth": 1, "ff_units": 4}, "seed": 1,
        "steps_per_epoch": 6, "epochs": 2, "learning_rate": 0.02, "checkpoint_every": 1,
        "sampler": "balanced", "sampler_arguments": {"limits": ()}, "valid_metrics": ("auc",),
        "fusion_epochs": (-2, -1), **fields})


def segments_of(part, clip):
    return part.values[part.starts[clip]:part.starts[clip] + part.counts[clip]]


# -- the same clips in the same order ----------------------------------------------------------


def test_clips_are_found_by_their_names_in_the_order_of_the_first():
    audio = stream(4, [1, 2, 3, 1], names=["d", "a", "b", "c"])
    video = stream(6, [2, 3, 1], seed=1, names=["a", "b", "x"])
    found = align(audio=audio, video=video)
    assert found.names.tolist() == ["a", "b"] and len(found) == 2
    np.testing.assert_array_equal(segments_of(found.parts["audio"], 1), segments_of(audio, 2))
    np.testing.assert_array_equal(segments_of(found.parts["video"], 1), segments_of(video, 1))
    # Of tags the first speaks.
    np.testing.assert_array_equal(found.tags.toarray(), audio.tags.toarray()[[1, 2]])
    assert (found.labels, found.mids, found.name, found.attribution, found.hop_s) == (
        audio.labels, audio.mids, "blobs", "made here", 0.5)


def test_a_selection_is_of_all_streams():
    found = both(12)
    for some, rows in ((found.of_folds(1), [3, 4, 5, 9, 10, 11]), (found.select([7, 2]), [7, 2])):
        assert some.names.tolist() == [f"{row}.wav" for row in rows]
        for key, part in some.parts.items():
            np.testing.assert_array_equal(segments_of(part, 1),
                                          segments_of(found.parts[key], rows[1]))
    assert set(found.of_folds(0).folds) == {"0"}


def test_pieces_are_cut_alike():
    found = both(7, longest=5, shortest=1)
    pieces = found.pieces(2)
    assert len(pieces) == sum(-(-count // 2) for count in found.parts["audio"].counts)
    assert pieces.shape == {"audio": (len(pieces), 2, 4), "video": (len(pieces), 2, 6)}
    assert not pieces.one_each and pieces.frame_mask([0]) is None
    for key, part in found.parts.items():
        np.testing.assert_array_equal(pieces[[2, 0]][key], part.pieces(2)[[2, 0]])
    np.testing.assert_array_equal(pieces.owner, found.parts["video"].pieces(2).owner)
    np.testing.assert_array_equal(pieces.of_clips([3]), np.flatnonzero(pieces.owner == 3))
    scores = np.random.default_rng(0).random((len(pieces), K))
    np.testing.assert_allclose(pieces.over_clips(scores)[3],
                               scores[pieces.owner == 3].mean(axis=0), rtol=1e-6)


def test_what_does_not_fit_together_is_refused():
    audio = stream(4, [2, 2, 2])
    with pytest.raises(ValueError, match="`parts` must hold at least one stream"):
        Streams({})
    with pytest.raises(ValueError, match="same clips in the same order.*'video' of others"):
        Streams({"audio": audio, "video": stream(6, [2, 2, 2], names=["0.wav", "2.wav", "1.wav"])})
    with pytest.raises(ValueError, match="Received: 'video' of others"):
        Streams({"audio": audio, "video": stream(6, [2, 2])})
    with pytest.raises(ValueError, match="No clip is in all of audio, video"):
        align(audio=audio, video=stream(6, [2], names=["x"]))
    with pytest.raises(ValueError, match="`video` must not hold two clips of one name"):
        align(audio=audio, video=stream(6, [2, 2], names=["0.wav", "0.wav"]))
    other = dataclasses.replace(stream(6, [2, 2, 2]), labels=("a", "c", "b"))
    with pytest.raises(ValueError, match="`video` must have the classes of 'audio'"):
        align(audio=audio, video=other)
    with pytest.raises(ValueError, match=r"1 clips differ. Received: 1 in 'video' and 2 .* clip 1"):
        align(audio=audio, video=stream(6, [2, 1, 2])).pieces(2)


# -- batches -----------------------------------------------------------------------------------


def batches(found, length, **arguments):
    pieces = found.pieces(length)
    mean, std = found.scale
    return Batches(pieces, {"clip": found.tags[pieces.owner]}, Sequential(len(pieces), 4),
                   mean=mean, std=std, **arguments)


def test_every_stream_is_on_its_own_scale():
    found = both(4)
    x, y, weight = batches(found, 2)(0)
    assert x.keys() == SIZES.keys()
    for key, part in found.parts.items():
        np.testing.assert_allclose(x[key][1], (segments_of(part, 1) - part.mean) / part.std,
                                   rtol=1e-5)
    np.testing.assert_array_equal(y["clip"], found.tags.toarray())
    np.testing.assert_array_equal(weight["clip"], np.ones(4))


def test_whole_clips_come_with_one_mask_and_nothing_in_their_padding():
    found = both(4, longest=5, shortest=1)
    counts = found.parts["audio"].counts
    source = batches(found, None)
    x, _, _ = source(0)
    assert source.is_ragged and source.x_shape == {
        "audio": (None, 4), "video": (None, 6), "frame_mask": (None,)}
    np.testing.assert_array_equal(x["frame_mask"].sum(axis=1), counts)
    for key, part in found.parts.items():
        assert not x[key][~x["frame_mask"]].any()
        np.testing.assert_allclose(
            x[key][2, :counts[2]], (segments_of(part, 2) - part.mean) / part.std, rtol=1e-5)


def test_streams_are_mixed_alike():
    plain, mixed = (batches(both(4), 2, mixup_rate=rate, seed=3) for rate in (0.0, 1.0))
    share, partner = mixed.mixing(0, 4)
    (x, y, _), (x_mixed, y_mixed, _) = plain(0), mixed(0)
    for key in SIZES:
        by = share[:, None, None]
        np.testing.assert_allclose(x_mixed[key], by * x[key] + (1 - by) * x[key][partner],
                                   rtol=1e-4, atol=1e-5)
    by = share[:, None]
    np.testing.assert_allclose(y_mixed["clip"], by * y["clip"] + (1 - by) * y["clip"][partner],
                               rtol=1e-5)


# -- from streams to a run, and back -----------------------------------------------------------


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    found = both()
    return fit(recipe(), found.of_folds(0), found.of_folds(1), tmp_path_factory.mktemp("run"),
               progress=False)


def test_a_loaded_run_says_the_same(run):
    assert {key: x.shape[-1] for key, x in run.model.input.items()} == SIZES
    loaded, asked = Run.load(run.directory), both(5, seed=7)
    assert loaded.mean == {"audio": -3.0, "video": 0.0} and loaded.std == {"audio": 2.0,
                                                                           "video": 1.0}
    said = predict(run, asked)
    assert said["clip"].shape == (5, K) and said["frame"].shape == (5, 2, K)
    for key, scores in predict(loaded, asked).items():
        np.testing.assert_allclose(scores, said[key], rtol=1e-5)
    each = [predict(run, asked, (epoch,))["clip"] for epoch in (1, 2)]
    np.testing.assert_allclose(said["clip"], np.mean(each, axis=0), rtol=1e-5)


def test_clips_of_other_numbers_of_segments_have_the_mean_of_their_pieces(run):
    asked = both(5, seed=7, longest=5, shortest=1)
    said = predict(run, asked, ())
    assert said.keys() == {"clip"} and said["clip"].shape == (5, K)
    pieces = asked.pieces(2)
    x = {key: (part - run.mean[key]) / run.std[key]
         for key, part in pieces[np.arange(len(pieces))].items()}
    clip = np.asarray(run.model(x)["clip"])
    np.testing.assert_allclose(said["clip"], pieces.over_clips(clip), rtol=1e-4)


def test_both_streams_are_learned_from(run):
    assert run.history()[-1]["loss"] < run.history()[0]["loss"]
    asked = both(5, seed=7)
    for key in SIZES:
        values = np.roll(asked.parts[key].values, 2, axis=0)
        other = Streams({**asked.parts, key: dataclasses.replace(asked.parts[key], values=values)})
        assert np.abs(predict(run, asked)["clip"] - predict(run, other)["clip"]).max() > 1e-3


def test_streams_on_another_scale_are_refused(run):
    asked = both(5)
    louder = dataclasses.replace(asked.parts["audio"], std=1.0)
    with pytest.raises(ValueError, match="must be on the scale of the training's"):
        predict(run, Streams({**asked.parts, "audio": louder}))


@pytest.mark.slow
def test_a_run_stopped_and_called_again_ends_in_the_same_weights(run, tmp_path):
    found = both()
    parts = found.of_folds(0), found.of_folds(1)
    fit(recipe(epochs=1), *parts, tmp_path, progress=False)
    again = fit(recipe(), *parts, tmp_path, progress=False)
    for a, b in zip(run.model.get_weights(), again.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_whole_clips_of_several_lengths_are_learned_from(tmp_path):
    found = both(longest=5, shortest=1)
    run = fit(recipe(segments="clip", epochs=2), found.of_folds(0), found.of_folds(1), tmp_path,
              progress=False)
    asked = both(5, seed=7, longest=5, shortest=1)
    said = predict(Run.load(tmp_path), asked, ())["clip"]
    for clip in range(5):
        x = {key: (segments_of(part, clip) - part.mean)[None] / part.std
             for key, part in asked.parts.items()}
        mask = np.ones((1, asked.parts["audio"].counts[clip]), bool)
        alone = keras.ops.convert_to_numpy(run.model({**x, "frame_mask": mask})["clip"])[0]
        np.testing.assert_allclose(said[clip], alone, rtol=1e-3, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("stream", sorted(SIZES))
def test_a_model_of_one_stream_takes_that_one_alone(stream, tmp_path):
    arguments = {**recipe().arguments, "first": stream, "second": stream}
    found = Streams({stream: both().parts[stream]})
    run = fit(recipe(arguments=arguments, epochs=1), found, found, tmp_path, progress=False)
    assert run.model.input.keys() == {stream}
    assert predict(run, found, ())["clip"].shape == (24, K)
