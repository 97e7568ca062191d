import io
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sedzoo.events import Event
from sedzoo.labels import read_events, read_tags, write_events, write_tags

DOG, CAR = Event(1.22, 1.84, "Dog bark"), Event(0.0, 10.0, "Air horn, truck horn")

# Anything a file system or an annotator may come up with: tabs, quotes, newlines.
text = st.one_of(st.text(min_size=1, max_size=8), st.text("\t\r\n\"\\\ufeffa, ", min_size=1))
line = text.filter(lambda name: not set(name) & set("\t\r\n"))
seconds = st.floats(0, 1e5, allow_subnormal=False)


def events_of(label, score):
    return st.builds(lambda a, b, label, score: Event(min(a, b), max(a, b) + 1e-3, label, score),
                     seconds, seconds, label, score)


def files_of(name, label, score):
    return st.dictionaries(name, st.lists(events_of(label, score), max_size=4), max_size=4)


def by_onset(files):
    return {name: sorted(events) for name, events in files.items()}


# -- round trips -------------------------------------------------------------------------------


@settings(deadline=None)
@given(files=files_of(text, text, st.just(1.0)), form=st.sampled_from(["tsv", "csv"]))
def test_tables_round_trip_with_any_name(tmp_path_factory, files, form):
    path = tmp_path_factory.getbasetemp() / f"events.{form}"
    write_events(path, files)
    assert read_events(path, form) == by_onset(files)


@settings(deadline=None)
@given(files=files_of(text, text, st.floats(0, 1)))
def test_json_round_trips_with_scores(tmp_path_factory, files):
    path = tmp_path_factory.getbasetemp() / "events.json"
    write_events(path, files)
    assert read_events(path) == by_onset(files)


@settings(deadline=None)
@given(events=st.lists(events_of(line, st.just(1.0)), max_size=4))
def test_label_tracks_round_trip(tmp_path_factory, events):
    path = tmp_path_factory.getbasetemp() / "dog.txt"
    write_events(path, {"dog.wav": events})
    assert read_events(path) == {"dog": sorted(events)}


@settings(deadline=None)
@given(tags=st.dictionaries(text, st.lists(text.map(lambda label: label.replace(",", "") or "x"),
                                           max_size=3).map(tuple), max_size=4))
def test_tags_round_trip(tmp_path_factory, tags):
    path = tmp_path_factory.getbasetemp() / "weak.tsv"
    write_tags(path, tags)
    assert read_tags(path) == tags


def test_names_that_are_not_utf8_round_trip(tmp_path):
    files = {"\udcff.wav": [DOG]}
    for name in ("a.tsv", "a.csv", "a.json"):
        write_events(tmp_path / name, files)
        assert read_events(tmp_path / name) == files


# -- the formats are the published ones --------------------------------------------------------


def test_formats_look_as_published():
    files = {"b.wav": [DOG], "a.wav": []}
    written = {}
    for form in ("tsv", "csv", "json"):
        file = io.StringIO()
        write_events(file, files, form)
        written[form] = file.getvalue()
    assert written["tsv"] == ("filename\tonset\toffset\tevent_label\n"
                              "b.wav\t1.22\t1.84\tDog bark\na.wav\t\t\t\n")
    assert written["csv"] == "b.wav\t1.22\t1.84\tDog bark\na.wav\n"
    assert json.loads(written["json"]) == {
        "b.wav": [{"onset": 1.22, "offset": 1.84, "label": "Dog bark", "score": 1.0}], "a.wav": []}


def test_columns_may_come_in_any_order_and_more_of_them(tmp_path):
    path = tmp_path / "system.csv"
    path.write_text("event_label\tonset\toffset\tfilename\tnote\nDog bark\t1.22\t1.84\ta.wav\tx\n")
    assert read_events(path) == {"a.wav": [DOG]}


