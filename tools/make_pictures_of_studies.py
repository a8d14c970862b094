"""Run the commands of the pages docs/study_*.md on the demo scene, draw their pictures and print the numbers they tell.

usage: make_pictures_of_studies.py [workflow …] [seeds]. All workflows, or those named; with more than one seed the
workflow is run again with others, and means with their extremes are printed. The picture is that of the first.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from qgis.core import QgsApplication, QgsVectorLayer

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from sm_toolbox.demo.example import read_example  # noqa: E402
from sm_toolbox.demo.fields import block_mean  # noqa: E402
from sm_toolbox.metrics import Metrics, metrics  # noqa: E402
from sm_toolbox.report.figures import BLUE, GREY, ORANGE, UNIT, maps  # noqa: E402

IMAGES = ROOT / "resources" / "images"
TREND = 0.01
"""Put into the scene of the monthly map, m³ m⁻³ a year."""


def commands(page: Path) -> list[tuple[str, dict]]:
    """Return the algorithms and parameters of a page's commands; `cd` is one, whose parameter is its folder."""
    found: list[tuple[str, dict]] = []
    for block in re.findall(r"```sh\n(.*?)```", page.read_text(encoding="utf-8"), re.S):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words[:1] == ["cd"]:
                found.append(("cd", {"folder": words[1]}))
            if words[:2] != ["qgis_process", "run"]:
                continue
            given: dict = {}
            for word in words[3:]:
                key, _, value = word.removeprefix("--").partition("=")
                if key in given:
                    given[key] = [*(given[key] if isinstance(given[key], list) else [given[key]]), value]
                else:
                    given[key] = value
            found.append((words[2], given))
    return found


def absolute(given: dict) -> dict:
    """Return parameters with the names of files in this folder as paths: QGIS writes beside layers when it ends."""

    def path(value: str) -> str:
        return str(Path.cwd() / value) if re.fullmatch(r"[\w-]+\.[a-z]+", value) else value

    return {
        key: [path(each) for each in value] if isinstance(value, list) else path(value) for key, value in given.items()
    }


def table(path: str) -> dict[str, np.ndarray]:
    """Return the fields of a layer; numbers as floats, NaN where there is none."""
    layer = QgsVectorLayer(path, "table", "ogr")
    rows = [feature.attributes() for feature in layer.getFeatures()]
    fields = {}
    for place, field in enumerate(layer.fields()):
        values = [row[place] for row in rows]
        if field.isNumeric():
            values = [float(value) if isinstance(value, (int, float)) else np.nan for value in values]
        fields[field.name()] = np.array(values)
    return fields


