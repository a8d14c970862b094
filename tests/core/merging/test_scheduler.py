"""A Dask cluster makes the same files as the threads of this process."""

import numpy as np
import pytest
import rasterio

from sm_toolbox.errors import InputError
from sm_toolbox.merging.merge import merge_products
from sm_toolbox.merging.triplecollocation import triple_collocation
from sm_toolbox.raster.request import Engine

distributed = pytest.importorskip("distributed", reason="dask.distributed is a development dependency")


@pytest.fixture
def products(write_raster):
    rng = np.random.default_rng(0)
    signal = rng.normal(0.25, 0.06, (150, 40, 600))
    days = np.arange("2020-01-01", "2020-05-30", dtype="datetime64[D]")
    found = []
    for name, gain, noise in (("a", 1, 0.02), ("b", 0.8, 0.04), ("c", 1.2, 0.03)):
        values = gain * (signal + rng.normal(0, noise, signal.shape))
        values[rng.random(signal.shape) < 0.1] = np.nan
        found.append(
            [
                write_raster(
                    f"{name}.tif", values, [f"sm@{day}" for day in days], tiled=True, blockxsize=256, blockysize=256
                )
            ]
        )
    return found


def test_the_same_bytes(products, tmp_path, progress):
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        for name, scheduler in (("here", ""), ("there", cluster.scheduler_address)):
            result = triple_collocation(
                products, str(tmp_path / f"tc_{name}.tif"), engine=Engine(scheduler=scheduler, progress=progress)
            )
            merged = merge_products(
                products,
                str(tmp_path / f"merged_{name}.tif"),
                str(tmp_path / f"weights_{name}.tif"),
                window="month",
                engine=Engine(scheduler=scheduler),
            )
            assert result.tally.resolved_percent > 95 and merged.coverage[-1] > 99
    for name in ("tc", "merged", "weights"):
        # Where in a file GDAL puts its tiles depends on the order in which threads come; what is in them does not.
        with (
            rasterio.open(tmp_path / f"{name}_here.tif") as here,
            rasterio.open(tmp_path / f"{name}_there.tif") as there,
        ):
            assert here.descriptions == there.descriptions and here.read().tobytes() == there.read().tobytes(), name
    assert any("2 threads of the cluster" in text for text in progress.infos)


def test_a_cluster_that_is_not_there(products, tmp_path, leftovers, monkeypatch):
    from sm_toolbox.raster import cluster

    monkeypatch.setattr(cluster, "_PATIENCE", 1)
    before = leftovers()
    with pytest.raises(InputError, match=r"`scheduler` 'tcp://127.0.0.1:1' cannot be reached.*leave `scheduler` empty"):
        triple_collocation(products, str(tmp_path / "out.tif"), engine=Engine(scheduler="tcp://127.0.0.1:1"))
    assert leftovers() == before
