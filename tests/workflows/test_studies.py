"""Each study's workflow on the demo scene, small, with what the study found held against the simulated truth.

A workflow runs once; what depends on chance is repeated with other seeds by the steps that draw, and means are rated.
"""

import warnings

import numpy as np
import pytest
import rasterio
from qgis.core import QgsFeature, QgsGeometry, QgsRectangle, QgsVectorLayer

from sm_toolbox.demo.fields import block_mean

SEEDS = range(5)
STATION = {"STATION": "station", "TIME": "time"}


def read(path):
    with rasterio.open(path) as dataset:
        return dict(zip(dataset.descriptions, dataset.read(masked=True).filled(np.nan)))


def column(layer, name):
    values = [feature[name] for feature in layer.getFeatures()]
    return np.array([np.nan if value is None or not isinstance(value, (int, float)) else value for value in values])


def some_dates(scene, key, path, wanted):
    """Write the wanted dates of a product's record."""
    with rasterio.open(scene / f"record_{key}.nc") as dataset:
        dates = [str(np.datetime64("2009-10-01") + np.timedelta64(day, "D")) for day in range(dataset.count)]
        taken = [place for place, date in enumerate(dates) if wanted(date)]
        bands = dataset.read([place + 1 for place in taken])
    with rasterio.open(scene / "product_b.tif") as dataset:
        profile = {**dataset.profile, "count": len(taken)}
    with rasterio.open(path, "w", **profile) as dataset:
        dataset.write(bands)
        for band, place in enumerate(taken, start=1):
            dataset.set_band_description(band, f"soil_moisture@{dates[place]}")


@pytest.fixture
def halves(run):
    """A function that divides a table by whole stations."""

    def halves(table, share, seed):
        to = {"TRAINING": "memory:", "VALIDATION": "memory:"}
        parts = run("splitstations", INPUT=table, **STATION, METHOD="share", SHARE=share, SEED=seed, **to)
        return parts["TRAINING"], parts["VALIDATION"]

    return halves


def test_quantile_map(workflow, run, halves, scene, tmp_path):
    """S0: other stations are harder than other rows, limits hold, and a few local sensors take the bias away."""
    radar, model = [str(scene / "sentinel1.tif")], '{"n_estimators": 30, "min_samples_leaf": 10}'
    out = workflow(
        "quantilemap",
        stations=str(scene / "stations.gpkg"),
        dem=str(scene / "dem.tif"),
        smap=[str(scene / "product_a.tif")],
        vv=radar,
        vh=radar,
        angle=radar,
        soil=[str(scene / "soil.tif")],
        grid=str(scene / "ndvi.tif"),
        local=str(scene / "stations_field.gpkg"),
        wanted=("Quantiles", "Area of applicability"),
    )
    steps = out["CHILD_RESULTS"]
    quantiles, maps = read(out["Quantiles"]), read(out["Soil moisture"])
    assert (len(maps), len(quantiles), len(read(out["Area of applicability"]))) == (16, 48, 32)
    low, high = (quantiles[f"soil_moisture_q{level}@2019-06-14"] for level in ("05", "95"))
    assert ((low <= maps["soil_moisture@2019-06-14"]) & (maps["soil_moisture@2019-06-14"] <= high)).mean() > 0.95
    assert len(list(out["Errors without each group"].getFeatures())) == 5, "all, and without each of four groups"
    assert steps["rate_local"]["N"] > 500

    predictors = [steps[step]["OUTPUT"] for step in ("smap", "radar", "terrain")]
    given = {
        "PREDICTORS": [*predictors, steps["radar"]["STATISTICS"], str(scene / "soil.tif")],
        "GRID": str(scene / "ndvi.tif"),
        "MAX_TIME_GAP": 0,
        "OUTPUT": "memory:",
    }
    table, local = (
        run("samplepredictors", STATIONS=str(scene / f"{name}.gpkg"), **given)
        for name in ("stations", "stations_field")
    )
    fields = table["FIELDS"]
    found = {key: [] for key in ("rows", "stations", "held", "bias", "spiked")}
    for seed in SEEDS:
        training, others = halves(table["OUTPUT"], 0.25, seed)
        joined, rated = halves(local["OUTPUT"], 0.9, seed)
        train = {"TRAINING": training, "PREDICTORS": fields, **STATION, "MODEL": "quantile_forest", "SEED": seed}
        train |= {"HYPERPARAMETERS": model, "SPLIT": "random", "FOLDS": 2, "BASELINES": False}
        plain = run("trainmodel", **train, MODEL_FILE=str(tmp_path / "plain.smmodel"))
        spiked = run("trainmodel", **train, SPIKE=joined, MODEL_FILE=str(tmp_path / "spiked.smmodel"))
        outside = run("predicttable", MODEL_FILE=plain["MODEL_FILE"], INPUT=others, **STATION, OUTPUT="memory:")
        before, after = (
            run("predicttable", MODEL_FILE=file["MODEL_FILE"], INPUT=rated, **STATION, OUTPUT="memory:")["BIAS"]
            for file in (plain, spiked)
        )
        observed, low, high = (column(outside["OUTPUT"], name) for name in ("soil_moisture", "q05", "q95"))
        known = np.isfinite(observed) & np.isfinite(low)
        found["rows"].append(plain["R2"])
        found["stations"].append(outside["R2"])
        found["held"].append(((low <= observed) & (observed <= high))[known].mean())
        found["bias"].append(abs(before))
        found["spiked"].append(abs(after))
    mean = {key: np.mean(values) for key, values in found.items()}
    assert mean["stations"] < mean["rows"] - 0.1
    assert 0.85 <= mean["held"] <= 0.95, mean
    assert mean["spiked"] < 0.5 * mean["bias"], mean