def months_of(bands: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the means of months by `name@2019-04`."""
    found: dict[str, list[np.ndarray]] = {}
    for name, band in bands.items():
        found.setdefault(name[: name.index("@") + 8], []).append(band)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return {name: np.nanmean(each, axis=0) for name, each in found.items()}


def true_months() -> dict[str, np.ndarray]:
    """Return the truth by month at 450 m."""
    return months_of({name: block_mean(band, 5) for name, band in read_example("truth.tif").items()})


def rated(made: np.ndarray, truth: np.ndarray) -> Metrics:
    """Return the metrics of the values that both have."""
    known = np.isfinite(made + truth)
    return metrics(made[known].astype(float), truth[known].astype(float))


def against(made: dict[str, np.ndarray], truth: dict[str, np.ndarray]) -> tuple[float, float]:
    """Return R and RMSE of all cells and dates that both have."""
    shared = [name for name in made if name in truth]
    found = rated(*(np.array([bands[name] for name in shared]).ravel() for bands in (made, truth)))
    return found.r, found.rmse


def beside(images: list[tuple[str, np.ndarray]]) -> Figure:
    """Draw maps in one range of colours."""
    return maps(images, f"soil moisture ({UNIT})")


# The studies: what is told of each, and its picture
# -------------------------------------------------------


def rate_quantile_map(out: dict) -> dict[str, float]:
    """S0: single rows, other stations, limits, spiking, and the map against the truth."""
    steps, left, local = out["CHILD_RESULTS"], table("s0_left_out.gpkg"), table("s0_local.gpkg")
    observed = left["soil_moisture"]
    known = np.isfinite(observed + left["q05"] + left["q95"])
    held = (left["q05"] <= observed) & (observed <= left["q95"])
    before = local["predicted_b"] - local["soil_moisture"]
    r, rmse = against(read_example("s0_map.tif"), read_example("truth.tif"))
    groups = table("s0_groups.gpkg")
    return {
        "R2, single rows left out": steps["train"]["R2"],
        "RMSE, single rows left out": steps["train"]["RMSE"],
        "R2, other stations": steps["rate"]["R2"],
        "RMSE, other stations": steps["rate"]["RMSE"],
        "R2, SMAP at them": rated(np.where(known, left["smap"], np.nan), observed).r2,
        "limits that hold, %": 100 * float(held[known].mean()),
        "local sensors: bias without": float(np.nanmean(before)),
        "local sensors: bias with": steps["rate_local"]["BIAS"],
        "local sensors: RMSE without": float(np.sqrt(np.nanmean(before**2))),
        "local sensors: RMSE with": steps["rate_local"]["RMSE"],
        **{f"RMSE without {name or 'nothing'}": value for name, value in zip(groups["removed"], groups["rmse"])},
        "map against truth: R": r,
        "map against truth: RMSE": rmse,
    }


def draw_quantile_map() -> Figure:
    """S0: SMAP, the map and the truth on a day between the seasons, in the middle of the scene."""
    made, truth = read_example("s0_map.tif"), read_example("truth.tif")
    day = sorted(name for name in made if name in truth)[3]
    date = day.partition("@")[2]
    product = np.kron(read_example("product_a.tif")[day], np.ones((50, 50)))
    part = np.s_[75:225, 75:225]
    images = [(f"product a as SMAP, {date}", product), ("map of 90 m", made[day]), ("simulated truth", truth[day])]
    return beside([(title, image[part]) for title, image in images])


def rate_cloud_gap_map(out: dict) -> dict[str, float]:
    """S1: coverage and agreement with the truth, of both models and of the first one alone, from August on."""
    truth = {name: block_mean(band, 5) for name, band in read_example("truth.tif").items()}
    both, alone = read_example("s1_map.tif"), read_example("s1_first_alone.tif")
    second = {name: np.where(np.isfinite(alone[name]), np.nan, band) for name, band in both.items()}
    found = {}
    for label, bands in (("both models", both), ("first alone", alone), ("second alone", second)):
        late = {name: band for name, band in bands.items() if name.partition("@")[2] >= "2019-08-01"}
        r, rmse = against(late, truth)
        share = 100 * np.mean([np.isfinite(band).mean() for band in bands.values()])
        found |= {f"{label}: coverage, %": float(share), f"{label}: R": r, f"{label}: RMSE": rmse}
    validate, choice = out["CHILD_RESULTS"]["validate"], table("s1_choice.gpkg")
    return {
        **found,
        "stations, median R": validate["MEDIAN_R"],
        "stations, median ubRMSE": validate["MEDIAN_UBRMSE"],
        "choice: R with 1": float(choice["r"][0]),
        "choice: R with 6": float(choice["r"][5]),
        "choice: R with 13": float(choice["r"][12]),
    }


def draw_cloud_gap_map() -> Figure:
    """S1: the first model, both, and the truth on the late date with most clouds among those with some."""
    truth = {name: block_mean(band, 5) for name, band in read_example("truth.tif").items()}
    both, alone = read_example("s1_map.tif"), read_example("s1_first_alone.tif")
    share = {name: np.isfinite(alone[name]).mean() for name in both if name[-5:] >= "08-01"}
    day = min(share, key=lambda name: abs(share[name] - 0.4))
    return beside(
        [(f"first model alone, {day[-10:]}", alone[day]), ("both models", both[day]), ("simulated truth", truth[day])]
    )


def rate_monthly_map(out: dict) -> dict[str, float]:
    """S2: rows held out, and the trends of the map against those of the truth, months from April to September."""
    train, truth, trend = out["CHILD_RESULTS"]["train"], true_months(), read_example("s2_trend.tif")
    held, slopes, made, widths = [], [], [], []
    for month in ("04", "05", "06", "07", "08", "09"):
        bands = {int(name[-7:-3]): band for name, band in truth.items() if name[-2:] == month}
        years = np.array(sorted(bands))
        values = np.array([bands[year] for year in years])
        centred = years - years.mean()
        true = np.tensordot(centred, values, 1) / np.sum(centred**2)
        low, high, slope = (trend[f"{key}_{month}"] for key in ("slope_low", "slope_high", "slope"))
        known = np.isfinite(low)
        held.append(((low <= true) & (true <= high))[known])
        slopes.append(true[known])
        made.append(slope[known])
        widths.append((high - low)[known] / 2)
    r, rmse = against(read_example("s2_map.tif"), truth)
    return {
        "R, years held out": train["HOLDOUT_R"],
        "RMSE, years held out": train["HOLDOUT_RMSE"],
        "R, random rows": train["R"],
        "RMSE, random rows": train["RMSE"],
        "true trend, median": float(np.median(np.concatenate(slopes))),
        "trend of the map, median": float(np.median(np.concatenate(made))),
        "half the distance of its limits, median": float(np.median(np.concatenate(widths))),
        "limits that hold the true trend, %": 100 * float(np.concatenate(held).mean()),
        "map against truth: R": r,
        "map against truth: RMSE": rmse,
    }


def draw_monthly_map() -> Figure:
    """S2: the product, the map and the truth in June of the third year."""
    month = "soil_moisture@2021-06"
    product = np.kron(months_of(read_example("product_a.tif"))[month], np.ones((10, 10)))
    made = read_example("s2_map.tif")[month]
    return beside([("product, June 2021", product), ("map of 450 m", made), ("simulated truth", true_months()[month])])


def put_trend() -> None:
    """Add the trend to the truth, the products and the stations of the scene in this folder."""
    import rasterio

    start = np.datetime64("2019-07-01")

    def more(day: str) -> float:
        return TREND * float((np.datetime64(day[:10]) - start) / np.timedelta64(1, "D")) / 365.25

    for name in ("truth", "product_a", "product_b", "product_c"):
        with rasterio.open(f"{name}.tif", "r+") as dataset:
            for band, description in enumerate(dataset.descriptions, start=1):
                values = dataset.read(band, masked=True) + more(description.partition("@")[2])
                dataset.write(values.filled(dataset.nodata if dataset.nodata is not None else np.nan), band)
                dataset.set_band_description(band, description)
    layer = QgsVectorLayer("stations.gpkg", "stations", "ogr")
    moisture, time = (layer.fields().indexOf(name) for name in ("soil_moisture", "time"))
    changes = {
        each.id(): {moisture: each[moisture] + more(each[time].toString("yyyy-MM-dd"))} for each in layer.getFeatures()
    }
    if not layer.dataProvider().changeAttributeValues(changes):
        raise SystemExit("The trend could not be put into stations.gpkg")


def rate_merged_map(out: dict) -> dict[str, float]:
    """S3: each product against the truth in time, coarse; and against it on all cells and months, fine."""
    import processing

    steps, fine_truth = out["CHILD_RESULTS"], true_months()
    month = {"PERIOD": "month", "STATISTIC": "mean", "OUTPUT": str(Path.cwd() / "record_truth.tif")}
    processing.run("smtoolbox:temporalcomposite", {"INPUT": ["record_truth.nc"], **month})
    truth = read_example("record_truth.tif")
    found: dict[str, float] = {}
    products = {"merged": "s3_merged.tif", **{key: steps[f"months_{key}"]["OUTPUT"] for key in "abc"}}
    for label, path in products.items():
        bands = read_example(path)
        names = [name for name in bands if name in truth]
        made, true = (np.array([each[name] for name in names]) for each in (bands, truth))
        error, known = made - true, np.isfinite(made)
        r = [np.corrcoef(made[k, i, j], true[k, i, j])[0, 1] for i, j in np.ndindex(6, 6) for k in [known[:, i, j]]]
        found[f"{label}: R in time, median"] = float(np.median(r))
        # Of each cell without its own bias.
        found[f"{label}: ubRMSE"] = float(np.sqrt(np.nanmean((error - np.nanmean(error, axis=0)) ** 2)))
    fine = {"merged": "s3_map.tif", **{key: steps[f"fine_{key}"]["OUTPUT"] for key in "abc"}}
    for label, path in fine.items():
        r, rmse = against(read_example(path), fine_truth)
        found |= {f"{label}, downscaled: R": r, f"{label}, downscaled: RMSE": rmse}
    repeated = {name: np.kron(band, np.ones((10, 10))) for name, band in read_example("s3_merged.tif").items()}
    r, rmse = against(repeated, fine_truth)
    return {
        **found,
        "merged, not downscaled: R": r,
        "merged, not downscaled: RMSE": rmse,
        "resolved cells, %": steps["merged"]["RESOLVED_PERCENT"],
        "R, coarse cells left out": steps["fine"]["R"],
        "stations: median R of the fine map": steps["rate_fine"]["MEDIAN_R"],
        "stations: median ubRMSE of it": steps["rate_fine"]["MEDIAN_UBRMSE"],
    }


def draw_merged_map() -> Figure:
    """S3: the merged product, the fine map and the truth in June."""
    month = "soil_moisture@2019-06"
    product = np.kron(read_example("s3_merged.tif")[month], np.ones((10, 10)))
    made, truth = read_example("s3_map.tif")[month], true_months()[month]
    return beside([("merged, 4.5 km, June 2019", product), ("map of 450 m", made), ("simulated truth", truth)])


def errors_of_scenarios() -> dict[tuple[str, str, str, str], np.ndarray]:
    """Return the RMSE of all repeats by scenario, size, model and tuning."""
    found: dict[tuple[str, str, str, str], list[float]] = {}
    for path in ("s4_errors.gpkg", "s4_other_region.gpkg"):
        rows = table(path)
        for place, rmse in enumerate(rows["rmse"]):
            key = tuple(str(rows[name][place]) for name in ("scenario", "size", "model", "tuning"))
            found.setdefault(key, []).append(rmse)  # type: ignore[arg-type]
    return {key: np.array(values) for key, values in found.items()}


def rate_scenarios(out: dict) -> dict[str, float]:
    """S4: medians over the repeats."""
    return {", ".join(key): float(np.median(values)) for key, values in errors_of_scenarios().items()}


def draw_scenarios() -> Figure:
    """S4: which makes no map: the errors of the forest, chosen within the training rows and on the tested ones."""
    errors = errors_of_scenarios()
    axes = Figure(figsize=(9, 3.6), constrained_layout=True).add_subplot()
    shown = [key[:2] for key in errors if key[2:] == ("random_forest", "nested")]
    for shift, tuning, colour in ((-0.18, "nested", BLUE), (0.18, "oracle", ORANGE)):
        boxes = [errors[(*key, "random_forest", tuning)] for key in shown]
        drawn = axes.boxplot(
            boxes,
            positions=np.arange(len(shown)) + shift,
            widths=0.3,
            patch_artist=True,
            medianprops={"color": "black"},
        )
        for box in drawn["boxes"]:
            box.set(facecolor=colour, alpha=0.6)
        axes.plot([], [], color=colour, linewidth=6, alpha=0.6, label=tuning)
    axes.axhline(0.06, color=GREY, linewidth=1, linestyle="--", label="target 0.06")
    units = {"dependent": "% of the rows", "temporal": "rows each", "spatial": "stations", "regional": "rows"}
    labels = [f"{scenario}\n{float(size):g} {units[scenario]}" for scenario, size in shown]
    axes.set_xticks(np.arange(len(shown)), labels, fontsize=9)
    axes.set_ylabel(f"RMSE ({UNIT})")
    axes.legend(frameon=False, ncol=3, fontsize=9)
    return axes.figure


def write(figure: Figure, path: Path) -> None:
    """Write a picture with few colours, which makes it small."""
    from PIL import Image

    with tempfile.TemporaryFile() as file:
        figure.savefig(file, dpi=72, format="png")
        Image.open(file).convert("RGB").quantize(96).save(path, optimize=True)
    print(f"Wrote {path.relative_to(ROOT)}, {path.stat().st_size / 1000:.0f} kB")


@dataclass(frozen=True)
class Study:
    """The name of a study's page and picture, and what is made of the files that its commands write.

    `rate` returns numbers of the workflow's results, `draw` the picture; `more` alters the scene for a second run,
    whose numbers are printed, too.
    """

    page: str
    rate: Callable[[dict], dict[str, float]]
    draw: Callable[[], Figure]
    more: Callable[[], None] | None = None


STUDIES = {
    "quantilemap": Study("study_quantile_map", rate_quantile_map, draw_quantile_map),
    "cloudgapmap": Study("study_cloud_gap_map", rate_cloud_gap_map, draw_cloud_gap_map),
    "monthlymap": Study("study_monthly_map", rate_monthly_map, draw_monthly_map, put_trend),
    "mergedmap": Study("study_merged_map", rate_merged_map, draw_merged_map),
    "scenarios": Study("study_scenarios", rate_scenarios, draw_scenarios),
}


def told(title: str, found: list[dict[str, float]]) -> None:
    """Print the numbers of one seed, or means and extremes of several."""
    print(f"{title}, {len(found)} seed{'s' if len(found) > 1 else ''}")
    for label in found[0]:
        values = np.array([each[label] for each in found])
        extremes = f"   {values.min():8.4f} to {values.max():8.4f}" if len(found) > 1 else ""
        print(f"  {label:44} {values.mean():8.4f}{extremes}", flush=True)


def carry_out(name: str, study: Study, seeds: int) -> None:
    """Run the page's commands in a folder of their own, draw and print."""
    import processing

    start = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            for algorithm, given in commands(ROOT / "docs" / f"{study.page}.md"):
                if algorithm == "cd":
                    os.chdir(given["folder"])
                    continue
                given = absolute(given)
                if algorithm != f"smtoolbox:{name}":
                    # The demo scene would be styled for a window that is not there.
                    processing.run(algorithm, {**given, "ADD_TO_PROJECT": False})
                else:
                    found = []
                    for seed in range(seeds):
                        found.append(study.rate(processing.run(algorithm, {**given, "seed": seed})))
                        if seed == 0:
                            write(study.draw(), IMAGES / f"{study.page}.png")
                    told(name, found)
                    if study.more:
                        study.more()
                        told(f"{name}, scene altered", [study.rate(processing.run(algorithm, given))])
        finally:
            os.chdir(start)


def main() -> None:
    """Start QGIS, and carry out the studies that are named."""
    warnings.filterwarnings("ignore", message=".*sklearn.utils.parallel")
    application = QgsApplication([], False)
    application.initQgis()
    sys.path.append(str(Path(QgsApplication.pkgDataPath()) / "python" / "plugins"))
    from processing.core.Processing import Processing

    Processing.initialize()
    from algorithms.provider import register

    provider = register()
    seeds = next((int(word) for word in sys.argv[1:] if word.isdigit()), 1)
    for name in [word for word in sys.argv[1:] if word in STUDIES] or STUDIES:
        carry_out(name, STUDIES[name], seeds)
    del provider
    application.exitQgis()


if __name__ == "__main__":
    main()
