"""Archives of the International Soil Moisture Network: invented stations in ISMN's formats, and what goes wrong with
files.
"""

import re
import zipfile
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from sm_toolbox.errors import Cancelled, InputError
from sm_toolbox.stations.ismn import files as ismn_files
from sm_toolbox.stations.ismn.archive import import_archive
from sm_toolbox.stations.ismn.report import import_report
from sm_toolbox.stations.ismn.selection import Selection, parse_flags
from sm_toolbox.stations.ismn.static import read_static

ALL = Selection(flags=None, depth_from=-10, depth_to=10)
STATIC = """quantity_name;unit;depth_from[m];depth_to[m];value;description;\
quantity_source_name;quantity_source_resolution
clay fraction;% weight;0.00;0.30;23.00;;HWSD;30"
sand fraction;% weight;0.00;0.30;36.00;;HWSD;30"
sand fraction;% weight;0.30;1.00;29.00;;HWSD;30"
sand fraction;% weight;0.04;0.06;50.00;;insitu;
organic carbon;% weight;-99.90;-99.90;0.59;;insitu;
land cover classification;;;;130;Grassland;CCI_landcover_2000;300m
land cover classification;;;;10;Cropland, rainfed;CCI_landcover_2010;300m
land cover classification;;;;meadow;;insitu;
climate classification;;;;Cfa;Temperate;koeppen_geiger_2007;0.1
"""


def hours(count, start=datetime(2018, 6, 1)):
    return [start + timedelta(hours=hour) for hour in range(count)]


def lines(times, values, flags="G"):
    flags = [flags] * len(times) if isinstance(flags, str) else flags
    return [(f"{time:%Y/%m/%d %H:%M}", f"{value:8.4f}", flag) for time, value, flag in zip(times, values, flags)]


def header_values(
    rows,
    network="NET",
    station="Alpha",
    lat=45.5,
    lon=7.25,
    elevation=300.0,
    top=0.05,
    bottom=0.05,
    sensor="Probe-1",
    end="\r\n",
):
    head = (
        f"{network:10} {network:10} {station:15} {lat:9.5f} {lon:10.5f} {elevation:7.2f} {top:7.2f} {bottom:7.2f} "
        f"{sensor}"
    )
    return end.join([head, *(f"{time} {value} {flag} M " for time, value, flag in rows)]) + end


def ceop(
    rows,
    network="NET",
    station="Alpha",
    lat=45.5,
    lon=7.25,
    elevation=300.0,
    top=0.05,
    bottom=0.05,
    sensor="Probe-1",
    end="\r\n",
):
    middle = f"{network:10} {network:15} {station:17} {lat:9.5f} {lon:10.5f} {elevation:7.2f} {top:7.2f} {bottom:7.2f}"
    return end.join(f"{time} {time} {middle} {value} {flag} M" for time, value, flag in rows) + end


FORMATS = {"header": header_values, "ceop": ceop}


def path_of(
    network="NET", station="Alpha", variable="sm", top=0.05, bottom=0.05, sensor="Probe-1", dates="20180601_20180630"
):
    return f"{network}/{station}/{network}_{network}_{station}_{variable}_{top:.6f}_{bottom:.6f}_{sensor}_{dates}.stm"


@pytest.fixture
def make(tmp_path):
    """A function that writes files {path: text} into a folder or a zip."""

    def make(files, kind="zip", name="archive"):
        files = {path: text if isinstance(text, bytes) else text.encode("utf-8") for path, text in files.items()}
        target = tmp_path / (f"{name}.zip" if kind == "zip" else name)
        if kind == "zip":
            with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
                for path, data in files.items():
                    archive.writestr(path, data)
        else:
            for path, data in files.items():
                (target / path).parent.mkdir(parents=True, exist_ok=True)
                (target / path).write_bytes(data)
        return str(target)

    return make


def only(found):
    (series,) = found.series
    return series


