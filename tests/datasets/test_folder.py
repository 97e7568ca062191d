"""A folder of class folders as a Manifest."""

import pytest

from sedzoo.datasets import folder


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_classes_and_clips_are_found_in_alphabetical_order(tmp_path):
    touch(tmp_path, "Rain/b.wav", "Rain/a.FLAC", "Dog/deep/er/c.mp3", "Dog/a.ogg", "Dog/notes.txt",
          "Dog/.hidden.wav", ".git/x.wav", "readme.wav")
    manifest = folder.load(tmp_path)
    assert manifest.labels == ("Dog", "Rain")
    assert [clip.name for clip in manifest.clips] == [
        "Dog/a.ogg", "Dog/deep/er/c.mp3", "Rain/a.FLAC", "Rain/b.wav"]
    assert manifest.name == tmp_path.name and len(manifest.present()) == 4


def test_a_comma_in_a_folder_s_name_makes_several_labels(tmp_path):
    touch(tmp_path, "Rain, Dog/a.wav", "Dog/b.wav", "Wind,Rain/c.wav")
    manifest = folder.load(tmp_path)
    assert manifest.labels == ("Dog", "Rain", "Wind")
    assert {clip.name: clip.labels for clip in manifest.clips} == {
        "Rain, Dog/a.wav": ("Dog", "Rain"), "Dog/b.wav": ("Dog",), "Wind,Rain/c.wav": (
            "Rain", "Wind")}
    assert manifest.tags().sum() == 5


@pytest.mark.parametrize("name", ["background", "_background", "Background"])
def test_background_clips_have_no_labels_and_make_no_class(tmp_path, name):
    touch(tmp_path, f"{name}/hum.wav", "Dog/a.wav")
    manifest = folder.load(tmp_path)
    assert manifest.labels == ("Dog",)
    assert [clip.labels for clip in manifest.clips if "hum" in clip.name] == [()]


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="`directory` must be .*nowhere"):
        folder.load(tmp_path / "nowhere")


def test_no_class_folders_is_an_error(tmp_path):
    touch(tmp_path, "a.wav", "background/b.wav")
    with pytest.raises(ValueError, match="has no class folders"):
        folder.load(tmp_path)


def test_class_folders_without_audio_are_an_error(tmp_path):
    touch(tmp_path, "Dog/a.txt")
    with pytest.raises(ValueError, match="hold no audio file.*\\.wav"):
        folder.load(tmp_path)
