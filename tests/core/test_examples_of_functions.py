"""The examples in docstrings run, and the entry points to the science have one."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from operator import attrgetter

import numpy as np
import pytest

import sm_toolbox

ENTRY_POINTS = [
    "columns:to_numbers",
    "downscaling.downscale:downscale",
    "downscaling.roughness:detail_within",
    "experiments.comparison:compare_scenarios",
    "experiments.sizes:parse_sizes",
    "experiments.verdict:corrected_comparison",
    "geostatistics.kriging:Kriging",
    "geostatistics.variogram:fit_variogram",
    "merging.collocation:collocate",
    "merging.merge:merge_products",
    "metrics:metrics",
    "models.learners.catalogue:with_default",
    "models.sequences:find_sequences",
    "models.applicability.area:Applicability.fit",
    "models.applicability.profile:ErrorProfile.fit",
    "models.assessment.baselines:fit_baselines",
    "models.assessment.baselines:skill",
    "models.assessment.selection:parse_groups",
    "models.features:parse_limits",
    "models.prediction:predict_raster",
    "models.preparation:prepare_training",
    "models.rowprediction:predict_rows",
    "models.training:train",
    "products.calculate:calculate_bands",
    "products.expression:parse",
    "products.importing:import_product",
    "products.maskquality:mask_quality",
    "sensors.quality:parse_conditions",
    "predictors.flow:specific_catchment_area",
    "predictors.flow_strips:catchment_area_on_disk",
    "predictors.rowfile:RowFile",
    "predictors.rowfile:in_turn",
    "predictors.soil:available_water_capacity",
    "predictors.spectral:spectral_indices",
    "predictors.terrain:terrain_indices",
    "predictors.thermal:thermal_inertia",
    "raster.align:align_rasters",
    "raster.bands:read_bands",
    "raster.engine:run_blocks",
    "raster.masking:parse_mask_values",
    "raster.times:parse_dates",
    "raster.times:parse_time",
    "raster.timing:parse_gaps",
    "sensors.names:read_names",
    "stations.interpolation.maps:interpolate_stations",
    "stations.ismn.archive:import_archive",
    "stations.partition:split_before_date",
    "stations.reading:read_stations",
    "raster.lags:lag_of_column",
    "raster.lags:parse_lags",
    "stations.partition:split_by_choice",
    "stations.partition:split_by_share",
    "stations.sampling:sample_rows",
    "timeseries.antecedent:antecedent_indices",
    "timeseries.composite:temporal_composite",
    "timeseries.departure:temporal_departures",
    "timeseries.gapfill:fill_gaps",
    "timeseries.regional:regional_series",
    "timeseries.rootzone:exponential_filter",
    "timeseries.rootzone:root_zone",
    "timeseries.scaling:match_product",
    "timeseries.statistics:summarise",
    "timeseries.trend:temporal_trend",
    "validation.edges:edge_ratio",
    "validation.groups:by_tenth",
    "validation.maps:compare_maps",
    "validation.products:compare_products",
    "validation.products:label_products",
    "validation.products:paired_difference",
    "validation.rating:rate",
    "validation.stations:validate_products",
    "validation.stations:validate_stations",
]


def load(entry):
    module, _, name = entry.partition(":")
    module = importlib.import_module(f"sm_toolbox.{module}")
    return module, attrgetter(name)(module)


@pytest.mark.parametrize("entry", ENTRY_POINTS)
def test_examples_run(entry, tmp_path, monkeypatch):
    """In a folder of their own, with what their module imports and NumPy."""
    monkeypatch.chdir(tmp_path)
    module, thing = load(entry)
    (test,) = doctest.DocTestFinder(recurse=False).find(thing, entry, globs={"np": np, **vars(module)})
    assert test.examples, "no example"
    report = []
    doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test, out=report.append)
    assert not report, "".join(report)


def test_no_example_is_left_out():
    names = {f"sm_toolbox.{entry.partition(':')[0]}" for entry in ENTRY_POINTS}
    for found in pkgutil.walk_packages(sm_toolbox.__path__, "sm_toolbox."):
        with open(importlib.util.find_spec(found.name).origin, encoding="utf-8") as file:
            assert ">>> " not in file.read() or found.name in names, found.name