def test_windows_line_ends_and_byte_order_marks_are_no_part_of_it(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_bytes(b"\xef\xbb\xbffilename\tonset\toffset\tevent_label\r\n"
                     b"a.wav\t1.22\t1.84\tDog bark\r\n\r\n")
    assert read_events(path) == {"a.wav": [DOG]}


def test_rows_need_no_order_and_events_come_by_onset(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("b.wav\t5\t6\tcar\na.wav\t1\t2\tcar\nb.wav\t1\t3\tdog\n")
    assert list(read_events(path).items()) == [
        ("b.wav", [Event(1, 3, "dog"), Event(5, 6, "car")]), ("a.wav", [Event(1, 2, "car")])]


def test_dcase_rows_from_0_to_0_name_a_clip_and_no_event(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a.wav\t0\t0\tTruck\nb.wav\t0.000\t0.0\tTruck\nb.wav\t0\t10\tCar\n")
    assert read_events(path) == {"a.wav": [], "b.wav": [Event(0, 10, "Car")]}


def test_frequency_lines_of_a_label_track_are_skipped(tmp_path):
    path = tmp_path / "dog.txt"
    path.write_text("1.22\t1.84\tDog bark\r\n\\\t100.0\t2000.0\r\n")
    assert read_events(path) == {"dog": [DOG]}


def test_unlabelled_clips_have_no_tags_rather_than_empty_ones(tmp_path):
    path = tmp_path / "unlabelled.tsv"
    write_tags(path, {"a.wav": None, "b.wav": None})
    assert path.read_text() == "filename\na.wav\nb.wav\n"
    assert read_tags(path) == {"a.wav": None, "b.wav": None}
    path.write_text("filename\tevent_labels\na.wav\t\n")
    assert read_tags(path) == {"a.wav": ()}


# -- real files --------------------------------------------------------------------------------


@pytest.mark.parametrize("part, num_rows, num_untimed, num_files",
                         [("evaluation", 1706, 150, 1103), ("testing", 688, 36, 488)])
def test_dcase_2017_loads(shared_data, part, num_rows, num_untimed, num_files):
    files = read_events(
        shared_data / "dcase2017_task4" / f"groundtruth_strong_label_{part}_set.csv")
    assert len(files) == num_files
    assert sum(map(len, files.values())) == num_rows - num_untimed
    assert {event.label for events in files.values() for event in events} >= {
        "Air horn, truck horn", "Fire engine, fire truck (siren)"}


@pytest.mark.parametrize("name, num_events, num_files, num_without",
                         [("validation/validation.tsv", 4224, 1168, 15),
                          ("eval/public.tsv", 2765, 692, 0)])
def test_desed_events_load(shared_data, name, num_events, num_files, num_without):
    files = read_events(shared_data / "desed_metadata" / name)
    assert len(files) == num_files
    assert sum(map(len, files.values())) == num_events
    assert sum(not events for events in files.values()) == num_without


def test_desed_tags_load(shared_data):
    weak = read_tags(shared_data / "desed_metadata" / "train" / "weak.tsv")
    assert len(weak) == 1578
    assert weak["YKK227gPpRn4_30.000_40.000.wav"] == ("Alarm_bell_ringing", "Speech")
    unlabelled = read_tags(shared_data / "desed_metadata" / "train" / "unlabel_in_domain.tsv")
    assert len(unlabelled) == 14412 and set(unlabelled.values()) == {None}


def test_detections_of_a_real_system_load(shared_data):
    files = read_events(shared_data / "psds_dcase2019_baseline" / "baseline_0.5.csv")
    assert {Path(name).suffix for name in files} == {".wav"}
    assert read_events(shared_data / "psds_dcase2019_baseline" / "baseline_1.0.csv") == {}


# -- errors ------------------------------------------------------------------------------------

HEADER = "filename\tonset\toffset\tevent_label\n"


@pytest.mark.parametrize("name, content, message", [
    ("a.tsv", "filename\tonset\tevent_label\na.wav\t1\tdog\n", "line 1: the header lacks offset"),
    ("a.tsv", "", "line 1: the header lacks filename, onset, offset, event_label"),
    ("a.tsv", HEADER + "a.wav\t1\t2\tdog\na.wav\t2\t1\tdog\n", "line 3: .*onset=2.0, offset=1.0"),
    ("a.tsv", HEADER + "a.wav\t1\t1\tdog\n", "line 2: .*onset=1.0, offset=1.0"),
    ("a.tsv", HEADER + "a.wav\t0\t0\tdog\n", "line 2: .*onset=0.0, offset=0.0"),
    ("a.tsv", HEADER + "\n\na.wav\tnan\t1\tdog\n", "line 4: .*onset=nan"),
    ("a.tsv", HEADER + "a.wav\t1\tinf\tdog\n", "line 2: .*offset=inf"),
    ("a.tsv", HEADER + "a.wav\t-1\t1\tdog\n", "line 2: .*onset=-1.0"),
    ("a.tsv", HEADER + "a.wav\tone\t2\tdog\n", "line 2: .*'one', '2', 'dog'"),
    ("a.tsv", HEADER + "a.wav\t1\t\tdog\n", "line 2: .*'1', '', 'dog'"),
    ("a.tsv", HEADER + "a.wav\t1\t2\t\n", "line 2: .*and a label"),
    ("a.tsv", HEADER + "a.wav\t1\t2\n", "line 2: has 3 fields, its header has 4"),
    ("a.tsv", HEADER + "a.wav\t1\t2\tdog\tx\n", "line 2: has 5 fields"),
    ("a.tsv", HEADER + "\t1\t2\tdog\n", "line 2: has no file name"),
    ("a.tsv", HEADER + '"a.wav\t1\t2\tdog\n', "line 2: unexpected end of data"),
    ("a.csv", "a.wav\t1\t2\tdog\na.wav\t1\t2\n", "line 2: .*it has 3 fields"),
    ("a.csv", "a.wav,1,2,dog\na.wav\t2\t2\tdog\n", "line 2: .*onset=2.0"),
    ("a.csv", "a.wav\t0\t0\t\n", "line 1: .*and a label"),
    ("a.txt", "1\t2\tdog\n3\t4\n", "line 2: .*it has 2 fields"),
    ("a.txt", "1\t1\tpoint\n", "line 1: .*onset=1.0, offset=1.0"),
    ("a.json", '{"a.wav": [\n}', "line 2: not JSON"),
    ("a.json", '[]', "must be an object"),
    ("a.json", '{"a.wav": [{"onset": 1, "offset": 1, "label": "dog"}]}', "onset=1, offset=1"),
    ("a.json", '{"a.wav": [{"onset": 1, "label": "dog"}]}', "offset"),
    ("a.json", '{"a.wav": [{"onset": 1, "offset": 2, "label": "dog", "sc": 1}]}', "'sc'"),
])
def test_a_damaged_file_is_named_with_its_line(name, content, message, tmp_path):
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=rf"(?s){name}(, |: ).*{message}"):
        read_events(tmp_path / name)


@pytest.mark.parametrize("content, message", [
    ("filename\tevents\na.wav\tdog\n", "line 1: the header lacks event_labels"),
    ("filename\tevent_labels\na.wav\tdog\na.wav\tcar\n", "line 3: 'a.wav' is there twice"),
    ("filename\tevent_labels\n\tcar\n", "line 2: has no file name"),
])
def test_damaged_tags_are_named_with_their_line(content, message, tmp_path):
    (tmp_path / "weak.tsv").write_text(content)
    with pytest.raises(ValueError, match=f"weak.tsv, {message}"):
        read_tags(tmp_path / "weak.tsv")


def test_what_a_format_cannot_hold_is_an_error_and_nothing_is_written(tmp_path):
    path = tmp_path / "a.txt"
    with pytest.raises(ValueError, match="2 files"):
        write_events(path, {"a.wav": [DOG], "b.wav": [CAR]})
    with pytest.raises(ValueError, match="cannot hold the label"):
        write_events(path, {"a.wav": [Event(0, 1, "two\nlines")]})
    with pytest.raises(ValueError, match="must not be empty"):
        write_events(tmp_path / "a.txt", {"": [DOG]}, "tsv")
    with pytest.raises(ValueError, match="commas"):
        write_tags(path, {"a.wav": ["Air horn, truck horn"]})
    with pytest.raises(ValueError, match="for all clips or for none"):
        write_tags(path, {"a.wav": None, "b.wav": ["dog"]})
    assert not path.exists()


def test_the_format_must_be_known(tmp_path):
    with pytest.raises(ValueError, match="format='xml'"):
        read_events(tmp_path / "a.tsv", "xml")
    with pytest.raises(ValueError, match="where no name ends in one of"):
        read_events(tmp_path / "a.xml")
    with pytest.raises(ValueError, match="where no name ends in one of"):
        write_events(io.StringIO(), {})