def test_cloud_gap_map(workflow, run, scene, tmp_path):
    """S1: the second model fills what clouds took, and costs no correlation."""
    small = '{"n_estimators": 40}'
    first, second = "aspect;elevation;albedo;ati;ndvi;ndii5", "aspect;elevation;albedo;ndvi;ndii5;savi"
    out = workflow(
        "cloudgapmap",
        stations=str(scene / "stations.gpkg"),
        validation_day="2019-08-01",
        reflectance=[str(scene / "reflectance.tif")],
        lst_day=[str(scene / "lst_day.tif")],
        lst_night=[str(scene / "lst_night.tif")],
        dem=str(scene / "dem.tif"),
        grid=str(scene / "ndvi.tif"),
        hyperparameters=small,
        gap=4,
    )
    steps = out["CHILD_RESULTS"]
    chosen = list(out["Steps of the choice"].getFeatures())
    assert len(chosen) == 13 and [feature["count"] for feature in chosen] == list(range(1, 14))
    both, alone = read(out["Soil moisture"]), read(out["Soil moisture of the first model alone"])
    share = steps["predict"]["FALLBACK_PERCENT"]
    covered = {name: np.mean([np.isfinite(band).mean() for band in maps.values()]) for name, maps in
               (("both", both), ("alone", alone))}  # fmt: skip
    assert covered["alone"] < 0.6 and covered["both"] > 0.95
    assert share == pytest.approx(100 * (covered["both"] - covered["alone"]), abs=0.01)

    # Against the truth on the dates of the year that took no part, of both models and of the first one alone.
    truth = {name[-10:]: block_mean(band, 5) for name, band in read(scene / "truth.tif").items()}
    predictors = [steps[step]["OUTPUT"] for step in ("terrain", "spectral", "inertia")]
    table = run(
        "samplepredictors", STATIONS=str(scene / "stations.gpkg"), PREDICTORS=predictors, GRID=str(scene / "ndvi.tif"),
        MAX_TIME_GAP=4, OUTPUT="memory:",
    )  # fmt: skip
    halves = run("splitstations", INPUT=table["OUTPUT"], **STATION, METHOD="before_date", DATE="2019-08-01",
                 TRAINING="memory:", VALIDATION="memory:")  # fmt: skip
    correlations = []
    for seed in SEEDS:
        files = []
        for fields in (first, second):
            train = {"TRAINING": halves["TRAINING"], "PREDICTORS": fields, **STATION, "HYPERPARAMETERS": small}
            file = str(tmp_path / f"{len(files)}.smmodel")
            run("trainmodel", **train, SPLIT="random", FOLDS=2, BASELINES=False, SEED=seed, MODEL_FILE=file)
            files.append(file)
        made = run(
            "predictraster", MODEL_FILE=files[0], FALLBACK_MODEL=files[1], PREDICTORS=predictors,
            GRID=str(scene / "ndvi.tif"), DATES="2019-08-05/2019-09-30/8", OUTPUT=str(tmp_path / "map.tif"),
            SOURCE=str(tmp_path / "source.tif"),
        )  # fmt: skip
        maps, sources = read(made["OUTPUT"]), read(made["SOURCE"])
        predicted = np.array(list(maps.values()))
        true = np.array([truth[name[-10:]] for name in maps])
        of_first = np.array(list(sources.values())) == 1
        known = np.isfinite(predicted)
        correlations.append([np.corrcoef(predicted[part], true[part])[0, 1] for part in (known, known & of_first)])
    both, alone = np.mean(correlations, axis=0)
    assert both >= alone - 0.02, correlations
    assert both > 0.5