# Formats
# ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\n\r"], ids=["LF", "CRLF", "CR", "LFCR"])
@pytest.mark.parametrize("kind", ["zip", "folder"])
@pytest.mark.parametrize("form", FORMATS)
def test_both_formats_from_zips_and_folders(make, form, kind, end):
    values = 0.1 + np.arange(30) / 1000
    files = {
        path_of(): FORMATS[form](lines(hours(30), values), end=end),
        "NET/Alpha/NET_NET_Alpha_static_variables.csv": STATIC,
        "Metadata.xml": "<x/>",
        "NET/Alpha/._NET_NET_Alpha_sm_0.05_0.05_P_20180601_20180630.stm": b"\0\0",
    }
    found = import_archive(make(files, kind), Selection())
    series = only(found)
    assert (series.network, series.station, series.station_id, series.sensor) == (
        "NET",
        "Alpha",
        "NET/Alpha",
        "Probe-1",
    )
    assert (series.place.latitude, series.place.longitude, series.place.elevation) == (45.5, 7.25, 300)
    np.testing.assert_allclose(series.values, values, atol=1e-12)
    assert series.times.tolist() == hours(30) and series.counts.tolist() == [1] * 30
    assert (series.land_cover, series.land_cover_code, series.climate, series.unit) == (
        "Cropland, rainfed",
        10,
        "Cfa",
        "m³ m⁻³",
    )
    # The network's own sand (0.04 to 0.06 m) is nearer to 0.05 m than that of the map; the depth of its carbon is a
    # fill value.
    assert (
        series.soil["clay"] == 23
        and series.soil["sand"] == 50
        and np.isnan(series.soil["organic_carbon"])
        and np.isnan(series.soil["silt"])
    )
    assert found.skipped == [] and found.warnings == [] and found.observations == 30


@pytest.mark.parametrize("station", ["AdamsRanch#1", "Lago di Été", "3.09", "node 414", "St. Ève_02", 'O\'Neil "2"'])
@pytest.mark.parametrize("form", FORMATS)
def test_names_of_stations(make, form, station):
    files = {path_of(station=station): FORMATS[form](lines(hours(3), [0.1, 0.2, 0.3]), station=station)}
    series = only(import_archive(make(files), Selection()))
    assert series.station == station and series.place.latitude == 45.5
    np.testing.assert_allclose(series.values, [0.1, 0.2, 0.3])


@pytest.mark.parametrize("encoding", ["cp437", "latin-1", "utf-8"])
def test_zips_that_do_not_say_how_their_names_are_written(make, tmp_path, encoding):
    """Older programs write them so; the file itself is in Latin-1."""
    letters = {letter: letter.encode(encoding) for letter in "Öé"}
    marks = {letter: mark * len(letters[letter]) for letter, mark in (("Ö", "!"), ("é", "~"))}
    station = "Örebro-é"
    name = path_of(station=station)
    plain = name.replace("Ö", marks["Ö"]).replace("é", marks["é"])
    data = Path(
        make({plain: header_values(lines(hours(3), [0.1, 0.2, 0.3]), station=station).encode("latin-1")})
    ).read_bytes()
    (tmp_path / "old.zip").write_bytes(data.replace(plain.encode(), name.encode(encoding)))
    assert only(import_archive(str(tmp_path / "old.zip"), Selection())).station == station


def test_the_depth_of_header_values_is_that_of_the_header_and_of_ceop_that_of_the_name(make):
    inches = path_of(top=0.0508, bottom=0.0508)
    rows = lines(hours(3), [0.1, 0.2, 0.3])
    assert only(import_archive(make({inches: header_values(rows)}), Selection())).place.bottom == 0.05
    path = make({inches: ceop(rows), path_of(station="Beta"): ceop(rows, station="Beta")})
    found = import_archive(path, Selection())
    assert only(found).station == "Beta"
    assert found.warnings == [
        "1 sensors reach less than 5 mm below `depth_to` (0.0508–0.0508 (1) m): `depth_to` 0.0508 takes them, too."
    ]
    assert len(import_archive(path, Selection(depth_to=0.0508)).series) == 2


