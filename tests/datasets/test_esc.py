"""ESC-50 and ESC-10 as Manifests."""

import pytest

from sedzoo.datasets import esc

HEADER = "filename,fold,target,category,esc10,src_file,take\n"
ROWS = ("1-100032-A-0.wav,1,0,dog,True,100032,A\n"
        "2-5-A-14.wav,2,14,chirping_birds,False,5,A\n"
        "5-9-A-10.wav,5,10,rain,True,9,A\n")


def esc50_table(folder, text=HEADER + ROWS):
    (folder / "meta").mkdir()
    (folder / "meta" / "esc50.csv").write_text(text)
    return folder


def test_esc10_has_the_real_clips_in_their_classes_and_folds(shared_data):
    manifest = esc.esc10(shared_data / "esc10")
    assert manifest.labels == ("Dog bark", "Rain", "Sea waves", "Baby cry", "Clock tick",
                               "Person sneeze", "Helicopter", "Chainsaw", "Rooster",
                               "Fire crackling")
    assert len(manifest) == len(manifest.present()) == 320
    assert manifest.class_counts().tolist() == [32] * 10
    for fold in (1, 2, 3, 4):
        assert manifest.folds(fold).class_counts().tolist() == [8] * 10
    assert "Piczak" in manifest.attribution and "ATTRIBUTION.md" in manifest.attribution


def test_no_recording_is_in_two_folds(shared_data):
    manifest = esc.esc10(shared_data / "esc10")
    recordings = [{clip.name.split("-")[1] for clip in manifest.folds(fold).clips}
                  for fold in (1, 2, 3, 4)]
    assert sum(map(len, recordings)) == len(set.union(*recordings))
    training, validation = manifest.folds(1, 2, 3), manifest.folds(4)
    assert not {clip.path for clip in training.clips} & {clip.path for clip in validation.clips}
    assert len(training) + len(validation) == len(manifest)


def test_esc10_knows_which_sounds_go_on(shared_data):
    assert esc.esc10(shared_data / "esc10").sustained == (
        "Rain", "Sea waves", "Clock tick", "Helicopter", "Chainsaw", "Fire crackling")


def test_esc50_reads_the_released_table(tmp_path):
    manifest = esc.esc50(esc50_table(tmp_path))
    assert manifest.labels == ("Dog", "Rain", "Chirping birds")        # by target number
    assert [(clip.labels, clip.fold) for clip in manifest.clips] == [
        (("Dog",), 1), (("Chirping birds",), 2), (("Rain",), 5)]
    assert manifest.clips[0].path == str(tmp_path / "audio" / "1-100032-A-0.wav")
    assert manifest.sustained == ("Rain", "Chirping birds")


def test_esc50_can_be_cut_to_esc10(tmp_path):
    manifest = esc.esc50(esc50_table(tmp_path), only_esc10=True)
    assert (manifest.name, manifest.labels, len(manifest)) == ("esc10", ("Dog", "Rain"), 2)


def test_absent_data_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="esc50.csv"):
        esc.esc50(tmp_path)
    with pytest.raises(FileNotFoundError, match="001 - Dog bark"):
        esc.esc10(tmp_path)
    with pytest.raises(FileNotFoundError, match="001 - Dog bark"):
        esc.esc10(tmp_path / "nowhere")


@pytest.mark.parametrize("text, received", [("filename,fold\na.wav,1\n", r"\['filename', 'fold'\]"),
                                            (HEADER, "no rows")])
def test_a_table_without_its_columns_is_named(tmp_path, text, received):
    with pytest.raises(ValueError, match=f"must have .*columns.*target.*Received: .*{received}"):
        esc.esc50(esc50_table(tmp_path, text))


def test_a_clip_that_names_no_fold_is_named(tmp_path):
    (tmp_path / "001 - Dog bark").mkdir()
    (tmp_path / "001 - Dog bark" / "rex.ogg").touch()
    with pytest.raises(ValueError, match="rex.ogg.*fold"):
        esc.esc10(tmp_path)
