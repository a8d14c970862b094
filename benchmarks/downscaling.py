"""What downscaling gains on the demo scene, whose truth is known, and what it says where there is nothing to gain.

usage: make bench ARGS='downscaling [--small] [PICTURE.png]'

The products of 4.5 km are downscaled to 450 m with soil, terrain, vegetation, temperatures, rain and its memory.
Printed are RMSE (m³ m⁻³), R in space (mean of the dates) and the edge ratio (steps between neighbours across borders of
4.5 km cells over those elsewhere; 1: none to be seen) of means of months, by the way residuals are added, beside the
resampled product; the same with shuffled predictors, and what is said of these; and the RMSE on single days of each
product and of all three merged. PICTURE is drawn of the last month: the product, the map and the truth.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import rasterio

sys.path.insert(0, str(Path(__file__).parent.parent))
from benchmarks.peers import SMALL
from sm_toolbox.demo.write import write_demo_scene
from sm_toolbox.downscaling.downscale import Downscaling, downscale
from sm_toolbox.downscaling.fine import DownscaleFiles
from sm_toolbox.downscaling.learning import Learning
from sm_toolbox.downscaling.table import DownscaleInputs
from sm_toolbox.merging.merge import merge_products
from sm_toolbox.models.learners.catalogue import make_estimator
from sm_toolbox.predictors.terrain import terrain_indices
from sm_toolbox.raster.affine import Window
from sm_toolbox.raster.bands import read_bands
from sm_toolbox.raster.opening import Source, grid_of
from sm_toolbox.raster.reading import BandReader
from sm_toolbox.report.figures import maps
from sm_toolbox.timeseries.composite import temporal_composite
from sm_toolbox.validation.edges import block_numbers, edge_ratio

DATED = ("ndvi", "albedo", "lst_day", "lst_night", "rain", "api")
PRODUCTS = ("product_a", "product_b", "product_c")
FOREST = json.dumps({"min_samples_leaf": 2, "max_features": 1.0, "n_estimators": 5 if SMALL else 100})


class Scene:
    """The scene, its means of months, and what is known of the truth.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path):
        self.folder, self.scene, self.months = folder, folder / "scene", folder / "months"
        self.months.mkdir()
        write_demo_scene(self.scene)
        merge_products([[self.source(name)] for name in PRODUCTS], str(self.scene / "merged.tif"))
        for name in (*DATED, *PRODUCTS, "merged", "truth"):
            temporal_composite([self.source(name)], str(self.months / f"{name}.tif"))
        names = ["elevation", "slope", "northness", "eastness", "twi"]
        terrain_indices(self.source("dem"), names, str(self.scene / "terrain.tif"))
        self.fine = self.source("ndvi")
        self.blocks = block_numbers(grid_of(self.fine), self.window, grid_of(self.source("product_a")))

    def source(self, name: str, monthly: bool = False) -> Source:
        """Return a raster of the scene, or its means of months."""
        return Source(str((self.months if monthly else self.scene) / f"{name}.tif"))

    @property
    def window(self) -> Window:
        """All of the map."""
        grid = grid_of(self.fine)
        return Window(0, 0, grid.width, grid.height)

    def predictors(self, monthly: bool) -> list[Source]:
        """Return the fine predictors; on single days without temperatures, which have gaps under clouds."""
        dated = DATED if monthly else ("ndvi", "albedo", "rain", "api")
        return [self.source("soil"), self.source("terrain"), *(self.source(name, monthly) for name in dated)]

    def read(self, source: Source, rule: str = "auto") -> np.ndarray:
        """Return a raster in the cells of the map (bands, rows, cols)."""
        bands = sorted(read_bands([source]), key=lambda band: (str(band.time), band.index))
        with BandReader(bands, grid_of(self.fine), rule).open() as opened:
            return opened.read(self.window)

    def rate(self, made: np.ndarray, truth: np.ndarray) -> str:
        """Return RMSE, R in space and edge ratio of a map in words."""
        valid = np.isfinite(made) & np.isfinite(truth)
        r = np.mean([np.corrcoef(a[ok], b[ok])[0, 1] for a, b, ok in zip(made, truth, valid)])
        rmse = np.sqrt(np.mean((made - truth)[valid] ** 2))
        return f"RMSE {rmse:.4f}  R {r:.2f}  edges {edge_ratio(made, self.blocks):.2f}"

    def downscale(
        self, coarse: Source, predictors: list[Source], residuals: str = "block_bilinear", **more
    ) -> Downscaling:
        """Downscale a product."""
        inputs = DownscaleInputs([coarse], predictors, grid=self.fine)
        learning = Learning([make_estimator("random_forest", FOREST)])
        return downscale(inputs, learning, DownscaleFiles(str(self.folder / "map.tif")), residuals, **more)

    def shuffled(self, source: Source, rng: np.random.Generator, within: bool) -> Source:
        """Return a raster with its cells shuffled: all of them, or those of each coarse cell among one another."""
        path = self.folder / f"shuffled_{Path(source.path).name}"
        with rasterio.open(source.path) as file:
            values, profile, names = file.read(), file.profile, file.descriptions
        side = values.shape[1] // 6 if within else values.shape[1]
        for band in values:
            for row in range(0, values.shape[1], side):
                for column in range(0, values.shape[2], side):
                    part = band[row : row + side, column : column + side]
                    part[:] = rng.permutation(part.ravel()).reshape(part.shape)
        with rasterio.open(path, "w", **profile) as file:
            file.write(values)
            for place, name in enumerate(names, start=1):
                file.set_band_description(place, name)
        return Source(str(path))

    def on_days_of_the_truth(self, name: str) -> Source:
        """Return a product on the days on which the truth is known."""
        days = {str(band.time) for band in read_bands([self.source("truth")])}
        path = self.folder / f"days_{name}.tif"
        with rasterio.open(self.source(name).path) as file:
            places = [i for i, text in enumerate(file.descriptions, start=1) if text.partition("@")[2] in days]
            places = places[:3] if SMALL else places
            with rasterio.open(path, "w", **{**file.profile, "count": len(places)}) as made:
                for place, i in enumerate(places, start=1):
                    made.write(file.read(i), place)
                    made.set_band_description(place, file.descriptions[i - 1])
        return Source(str(path))