def test_lines_that_lack_the_providers_flag_or_have_more_than_that(make):
    text = (
        header_values([]) + "2018/06/01 00:00 0.10 G\r\n2018/06/01 01:00 0.20 G  \r\n2018/06/01 02:00 0.30 D03,D05 M N "
        "extra\r\n2018/06/01 03:00 0.40\r\n"
    )
    found = import_archive(make({path_of(): text}), ALL)
    assert only(found).values.tolist() == [0.1, 0.2, 0.3, 0.4] and found.flags == {"G": 2, "D03,D05": 1, "": 1}
    np.testing.assert_array_equal(only(import_archive(make({path_of(): text}), Selection())).values, [0.1, 0.2])


# Selection
# --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "limits", "taken"),
    [
        ("encloses", (0, 0.05), {(0.05, 0.05), (0, 0.05)}),
        ("encloses", (0, 0.1), {(0.05, 0.05), (0, 0.05), (0.1, 0.1)}),
        ("encloses", (0, 0.3), {(0.05, 0.05), (0, 0.05), (0.1, 0.1), (0, 0.3)}),
        ("overlaps", (0, 0.05), {(0.05, 0.05), (0, 0.05), (0, 0.3)}),
        ("overlaps", (0.05, 0.1), {(0.05, 0.05), (0.1, 0.1), (0, 0.3)}),
        ("overlaps", (0.05, 0.05), {(0.05, 0.05), (0, 0.05), (0, 0.3)}),
        ("overlaps", (0.31, 1), set()),
        ("encloses", (-2, -2), {(-2, -2)}),
    ],
)
def test_depth_rules(rule, limits, taken):
    selection = Selection(depth_from=limits[0], depth_to=limits[1], depth_rule=rule)
    assert {
        depth for depth in [(0.05, 0.05), (0, 0.05), (0.1, 0.1), (0, 0.3), (-2, -2)] if selection.takes_depth(*depth)
    } == taken


def test_flags_are_all_accepted_or_the_line_is_not_taken(make):
    path = make(
        {path_of(): header_values(lines(hours(5), [0.1, 0.2, 0.3, 0.4, 0.5], ["G", "D03", "D03,D05", "D05", "C02"]))}
    )
    for flags, values in [
        ("G", [0.1]),
        ("g, d03", [0.1, 0.2]),
        ("D03;D05", [0.2, 0.3, 0.4]),
        ("", [0.1, 0.2, 0.3, 0.4, 0.5]),
    ]:
        found = import_archive(path, Selection(flags=parse_flags(flags)))
        np.testing.assert_array_equal(only(found).values, values)
        assert only(found).tally.flagged == 5 - len(values)
        assert found.flags == {"G": 1, "D03": 1, "D03,D05": 1, "D05": 1, "C02": 1}


@pytest.mark.parametrize("text", ["X", "G,D11", "C04", "good", "G M Q"])
def test_unknown_flags(text):
    with pytest.raises(
        InputError,
        match=r"`flags` names .*, which ISMN does not have\. Valid are: C01 \(.*D10 .*G \(good\); M \(missing\); U",
    ):
        parse_flags(text)


def test_start_and_end_are_included(make):
    path = make({path_of(): ceop(lines(hours(10), np.arange(10) / 10))})
    found = import_archive(path, Selection(start=datetime(2018, 6, 1, 3), end=datetime(2018, 6, 1, 5)))
    assert only(found).times.tolist() == hours(10)[3:6] and only(found).tally.outside == 7


def test_daily_and_monthly_means_with_a_minimum_count(make):
    times = hours(60, datetime(2018, 5, 31, 22))
    values = np.random.default_rng(0).random(60).round(4)
    path = make({path_of(): header_values(lines(times, values))})
    days = only(import_archive(path, Selection(period="day")))
    assert [str(day) for day in days.times] == [
        "2018-05-31",
        "2018-06-01",
        "2018-06-02",
        "2018-06-03",
    ] and days.counts.tolist() == [2, 24, 24, 10]
    np.testing.assert_allclose(
        days.values, [values[:2].mean(), values[2:26].mean(), values[26:50].mean(), values[50:].mean()]
    )
    found = import_archive(path, Selection(period="day", min_count=11))
    assert (
        only(found).counts.tolist() == [24, 24]
        and found.too_few == 2
        and "2 means of fewer than 11 observations" in found.warnings[0]
    )
    months = only(import_archive(path, Selection(period="month")))
    assert (
        [str(month) for month in months.times] == ["2018-05", "2018-06"]
        and months.counts.tolist() == [2, 58]
        and months.observations == 60
    )
    np.testing.assert_allclose(months.values, [values[:2].mean(), values[2:].mean()])


