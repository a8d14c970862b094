"""The chain of the Yunnan study (S3) on the demo scene: products as downloaded, gaps filled, merged, months, "
"downscaled."""

import numpy as np
import pytest
import rasterio
from qgis.core import QgsProcessingFeedback

from .test_products_chain import era5_land as era5_land

MONTHS = {"PERIOD": "month", "STATISTIC": "mean"}


def read(path):
    with rasterio.open(path) as dataset:
        return dict(zip(dataset.descriptions, dataset.read()))


def test_from_downloads_to_a_fine_map_beside_its_parents(run, scene, era5_land, tmp_path):
    def path(name):
        return str(tmp_path / f"{name}.tif")

    downloads = {
        "gldas": (next(scene.glob("GLDAS_*.nc4")), {}),
        "era5": (era5_land, {}),
        "smap": (scene / "smap_l3.zip", {"OVERPASS": "am"}),
    }
    for name, (file, options) in downloads.items():
        run("importproduct", INPUT=[str(file)], **options, OUTPUT=path(f"{name}_raw"))
        # S3 bridges gaps by the filter of Savitzky and Golay; what was observed never changes.
        run(
            "temporalgapfill",
            INPUT=[path(f"{name}_raw")],
            METHOD="savitzky_golay",
            MAX_GAP=8,
            OUTPUT=path(f"{name}_daily"),
        )
    products = {f"PRODUCT_{letter}": [path(f"{name}_daily")] for letter, name in zip("ABC", downloads)}
    merged = run("tcmerge", **products, MAX_TIME_GAP=1, MIN_SAMPLES=100, REFERENCE="a", OUTPUT=path("merged_daily"))
    assert merged["RESOLVED_PERCENT"] > 50
    for name in ("merged", *downloads):
        run("temporalcomposite", INPUT=[path(f"{name}_daily")], **MONTHS, OUTPUT=path(name))
    for name in ("ndvi", "lst_day", "albedo", "truth"):
        run(
            "temporalcomposite", INPUT=[str(scene / f"{name}.tif")], PERIOD="month", STATISTIC="mean", OUTPUT=path(name)
        )
    predictors = [path(name) for name in ("ndvi", "lst_day", "albedo")] + [str(scene / "soil.tif")]
    report = tmp_path / "downscale.html"
    done = run(
        "downscale", COARSE=[path("merged")], PREDICTORS=predictors, GRID=path("ndvi"), FOLDS=3, REPORT=str(report),
        HYPERPARAMETERS='{"n_estimators": 60, "min_samples_leaf": 2, "max_features": 1.0}', OUTPUT=path("fine"),
        MODEL_FILE=str(tmp_path / "s3.smmodel"),
    )  # fmt: skip
    assert done["BLOCK_ERROR"] < 1e-4 and len(read(path("fine"))) == 6 and "Gain" in report.read_text("utf-8")
    # Beside all its parents, on the pairs that all have.
    rated = run(
        "validatestations", PRODUCT=[path("fine")], PRODUCT_B=[path("merged")], PRODUCT_C=[path("gldas")],
        PRODUCT_D=[path("era5")], PRODUCT_E=[path("smap")], STATIONS=str(scene / "stations_validation.gpkg"),
        STATION="station", TIME="time", VALUE="soil_moisture", OUTPUT="memory:", REPORT=str(tmp_path / "v.html"),
    )  # fmt: skip
    assert np.isfinite(rated["RMSE"])
    text = (tmp_path / "v.html").read_text("utf-8")
    assert all(f"{name}" in text for name in ("fine", "merged", "gldas", "era5", "smap"))


def test_months_of_years_as_the_paper_has_them(run, refused, scene, tmp_path):
    """Sixty monthly samples: below the customary hundred, so that MIN_SAMPLES is set, and limits and flags are "
    "shown."""
    products = {}
    for letter in "abc":
        months = str(tmp_path / f"{letter}.tif")
        run(
            "temporalcomposite",
            INPUT=[str(scene / f"record_{letter}.nc")],
            PERIOD="month",
            STATISTIC="mean",
            OUTPUT=months,
        )
        with rasterio.open(months) as dataset:
            last = list(range(dataset.count - 59, dataset.count + 1))
            with rasterio.open(tmp_path / f"last_{letter}.tif", "w", **{**dataset.profile, "count": 60}) as made:
                for place, i in enumerate(last, start=1):
                    made.write(dataset.read(i), place)
                    made.set_band_description(place, dataset.descriptions[i - 1])
        products[f"PRODUCT_{letter.upper()}"] = [str(tmp_path / f"last_{letter}.tif")]
    feedback = QgsProcessingFeedback()
    metrics = str(tmp_path / "tc.tif")
    done = run("triplecollocation", feedback, **products, MIN_SAMPLES=36, BOOTSTRAP=100, OUTPUT=metrics)
    found = read(metrics)
    assert {"error_a", "error_a_low", "error_a_high", "flag", "samples"} <= set(found)
    resolved = found["flag"] == 0
    assert np.nanmax(found["samples"]) <= 60 and done["RESOLVED_PERCENT"] == pytest.approx(100 * resolved.mean())
    assert (found["error_a_low"][resolved] <= found["error_a"][resolved]).all()
    merged = run("tcmerge", **products, MIN_SAMPLES=36, FALLBACK="mean", OUTPUT=str(tmp_path / "m.tif"))
    assert len(read(merged["OUTPUT"])) == 60
    # The customary minimum refuses sixty months, and says so.
    refused("60 common dates, .* fewer than .*MIN_SAMPLES.* 100", "triplecollocation", **products, OUTPUT=metrics)
