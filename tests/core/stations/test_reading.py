"""Station observations from a text file, and the training table that is made of them."""

import numpy as np
import pytest

from sm_toolbox.errors import InputError
from sm_toolbox.models.preparation import SampledTable
from sm_toolbox.stations.reading import read_stations
from sm_toolbox.stations.table import TableSettings, sample_table

TEXT = """station,time,lon,lat,soil_moisture,land_cover
007,2019-06-01,-3.0,36.1,0.21,crop
007,2019-06-02T06:00:00,-3.0,36.1,,crop
NA,2019-06-01,-2.99,36.1,0.30,
"""


@pytest.fixture
def file(tmp_path):
    def write(text=TEXT, **replaced):
        for old, new in replaced.items():
            text = text.replace(old, new)
        (tmp_path / "stations.csv").write_text(text, encoding="utf-8")
        return str(tmp_path / "stations.csv")

    return write


def test_names_times_and_gaps(file):
    found = read_stations(file())
    # Numbers and NA are names like others.
    assert found.rows.names == ["007", "007", "NA"]
    assert [str(time) for time in found.rows.times] == ["2019-06-01", "2019-06-02T06:00:00", "2019-06-01"]
    np.testing.assert_array_equal(found.numbers("soil_moisture"), [0.21, np.nan, 0.30])
    assert found.rows.crs.is_geographic and found.rows.y.tolist() == [36.1] * 3
    assert found.columns["land_cover"] == ["crop", "crop", None]


def test_columns_and_crs_of_other_names(file):
    path = file(station="site", lon="east", lat="north")
    rows = read_stations(path, station="site", x="east", y="north", crs="EPSG:32630").rows
    assert rows.names[0] == "007" and rows.crs.to_epsg() == 32630


@pytest.mark.parametrize(
    ("replaced", "words"),
    [
        ({"lon": "long"}, "has no column 'lon'. Its columns are: station, time, long, lat"),
        ({"2019-06-02T06:00:00": "02/06/2019"}, "Field 'time' .* row 2 holds '02/06/2019'"),
        ({"-2.99": "west"}, "'lon'.*west"),
    ],
)
def test_says_what_is_wrong(file, replaced, words):
    with pytest.raises(InputError, match=words):
        read_stations(file(**replaced))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="'nowhere.csv' cannot be read"):
        read_stations("nowhere.csv")


def test_a_training_table_of_a_file(file, write_raster):
    sources = [
        write_raster("ndvi.tif", np.full((2, 3, 3), [[[0.2]], [[0.4]]]), ["ndvi@2019-06-01", "ndvi@2019-06-03"],
                     crs="EPSG:4326", cell=0.1, origin=(-3.15, 36.25)),
        write_raster("clay.tif", [[[1, 1, 1], [1, np.nan, 1], [1, 1, 1]]], ["clay"], crs="EPSG:4326", cell=0.009,
                     origin=(-3.0135, 36.1135)),
    ]  # fmt: skip
    stations = read_stations(file(soil_moisture="sm"))
    sampled = sample_table(stations.rows, stations.columns, sources, TableSettings("station", "time", "sm", 1))
    table = SampledTable.of_stations(sampled)
    assert table.columns["clay"] == [None, None, 1] and table.columns["ndvi"][0] == pytest.approx(0.2)
    assert table.origins["ndvi"]["variable"] == "ndvi"
    distance = np.hypot(*(table.positions[0] - table.positions[2]))
    assert distance == pytest.approx(0.01 * 111_320 * np.cos(np.radians(36.1)), rel=0.01)