def test_sensors_of_one_depth_apart_or_averaged(make):
    files = {
        path_of(sensor="A"): header_values(lines(hours(3), [0.1, 0.2, 0.3])),
        path_of(sensor="B"): header_values(lines(hours(3)[1:], [0.4, 0.5])),
        path_of(sensor="A", top=0.1, bottom=0.1): header_values(lines(hours(1), [0.9]), top=0.1, bottom=0.1),
    }
    path = make(files)
    apart = import_archive(path, Selection(depth_to=0.1))
    assert [(series.sensor, series.place.top) for series in apart.series] == [("A", 0.05), ("B", 0.05), ("A", 0.1)]
    mean, deeper = import_archive(path, Selection(depth_to=0.1, sensors="mean")).series
    assert (
        mean.sensor == "A; B"
        and mean.counts.tolist() == [1, 2, 2]
        and mean.observations == 5
        and deeper.values.tolist() == [0.9]
    )
    np.testing.assert_allclose(mean.values, [0.1, 0.3, 0.4])
    day = only(import_archive(path, Selection(sensors="mean", period="day")))
    assert day.counts.tolist() == [3] and day.values[0] == pytest.approx((0.1 + 0.3 + 0.4) / 3)


def test_several_variables_and_their_abbreviations(make):
    rows = lines(hours(2), [20.5, 21.5])
    path = make(
        {
            path_of(variable="ts"): ceop(rows),
            path_of(variable="Air-Temperature", top=-2, bottom=-2): ceop(rows),
            path_of(): ceop(lines(hours(1), [0.3])),
        }
    )
    assert only(import_archive(path, Selection(variable="ts"))).unit == "°C"
    found = import_archive(path, Selection(variable="Air Temperature", depth_from=-2, depth_to=0))
    assert only(found).values.tolist() == [20.5, 21.5] and found.other_variables == {
        "soil_temperature": 1,
        "soil_moisture": 1,
    }


def test_parts_of_an_archive_hold_the_same_sensors(make, tmp_path):
    """Two downloads for two periods that overlap by a line, in one folder."""
    make({path_of(): header_values(lines(hours(3), [0.1, 0.2, 0.3]))}, name="both/first", kind="folder")
    (tmp_path / "both" / "second").mkdir()
    make(
        {path_of(dates="20180601_20190630"): header_values(lines(hours(4)[2:], [0.35, 0.4]))},
        name="both/second/archive",
    )
    found = import_archive(str(tmp_path / "both"), Selection())
    np.testing.assert_array_equal(only(found).values, [0.1, 0.2, 0.3, 0.4])
    assert (only(found).tally.repeated, only(found).tally.differing) == (1, 1)
    assert any(warning.startswith("1 lines are of a time that the sensor already has") for warning in found.warnings)


def test_one_station_file(make):
    folder = make({path_of(): ceop(lines(hours(1), [0.25])), "NET/Alpha/a_static_variables.csv": STATIC}, kind="folder")
    series = only(import_archive(f"{folder}/{path_of()}", Selection()))
    assert series.values.tolist() == [0.25] and series.climate == "Cfa"


# Static variables
# -------------------------------------------------------------------------------------------------------


def test_static_variables():
    static = read_static(STATIC.encode())
    assert (
        static.cover_in(2001) == (130, "Grassland")
        and static.cover_in(2016) == (10, "Cropland, rainfed")
        and static.land_cover_in_situ == "meadow"
    )
    assert (
        static.soil_at("sand", 0.0, 0.3) == 36
        and static.soil_at("sand", 0.3, 1.0) == 29
        and static.soil_at("sand", 0.04, 0.06) == 50
    )
    assert static.soil_at("sand", 0.1, 0.4) == 36 and static.soil_at("sand", 0.2, 0.5) == 29
    assert np.isnan(static.soil_at("sand", 1.2, 1.2))


