"""Draw resources/images/drought.png from the demo scene: percentiles within and before the dry spell that was put in.

Run after a change of the scene or of the algorithm: make picture.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from sm_toolbox.demo.record import DRY_SPELL  # noqa: E402
from sm_toolbox.demo.write import write_demo_scene  # noqa: E402
from sm_toolbox.raster.affine import Window  # noqa: E402
from sm_toolbox.raster.bands import read_bands  # noqa: E402
from sm_toolbox.raster.opening import Source  # noqa: E402
from sm_toolbox.raster.reading import BandReader  # noqa: E402
from sm_toolbox.timeseries.departure import DRY_BELOW, DepartureSettings, temporal_departures  # noqa: E402

PICTURE = ROOT / "resources" / "images" / "drought.png"
ENDS = (0, 2, 5, 10, 20, 30, 70, 90, 100)
COLOURS = ("#730000", "#e60000", "#ffaa00", "#fcd37f", "#ffff00", "#f2f2f2", "#a6d5e8", "#4393c3")
SHOWN = ("2016-05-15", "2016-07-15", "2016-09-10")


def ranks(record: Path, work: Path) -> tuple[list[str], np.ndarray]:
    """Return the days and the percentiles (days, rows, cols) of a record against itself."""
    output = str(work / "percentile.tif")
    temporal_departures([Source(str(record))], output, DepartureSettings(("percentile",)))
    bands = read_bands([Source(output)])
    grid = bands[0].grid
    with BandReader(bands, grid).open() as reader:
        return [str(band.time) for band in bands], reader.read(Window(0, 0, grid.width, grid.height))


def main() -> None:
    """Draw the picture."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        write_demo_scene(work / "scene")
        days, values = ranks(work / "scene" / "record_a.nc", work)
    figure = Figure(figsize=(9, 4.6), constrained_layout=True)
    grid = figure.add_gridspec(2, 3, height_ratios=(1.5, 1))
    norm, colours = BoundaryNorm(ENDS, len(COLOURS)), ListedColormap(COLOURS)
    drawn = None
    for column, day in enumerate(SHOWN):
        axes = figure.add_subplot(grid[0, column])
        # The nearest day with most of its cells.
        full = [i for i in range(len(days)) if np.isnan(values[i]).mean() < 0.2]
        near = min(full, key=lambda i: abs(np.datetime64(days[i]) - np.datetime64(day)))
        drawn = axes.imshow(values[near], cmap=colours, norm=norm, interpolation="nearest")
        axes.set_title(days[near], fontsize=10)
        axes.set_axis_off()
    bar = figure.colorbar(drawn, ax=figure.axes, ticks=ENDS, shrink=0.9)
    bar.set_label("percentile (D4 … D0 below 30)")
    axes = figure.add_subplot(grid[1, :])
    when = np.array(days, "datetime64[D]")
    with np.errstate(invalid="ignore"):
        dry = np.where(np.isnan(values), np.nan, values < DRY_BELOW)
    for part, label, colour in ((slice(3, None), "eastern half", "#c9772b"), (slice(0, 3), "western half", "#2b7a9b")):
        own = dry[:, :, part].reshape(len(days), -1)
        share = np.where(np.isfinite(own).any(axis=1), np.nansum(own, axis=1), np.nan) / np.fmax(
            np.isfinite(own).sum(axis=1), 1
        )
        months = when.astype("datetime64[M]")
        each = np.unique(months)
        mean = np.array([np.nanmean(share[months == month]) for month in each])
        axes.plot(each.tolist(), 100 * mean, color=colour, linewidth=1.2, label=label)
    # The soil dries for some weeks first.
    first, last = np.datetime64("2016-07-01"), np.datetime64(DRY_SPELL[1], "D")
    spell = (when >= first) & (when <= last)
    near = (when >= np.datetime64(DRY_SPELL[0], "D")) & (when <= np.datetime64("2016-10-31"))
    found, beside, else_ = (100 * np.nanmean(part) for part in (dry[spell][:, :, 3:], dry[spell][:, :, :3], dry[~near]))
    print(
        f"Below the {DRY_BELOW:.0f}th percentile: {found:.0f} % of the dry half from {first} to {last}, {beside:.0f} % "
        f"of the other half, {else_:.0f} % at other times."
    )
    axes.axvspan(*(np.datetime64(day, "D").tolist() for day in DRY_SPELL), color="#fcd37f", alpha=0.5)
    axes.set_ylabel(f"% below {DRY_BELOW:.0f}th\npercentile")
    axes.legend(fontsize=8, frameon=False, ncol=2)
    figure.savefig(PICTURE, dpi=110)
    print(f"Wrote {PICTURE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