TREND, YEARS, MONTHS = 0.01, range(2014, 2020), range(4, 10)
"""Put into the truth, m³ m⁻³ a year, in the months April to September of six years."""


@pytest.fixture
def years_of_months(scene, write_raster, point_layer):
    """A function that makes six years of monthly inputs out of the scene's season, with a trend and a frozen April."""

    def season(name, variable):
        found = {month: [] for month in MONTHS}
        for description, band in read(scene / name).items():
            if description.startswith(f"{variable}@"):
                found[int(description[-5:-3])].append(band)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            return {month: np.nanmean(bands, axis=0) for month, bands in found.items()}

    with rasterio.open(scene / "ndvi.tif") as dataset:
        grid = {"crs": dataset.crs, "transform": dataset.transform}
    with rasterio.open(scene / "product_a.tif") as dataset:
        coarse = {"crs": dataset.crs, "transform": dataset.transform}
    moisture = {month: block_mean(band, 5) for month, band in season("truth.tif", "soil_moisture").items()}
    variables = {"ndvi": season("ndvi.tif", "ndvi"), "albedo": season("albedo.tif", "albedo")}
    temperature = {month: np.nan_to_num(band, nan=295) for month, band in season("lst_day.tif", "lst_day").items()}

    def make(seed):
        rng = np.random.default_rng(seed)
        names, bands, gauges, observed = (
            [],
            {key: [] for key in ("target", "background", *variables, "lst_day")},
            [],
            [],
        )
        with rasterio.open(scene / "ndvi.tif") as dataset:
            places = [(dataset.xy(*rng.integers(2, 58, 2)), station) for station in range(40)]
        for year in YEARS:
            for month in MONTHS:
                wet = rng.normal(0, 0.008)
                truth = moisture[month] + TREND * (year - 2016.5) + wet
                names.append(f"{year}-{month:02d}-15")
                bands["target"].append(block_mean(truth, 10) + rng.normal(0, 0.008, (6, 6)))
                bands["background"].append(0.03 + 0.8 * block_mean(truth, 10) + rng.normal(0, 0.004, (6, 6)))
                for key, of_month in variables.items():
                    bands[key].append(of_month[month] + rng.normal(0, 0.01, truth.shape))
                frozen = (month == 4) & (np.arange(60) < 20)
                bands["lst_day"].append(np.where(frozen[:, None], 270, temperature[month]))
                for (x, y), station in places:
                    row, col = (int(v) for v in rasterio.transform.rowcol(grid["transform"], x, y))
                    observed.append((x, y, f"s{station}", names[-1], float(truth[row, col] + rng.normal(0, 0.01))))
                    if station < 8:
                        gauges.append((x, y, f"g{station}", names[-1], float(3 + 100 * wet + rng.normal(0, 0.3))))
        files = {}
        for key, layers in bands.items():
            variable = "soil_moisture" if key in ("target", "background") else key
            where = coarse if key in ("target", "background") else grid
            descriptions = [f"{variable}@{name}" for name in names]
            files[key] = write_raster(f"{key}.tif", np.array(layers), descriptions, nodata=-9999, **where).path
        fields = [("station", "string"), ("time", "string")]
        return (
            files,
            point_layer([*fields, ("soil_moisture", "double")], observed, crs="EPSG:32616"),
            point_layer([*fields, ("rain", "double")], gauges, crs="EPSG:32616", name="gauges"),
        )

    return make


