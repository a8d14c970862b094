"""Sentinel-1 predictors: windows by hand, averages in linear power, masks, statistics, and layers that cannot be
right.
"""

import numpy as np
import pytest
import rasterio
from scipy.ndimage import gaussian_filter

from sm_toolbox.errors import Cancelled, InputError
from sm_toolbox.predictors import sar
from sm_toolbox.predictors.sar import gaussian_weights, sar_predictors, smooth, to_decibels, to_power
from sm_toolbox.raster.request import Engine


def read(path):
    with rasterio.open(path) as dataset:
        return dict(zip(dataset.descriptions, dataset.read()))


def power_of(decibels):
    return 10 ** (np.asarray(decibels, np.float64) / 10)


def window_mean(decibels, size):
    """The definition, cell by cell: the mean in linear power of the valid cells, weighted by a Gaussian of a third of
    the window.
    """
    half, power = size // 2, power_of(decibels)
    out = np.full(power.shape, np.nan)
    for row, column in np.argwhere(np.isfinite(power)):
        total = weights = 0.0
        for i in range(max(row - half, 0), min(row + half + 1, power.shape[0])):
            for j in range(max(column - half, 0), min(column + half + 1, power.shape[1])):
                if np.isfinite(power[i, j]):
                    weight = np.exp(-((i - row) ** 2 + (j - column) ** 2) / (2 * (size / 3) ** 2))
                    total, weights = total + weight * power[i, j], weights + weight
        out[row, column] = 10 * np.log10(total / weights)
    return out


@pytest.fixture
def speckled():
    """A function that makes backscatter (dates, rows, cols) in dB with speckle and gaps, within the limits of VV and
    VH.
    """

    def make(shape, seed=0, gaps=0.1, level=-14.0):
        rng = np.random.default_rng(seed)
        values = np.clip(level + rng.normal(0, 1.2, shape), level - 4, level + 4).astype(np.float32)
        values[rng.random(shape) < gaps] = np.nan
        return values

    return make


def test_decibels_and_power():
    decibels = np.array([-30, -10, 0, -13.7], np.float32)
    np.testing.assert_allclose(to_power(decibels), power_of(decibels), rtol=1e-6)
    np.testing.assert_allclose(to_decibels(to_power(decibels)), decibels, atol=1e-5)


def test_weights():
    row = gaussian_weights(3)
    np.testing.assert_allclose(
        np.outer(row, row), [[0.075, 0.124, 0.075], [0.124, 0.204, 0.124], [0.075, 0.124, 0.075]], atol=5e-4
    )
    np.testing.assert_array_equal(gaussian_weights(1), [1])
    assert gaussian_weights(7).sum() == pytest.approx(1) and np.all(np.diff(gaussian_weights(7)[:4]) > 0)


def test_a_window_by_hand():
    # Of nine cells the middle, one beside it and one corner have data.
    power = np.full((3, 3), np.nan, np.float32)
    power[1, 1], power[1, 2], power[2, 2] = 1, 2, 4
    side, corner = np.exp(-0.5), np.exp(-1.0)
    expected = (1 + 2 * side + 4 * corner) / (1 + side + corner)
    np.testing.assert_allclose(smooth(power, gaussian_weights(3)), [[expected]], rtol=1e-6)
    power[1, 1] = np.nan
    assert np.isnan(smooth(power, gaussian_weights(3))).all(), "a gap stays a gap"


@pytest.mark.parametrize("size", [3, 5, 9])
def test_against_the_definition(write_raster, tmp_path, speckled, size):
    values = speckled((2, 9, 11))
    values[0, :4, :5] = np.nan
    bands = sar_predictors(
        [write_raster("vv.tif", values, ["vv@2020-01-01", "vv@2020-01-13"])],
        [],
        [],
        str(tmp_path / "o.tif"),
        filter_size=size,
    )
    found = read(tmp_path / "o.tif")
    assert bands == list(found) == ["vv@2020-01-01", "vv@2020-01-13"]
    for name, band in zip(found, values):
        np.testing.assert_allclose(found[name], window_mean(band, size), atol=1e-4)


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (2, 2)])
def test_constants_stay_constant(write_raster, tmp_path, shape):
    sar_predictors(
        [write_raster("vv.tif", np.full(shape, -12.5), ["vv"])], [], [], str(tmp_path / "o.tif"), filter_size=5
    )
    np.testing.assert_allclose(read(tmp_path / "o.tif")["vv"], -12.5, atol=1e-5)


