"""Composed scenes: what the labels say is what is heard."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sedzoo import audio
from sedzoo.datasets import Clip, Manifest, esc, soundscapes
from sedzoo.datasets.partition import partition
from sedzoo.datasets.soundscapes import SceneSpec, compose, material, render, write
from sedzoo.datasets.sources import Isolated, loop
from sedzoo.labels import read_events

RATE = 16000
# Each class a tone of its own, so that a scene's spectrum says which class sounds when.
TONES = {"Low": 500, "Mid": 1500, "High": 4000}


@pytest.fixture(scope="session")
def tones(tmp_path_factory):
    """Isolated clips in two folds: Low and Mid short with padding, High goes on; hum behind."""
    root = tmp_path_factory.mktemp("tones")
    clips = []
    for fold in (1, 2):
        for label, hz in TONES.items():
            time = np.arange(5 * RATE if label == "High" else RATE // 2) / RATE
            waveform = 0.3 * np.sin(2 * np.pi * (hz + 100 * (fold - 1)) * time)
            clips.append((f"{label}-{fold}.wav", np.pad(waveform, (0, 5 * RATE - len(time))),
                          (label,), fold))
        hum = 0.1 * np.sin(2 * np.pi * 60 * np.arange(3 * RATE) / RATE)
        clips.append((f"hum-{fold}.wav", hum, (), fold))
    for name, waveform, *_ in clips:
        audio.save(root / name, waveform.astype(np.float32), RATE)
    return Manifest("tones", tuple(TONES), tuple(
        Clip(name, str(root / name), labels, None, fold) for name, _, labels, fold in clips),
        attribution="made here")


def level_db(waveform):
    return 10 * np.log10(np.mean(np.square(waveform, dtype=np.float64)) + 1e-20)


def samples(event):
    return slice(round(event.onset * RATE), round(event.offset * RATE))


@pytest.fixture(scope="session")
def tone_sounds(tones):
    return material(SceneSpec(), tones)


@pytest.fixture(params=["procedural", "tones"])
def sounds(request):
    if request.param == "procedural":
        return material(SceneSpec(), None)
    return request.getfixturevalue("tone_sounds")


# -- from one seed -----------------------------------------------------------------------------


def test_scenes_are_those_of_their_seed_and_index_however_many_are_made(sounds):
    spec = SceneSpec(duration_s=4.0)
    few, many = list(compose(spec, sounds, 2, 7)), list(compose(spec, sounds, 5, 7))
    for (waveform, events), (again, same) in zip(few, many, strict=False):
        np.testing.assert_array_equal(waveform, again)
        assert events == same
    alone = render(spec, sounds, 7, 4)
    np.testing.assert_array_equal(alone.waveform, many[4][0])
    other = next(iter(compose(spec, sounds, 1, 8)))
    assert not np.array_equal(other[0], few[0][0])
    assert not np.array_equal(many[0][0], many[1][0])


def test_decoding_anew_changes_nothing(tones):
    spec = SceneSpec(duration_s=3.0)
    one, two = (list(compose(spec, tones, 2, 0)) for _ in range(2))
    assert all(np.array_equal(a, b) and x == y for (a, x), (b, y) in zip(one, two, strict=True))


# -- labels and audio agree --------------------------------------------------------------------


def test_scenes_have_the_shape_and_labels_asked_for(sounds):
    spec = SceneSpec(duration_s=2.5, num_events=(1, 3))
    for waveform, events in compose(spec, sounds, 20, 1):
        assert waveform.shape == (40000,) and waveform.dtype == np.float32
        assert 1 <= len(events) <= 3 and events == sorted(events)
        assert all(0 <= e.onset < e.offset <= 2.5 and e.label in sounds.labels for e in events)


def test_outside_its_events_a_scene_is_its_background_and_inside_it_is_not(sounds):
    for index in range(20):
        scene = render(SceneSpec(), sounds, 2, index)
        foreground = scene.waveform - scene.background
        outside = np.ones(len(foreground), bool)
        for event in scene.events:
            outside[samples(event)] = False
            assert np.abs(foreground[samples(event)]).max() > 1e-4
        assert not np.any(foreground[outside])


def test_a_class_s_own_tone_rises_inside_its_extents_and_only_there(tones):
    sounds = material(SceneSpec(), tones.folds(1))
    for waveform, events in compose(SceneSpec(snr_db=(20, 30)), sounds, 20, 3):
        frames = waveform[:len(waveform) // 800 * 800].reshape(-1, 800)       # 50 ms: 20 Hz bins
        spectrum = np.abs(np.fft.rfft(frames * np.hanning(800)))
        for label, hz in TONES.items():
            inside, edge = np.zeros(len(frames), bool), np.zeros(len(frames), bool)
            for event in events:
                if event.label == label:
                    inside[round(event.onset * 20) + 2:round(event.offset * 20) - 2] = True
                    edge[max(0, round(event.onset * 20) - 2):round(event.offset * 20) + 2] = True
            # The beginnings of other events splash into every band, their middles do not.
            tone = 20 * np.log10(spectrum[:, hz // 20] + 1e-9)
            if inside.any() and not edge.all():
                assert np.median(tone[inside]) > np.median(tone[~edge]) + 20


def test_short_sounds_are_placed_whole_and_long_ones_cut_or_looped(tones):
    spec = SceneSpec(long_s=(6.0, 8.0), num_events=(2, 4))
    lengths = {label: [] for label in TONES}
    for _, events in compose(spec, tones, 60, 4):
        for event in events:
            lengths[event.label].append(event.duration_s)
    assert set(np.round(lengths["Low"] + lengths["Mid"], 2)) == {0.5}
    assert max(lengths["High"]) > 5.5                        # the clip has 5 s: it was looped
    assert min(lengths["High"]) >= 3.0 - 1e-3                # at least half of it is in the scene


def test_every_class_is_heard(sounds):
    heard = {event.label for _, events in compose(SceneSpec(), sounds, 60, 5) for event in events}
    assert heard == set(sounds.labels)


# -- levels ------------------------------------------------------------------------------------


def test_the_snr_measured_is_the_one_drawn_and_in_range(sounds):
    spec, seen = SceneSpec(snr_db=(3.0, 20.0), max_polyphony=1), []
    for index in range(30):
        scene = render(spec, sounds, 6, index)
        for event, snr_db in zip(scene.events, scene.snr_db, strict=True):
            foreground = (scene.waveform - scene.background)[samples(event)]
            measured = level_db(foreground) - level_db(scene.background)
            assert measured == pytest.approx(snr_db, abs=0.1)
            seen.append(measured)
    assert 2.9 < min(seen) < 8 and 15 < max(seen) < 20.1


def test_no_scene_clips(sounds):
    spec = SceneSpec(snr_db=(40.0, 60.0), background_dbfs=(-20.0, -10.0))
    peaks = [np.abs(waveform).max() for waveform, _ in compose(spec, sounds, 10, 0)]
    assert max(peaks) <= 0.981 and max(peaks) > 0.97


def test_the_background_has_the_level_drawn():
    spec = SceneSpec(background_dbfs=(-40.0, -30.0), num_events=(0, 0))
    sounds = material(spec, None)
    levels = [level_db(waveform) for waveform, _ in compose(spec, sounds, 20, 0)]
    assert -40.01 < min(levels) < -36 and -34 < max(levels) < -29.99


def test_clips_without_labels_are_the_background(tones):
    scene = render(SceneSpec(), material(SceneSpec(), tones), 0, 0)
    power = np.abs(np.fft.rfft(scene.background)) ** 2
    assert power[550:650].sum() > 0.99 * power.sum()          # the 60 Hz hum, in bins of 0.1 Hz


# -- rules of overlap --------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2 ** 32), st.integers(1, 4), st.integers(0, 12), st.floats(0.0, 1.0))
def test_polyphony_and_the_pause_between_events_of_a_class_hold(tone_sounds, seed, limit, num,
                                                                gap_s):
    spec = SceneSpec(duration_s=6.0, num_events=(num, num), max_polyphony=limit,
                     same_class_gap_s=gap_s)
    scene = render(spec, tone_sounds, seed, 0)
    assert len(scene.events) <= num and bool(scene.events) == bool(num)
    edges = [samples(event) for event in scene.events]
    active = np.zeros(len(scene.waveform), int)
    for edge in edges:
        active[edge] += 1
    assert active.max() <= limit
    for label in TONES:
        mine = sorted((edge.start, edge.stop) for edge, event in zip(edges, scene.events,
                                                                     strict=True)
                      if event.label == label)
        assert all(later[0] - earlier[1] >= round(gap_s * RATE)
                   for earlier, later in zip(mine, mine[1:], strict=False))


def test_overlap_does_happen_where_it_may(sounds):
    def overlapping(limit):
        spec = SceneSpec(max_polyphony=limit, num_events=(4, 6))
        return sum(b.onset < a.offset for _, events in compose(spec, sounds, 15, 0)
                   for a, b in zip(events, events[1:], strict=False))
    assert overlapping(1) == 0 < overlapping(3)


# -- sources -----------------------------------------------------------------------------------


def test_scenes_hold_nothing_from_outside_the_folds_given(tones):
    spec = SceneSpec(snr_db=(30.0, 30.0))
    sounds = material(spec, tones.folds(1))
    for index in range(15):
        scene = render(spec, sounds, 0, index)
        power = np.abs(np.fft.rfft(scene.waveform - scene.background)) ** 2
        for hz in TONES.values():                             # fold 2 sings 100 Hz higher
            own, leaked = (power[(f - 5) * 10:(f + 5) * 10].max() for f in (hz, hz + 100))
            if any(TONES[event.label] == hz for event in scene.events):
                assert leaked < 1e-3 * own


def test_real_folds_never_leak(shared_data, monkeypatch):
    opened = []
    monkeypatch.setattr(audio, "load", lambda path, rate: opened.append(path) or np.ones(rate, "f"))
    manifest = esc.esc10(shared_data / "esc10")
    list(compose(SceneSpec(duration_s=1.0), manifest.folds(1, 2, 3), 3, 0))
    assert len(opened) == 240 and not set(opened) & {c.path for c in manifest.folds(4).clips}


def test_real_material_has_short_barks_and_rain_that_goes_on(shared_data):
    manifest = esc.esc10(shared_data / "esc10").folds(4)
    manifest = manifest.select(lambda clip: clip.labels[0] in ("Dog bark", "Rain"))
    for source in (manifest, replace(manifest, sustained=None)):       # as declared, as measured
        sounds = Isolated(source, RATE)
        rng = np.random.default_rng(0)
        barks, rains = ([sounds.draw(label, rng) for _ in range(30)]
                        for label in ("Dog bark", "Rain"))
        assert np.median([len(waveform) for waveform, _ in barks]) < 2 * RATE
        assert not any(goes_on for _, goes_on in barks) and all(goes_on for _, goes_on in rains)
        assert sounds.drawable == ("Dog bark", "Rain") and len(sounds.labels) == 10


def test_a_silent_clip_is_left_out_with_a_warning(tones, tmp_path):
    audio.save(tmp_path / "nothing.wav", np.zeros(RATE, np.float32), RATE)
    silent = Clip("nothing.wav", str(tmp_path / "nothing.wav"), ("Low",))
    with pytest.warns(UserWarning, match="nothing.wav is silent"):
        sounds = Isolated(replace(tones, clips=(*tones.clips, silent)), RATE)
    assert sounds.drawable == tuple(TONES)
    with pytest.warns(UserWarning), pytest.raises(ValueError, match="No sound .* 'tones'"):
        Isolated(replace(tones, clips=(silent,)), RATE)


@pytest.mark.parametrize("labels", [None, ("Low", "Mid")])
def test_a_clip_that_is_not_isolated_is_named(tones, labels):
    with pytest.raises(ValueError, match="one label.*'x.wav' with labels="):
        Isolated(replace(tones, clips=(Clip("x.wav", "x.wav", labels),)), RATE)


def test_a_loop_goes_on_without_a_click_or_a_dip():
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(RATE).astype(np.float32)
    looped = loop(noise, 5 * RATE + 17, 4000, rng)
    assert looped.shape == (5 * RATE + 17,)
    power = np.square(looped[:5 * RATE]).reshape(-1, 400).mean(axis=1)
    assert 0.6 < power.min() and power.max() < 1.5
    part = loop(noise, 100, 800, rng)
    assert any(np.array_equal(part, noise[i:i + 100]) for i in range(RATE))


# -- files -------------------------------------------------------------------------------------


def test_written_scenes_are_the_composed_ones_and_so_are_their_labels(tones, tmp_path):
    spec = SceneSpec(duration_s=3.0, num_events=(0, 3))
    manifest = write(tmp_path, spec, tones, 6, 9, name="six")
    assert (manifest.name, manifest.labels, len(manifest.present())) == ("six", tuple(TONES), 6)
    assert manifest.attribution == "made here"
    strong = read_events(tmp_path / "strong.tsv")
    for clip, (waveform, events) in zip(manifest.clips, compose(spec, tones, 6, 9), strict=True):
        np.testing.assert_allclose(audio.load(clip.path, RATE), waveform, atol=1 / 32767)
        assert list(clip.events) == events == strong[clip.name]
        assert set(clip.labels) == {event.label for event in events}
    assert not (tmp_path / "missing_files.tsv").exists()


def test_missing_material_is_skipped_and_listed(tones, tmp_path):
    gone = Clip("gone.wav", str(tmp_path / "gone.wav"), ("Low",))
    source = replace(tones, clips=(*tones.clips, gone))
    write(tmp_path / "out", SceneSpec(duration_s=1.0), source, 1, 0)
    assert (tmp_path / "out" / "missing_files.tsv").read_text().splitlines()[1:] == [
        f"gone.wav\t{tmp_path / 'gone.wav'}"]


# -- partitions --------------------------------------------------------------------------------


def marked(num_clips):
    clips = (Clip(f"{i}", f"{i}.wav", ("a",), ()) for i in range(num_clips))
    return Manifest("m", ("a",), tuple(clips))


@given(st.integers(0, 50), st.integers(0, 10), st.integers(0, 10), st.integers(0, 2 ** 32))
def test_partitions_are_disjoint_and_complete_and_know_what_they_may(num_clips, a, b, seed):
    weak, unlabelled = a / 30, b / 30
    parts = partition(marked(num_clips), strong=1 - weak - unlabelled, weak=weak,
                      unlabelled=unlabelled, seed=seed)
    assert list(parts) == ["strong", "weak", "unlabelled"]
    names = [clip.name for part in parts.values() for clip in part.clips]
    assert sorted(names, key=int) == [f"{i}" for i in range(num_clips)]
    assert abs(len(parts["weak"]) - weak * num_clips) <= 1
    assert all(clip.labels and clip.events is not None for clip in parts["strong"].clips)
    assert all(clip.labels and clip.events is None for clip in parts["weak"].clips)
    assert all(clip.labels is clip.events is None for clip in parts["unlabelled"].clips)


def test_partitions_follow_their_seed():
    one, two, other = ([clip.name for clip in partition(marked(40), strong=0.5, weak=0.5,
                                                        seed=seed)["weak"].clips]
                       for seed in (1, 1, 2))
    assert one == two != other


@pytest.mark.parametrize("shares", [{"strong": 0.5}, {"strong": 0.7, "weak": 0.7},
                                    {"strong": 1.5, "weak": -0.5}])
def test_shares_that_do_not_add_up_are_an_error(shares):
    with pytest.raises(ValueError, match="must be shares that add up to 1. Received: {'strong'"):
        partition(marked(4), **shares)


# -- mistakes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("change, message", [
    ({"num_events": (3, 1)}, "`num_events` must be a pair, the lower first"),
    ({"snr_db": 10.0}, "`snr_db` must be a pair"),
    ({"num_events": (-1, 2)}, "`num_events` must be a pair of int >= 0"),
    ({"num_events": (0.5, 2)}, "`num_events` must be a pair of int >= 0"),
    ({"max_polyphony": 0}, "`max_polyphony` must be at least 1"),
    ({"sample_rate": 0}, "`sample_rate` must be at least 1"),
    ({"same_class_gap_s": -1.0}, "`same_class_gap_s` must be at least 0"),
    ({"duration_s": 0.0}, "`duration_s` and `long_s` must be positive"),
    ({"long_s": (0.0, 1.0)}, "`duration_s` and `long_s` must be positive"),
])
def test_an_impossible_spec_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        SceneSpec(**change)


def test_a_spec_read_from_json_equals_the_written_one():
    assert SceneSpec(snr_db=[1.0, 2.0]) == SceneSpec(snr_db=(1.0, 2.0))


@pytest.mark.parametrize("seed", [-1, 0.5, None])
def test_a_bad_seed_is_named_at_once(seed):
    with pytest.raises(ValueError, match="`seed` must be an int >= 0"):
        compose(SceneSpec(), None, 1, seed)


def test_material_of_another_rate_is_named():
    with pytest.raises(ValueError, match="16000 Hz; the scenes are at 22050 Hz"):
        compose(SceneSpec(sample_rate=22050), soundscapes.material(SceneSpec(), None), 1, 0)


def test_too_low_a_rate_for_the_procedural_sounds_is_named():
    with pytest.raises(ValueError, match="`sample_rate` must be at least 8000 Hz"):
        compose(SceneSpec(sample_rate=4000), None, 1, 0)