def test_monthly_map(workflow, years_of_months, scene):
    """S2: the trend that was put in lies within the limits of the trend found, and frozen months have no value."""
    found = []
    for seed in SEEDS:
        files, stations, gauges = years_of_months(seed)
        out = workflow(
            "monthlymap",
            stations=stations,
            gauges=gauges,
            ndvi=[files["ndvi"]],
            others=[files["lst_day"], files["albedo"]],
            sand=str(scene / "sand_0-5cm_mean.tif"),
            clay=str(scene / "clay_0-5cm_mean.tif"),
            dem=str(scene / "dem.tif"),
            target=[files["target"]],
            background=[files["background"]],
            grid=files["ndvi"],
            fields="ndvi;lst;albedo;awc;sand;silt;clay;elevation;slope;aspect;rain;smc",
            # A year in the midst: a forest does not go beyond what it has learned, and damps what comes after it.
            holdout="\"time\" >= '2016' and \"time\" < '2017'",
            hyperparameters='{"n_estimators": 30, "max_features": 1.0}',
            tuning="none",
            folds=2,
            extra_rows=400,
            seed=seed,
        )
        trend, maps = read(out["Trend"]), read(out["Soil moisture by month"])
        months = [f"{month:02d}" for month in MONTHS[1:]]
        low, high, slope = (np.array([trend[f"{key}_{month}"] for month in months]) for key in
                            ("slope_low", "slope_high", "slope"))  # fmt: skip
        known = np.isfinite(low)
        of_month = [(np.nanmedian(low[i]) <= TREND <= np.nanmedian(high[i])) for i in range(len(months))]
        found.append([((low <= TREND) & (high >= TREND))[known].mean(), np.mean(of_month), np.nanmedian(slope)])
        frozen = np.array([band for name, band in maps.items() if name[-2:] == "04"])
        assert np.isnan(frozen[:, :20]).all() and np.isfinite(frozen[:, 20:]).mean() > 0.9
        assert np.isnan(trend["slope_04"][:20]).all()
    of_cells, of_months, slope = np.mean(found, axis=0)
    # A forest damps what it learns, and the limits of a cell do not know of that.
    assert of_cells > 0.75 and of_months > 0.9, found
    assert 0.6 * TREND < slope < 1.2 * TREND


def test_merged_map(workflow, run, scene, tmp_path):
    """S3: merged is as good as the best parent, and downscaled better than each downscaled parent."""
    with rasterio.open(scene / "soil.tif") as dataset:
        profile, soil = {**dataset.profile, "count": 1}, dict(zip(dataset.descriptions, dataset.read()))
    for name, band in soil.items():
        with rasterio.open(tmp_path / f"{name}.tif", "w", **profile) as dataset:
            dataset.write(band, 1)
    # Every tenth day, in the months without frozen ground: with all days their errors vanish in means of months.
    for key in "abc":
        some_dates(scene, key, tmp_path / f"{key}.tif", lambda date: date[9] == "5" and 4 <= int(date[5:7]) <= 9)
    forest = '{"n_estimators": 20, "min_samples_leaf": 2, "max_features": 1.0}'
    out = workflow(
        "mergedmap",
        **{f"product_{key}": [str(tmp_path / f"{key}.tif")] for key in "abc"},
        coarse=str(scene / "product_b.tif"),
        reflectance=[str(scene / "reflectance.tif")],
        temperature=[str(scene / "lst_day.tif"), str(scene / "lst_night.tif")],
        ndvi=[str(scene / "ndvi.tif")],
        dem=str(scene / "dem.tif"),
        sand=str(tmp_path / "sand.tif"),
        clay=str(tmp_path / "clay.tif"),
        land_cover=str(scene / "landcover.tif"),
        grid=str(scene / "ndvi.tif"),
        stations=str(scene / "stations_validation.gpkg"),
        bootstrap=0,
        kind="random_forest",
        hyperparameters=forest,
        forest='{"n_estimators": 10}',
        pairs=4,
        folds=2,
        wanted=("Weights",),
    )
    steps = out["CHILD_RESULTS"]
    products = {"merged": out["Merged product"], **{key: steps[f"months_{key}"]["OUTPUT"] for key in "abc"}}
    month = {"PERIOD": "month", "STATISTIC": "mean"}
    run("temporalcomposite", INPUT=[str(scene / "record_truth.nc")], **month, OUTPUT=str(tmp_path / "record.tif"))
    run("temporalcomposite", INPUT=[str(scene / "truth.tif")], **month, OUTPUT=str(tmp_path / "truth.tif"))
    record = read(tmp_path / "record.tif")
    true = {name: block_mean(band, 5) for name, band in read(tmp_path / "truth.tif").items()}

    def correlation(path):
        """Median over the cells of the correlation in time with the truth."""
        months = read(path)
        made, truth = (np.array([bands[name] for name in months]) for bands in (months, record))
        known = np.isfinite(made)
        return np.median(
            [np.corrcoef(made[known[:, r, c], r, c], truth[known[:, r, c], r, c])[0, 1] for r, c in np.ndindex(6, 6)]
        )

    found = {name: correlation(path) for name, path in products.items()}
    assert found["merged"] >= max(found[key] for key in "abc"), found

    fine = [steps[step]["OUTPUT"] for step in ("ndvi_months", "other_months", "terrain", "soil")]
    # Residuals of the blocks' means, which keep what the product says: kriging smooths the noise of a parent away, too.
    errors = []
    for seed in SEEDS:
        errors.append([])
        for name, product in products.items():
            path = str(tmp_path / "fine.tif")
            run(
                "downscale", COARSE=[product], PREDICTORS=fine, GRID=str(scene / "ndvi.tif"), SPLIT="random", FOLDS=2,
                HYPERPARAMETERS=forest, RESIDUALS="block_bilinear", MAX_TIME_GAP=0, SEED=seed,
                MASK=str(scene / "landcover.tif"), OUTPUT=path, MODEL_FILE=str(tmp_path / "fine.smmodel"),
            )  # fmt: skip
            made = read(path)
            errors[-1].append(np.sqrt(np.nanmean([(made[name] - true[name]) ** 2 for name in made])))
    merged, *parents = np.mean(errors, axis=0)
    assert merged <= min(parents), errors