def test_masks_of_each_polarisation(write_raster, tmp_path, progress):
    values = np.array([[-30.1, -30, -25.1, -25], [-10, -9.9, -5, -4.9], [-20, 3, np.nan, -99]], np.float32)
    vv, vh = (write_raster(f"{name}.tif", values, [name], nodata=-99) for name in ("vv", "vh"))
    sar_predictors([vv], [vh], [], str(tmp_path / "o.tif"), filter_size=1, engine=Engine(progress=progress))
    found = read(tmp_path / "o.tif")
    nan = np.nan
    expected = np.array([[nan, nan, nan, -25], [-10, -9.9, -5, nan], [-20, nan, nan, nan]], np.float32)
    np.testing.assert_array_equal(found["vv"], expected, "without a window and a grid values stay as they are")
    np.testing.assert_array_equal(
        found["vh"], np.array([[nan, -30, -25.1, -25], [-10, nan, nan, nan], [-20, nan, nan, nan]], np.float32)
    )
    assert progress.infos == [
        "`vv`: 50.0 % of the values lie outside -25 to -5 dB and are masked.",
        "`vh`: 50.0 % of the values lie outside -30 to -10 dB and are masked.",
    ]


def test_the_grid_takes_means_of_power(write_raster, tmp_path, speckled, leftovers):
    vv, vh, angle = (
        speckled((2, 40, 60)),
        speckled((1, 40, 60), 1, level=-20),
        np.linspace(30, 45, 2400).reshape(1, 40, 60),
    )
    vv[0, :10, :10] = np.nan
    vv[1, 3, 3], vv[1, 20, 20] = -1, -28
    sources = [
        [write_raster("vv.tif", vv, ["vv@2020-01-01", "vv@2020-01-13"], cell=10)],
        [write_raster("vh.tif", vh, ["vh@2020-01-01"], cell=10)],
        [write_raster("angle.tif", angle, ["angle@2020-01-01"], cell=10)],
    ]
    grid = write_raster("grid.tif", np.ones((4, 6)), cell=100)
    before = leftovers()
    bands = sar_predictors(
        *sources, str(tmp_path / "o.tif"), grid=grid, filter_size=1, statistics=str(tmp_path / "s.tif")
    )
    found = read(tmp_path / "o.tif")
    assert bands == list(found) == ["vv@2020-01-01", "vv@2020-01-13", "vh@2020-01-01", "angle@2020-01-01"]
    vv[1, 3, 3] = vv[1, 20, 20] = np.nan
    with np.errstate(invalid="ignore"):
        means = 10 * np.log10(
            [np.nanmean(power_of(band).reshape(4, 10, 6, 10), axis=(1, 3)) for band in [*vv[1:], *vh]]
        )
    np.testing.assert_allclose([found["vv@2020-01-13"], found["vh@2020-01-01"]], means, atol=1e-4)
    assert np.isnan(found["vv@2020-01-01"][0, 0]) and np.isfinite(found["vv@2020-01-01"]).sum() == 23
    np.testing.assert_allclose(found["angle@2020-01-01"], angle.reshape(4, 10, 6, 10).mean(axis=(1, 3)), rtol=1e-6)
    sar_predictors(*sources, str(tmp_path / "smooth.tif"), grid=grid)
    np.testing.assert_allclose(read(tmp_path / "smooth.tif")["vv@2020-01-13"], window_mean(means[0], 3), atol=1e-4)
    assert set(leftovers()) - set(before) == {"o.tif", "s.tif", "smooth.tif"}


def test_many_fine_bands_are_averaged_in_several_files(write_raster, tmp_path, speckled, monkeypatch):
    vv, vh = speckled((5, 20, 20)), speckled((3, 20, 20), 1, level=-20)
    # One date has nothing within the limits: it comes out empty, and the others as they are.
    vv[2] = -2
    sources = [
        [write_raster("vv.tif", vv, [f"vv@2020-01-{i:02d}" for i in range(1, 6)], cell=10)],
        [write_raster("vh.tif", vh, [f"vh@2020-01-{i:02d}" for i in range(1, 4)], cell=10)],
    ]
    grid = write_raster("grid.tif", np.ones((2, 2)), cell=100)
    sar_predictors(*sources, [], str(tmp_path / "one.tif"), grid=grid)
    monkeypatch.setattr(sar, "_TEMPORARY_BYTES", 1)
    sar_predictors(*sources, [], str(tmp_path / "many.tif"), grid=grid)
    one, many = read(tmp_path / "one.tif"), read(tmp_path / "many.tif")
    assert len(one) == 8 and np.isnan(one["vv@2020-01-03"]).all() and np.isfinite(one["vh@2020-01-03"]).all()
    for name, band in one.items():
        np.testing.assert_array_equal(band, many[name])