def test_static_variables_without_a_header_or_in_another_encoding():
    headless = STATIC.split("\n", 1)[1].replace("Temperate", "Tempéré").encode("latin-1")
    assert read_static(headless) == read_static(STATIC.encode())
    assert read_static(b"land cover classification;;;;heath;;insitu;").cover_in(2010) == (None, "heath")
    assert (
        read_static(b"climate classification;;;;dry;;insitu;").climate == "dry"
        and read_static(b"\xff\xfe nonsense").climate == ""
    )


# What goes wrong
# --------------------------------------------------------------------------------------------------------


GOOD = {path_of(station="Good"): header_values(lines(hours(3), [0.1, 0.2, 0.3]), station="Good")}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "it is empty"),
        ("\r\n \r\n", "it is empty"),
        (header_values([]), "a header, but no values"),
        ("one line\n", "neither header\\+values nor CEOP-sep"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "neither header\\+values nor CEOP-sep"),
        (
            "NET NET Alpha 45.50000 7.25000 300.00\n2018/06/01 00:00 0.1 G M\n",
            "no network, station, latitude, longitude, elevation and depths",
        ),
        (
            header_values(lines(hours(2), [0.1, 0.2]), lat=107.25, lon=45.5),
            "latitude is 107.25: most likely latitude and longitude \\(45.5\\) are swapped",
        ),
        (header_values(lines(hours(2), [0.1, 0.2]), lon=262.5), "longitude is 262.5"),
        (header_values([("06.01.2018 00:00", "0.1", "G")] * 3), "3 of its 3 lines do not begin with a date"),
        (ceop(lines(hours(1), [0.2])).replace("0.05    0.05", "here   there"), "neither header\\+values nor CEOP-sep"),
    ],
)
def test_a_bad_file_is_skipped_with_the_reason_and_never_fatal(make, content, why):
    bad = path_of(station="Bad")
    found = import_archive(make({**GOOD, bad: content}), Selection())
    assert found.stations == ["NET/Good"] and [file for file, _ in found.skipped] == [bad]
    assert re.search(why, found.skipped[0][1])
    assert any("1 files were skipped" in warning for warning in found.warnings)
    assert why.replace("\\", "")[:12] in import_report(found, "soil_moisture").html()


def test_only_bad_files(make):
    with pytest.raises(
        InputError, match=r"No file of soil_moisture in 'archive\.zip' has values that can be used \(.*it is empty\)"
    ):
        import_archive(make({path_of(): ""}), Selection())
    with pytest.raises(
        InputError,
        match=r"None of the 1 files .* can be used; NET/Alpha/mine\.stm: its name does not say what it holds",
    ):
        import_archive(make({"NET/Alpha/mine.stm": header_values(lines(hours(1), [0.1]))}), Selection())


def test_single_bad_lines_are_counted(make):
    rows = [*lines(hours(5), [0.1, 0.2, 0.3, 0.4, 0.5])]
    rows[1] = ("2018/06/01 01:00", "#ERR", "G")
    rows[2] = ("2018/06/31 02:00", "0.3", "G")
    rows += [("2018/06/02 00:00", "NaN", "M"), ("2018/06/02 01:00", "-9999.0", "G"), ("2018/06/02 02:00", "inf", "G")]
    found = import_archive(make({path_of(): header_values(rows)}), ALL)
    assert only(found).values.tolist() == [0.1, 0.4, 0.5]
    assert (only(found).tally.unreadable, only(found).tally.missing, only(found).tally.lines) == (2, 3, 8)
    assert "2 lines have no time or value that can be read (NET/Alpha)." in found.warnings


def test_times_out_of_order_and_twice(make):
    times = hours(5)
    order = [0, 3, 1, 2, 2, 4]
    found = import_archive(
        make({path_of(): ceop(lines([times[i] for i in order], [0.1, 0.4, 0.2, 0.3, 0.35, 0.5]))}), Selection()
    )
    np.testing.assert_array_equal(only(found).values, [0.1, 0.2, 0.3, 0.4, 0.5])
    assert only(found).times.tolist() == times
    assert [warning.split(" lines")[0] for warning in found.warnings[:2]] == [
        "1",
        "1",
    ] and "1 of these have another value" in found.warnings[2]


