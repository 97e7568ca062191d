from dataclasses import replace

import pytest

from sedzoo.datasets import Clip, Manifest
from sedzoo.datasets.partition import hold_out, hold_out_end, k_folds
from sedzoo.datasets.pitch_shift import original


def manifest(**num_clips):
    clips = [Clip(f"{label}{i}.wav", f"{label}{i}.wav", (label,))
             for label, count in num_clips.items() for i in range(count)]
    return Manifest("toy", tuple(num_clips), tuple(clips))


def test_each_class_is_held_out_in_the_same_share():
    train, held = hold_out(manifest(dog=20, rain=60), 0.25)
    assert train.class_counts().tolist() == [15, 45]
    assert held.class_counts().tolist() == [5, 15]


def test_the_two_parts_are_disjoint_and_complete_and_follow_the_seed():
    whole = manifest(dog=7, rain=1, sea=1)
    train, held = hold_out(whole, 0.4, seed=3)
    assert sorted([*train.clips, *held.clips], key=whole.clips.index) == list(whole.clips)
    assert not set(train.clips) & set(held.clips)
    assert hold_out(whole, 0.4, seed=3)[1] == held
    assert any(hold_out(whole, 0.4, seed=seed)[1] != held for seed in range(5))


def test_a_share_that_leaves_nothing_is_an_error():
    with pytest.raises(ValueError):
        hold_out(manifest(dog=1), 0.5)


# -- by position -------------------------------------------------------------------------------


def test_the_ends_of_a_list_are_held_out_as_counted():
    whole = manifest(dog=9473)
    train, held = hold_out_end(whole, 1473, "last")
    assert (train.clips, held.clips) == (whole.clips[:8000], whole.clips[8000:])
    train, held = hold_out_end(whole, 1473, "first")
    assert (train.clips, held.clips) == (whole.clips[1473:], whole.clips[:1473])
    assert len(train) == 8000


@pytest.mark.parametrize("num_held, end, message", [
    (1, "middle", "`end` must be .*end='middle'"), (0, "last", "`num_held` .*num_held=0"),
    (3, "last", r"`num_held` must be an int in \[1, 2\] for 3 clips. Received: num_held=3"),
    (0.5, "first", "`num_held` .*num_held=0.5")])
def test_an_end_that_is_none_is_named(num_held, end, message):
    with pytest.raises(ValueError, match=message):
        hold_out_end(manifest(dog=3), num_held, end)


# -- folds -------------------------------------------------------------------------------------


def fold_counts(folded, num_folds):
    return [folded.folds(fold).class_counts().tolist() for fold in range(num_folds)]


def test_every_fold_has_the_same_share_of_every_class():
    folded = k_folds(manifest(dog=20, rain=60, sea=5))
    assert fold_counts(folded, 5) == [[4, 12, 1]] * 5


def test_folds_replace_those_there_were_and_nothing_else():
    whole = manifest(dog=6, rain=9)
    whole = replace(whole, clips=tuple(replace(clip, fold="old", verified=True)
                                       for clip in whole.clips))
    folded = k_folds(whole, 3)
    assert {clip.fold for clip in folded.clips} == {0, 1, 2}
    assert [replace(clip, fold="old") for clip in folded.clips] == list(whole.clips)


@pytest.mark.parametrize("groups", [None, lambda clip: clip.name[:4]])
def test_folds_follow_the_seed(groups):
    whole = manifest(dog=30, rain=20)
    assert k_folds(whole, groups=groups, seed=3) == k_folds(whole, groups=groups, seed=3)
    assert len({k_folds(whole, groups=groups, seed=seed).clips for seed in range(4)}) > 1


def test_a_group_is_in_one_fold_and_classes_stay_even():
    clips = tuple(Clip(f"{label}{recording}{take}", "", (label,)) for label in ("dog", "sea")
                  for recording in range(10) for take in range(recording % 3 + 1))
    folded = k_folds(Manifest("toy", ("dog", "sea"), clips), groups=lambda clip: clip.name[:-1])
    folds = {}
    for clip in folded.clips:
        folds.setdefault(clip.name[:-1], set()).add(clip.fold)
    assert all(len(of_group) == 1 for of_group in folds.values())
    counts = fold_counts(folded, 5)                         # 19 clips a class, 1 to 3 a recording
    assert min(map(min, counts)) >= 3 and max(map(max, counts)) <= 5


def test_copies_stay_with_their_originals():
    clips = tuple(Clip(f"{i}.wav{shift}", "", ("x",)) for i in range(12)
                  for shift in ("", "+3st", "-11st", "+3st 2"))
    folded = k_folds(Manifest("toy", ("x",), clips), 4, groups=original)
    assert all(len({clip.fold for clip in folded.clips[i:i + 4]}) == 1 for i in range(0, 48, 4))
    assert fold_counts(folded, 4) == [[12]] * 4


def test_combinations_of_labels_are_spread_and_rare_ones_together():
    kinds = [("dog",)] * 6 + [("dog", "sea")] * 6 + [()] * 3 + [None] * 3 + [("sea",)] * 2
    clips = tuple(Clip(str(i), "", labels) for i, labels in enumerate(kinds))
    folded = k_folds(Manifest("toy", ("dog", "sea"), clips), 3)
    for fold in range(3):
        there = [clip.labels for clip in folded.folds(fold).clips]
        assert [there.count(kind) for kind in (("dog",), ("dog", "sea"), (), None)] == [2, 2, 1, 1]


@pytest.mark.parametrize("counts", [(1, 1, 1), (5, 1, 0), (2, 2, 0)])
def test_classes_with_fewer_clips_than_folds_leave_no_fold_empty(counts):
    for groups in (None, lambda clip: clip.name):
        folded = k_folds(manifest(**dict(zip("abc", counts, strict=True))), 3, groups=groups)
        assert min(map(sum, fold_counts(folded, 3))) >= 1


@pytest.mark.parametrize("num_folds, groups, most", [
    (1, None, 4), (5, None, 4), (2.0, None, 4), (3, lambda clip: clip.labels, 2)])
def test_more_folds_than_groups_are_an_error(num_folds, groups, most):
    message = rf"`num_folds` must be an int in \[2, {most}\].*num_folds={num_folds}"
    with pytest.raises(ValueError, match=message):
        k_folds(manifest(dog=2, rain=2), num_folds, groups=groups)
