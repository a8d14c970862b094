"""The import agrees with ISMN's own package `ismn` on the archives that its source distribution brings.

ISMN's data may not be passed on: nothing of them is in this repository, only counts, sums and metadata that the package
reads from them (ismn_reference.json). They were made in an environment of their own with

    python -m venv env && env/bin/pip install ismn==1.5.4
    pip download ismn==1.5.4 --no-deps --no-binary :all: && tar xzf ismn-1.5.4.tar.gz
    env/bin/python tests/real/ismn_reference.py ismn-1.5.4 > tests/real/ismn_reference.json

The tests take the archives from the folder named by the environment variable SM_TOOLBOX_ISMN (the unpacked source
distribution), or fetch it once into .cache/.
"""

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest

from sm_toolbox.stations.ismn.archive import import_archive
from sm_toolbox.stations.ismn.selection import Selection

pytestmark = pytest.mark.real
HERE = Path(__file__).parent
CACHE = HERE.parents[1] / ".cache" / "ismn"
VERSION = "ismn-1.5.4"
RECORDED = json.loads((HERE / "ismn_reference.json").read_text(encoding="utf-8"))
REFERENCE = RECORDED["archives"]


@pytest.fixture(scope="module")
def archives():
    """The folder of the package's test data."""
    folder = Path(os.environ.get("SM_TOOLBOX_ISMN", CACHE / VERSION))
    if "SM_TOOLBOX_ISMN" not in os.environ and not folder.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        command = [
            "download",
            VERSION.replace("-", "=="),
            "--no-deps",
            "--no-binary",
            ":all:",
            "--quiet",
            "--dest",
            str(CACHE),
        ]
        done = subprocess.run([sys.executable, "-m", "pip", *command], capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(
                f"pip cannot fetch {VERSION}: {done.stderr.strip()[-200:]}; set SM_TOOLBOX_ISMN to the unpacked "
                "source distribution"
            )
        with tarfile.open(CACHE / f"{VERSION}.tar.gz") as source:
            source.extractall(CACHE, filter="data") if hasattr(tarfile, "data_filter") else source.extractall(CACHE)
    data = folder / "tests" / "test_data"
    if not data.is_dir():
        pytest.skip(
            f"the archives are not here ({data}); set SM_TOOLBOX_ISMN to the unpacked source distribution of {VERSION}"
        )
    return data


def taken(path, **selection):
    """Import and return the series by station."""
    found = import_archive(str(path), Selection(**{"depth_from": -100, "depth_to": 100, **selection}))
    assert found.skipped == []
    return {series.station_id: series for series in found.series}


@pytest.mark.parametrize("name", REFERENCE)
def test_sensors_and_their_metadata(archives, name):
    found = taken(archives / name, flags=None)
    assert set(found) == {f"{sensor['network']}/{sensor['station']}" for sensor in REFERENCE[name]}
    for sensor in REFERENCE[name]:
        series = found[f"{sensor['network']}/{sensor['station']}"]
        place = series.place
        assert series.sensor == sensor["sensor"] and [place.top, place.bottom] == sensor["depth"]
        assert (place.latitude, place.longitude, place.elevation) == (
            sensor["latitude"],
            sensor["longitude"],
            sensor["elevation"],
        )
        assert series.climate == sensor["climate"]
        for key, value in series.soil.items():
            assert value == sensor["soil"][key] or (np.isnan(value) and sensor["soil"][key] is None), key
        covers = sensor["land_cover"]
        if covers:
            year = int(str(series.times[len(series.times) // 2])[:4])
            assert series.land_cover_code == covers[min(covers, key=lambda known: abs(int(known) - year))]
        else:
            assert series.land_cover_code is None


@pytest.mark.parametrize(("key", "flags"), [("all", None), ("good", ("G",)), ("unchecked", ("U",))])
@pytest.mark.parametrize("name", REFERENCE)
def test_values_and_flags(archives, name, key, flags):
    expected = {
        f"{sensor['network']}/{sensor['station']}": sensor[key] for sensor in REFERENCE[name] if sensor[key]["count"]
    }
    if not expected:
        with pytest.raises(Exception, match="has accepted flags only"):
            taken(archives / name, flags=flags)
        return
    found = taken(archives / name, flags=flags)
    assert set(found) == set(expected)
    for station, numbers in expected.items():
        series = found[station]
        assert len(series.times) == series.observations == numbers["count"]
        assert series.values.sum() == pytest.approx(numbers["sum"], abs=1e-6)
        assert [str(series.times[0]), str(series.times[-1])] == [numbers["first"], numbers["last"]]


@pytest.mark.parametrize("name", REFERENCE)
def test_daily_means(archives, name):
    means, full = (taken(archives / name, flags=None, period="day", min_count=count) for count in (1, 24))
    for sensor in REFERENCE[name]:
        station = f"{sensor['network']}/{sensor['station']}"
        assert (
            len(means[station].times) == sensor["days"]["count"] and len(full[station].times) == sensor["days"]["full"]
        )
        assert means[station].values.sum() == pytest.approx(sensor["days"]["sum"], abs=1e-6)


@pytest.mark.parametrize("name", REFERENCE)
def test_the_depth_rule(archives, name):
    for number, limits in enumerate(RECORDED["ranges"]):
        expected = {
            f"{sensor['network']}/{sensor['station']}" for sensor in REFERENCE[name] if sensor["encloses"][number]
        }
        if expected:
            assert set(taken(archives / name, flags=None, depth_from=limits[0], depth_to=limits[1])) == expected
        else:
            with pytest.raises(Exception, match="No sensor of soil_moisture .* fits `depth_from`"):
                taken(archives / name, flags=None, depth_from=limits[0], depth_to=limits[1])