def test_percent_is_noticed_and_kept(make):
    found = import_archive(make({path_of(): header_values(lines(hours(3), [10.3, 9.8, 10.1])), **GOOD}), Selection())
    percent = next(series for series in found.series if series.station == "Alpha")
    assert percent.values.tolist() == [10.3, 9.8, 10.1] and percent.unit == ""
    assert any(
        "1 sensors seem to be in percent" in warning and "NET/Alpha, median 10.1" in warning
        for warning in found.warnings
    )


def test_one_station_with_two_positions_and_one_name_in_two_networks(make):
    rows = lines(hours(2), [0.1, 0.2])
    found = import_archive(
        make(
            {
                path_of(sensor="A"): header_values(rows),
                path_of(sensor="B"): header_values(rows, lat=45.9),
                path_of(network="OTHER"): header_values(rows, network="OTHER"),
            }
        ),
        Selection(),
    )
    assert [series.place.latitude for series in found.series] == [45.5, 45.9, 45.5] and found.stations == [
        "NET/Alpha",
        "OTHER/Alpha",
    ]
    assert any(
        "1 stations have several coordinates (NET/Alpha: 45.5, 7.25 and 45.9, 7.25" in warning
        for warning in found.warnings
    )
    assert any("1 station names occur in several networks (Alpha)" in warning for warning in found.warnings)


def test_a_station_that_moves_between_two_downloads(make):
    rows = lines(hours(4), [0.1, 0.2, 0.3, 0.4])
    later = path_of(dates="20180701_20180730")
    found = import_archive(
        make({path_of(): header_values(rows[:2]), later: header_values(rows[2:], lat=45.6)}), Selection()
    )
    assert only(found).place.latitude == 45.5 and len(only(found).times) == 4
    assert f"NET/Alpha: 45.6, 7.25 in '{later}', left for 45.5, 7.25 of the file before" in found.warnings[0]


def test_lines_of_one_file_at_different_places_are_reported(make):
    """Lines of CEOP-sep have coordinates of their own."""
    rows = lines(hours(4), [0.1, 0.2, 0.3, 0.4])
    found = import_archive(
        make({path_of(): ceop(rows[:2]) + ceop(rows[2:3], lat=50) + ceop(rows[3:], lat=45.50001)}), Selection()
    )
    assert only(found).place.latitude == 45.5 and len(only(found).times) == 4
    assert found.moved == [f"NET/Alpha: 50, 7.25 in lines of '{path_of()}', left for 45.5, 7.25"]


def test_sensors_apart_are_not_averaged(make):
    rows = lines(hours(2), [0.1, 0.2])
    files = {
        path_of(sensor=name): header_values(rows, lat=lat) for name, lat in (("A", 45.5), ("B", 45.9), ("C", 45.5))
    }
    found = import_archive(make(files), Selection(sensors="mean"))
    assert [(series.sensor, series.place.latitude) for series in found.series] == [("A; C", 45.5), ("B", 45.9)]


def test_a_link_to_nothing_is_skipped(make):
    folder = Path(make({path_of(): ceop(lines(hours(2), [0.1, 0.2]))}, kind="folder"))
    name = Path(path_of(sensor="B")).name
    try:
        (folder / name).symlink_to(folder / "gone.stm")
    except OSError:
        pytest.skip("links cannot be made here")
    found = import_archive(str(folder), Selection())
    assert len(only(found).times) == 2 and [(file, why.split(" (")[0]) for file, why in found.skipped] == [
        (name, "cannot be read")
    ]


def test_a_file_that_unpacks_to_more_than_any_sensor_has(make, monkeypatch):
    monkeypatch.setattr(ismn_files, "_LARGEST", 2**20)
    monkeypatch.setattr(ismn_files, "_CHUNK", 2**18)
    rows = lines(hours(2), [0.1, 0.2])
    found = import_archive(
        make({path_of(): ceop(rows), path_of(sensor="Bomb"): ceop(rows).encode() + bytes(2**22)}), Selection()
    )
    assert only(found).sensor == "Probe-1" and found.skipped == [
        (path_of(sensor="Bomb"), "more than 512 MB unpacked, which no sensor's file has")
    ]