def test_scenes_on_their_own_grids_and_names(write_raster, tmp_path, speckled):
    values = speckled((2, 12, 12), gaps=0)
    first = write_raster("S1A__IW___A_20150309T173017_VV.tif", values[0], cell=10)
    # The second scene starts two cells further in.
    second = write_raster(
        "S1B__IW___D_20150315T055017_VV.tif", values[1, 2:, 2:], cell=10, origin=(500020.0, 3999980.0)
    )
    sar_predictors([second, first], [], [], str(tmp_path / "o.tif"))
    found = read(tmp_path / "o.tif")
    assert list(found) == ["vv@2015-03-09T17:30:17", "vv@2015-03-15T05:50:17"]
    np.testing.assert_allclose(found["vv@2015-03-09T17:30:17"], window_mean(values[0], 3), atol=1e-4)
    later = found["vv@2015-03-15T05:50:17"]
    np.testing.assert_allclose(later[2:, 2:], window_mean(values[1, 2:, 2:], 3), atol=1e-4)
    assert np.isnan(later[:2]).all() and np.isnan(later[:, :2]).all()


def test_statistics_over_time(write_raster, tmp_path, speckled):
    vv, vh = speckled((5, 6, 7), gaps=0.4), speckled((1, 6, 7), 1, level=-20)
    vv[:, 0, 0], vv[1:, 0, 1] = np.nan, np.nan
    vv[0, 0, 1] = -11
    sources = [
        [write_raster("vv.tif", vv, [f"vv@2020-01-{i:02d}" for i in range(1, 6)])],
        [write_raster("vh.tif", vh, ["vh@2020-01-01"])],
    ]
    sar_predictors(*sources, [], str(tmp_path / "o.tif"), statistics=str(tmp_path / "s.tif"))
    found, smoothed = read(tmp_path / "s.tif"), read(tmp_path / "o.tif")
    assert list(found) == [f"{name}_{statistic}" for name in ("vv", "vh") for statistic in ("min", "mean", "max", "sd")]
    stack = np.array([band for name, band in smoothed.items() if name.startswith("vv")], np.float64)
    with pytest.warns(RuntimeWarning):
        expected = [
            np.nanmin(stack, axis=0),
            np.nanmean(stack, axis=0),
            np.nanmax(stack, axis=0),
            np.nanstd(stack, axis=0, ddof=1),
        ]
    for name, values in zip(("min", "mean", "max", "sd"), expected):
        np.testing.assert_allclose(found[f"vv_{name}"], values, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(found["vh_mean"], smoothed["vh@2020-01-01"])
    assert (
        np.isnan(found["vh_sd"]).all()
        and np.isnan(found["vv_sd"][0, 1])
        and found["vv_min"][0, 1] == found["vv_max"][0, 1]
    )


@pytest.mark.parametrize("coarse", [False, True])
def test_blocks_equal_the_whole(write_raster, tmp_path, speckled, coarse):
    vv, vh = speckled((3, 290, 310)), speckled((2, 290, 310), 1, level=-20)
    sources = [
        [
            write_raster(
                "vv.tif", vv, [f"vv@2020-01-{i:02d}" for i in range(1, 4)], tiled=True, blockxsize=64, blockysize=64
            )
        ],
        [write_raster("vh.tif", vh, [f"vh@2020-01-{i:02d}" for i in range(1, 3)])],
        [write_raster("angle.tif", np.random.default_rng(2).normal(38, 1, (290, 310)), ["angle"])],
    ]
    grid = write_raster("grid.tif", np.ones((96, 103)), cell=90) if coarse else None
    for name, memory in (("whole", 2**30), ("blocks", 2**20)):
        sar_predictors(
            *sources,
            str(tmp_path / f"{name}.tif"),
            grid=grid,
            filter_size=5,
            statistics=str(tmp_path / f"{name}_s.tif"),
            engine=Engine(memory=memory),
        )
    for suffix in ("", "_s"):
        whole, blocks = read(tmp_path / f"whole{suffix}.tif"), read(tmp_path / f"blocks{suffix}.tif")
        for name, band in whole.items():
            np.testing.assert_allclose(band, blocks[name], rtol=1e-6)


def test_variables_of_one_file(write_raster, tmp_path, speckled):
    bands = np.stack([speckled((5, 5), gaps=0), speckled((5, 5), 1, 0, -20), np.full((5, 5), 38.0)])
    scene = write_raster("scene_20200101.tif", bands, ["VV", "VH", "angle"])
    sar_predictors([scene], [scene], [scene], str(tmp_path / "o.tif"), filter_size=1)
    found = read(tmp_path / "o.tif")
    assert list(found) == ["vv@2020-01-01", "vh@2020-01-01", "angle@2020-01-01"]
    np.testing.assert_array_equal(list(found.values()), bands.astype(np.float32))


def test_away_from_edges_it_is_the_usual_filter(write_raster, tmp_path, speckled):
    values = speckled((30, 30), gaps=0)
    sar_predictors([write_raster("vv.tif", values, ["vv"])], [], [], str(tmp_path / "o.tif"))
    usual = 10 * np.log10(gaussian_filter(power_of(values), 1, truncate=1))
    np.testing.assert_allclose(read(tmp_path / "o.tif")["vv"][1:-1, 1:-1], usual[1:-1, 1:-1], atol=1e-4)


def test_swapped_polarisations_and_much_masked_are_told(write_raster, tmp_path, progress):
    vv, vh = (
        write_raster("a.tif", np.full((3, 3), -20.0), ["vv"]),
        write_raster("b.tif", np.full((3, 3), -12.0), ["vh"]),
    )
    values = np.full((3, 3), -3.0)
    values[0] = -14
    sar_predictors([vv], [vh], [], str(tmp_path / "o.tif"), engine=Engine(progress=progress))
    assert "swapped" in progress.warnings[0] and len(progress.warnings) == 1
    sar_predictors(
        [write_raster("c.tif", values, ["vv"])], [], [], str(tmp_path / "o.tif"), engine=Engine(progress=progress)
    )
    assert "`vv`: 66.7 %" in progress.warnings[1]


def test_an_empty_first_date_is_skipped_when_looking_at_units(write_raster, tmp_path):
    values = np.stack([np.full((3, 3), np.nan), np.full((3, 3), 0.1)])
    with pytest.raises(InputError, match=r"`vv` has a median of 0\.1"):
        sar_predictors(
            [write_raster("vv.tif", values, ["vv@2020-01-01", "vv@2020-01-02"])], [], [], str(tmp_path / "o.tif")
        )
    with pytest.raises(InputError, match="Nothing was written"):
        sar_predictors([write_raster("empty.tif", values[:1], ["vv@2020-01-01"])], [], [], str(tmp_path / "o.tif"))


def test_what_is_refused(write_raster, tmp_path, leftovers, cancelling):
    vv = write_raster("vv.tif", np.full((4, 4), -12.0), ["vv@2020-01-01"])
    linear = write_raster("linear.tif", np.pad(np.full((4, 2), 0.07), ((0, 0), (3, 3))), ["vv"])
    hundredths = write_raster("hundredths.tif", np.full((4, 4), -1200), ["vv"], dtype="int16")
    static = write_raster("static.tif", np.full((4, 4), -12.0), ["sigma0"])
    same_day = write_raster("again_20200101.tif", np.full((4, 4), -12.0))
    several = write_raster("several.tif", np.full((2, 4, 4), -12.0), ["a", "b"])
    water = write_raster("water.tif", np.full((4, 4), -28.0), ["vv"])
    fine = write_raster("fine.tif", np.ones((9, 9)), cell=10)
    elsewhere = write_raster("elsewhere.tif", np.ones((4, 4)), cell=100, origin=(0, 0))
    coarse = write_raster("coarse.tif", np.ones((2, 2)), cell=60)
    before = leftovers()
    for arguments, options, words in [
        (([vv], [], []), {"filter_size": 4}, "`filter_size` is 4, but must be an odd number"),
        (([vv], [], []), {"filter_size": -1}, "`filter_size` is -1"),
        (([linear], [], []), {}, r"`vv` has a median of 0\.07.*10 \* log10"),
        (([vv], [linear], []), {}, r"`vh` has a median of 0\.07"),
        (([hundredths], [], []), {}, "`vv` has a median of -1200.*scaled whole numbers"),
        (([vv], [vv], []), {}, "`vv` and `vh` are the same band"),
        (([static, same_day], [], []), {}, "`vv`: 'static.tif' has no date"),
        (([static, coarse], [], []), {}, r"have the same time \(none\)"),
        (([vv, several], [several], []), {}, "`vh` must hold one variable"),
        (([vv], [], []), {"grid": fine}, r"`grid` 'fine.tif' \(10 × 10 m\) are finer than those of 'vv.tif'"),
        (([vv], [], []), {"grid": elsewhere}, "does not overlap"),
        (([water], [], []), {}, "Nothing was written.*'water.tif'"),
        (([water], [], []), {"grid": coarse}, "Nothing was written.*'water.tif'"),
    ]:
        with pytest.raises(InputError, match=words):
            sar_predictors(*arguments, str(tmp_path / "o.tif"), **options)
    for checks in (1, 3, 5):
        with pytest.raises(Cancelled):
            sar_predictors(
                [vv], [], [], str(tmp_path / "o.tif"), grid=coarse, engine=Engine(progress=cancelling(checks))
            )
    assert leftovers() == before
