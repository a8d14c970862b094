"""Downscaling on the demo scene, whose truth is known, as users run it: monthly, from 4.5 km to 450 m."""

import numpy as np
import pytest
import rasterio

from sm_toolbox.raster.affine import Window
from sm_toolbox.raster.bands import read_bands
from sm_toolbox.raster.opening import Source, grid_of
from sm_toolbox.raster.reading import BandReader

DATED = ("ndvi", "albedo", "lst_day", "lst_night", "rain", "api")
STATIONS = {"STATION": "station", "TIME": "time", "VALUE": "soil_moisture"}
FOREST = '{"min_samples_leaf": 2, "max_features": 1.0}'


@pytest.fixture(scope="module")
def months(plugin, scene, tmp_path_factory):
    """Means of calendar months of the scene, and terrain indices, by name."""
    import processing

    folder = tmp_path_factory.mktemp("months")
    found = {"soil": str(scene / "soil.tif")}

    def run(algorithm, name, **parameters):
        found[name] = str(folder / f"{name}.tif")
        processing.run(f"smtoolbox:{algorithm}", {**parameters, "OUTPUT": found[name]})

    run("tcmerge", "daily", **{f"PRODUCT_{letter.upper()}": str(scene / f"product_{letter}.tif") for letter in "abc"})
    inputs = {name: str(scene / f"{name}.tif") for name in (*DATED, "truth", "product_a", "product_b", "product_c")}
    for name, path in {**inputs, "merged": found["daily"]}.items():
        run("temporalcomposite", name, INPUT=[path], PERIOD="month", STATISTIC="mean")
    indices = ["elevation", "slope", "northness", "eastness", "twi"]
    run("terrainindices", "terrain", DEM=str(scene / "dem.tif"), INDICES=indices)
    return found


def on_map(path, grid):
    bands = read_bands([Source(path)])
    with BandReader(bands, grid, "auto").open() as opened:
        return opened.read(Window(0, 0, grid.width, grid.height))


def against_truth(months, path):
    """Return the RMSE and the mean over the months of R in space."""
    grid = grid_of(Source(months["ndvi"]))
    truth, made = on_map(months["truth"], grid), on_map(path, grid)
    valid = np.isfinite(truth) & np.isfinite(made)
    r = [np.corrcoef(a[ok], b[ok])[0, 1] for a, b, ok in zip(truth, made, valid)]
    return float(np.sqrt(np.mean((made - truth)[valid] ** 2))), float(np.mean(r))


def predictors(months):
    return [months[name] for name in ("soil", "terrain", *DATED)]


def downscale(run, months, tmp_path, product, feedback=None, **more):
    given = {
        "COARSE": [months[product]],
        "PREDICTORS": predictors(months),
        "GRID": months["ndvi"],
        "HYPERPARAMETERS": FOREST,
        "OUTPUT": str(tmp_path / f"{product}.tif"),
        "MODEL_FILE": str(tmp_path / f"{product}.smmodel"),
    }
    return run("downscale", feedback, **{**given, **more})


def test_the_map_is_nearer_to_the_truth_than_the_product_is(run, scene, months, tmp_path):
    done = downscale(
        run,
        months,
        tmp_path,
        "product_a",
        STATIONS=str(scene / "stations_validation.gpkg"),
        **STATIONS,
        PREDICTIONS=str(tmp_path / "cells.gpkg"),
        SOURCE=str(tmp_path / "source.tif"),
    )
    rmse, r = against_truth(months, done["OUTPUT"])
    bilinear, r_bilinear = against_truth(months, months["product_a"])
    assert rmse <= 0.038 and r >= 0.83
    assert bilinear > 0.045 and r_bilinear < 0.65
    assert done["GAIN_PERCENT"] > 5 and done["BLOCK_ERROR"] < 1e-4
    assert done["N"] == 216 and done["SKILL"] > 0.3 and done["RMSE"] < done["BASELINE_RMSE"]
    # The same model on the same dates, without the residuals.
    alone = str(tmp_path / "alone.tif")
    run(
        "predictraster", MODEL_FILE=done["MODEL_FILE"], PREDICTORS=predictors(months), GRID=months["ndvi"], OUTPUT=alone
    )
    assert against_truth(months, alone)[0] > rmse
    with rasterio.open(done["OUTPUT"]) as a, rasterio.open(alone) as b:
        assert a.descriptions == b.descriptions and a.units == b.units == ("m3 m-3",) * 6
    from qgis.core import QgsVectorLayer

    layer = QgsVectorLayer(done["PREDICTIONS"], "cells", "ogr")
    row = next(layer.getFeatures())
    assert layer.featureCount() == 216 and layer.crs().authid() == "EPSG:32616"
    assert row["residual"] == pytest.approx(row["soil_moisture"] - row["predicted"])


def test_of_a_better_product_a_better_map_is_made(run, months, scene, tmp_path):
    """Merged, the three products make a map that is nearer to the truth than that of each of them (S3, Fig. 12).

    On single days: in means of months the random errors of which merging makes less are gone.
    """
    truth = read_bands([Source(str(scene / "truth.tif"))])
    grid, days = grid_of(Source(months["ndvi"])), {str(band.time) for band in truth}
    wanted = on_map(str(scene / "truth.tif"), grid)
    given = [months[name] for name in ("soil", "terrain")] + [str(scene / f"{name}.tif") for name in ("ndvi", "albedo")]
    found = {}
    for name in ("daily", "product_a", "product_b", "product_c"):
        path = months[name] if name == "daily" else str(scene / f"{name}.tif")
        coarse = on_days(path, days, str(tmp_path / f"{name}_days.tif"))
        done = downscale(run, months, tmp_path, name, COARSE=[coarse], PREDICTORS=given)
        found[name] = float(np.sqrt(np.nanmean((on_map(done["OUTPUT"], grid) - wanted) ** 2)))
    assert found["daily"] < 0.95 * min(found[name] for name in found if name != "daily"), found


def on_days(path, days, output):
    """Write some dates of a product."""
    with rasterio.open(path) as file:
        chosen = [i for i, name in enumerate(file.descriptions, start=1) if name.partition("@")[2] in days]
        with rasterio.open(output, "w", **{**file.profile, "count": len(chosen)}) as made:
            for place, i in enumerate(chosen, start=1):
                made.write(file.read(i), place)
                made.set_band_description(place, file.descriptions[i - 1])
    return output


def test_words_of_the_dialog(refused, months, scene, tmp_path):
    given = {
        "COARSE": [months["product_a"]],
        "PREDICTORS": predictors(months),
        "OUTPUT": str(tmp_path / "map.tif"),
        "MODEL_FILE": str(tmp_path / "map.smmodel"),
    }
    ndvi = [months["ndvi"]]
    refused("'Coarse product' \\(COARSE\\) .* nothing to downscale", "downscale", **{**given, "COARSE": ndvi,
            "PREDICTORS": given["COARSE"]})  # fmt: skip
    refused("'Masked classes' \\(MASK_VALUES\\): 'water' is no number", "downscale", **given, MASK_VALUES="water")
    refused("VALUE\\) is not set", "downscale", **given, STATIONS=str(scene / "stations.gpkg"), VALUE="")
    refused("divided into 99 folds.*\\(FOLDS\\)", "downscale", **given, FOLDS=99)