@pytest.fixture
def year(run, tmp_path):
    """A scene of a whole year after the season."""
    folder = tmp_path / "years"
    run("demodata", OUTPUT=str(folder), YEARS=1, ADD_TO_PROJECT=False)
    return folder


def test_scenarios(workflow, year):
    """S4: other years are harder than other rows, and other stations harder than other years."""
    radar = [str(year / "sentinel1.tif")]
    out = workflow(
        "scenarios",
        stations=str(year / "stations.gpkg"),
        other=str(year / "stations_validation.gpkg"),
        vv=radar,
        vh=radar,
        angle=radar,
        ndvi=[str(year / "ndvi.tif")],
        smap=[str(year / "product_a.tif")],
        weather=[str(year / "rain.tif")],
        reflectance=[str(year / "reflectance.tif")],
        soil=[str(year / "soil.tif")],
        dem=str(year / "dem.tif"),
        grid=str(year / "ndvi.tif"),
        gaps=",".join(f"{name}:8" for name in ("ndvi", "red", "nir", "blue", "green", "swir_1240", "swir1", "swir2")),
        kinds=["random_forest"],
        hyperparameters='{"random_forest": {"n_estimators": 12}}',
        dependent="20",
        temporal="11",
        spatial="9",
        repeats=5,
        candidates=2,
    )
    for tuning in ("nested", "oracle"):
        errors = {"dependent": [], "temporal": [], "spatial": []}
        for feature in out["Errors of all repeats"].getFeatures():
            if feature["model"] == "random_forest" and feature["tuning"] == tuning:
                errors[feature["scenario"]].append(feature["rmse"])
        assert {len(values) for values in errors.values()} == {5}
        dependent, temporal, spatial = (np.mean(values) for values in errors.values())
        assert dependent < temporal < spatial, errors
    regional = {feature["scenario"] for feature in out["Errors in the other region"].getFeatures()}
    assert regional == {"regional"}


def test_drought_watch(workflow, scene, tmp_path):
    """The dry half is dry in its spell, and a fifth of the cells at other times."""
    with rasterio.open(scene / "product_b.tif") as dataset:
        left, bottom, right, top = dataset.bounds
        middle, crs = (left + right) / 2, dataset.crs.to_string()
    zones = QgsVectorLayer(f"Polygon?crs={crs}&field=half:string", "halves", "memory")
    for name, edges in (("west", (left, middle)), ("east", (middle, right))):
        feature = QgsFeature(zones.fields())
        feature.setGeometry(QgsGeometry.fromRect(QgsRectangle(edges[0], bottom, edges[1], top)))
        feature.setAttributes([name])
        zones.dataProvider().addFeature(feature)
    some_dates(scene, "b", tmp_path / "record.tif", lambda date: date[9] in "05")
    record = [str(tmp_path / "record.tif")]
    out = workflow("droughtwatch", product=record, record=record, zones=zones, zone="half", period="month", count=1)
    dry = {"spell": [], "west": [], "else": []}
    for row in out["Share of dry cells by region"].getFeatures():
        of_spell = str(row["date"])[:7] in ("2016-06", "2016-07", "2016-08", "2016-09")
        dry["else" if not of_spell else "spell" if row["zone"] == "east" else "west"].append(row["mean"])
    shares = {key: np.nanmean([value for value in values if isinstance(value, float)]) for key, values in dry.items()}
    assert shares["spell"] > 0.8 and shares["west"] < 0.35 and 0.1 < shares["else"] < 0.25, shares
    index = read(out["Soil water index"])
    assert {name.partition("@")[0] for name in index} == {"soil_water_index", "quality"}