def test_a_file_that_says_that_it_is_larger_is_not_unpacked_at_all(make, monkeypatch):
    monkeypatch.setattr(ismn_files, "_LARGEST", 2**20)
    monkeypatch.setattr(ismn_files, "_CHUNK", 2**18)
    rows = lines(hours(2), [0.1, 0.2])
    path = make({path_of(): ceop(rows), path_of(sensor="Bomb"): ceop(rows).encode() + bytes(2**22)})
    given = zipfile.ZipFile.open
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda archive, info: _small_alone(given(archive, info), info))
    found = import_archive(path, Selection())
    assert [why for _, why in found.skipped] == ["more than 512 MB unpacked, which no sensor's file has"]


def _small_alone(stream, info):
    """A stream whose beginning alone may be read where it is large."""
    given = stream.read
    stream.read = lambda size=-1: (
        given(size) if info.file_size < 2**20 or 0 <= size <= 4096 else pytest.fail("it was unpacked")
    )
    return stream


@pytest.mark.parametrize("code", ["²", "99999999999", "-1", "x"])
def test_land_cover_that_is_no_code(code):
    static = read_static(
        f"land cover classification;;;;{code};what;CCI_landcover_2010;300m\nclay fraction;% "
        "weight;0;0.3;20;;HWSD;30\n".encode()
    )
    assert static.cover_in(2010) == (None, None) and static.soil_at("clay", 0.05, 0.05) == 20


def test_damaged_static_variables_cost_only_themselves(make):
    """Two sensors of the station: the file is named once."""
    static = "NET/Alpha/NET_NET_Alpha_static_variables.csv"
    rows = header_values(lines(hours(2), [0.1, 0.2]))
    path = Path(make({static: STATIC * 40, path_of(sensor="A"): rows, path_of(sensor="B"): rows}))
    data = bytearray(path.read_bytes())
    data[100:140] = bytes(40)
    path.write_bytes(bytes(data))
    found = import_archive(str(path), Selection())
    assert [series.climate for series in found.series] == [None, None]
    assert [file for file, _ in found.skipped] == [static]


def test_nothing_fits_says_what_there_is(make):
    path = make(
        {path_of(): header_values(lines(hours(3), [0.1, 0.2, 0.3], ["U", "U", "D02"])), path_of(variable="ts"): "x"}
    )
    with pytest.raises(
        InputError,
        match=r"no sensor of precipitation\. The variables it has, with the number of files: "
        r"soil_(moisture|temperature) \(1\), soil_",
    ):
        import_archive(path, Selection(variable="precipitation"))
    with pytest.raises(
        InputError,
        match=r"fits `depth_from` 0\.1, `depth_to` 0\.2 m and the rule 'encloses'\. "
        r"The depths it has \(m\), with the number of files: 0\.05–0\.05 \(1\)",
    ):
        import_archive(path, Selection(depth_from=0.1, depth_to=0.2))
    with pytest.raises(InputError, match=r"has accepted flags only \(G\)\. The flags it has: U \(2\), D02 \(1\)"):
        import_archive(path, Selection())
    with pytest.raises(
        InputError,
        match=r"lies within `start` and `end`: at these depths it has 2018-06-01T00:00:00 to 2018-06-01T02:00:00",
    ):
        import_archive(path, Selection(flags=None, start=datetime(2019, 1, 1)))
    with pytest.raises(InputError, match=r"No day of 'archive\.zip' has 4 observations"):
        import_archive(path, Selection(flags=None, period="day", min_count=4))
    with pytest.raises(InputError, match="`depth_from`"):
        import_archive(path, Selection(depth_from=0.2, depth_to=0.1))
    with pytest.raises(InputError, match="`start`"):
        import_archive(path, Selection(start=datetime(2019, 1, 1), end=datetime(2018, 1, 1)))


