"""What compiling costs: processor time of the first use of an algorithm on a computer, and of every later one.

Run with `python benchmarks/firstuse.py [part of a name]`. Each algorithm's main function runs on the example in its
description, in a new process with an empty folder for compiled functions, and then in another one with that folder
filled.
"""

from __future__ import annotations

import doctest
import importlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))
from benchmarks.peers import SMALL

EXAMPLES = {
    "Terrain indices": "predictors.terrain:terrain_indices",
    "Terrain indices, of which twi alone in strips": "predictors.flow_strips:catchment_area_on_disk",
    "Triple collocation": "merging.collocation:collocate",
    "Merge by triple collocation": "merging.merge:merge_products",
    "Interpolate stations": "stations.interpolation.maps:interpolate_stations",
    "Temporal composite": "timeseries.composite:temporal_composite",
    "Temporal statistics": "timeseries.statistics:summarise",
    "Temporal trend": "timeseries.trend:temporal_trend",
    "Temporal gap fill": "timeseries.gapfill:fill_gaps",
    "Temporal anomaly": "timeseries.departure:temporal_departures",
    "Antecedent index": "timeseries.antecedent:antecedent_indices",
    "Root zone": "timeseries.rootzone:root_zone",
    "Match product": "timeseries.scaling:match_product",
    "Regional series": "timeseries.regional:regional_series",
    "Compare maps": "validation.maps:compare_maps",
    "Train model and predict raster": "models.prediction:predict_raster",
    "Downscale product": "downscaling.downscale:downscale",
}


def all_indices() -> None:
    """Compute all terrain indices, as the dialog does where nothing is chosen."""
    from sm_toolbox.demo.example import write_example
    from sm_toolbox.predictors.terrain import TERRAIN_INDICES, terrain_indices

    heights = np.random.default_rng(0).random((30, 30))
    terrain_indices(write_example("dem.tif", {"dem": heights}, cell=30), list(TERRAIN_INDICES), "terrain.tif")


def run_example(entry: str) -> None:
    """Run the example of a function or class."""
    module_name, _, name = entry.partition(":")
    module = importlib.import_module(f"sm_toolbox.{module_name}")
    (test,) = doctest.DocTestFinder(recurse=False).find(getattr(module, name), name, globs={"np": np, **vars(module)})
    failed, _ = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test)
    if failed:
        raise RuntimeError(f"the example of {entry} fails")


def once(title: str) -> None:
    """Print the processor time of one use, and how many functions were compiled."""
    from sm_toolbox.firstuse import announced
    from sm_toolbox.progress import SILENT

    start = time.process_time()
    with announced(SILENT) as compiled:
        all_indices() if title == "Terrain indices" else run_example(EXAMPLES[title])
    used = time.process_time() - start
    for name, module in list(sys.modules.items()):
        for each in vars(module).values() if name.startswith("sm_toolbox.") else ():
            types = [str(argument) for signature in getattr(each, "signatures", ()) for argument in signature]
            if len(getattr(each, "signatures", ())) > 1 and any(kind.startswith("Literal") for kind in types):
                raise RuntimeError(f"{each.__name__} is compiled for a plain number of its own: {types}")
    print(used, compiled.count)


def in_a_process(title: str, cache: str, folder: str) -> tuple[float, int]:
    """Use an algorithm in a process of its own; return processor time (s) and functions compiled."""
    done = subprocess.run(
        [sys.executable, str(Path(__file__).resolve()), "--once", title],
        env={**os.environ, "NUMBA_CACHE_DIR": cache},
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    seconds, count = done.stdout.split("\n")[-2].split()
    return float(seconds), int(count)


def main() -> None:
    if "--once" in sys.argv:
        once(sys.argv[-1])
        return
    part = sys.argv[1] if len(sys.argv) > 1 else "Compare" if SMALL else ""
    print("| | first use (s of processor time) | functions compiled | later uses |\n|---|---|---|---|")
    for title in EXAMPLES:
        if part not in title:
            continue
        with tempfile.TemporaryDirectory() as cache, tempfile.TemporaryDirectory() as folder:
            cold, count = in_a_process(title, cache, folder)
            warm, again = in_a_process(title, cache, folder)
        if again:
            raise RuntimeError(f"{title}: {again} functions were compiled again")
        print(f"| {title} | {cold:.1f} | {count} | {warm:.1f} |", flush=True)


if __name__ == "__main__":
    main()
