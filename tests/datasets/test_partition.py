import pytest

from sedzoo.datasets import Clip, Manifest
from sedzoo.datasets.partition import hold_out


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