def test_what_is_no_archive(make, tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        import_archive(str(tmp_path / "none.zip"), Selection())
    with pytest.raises(InputError, match=r"holds no \.stm files .*\(but table\.csv\)"):
        import_archive(make({"table.csv": "a,b"}), Selection())
    with pytest.raises(InputError, match=r"holds no \.stm files .*\(but nothing of the kind\)"):
        import_archive(make({}, name="empty"), Selection())
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(InputError, match="is not a zip, a folder or an .stm file"):
        import_archive(str(tmp_path / "notes.txt"), Selection())


@pytest.mark.parametrize("suffix", ["zip", "part"])
def test_a_truncated_zip(make, tmp_path, suffix):
    data = Path(make(GOOD)).read_bytes()
    cut = tmp_path / f"cut.{suffix}"
    cut.write_bytes(data[: len(data) - 60])
    with pytest.raises(InputError, match="Most likely the download broke off; download it again"):
        import_archive(str(cut), Selection())
    found = import_archive(str(tmp_path), Selection())
    assert found.stations == ["NET/Good"] and [file for file, _ in found.skipped] == (
        ["cut.zip"] if suffix == "zip" else []
    )


def test_a_damaged_file_within_a_zip(make, tmp_path):
    bad = path_of(station="Bad")
    noise = np.random.default_rng(0).random(500)
    path = make({bad: header_values(lines(hours(500), noise), station="Bad"), **GOOD})
    data = bytearray(Path(path).read_bytes())
    data[600:700] = bytes(100)
    Path(path).write_bytes(bytes(data))
    found = import_archive(path, Selection())
    assert found.stations == ["NET/Good"] and "damaged in the zip" in found.skipped[0][1]


@pytest.mark.parametrize(
    ("local", "central", "value", "why"),
    [(6, 8, 1, "protected by a password"), (8, 10, 9, "packed in a way that cannot be read")],
)
def test_zips_with_a_password_or_of_an_unknown_kind(make, local, central, value, why):
    path = Path(make({path_of(): header_values(lines(hours(3), [0.1, 0.2, 0.3]))}))
    data = bytearray(path.read_bytes())
    data[local] = data[data.index(b"PK\x01\x02") + central] = value
    path.write_bytes(bytes(data))
    with pytest.raises(InputError, match=f"{why}.*unpack the zip and name the folder"):
        import_archive(str(path), Selection())


def test_cancel(make, cancelling):
    path = make(GOOD)
    for checks in range(3):
        with pytest.raises(Cancelled):
            import_archive(path, Selection(), cancelling(checks))


def test_progress_is_counted_in_bytes(make, progress):
    import_archive(make({**GOOD, path_of(): header_values(lines(hours(5), [0.1] * 5))}), Selection(), progress)
    assert 0 < progress.fractions[0] < progress.fractions[1] == 1


def test_sensors_of_other_depths_are_not_read_beyond_their_first_lines(make, monkeypatch):
    read = []
    monkeypatch.setattr(
        "sm_toolbox.stations.ismn.archive.read_all",
        lambda entry, progress=None: read.append(entry.name) or entry.open().read(),
    )
    deep = path_of(top=0.5, bottom=0.5)
    import_archive(make({deep: header_values(lines(hours(2), [0.1, 0.2]), top=0.5, bottom=0.5), **GOOD}), Selection())
    assert read == list(GOOD)


# Report
# -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("period", ["none", "day", "month"])
def test_the_report_lists_sensors_flags_and_gaps(make, period):
    times = [*hours(30), *hours(30, datetime(2018, 6, 12))]
    path = make(
        {
            path_of(): header_values(lines(times, np.linspace(0.1, 0.4, 60), ["G"] * 50 + ["C02"] * 10)),
            "NET/Alpha/NET_NET_Alpha_static_variables.csv": STATIC,
            path_of(variable="ts"): "x",
            path_of(top=0.5, bottom=0.5): ceop(lines(hours(2), [0.1, 0.2])),
        }
    )
    html = import_report(import_archive(path, Selection(period=period)), "soil_moisture").html()
    for words in (
        "NET/Alpha",
        "Probe-1",
        "value above the possible range",
        "Cropland, rainfed",
        "0.5–0.5 m",
        "soil_temperature",
        "16.667",
        "data:image/png",
    ):
        assert words in html, words
    # 2018-06-01 and -02, 2018-06-12: nine days without rows in between.
    assert period == "month" or "<td>9</td>" in html
