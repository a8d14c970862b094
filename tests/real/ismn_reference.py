"""Make ismn_reference.json with the package `ismn`; see test_ismn_real.py."""

import contextlib
import json
import os
import sys
import tempfile
from pathlib import Path

from ismn.filecollection import IsmnFileCollection
from ismn.filehandlers import DataFile
from ismn.meta import Depth

ARCHIVES = [
    "Data_seperate_files_header_20170810_20180809",
    "Data_seperate_files_20170810_20180809",
    "zip_archives/header/Data_seperate_files_header_20170810_20180809.zip",
    "zip_archives/ceop/Data_seperate_files_20170810_20180809.zip",
    "zip_archives/multinetwork/header_values/Data_header_values.zip",
    "archive_sample/ismn_archive.zip",
]
FILES = [
    "format_ceop_sep/SMOSMANIA/SMOSMANIA_SMOSMANIA_Narbonne_sm_0.050000_0.050000_ThetaProbe-ML2X_20070101_20070131.stm",
    "format_header_values/SMOSMANIA/SMOSMANIA_SMOSMANIA_Narbonne_sm_0.050000_0.050000_ThetaProbe-ML2X_20070101_20070131.stm",
]
SOIL = {"sand": "sand_fraction", "clay": "clay_fraction", "silt": "silt_fraction", "organic_carbon": "organic_carbon"}
RANGES = [(0, 0.05), (0, 0.1), (0, 0.19), (0.05, 0.05), (0, 1)]


def describe(file):
    """Describe a sensor by what the package reads of it."""
    meta, data = file.metadata, file.read_data()
    values = data["soil_moisture"]

    def value(name):
        try:
            found = meta[name]
        except KeyError:
            return None
        found = found.val if found is not None else None
        return None if found is None or found != found or found == "unknown" else found

    sensor = {
        "network": value("network"),
        "station": value("station"),
        "sensor": value("instrument"),
        "depth": [meta["instrument"].depth.start, meta["instrument"].depth.end],
        "encloses": [Depth(*limits).encloses(meta["instrument"].depth) for limits in RANGES],
        "latitude": value("latitude"),
        "longitude": value("longitude"),
        "elevation": value("elevation"),
        "land_cover": {
            year: int(value(f"lc_{year}")) for year in (2000, 2005, 2010) if value(f"lc_{year}") is not None
        },
        "climate": value("climate_KG"),
        "soil": {name: value(theirs) for name, theirs in SOIL.items()},
    }
    for key, chosen in (
        ("all", values),
        ("good", values[data["soil_moisture_flag"] == "G"]),
        ("unchecked", values[data["soil_moisture_flag"] == "U"]),
    ):
        sensor[key] = {"count": len(chosen)}
        if len(chosen):
            sensor[key] |= {
                "sum": float(chosen.sum()),
                "first": chosen.index[0].isoformat(),
                "last": chosen.index[-1].isoformat(),
            }
    days = values.resample("D")
    sensor["days"] = {
        "count": int((days.count() > 0).sum()),
        "sum": float(days.mean().sum()),
        "full": int((days.count() == 24).sum()),
    }
    return sensor


def main(folder):
    """Describe every archive of the package's tests."""
    reference = {}
    for name in ARCHIVES:
        with tempfile.TemporaryDirectory() as work, contextlib.redirect_stdout(sys.stderr):
            files = IsmnFileCollection.build_from_scratch(
                Path(folder) / "tests" / "test_data" / name, parallel=False, log_path=work
            )
            reference[name] = [describe(file) for file in files.iter_filehandlers()]
    for name in FILES:
        path = Path(folder) / "tests" / "test_data" / name
        reference[name] = [describe(DataFile(path.parents[1], os.path.relpath(path, path.parents[1])))]
    print(json.dumps({"ranges": RANGES, "archives": reference}, indent=1, sort_keys=True))


if __name__ == "__main__":
    main(sys.argv[1])