def draw(product: np.ndarray, made: np.ndarray, truth: np.ndarray, path: str) -> None:
    """Draw a product, the map made of it, and the truth beside each other."""
    images = [("product, 4.5 km", product), ("downscaled, 450 m", made), ("truth", truth)]
    figure = maps(images, "soil moisture (m³ m⁻³)")
    figure.set_size_inches(9.6, 3.2)
    figure.savefig(path, dpi=80)


def main() -> None:
    """Downscale in many ways and print what comes out."""
    with tempfile.TemporaryDirectory(prefix="smtoolbox-bench-") as name:
        scene = Scene(Path(name))
        made = Source(str(scene.folder / "map.tif"))
        coarse, truth = scene.source("product_a", True), scene.read(scene.source("truth", True))
        predictors = scene.predictors(True)
        print("Means of months, product a:")
        for rule in ("nearest", "bilinear"):
            print(f"  product, {rule:<30} {scene.rate(scene.read(coarse, rule), truth)}")
        for residuals, conserve in (
            ("none", True),
            ("simple_kriging", True),
            ("ordinary_kriging", True),
            ("block_bilinear", False),
            ("block_bilinear", True),
        ):
            done = scene.downscale(coarse, predictors, residuals, conserve=conserve)
            label = f"{residuals}{'' if conserve else ', CONSERVE no'}"
            rated = scene.rate(scene.read(made), truth)
            print(f"  {label:<39} {rated}  block error {done.fine.block_error:.1e}")
        print(f"  Said of it: {done.judgement.in_words()}")
        if sys.argv[1:]:
            draw(scene.read(coarse, "nearest")[-1], scene.read(made)[-1], truth[-1], sys.argv[1])
        scene.downscale(scene.source("merged", True), predictors)
        print(f"  {'merged, block_bilinear':<39} {scene.rate(scene.read(made), truth)}")
        for within in (False, True):
            rng = np.random.default_rng(0)
            done = scene.downscale(coarse, [scene.shuffled(item, rng, within) for item in predictors])
            label = f"shuffled {'within coarse cells' if within else 'everywhere'}"
            print(f"  {label:<39} {scene.rate(scene.read(made), truth)}")
            print(f"  Said of it: {done.judgement.in_words()}")
        print("Single days:")
        days = scene.read(scene.source("truth"))
        for product in (*PRODUCTS, "merged"):
            coarse = scene.on_days_of_the_truth(product)
            scene.downscale(coarse, scene.predictors(False))
            values = scene.read(made)
            resampled = scene.rate(scene.read(coarse, "bilinear"), days[: len(values)])
            print(f"  {product}: downscaled {scene.rate(values, days[: len(values)])}; bilinear {resampled}")


if __name__ == "__main__":
    main()
