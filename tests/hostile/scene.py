"""A scene so small that an algorithm runs on it in a moment, and parameters with which every algorithm does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import from_origin

DAYS = [f"2020-06-{day:02d}" for day in range(1, 25, 4)]
ROWS, COLUMNS, CELL, LEFT, TOP = 22, 26, 30.0, 500_000.0, 4_000_000.0


def write(
    path: Path, bands, names, *, cell=CELL, left=LEFT, top=TOP, crs="EPSG:32630", dtype="float32", **options
) -> str:
    """Write bands (bands, rows, cols) as a GeoTIFF."""
    bands = np.atleast_3d(np.asarray(bands, float))
    bands = bands if bands.shape[0] == len(names) else bands[None, ..., 0]
    options = {
        "transform": from_origin(left, top, cell, cell),
        "tiled": True,
        "blockxsize": 16,
        "blockysize": 16,
        "compress": "deflate",
        **options,
    }
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=bands.shape[1],
        width=bands.shape[2],
        count=len(bands),
        dtype=dtype,
        crs=crs,
        **options,
    ) as file:
        file.write(bands.astype(dtype))
        for index, name in enumerate(names, start=1):
            if name:
                file.set_band_description(index, name)
    return str(path)


def dated(variable: str) -> list[str]:
    """Names of the bands of a variable."""
    return [f"{variable}@{day}" for day in DAYS]


class Scene:
    """The files of the scene and the parameters of the algorithms, in a folder.

    Parameters
    ----------
    folder : Path
    run : callable
        Runs an algorithm; the model file is made with it.
    point_layer : callable
        Makes a memory layer of points.
    """

    def __init__(self, folder: Path, run, point_layer):
        self.folder = folder
        rng = np.random.default_rng(0)
        shape = (len(DAYS), ROWS, COLUMNS)
        rows, columns = np.mgrid[:ROWS, :COLUMNS]
        relief = 300 + 20 * np.sin(rows / 5) + 15 * np.cos(columns / 4)
        truth = (
            0.25 + 0.1 * np.sin(rows / 6)[None] + 0.05 * rng.standard_normal(len(DAYS))[:, None, None] + np.zeros(shape)
        )
        self.dem = write(folder / "dem.tif", relief + rng.random(relief.shape), ["dem"])
        self.soil = write(
            folder / "soil.tif", [20 + rng.random(relief.shape), 30 + rng.random(relief.shape)], ["sand", "clay"]
        )
        self.ndvi = write(folder / "ndvi.tif", truth + 0.3 + 0.02 * rng.random(shape), dated("ndvi"))
        self.albedo = write(folder / "albedo.tif", 0.2 + 0.05 * rng.random(shape), dated("albedo"))
        self.day = write(folder / "lst_day.tif", 300 + 5 * rng.random(shape), dated("lst_day"))
        self.night = write(folder / "lst_night.tif", 280 + 5 * rng.random(shape), dated("lst_night"))
        self.red = write(folder / "red.tif", 0.1 + 0.05 * rng.random(shape), dated("red"))
        self.nir = write(folder / "nir.tif", 0.3 + 0.05 * rng.random(shape), dated("nir"))
        # Enough dates for the references of relative wetness.
        radar = np.random.default_rng(1).random((9, *shape[1:]))
        self.vv = write(folder / "vv.tif", -14 + 4 * radar, [f"vv@2020-06-{day:02d}" for day in range(1, 10)])
        self.angle = write(folder / "angle.tif", 38 + radar[:1], ["angle"])
        self.rain = write(
            folder / "chirps-v2.0.2020.06.01.tif",
            5 * rng.random(relief.shape),
            [""],
            crs="EPSG:4326",
            cell=0.05,
            left=10,
            top=46,
        )
        self.products = [
            write(folder / f"{name}.tif", truth + 0.02 * rng.standard_normal(shape), dated("soil_moisture"))
            for name in "abc"
        ]
        fields = [
            ("station", "string"),
            ("time", "string"),
            ("soil_moisture", "double"),
            ("elevation", "double"),
            ("ndvi", "double"),
            ("weight", "double"),
        ]
        points = []
        for number in range(12):
            row, column = 2 + 5 * (number // 4), 3 + 6 * (number % 4)
            for i, day in enumerate(DAYS):
                values = (
                    truth[i, row, column] + 0.01 * rng.standard_normal(),
                    relief[row, column],
                    truth[i, row, column] + 0.3,
                    1.0,
                )
                points.append(
                    (LEFT + CELL * (column + 0.5), TOP - CELL * (row + 0.5), f"s{number}", day, *map(float, values))
                )
        self.fields, self.points = fields, points
        self.stations = point_layer(fields, points, name="stations")
        train = self.bases()["trainmodel"]
        self.model = run("trainmodel", **train, MODEL_FILE=str(folder / "model.smmodel"))["MODEL_FILE"]

    def bases(self) -> dict:
        """Return the parameters by algorithm, outputs aside."""
        who = {"STATION": "station", "TIME": "time"}
        train = {
            "TRAINING": self.stations,
            "TARGET": "soil_moisture",
            "PREDICTORS": ["elevation", "ndvi"],
            **who,
            "WEIGHT": "weight",
            "MODEL": "random_forest",
            "HYPERPARAMETERS": '{"n_estimators": 4}',
            "SPLIT": "station",
            "FOLDS": 2,
            "BLOCK_SIZE": 200,
            "CYCLIC": "",
            "CATEGORICAL": [],
            "SEED": 0,
            "PREDICTION_AREA": self.dem,
        }
        products = {f"PRODUCT_{letter}": path for letter, path in zip("ABC", self.products)}
        merging = {
            **products,
            "MIN_SAMPLES": 4,
            "ALPHA": 0.5,
            "ANOMALIES": "none",
            "ANOMALY_WINDOW": 5,
            "MAX_TIME_GAP": 0,
        }
        return {
            "aggregatestations": {
                "INPUT": self.stations,
                **who,
                "VALUE": "soil_moisture",
                "PERIOD": "month",
                "GRID": self.dem,
                "MIN_COUNT": 1,
            },
            "alignrasters": {"INPUT": [self.ndvi], "GRID": self.dem, "RESAMPLING": "average"},
            "calculatebands": {
                "INPUT": [self.ndvi, self.dem],
                "EXPRESSION": "wet = where(ndvi > 0.3, dem, nan)",
                "GRID": self.dem,
                "RESAMPLING": "auto",
                "MAX_TIME_GAP": 0,
            },
            "checkinstallation": {},
            "comparemaps": {
                "PRODUCT": [self.products[0]],
                "REFERENCE": [self.products[1]],
                "COMPARE_ON": "coarser",
                "RESAMPLING": "auto",
                "MASK": self.dem,
                "ZONES": self.zones(),
                "BLOCK_GRID": self.rain,
                "MAX_TIME_GAP": 0,
            },
            "demodata": {"SEED": -1},
            "downscale": {
                "COARSE": [self.coarse()],
                "COARSE_ERROR": self.coarse_error(),
                "PREDICTORS": [self.ndvi, self.albedo, self.dem],
                "GRID": self.dem,
                "MODEL": "random_forest",
                "HYPERPARAMETERS": '{"n_estimators": 4}',
                "TUNING": "none",
                "CANDIDATES": 2,
                "TUNING_FOLDS": 2,
                "KEEP_BEST": False,
                "SPLIT": "block",
                "FOLDS": 2,
                "BLOCK_SIZE": 250,
                "CATEGORICAL": "",
                "SEED": 0,
                "RESIDUALS": "ordinary_kriging",
                "CONSERVE": True,
                "MASK": self.zones(),
                "MASK_VALUES": "0,15,17",
                "MAX_MASKED_SHARE": 0.5,
                "MAX_TIME_GAP": 0,
                "TIME_GAPS": "ndvi:2",
                "LAGS": "ndvi:1",
                "STATIONS": self.stations,
                **who,
                "VALUE": "soil_moisture",
                "MEMORY": 32,
                "QUANTILES": "0.1,0.9",
            },
            "maskquality": {
                "INPUT": [self.ndvi],
                "QUALITY": [self.dem],
                "RULE": "custom",
                "LEVEL": "recommended",
                "BITS": "value >= 1",
            },
            "comparescenarios": {
                **{key: value for key, value in train.items() if key in ("TRAINING", "TARGET", "PREDICTORS", *who)},
                "GROUP": "station",
                "TEST": self.stations,
                "MODELS": ["random_forest"],
                "HYPERPARAMETERS": '{"random_forest": {"n_estimators": 4}}',
                "SCENARIOS": ["dependent", "spatial", "regional"],
                "SIZES_DEPENDENT": "20,50",
                "SIZES_TEMPORAL": "1",
                "SIZES_SPATIAL": "2,6",
                "REPEATS": 2,
                "CANDIDATES": 2,
                "CYCLIC": "",
                "CATEGORICAL": [],
                "SCALING": "minmax",
                "LIMITS": "elevation:0:1000",
                "TARGET_RMSE": 0.05,
                "STATE": "",
                "MAX_MINUTES": 5,
                "SEED": 0,
            },
            "importproduct": {
                "INPUT": [self.rain],
                "FOLDER": "",
                "PRODUCT_TYPE": "auto",
                "VARIABLES": "precipitation",
                "LEVEL": "recommended",
                "OVERPASS": "both",
                "LAYER_THICKNESS": 0.1,
                "EXTENT": "10,11,45,46 [EPSG:4326]",
                "START": "2020-06-01T00:00:00",
                "END": "2020-06-02T00:00:00",
            },
            "importismn": {
                "INPUT": self.dem,
                "VARIABLE": "soil_moisture",
                "DEPTH_FROM": 0,
                "DEPTH_TO": 0.05,
                "FLAGS": "G",
                "MIN_COUNT": 1,
            },
            "interpolatestations": {
                "STATIONS": self.stations,
                **who,
                "VALUE": "soil_moisture",
                "GRID": self.dem,
                "METHOD": "ordinary_kriging",
                "VARIOGRAM": "spherical",
                "DRIFT": [self.dem],
                "NUGGET": 0.1,
                "SILL": 1,
                "RANGE": 300,
                "MEAN": 0.2,
                "POWER": 2,
                "NEIGHBOURS": 5,
                "MEMORY": 32,
            },
            "modelreport": {"MODEL_FILE": getattr(self, "model", "")},
            "predictraster": {
                "MODEL_FILE": getattr(self, "model", ""),
                "PREDICTORS": [self.elevation(), self.ndvi],
                "GRID": self.dem,
                "MAX_TIME_GAP": 0,
                "TIME_GAPS": "ndvi:2",
                "TIME_DIRECTION": "previous",
                "RESAMPLING": "auto",
                "DATES": "2020-06-01",
                "MEMORY": 32,
                "QUANTILES": "0.1,0.9",
                "APPLICABILITY": True,
            },
            "predicttable": {
                "MODEL_FILE": getattr(self, "model", ""),
                "INPUT": self.stations,
                "OBSERVED": "soil_moisture",
                **who,
                "GROUP": "",
                "QUANTILES": "0.1,0.9",
                "COMPARED_MODEL": "",
                "MIN_SAMPLES": 3,
            },
            "samplepredictors": {
                "STATIONS": self.stations,
                **who,
                "VALUE": "soil_moisture",
                "PREDICTORS": [self.soil, self.albedo],
                "MAX_TIME_GAP": 0,
                "TIME_GAPS": "albedo:2",
                "TIME_DIRECTION": "nearest",
                "GRID": self.dem,
                "RESAMPLING": "auto",
                "BUILTIN": ["longitude", "day_of_year"],
                "EXTRA_TARGETS": [self.products[0]],
                "EXTRA_VALUE": "soil_moisture",
                "EXTRA_ROWS": 20,
                "EXTRA_MATCHING": "none",
            },
            "sarpredictors": {
                "VV": [self.vv],
                "ANGLE": [self.angle],
                "DEM": self.dem,
                "PASS": "ascending",
                "FILTER_SIZE": 3,
                "GRID": self.dem,
                "DRY_PERCENTILE": 5,
                "WET_PERCENTILE": 95,
            },
            "selectpredictors": {
                **{key: value for key, value in train.items() if key != "WEIGHT"},
                "METHOD": "forward",
                "IMPORTANCE": "impurity",
                "GROUPS": "",
            },
            "soilindices": {"SAND": self.soil, "CLAY": self.clay(), "UNITS": "percent"},
            "spectralindices": {
                "INPUT": [self.red, self.nir],
                "SENSOR": "modis",
                "BANDS": "",
                "INDICES": ["ndvi"],
                "SCALE": 1,
                "OFFSET": 0,
            },
            "splitstations": {
                "INPUT": self.stations,
                **who,
                "METHOD": "expression",
                "SHARE": 0.3,
                "STRATA": "elevation",
                "DATE": "2020-06-09T00:00:00",
                "EXPRESSION": "\"station\" = 's1'",
                "SEED": 0,
            },
            "stationquality": {
                "STATIONS": self.stations,
                **who,
                "VALUE": "soil_moisture",
                "PRODUCT_A": [self.products[0]],
                "PRODUCT_B": [self.products[1]],
                "MAX_TIME_GAP": 1,
                "MIN_SAMPLES": 3,
                "MIN_CORRELATION": 0,
                "ALPHA": 1,
                "ANOMALIES": "none",
                "ANOMALY_WINDOW": 35,
            },
            "tcmerge": {**merging, "REFERENCE": "a", "FALLBACK": "mean", "WINDOW": "all", "BOOTSTRAP": 0},
            "temporalcomposite": {
                "INPUT": [self.ndvi],
                "PERIOD": "month",
                "TRAILING_DAYS": 3,
                "STATISTIC": "mean",
                "PRODUCT_DAYS": 4,
                "MIN_COUNT": 1,
            },
            "antecedentindex": {
                "INPUT": [self.ndvi],
                "METHOD": ["antecedent_precipitation"],
                "DECAY": 0.5,
                "DAYS": "8",
                "SPIN_UP": 0,
            },
            "temporalanomaly": {
                "INPUT": [self.ndvi],
                "REFERENCE": [self.ndvi],
                "METHOD": ["difference", "standardized", "percentile"],
                "WINDOW": 366,
                "LEAVE_YEAR_OUT": False,
                "MIN_YEARS": 1,
            },
            "rootzone": {
                "INPUT": [self.ndvi],
                "TIME_CONSTANT": 10,
                "TIME_CONSTANT_RASTER": None,
                "MIN_OBSERVATIONS": 1,
                "UNITS": "moisture",
                "WILTING_POINT": None,
                "FIELD_CAPACITY": None,
                "STATIONS": None,
                "STATION": "",
                "TIME": "",
                "VALUE": "",
            },
            "matchproduct": {
                "PRODUCT": [self.products[0]],
                "REFERENCE": [self.products[1]],
                "METHOD": "cdf",
                "BY_MONTH": False,
                "MIN_SAMPLES": 3,
            },
            "regionalseries": {"INPUT": [self.ndvi], "ZONES": None, "ZONE": "", "LATITUDE_BANDS": True},
            "temporalgapfill": {
                "INPUT": [self.ndvi],
                "METHOD": "linear",
                "WINDOW": 3,
                "ORDER": 1,
                "MAX_GAP": 10,
                "DATES": "",
            },
            "temporalstatistics": {"INPUT": [self.ndvi], "STATISTICS": ["mean"]},
            "temporaltrend": {"INPUT": [self.ndvi], "METHOD": "least_squares", "BY_MONTH": False},
            "terrainindices": {
                "DEM": self.dem,
                "INDICES": ["slope"],
                "FLOW_ROUTING": "d8",
                "GRID": self.ndvi,
                "Z_FACTOR": 1,
            },
            "thermalinertia": {
                "ALBEDO": [self.albedo],
                "LST_DAY": [self.day],
                "LST_NIGHT": [self.night],
                "LST_SCALE": 1,
                "SOLAR_CORRECTION": "verstraeten",
                "MIN_RANGE": 1,
            },
            "trainmodel": {
                **train,
                "TUNING": "none",
                "CANDIDATES": 2,
                "TUNING_FOLDS": 2,
                "KEEP_BEST": False,
                "SEQUENCE_LENGTH": 12,
                "SCALING": "minmax",
                "LIMITS": "elevation:0:1000",
                "HOLDOUT": "\"station\" = 's1'",
                "GROUP": "station",
                "SPIKE_WEIGHT": 1,
            },
            "triplecollocation": {**merging, "BOOTSTRAP": 0},
            "validatestations": {
                "PRODUCT": [self.products[0]],
                "STATIONS": self.stations,
                **who,
                "VALUE": "soil_moisture",
                "GROUP": "station",
                "MAX_TIME_GAP": 0,
                "TIME_GAPS": "soil_moisture:1",
                "MIN_SAMPLES": 3,
                "PRODUCT_B": [self.products[1]],
                "LABELS": "first,second",
                "RESAMPLING": "nearest",
                "COMMON_SAMPLE": True,
                "ANOMALIES": "moving_window",
                "ANOMALY_WINDOW": 20,
                "SERIES": "s1",
            },
        }

    def coarse(self) -> str:
        """Return the first product in cells four times as large."""
        return self._averaged("coarse.tif", self.products[0], dated("soil_moisture"))

    def coarse_error(self) -> str:
        """Return errors in the cells of the coarse product."""
        return self._averaged("coarse_error.tif", self.albedo, ["merged_error"])

    def _averaged(self, name: str, fine: str, names: list[str]) -> str:
        path = self.folder / name
        if not path.exists():
            with rasterio.open(fine) as file:
                values = file.read(list(range(1, len(names) + 1)))[:, : ROWS // 4 * 4, : COLUMNS // 4 * 4]
            means = values.reshape(len(names), ROWS // 4, 4, COLUMNS // 4, 4).mean(axis=(2, 4))
            write(path, means, names, cell=4 * CELL)
        return str(path)

    def elevation(self) -> str:
        """Return the elevation under the name that the model knows."""
        path = self.folder / "elevation.tif"
        if not path.exists():
            with rasterio.open(self.dem) as dem:
                write(path, dem.read(), ["elevation"])
        return str(path)

    def zones(self) -> str:
        """Return two zones."""
        path = self.folder / "zones.tif"
        if not path.exists():
            write(path, np.repeat([[1.0, 2.0]], COLUMNS // 2, axis=1).repeat(ROWS, axis=0)[None], ["region"])
        return str(path)

    def clay(self) -> str:
        """Return the clay alone."""
        path = self.folder / "clay.tif"
        if not path.exists():
            with rasterio.open(self.soil) as soil:
                write(path, soil.read(2)[None], ["clay"])
        return str(path)
