"""Triple collocation of real satellite and model series on Hawaii, with pytesmo as the peer.

SMAP, GLDAS-Noah, ERA5-Land and C3S (m³ m⁻³) in four cells at the overpasses of SMAP in 2017 and 2018.
"""

import numpy as np
import pandas as pd
import pytest
import rasterio

from sm_toolbox.merging.collocation import collocate, design
from sm_toolbox.merging.merge import merge_products
from sm_toolbox.merging.settings import CollocationSettings
from sm_toolbox.merging.triplecollocation import triple_collocation

pytestmark = pytest.mark.real

# Of pytesmo 0.18.1, by `tcol_metrics` on the samples that three products share in a cell: their number; SNR (dB) and
# scaled errors of all three; and the sensitivities of the second and the third. None where pytesmo gives NaN, because
# an error variance is negative; its SNR there is of no use.
TRIPLE = {
    ("smap", "gldas", "era5land"): {
        "0165_1": (
            33,
            [
                -11.35169640192,
                -0.4165254513567,
                21.32210324571,
                0.1201636733549,
                0.0341204420087,
                None,
                1.191657106579,
                0.6309317603392,
            ],
        ),
        "0165_3": (
            266,
            [
                8.237194060899,
                2.475680733795,
                2.178214169852,
                0.01416134446742,
                0.02749034266084,
                0.02844811411895,
                1.529998387261,
                0.5551032900268,
            ],
        ),
        "0165_6": (
            266,
            [
                4.891254489451,
                3.023133890088,
                4.390288226253,
                0.01363010634707,
                0.016900722632,
                0.01443934714086,
                0.9633042594603,
                0.3545202003168,
            ],
        ),
        "0166_1": (
            48,
            [
                -9.918799474197,
                15.2651672179,
                1.409182647554,
                0.1068809302191,
                None,
                0.02900688671674,
                0.5695817885703,
                0.8462571152832,
            ],
        ),
    },
    ("gldas", "era5land", "c3s"): {
        "0165_1": (
            32,
            [
                7.351122684463,
                1.491530453592,
                -8.357331867589,
                0.01584057295655,
                0.03109929167875,
                0.09664816519968,
                0.9448636809053,
                2.379497286632,
            ],
        ),
        "0165_3": (
            174,
            [
                2.619388024051,
                1.150802968997,
                3.919708251031,
                0.01717738799393,
                0.02034165939571,
                0.01478907849531,
                0.3886238829146,
                0.6139680794208,
            ],
        ),
        "0165_6": (
            220,
            [
                3.106802858105,
                4.414101076917,
                4.656890273754,
                0.01759516537603,
                0.01513660375558,
                0.01471936186737,
                0.3680187042695,
                0.664200044749,
            ],
        ),
        "0166_1": (
            46,
            [
                7.368938806635,
                4.096939331055,
                -3.716364780928,
                0.02331848919073,
                0.03398602579946,
                0.0835536811232,
                1.198597164741,
                2.38968464816,
            ],
        ),
    },
    ("smap", "gldas", "c3s"): {
        "0165_1": (
            32,
            [
                -11.68566192701,
                0.0771455909229,
                -5.669078068846,
                0.1215649952303,
                0.03138109990353,
                0.06081060783904,
                1.109461049665,
                1.576775980355,
            ],
        ),
        "0165_3": (
            174,
            [
                6.951727863677,
                2.350901842414,
                4.265042788397,
                0.01549650614749,
                0.02631934603038,
                0.02111387988924,
                1.50222940668,
                0.9019798845618,
            ],
        ),
        "0165_6": (
            220,
            [
                7.454453094895,
                2.160512986015,
                6.146538576981,
                0.01090788135171,
                0.02006491899616,
                0.01268049278389,
                1.062752134188,
                0.6536210689892,
            ],
        ),
        "0166_1": (
            46,
            [
                -13.40117889174,
                2.966167105151,
                -8.461590252477,
                0.1113530901987,
                None,
                0.06305548084142,
                0.2826237255005,
                1.614819319026,
            ],
        ),
    },
    ("smap", "era5land", "c3s"): {
        "0165_1": (
            32,
            [
                -9.324142982249,
                1.320886612382,
                -8.275148133806,
                0.1188679582347,
                0.03489902735846,
                0.1053452748536,
                1.048289451208,
                2.596775597068,
            ],
        ),
        "0165_3": (
            174,
            [
                7.184550406024,
                1.016932004676,
                4.126374110482,
                0.01515318605872,
                0.03082370757219,
                0.02154828795703,
                0.5838022250526,
                0.9099539870617,
            ],
        ),
        "0165_6": (
            220,
            [
                7.088698410552,
                3.093831428145,
                6.450484705605,
                0.011301627795,
                0.01790129087392,
                0.01216330747869,
                0.3911126633834,
                0.6449881925126,
            ],
        ),
        "0166_1": (
            46,
            [
                -14.10988933242,
                4.942609944142,
                -7.675350539763,
                0.111721243913,
                None,
                0.05326093949432,
                0.3387519960735,
                1.380765317865,
            ],
        ),
    },
}
# Of pytesmo 0.18.1, by `ecol` with `abs_est=False` on the samples that SMAP, GLDAS, ERA5-Land and C3S share, by the
# pair that is declared: their number; error variances and SNR (dB) of all four; and the error correlation of the pair.
FOUR = {
    "": {
        "0165_1": (
            32,
            [
                0.01456736168883,
                0.0006124875345045,
                0.0007623375318898,
                0.001594284675941,
                -10.79481060032,
                2.137413218126,
                3.846173886232,
                -7.30870445242,
            ],
        ),
        "0165_3": (
            174,
            [
                0.0002419539902068,
                0.0003006028810854,
                0.002745205230762,
                0.0005629805191733,
                6.91245821382,
                2.493755724378,
                1.135575000123,
                4.102689583762,
            ],
        ),
        "0165_6": (
            220,
            [
                0.0001409353571511,
                0.0003223886911557,
                0.001846665949671,
                0.0004077057480704,
                6.572620465878,
                2.842173583378,
                3.886947535819,
                5.710573653466,
            ],
        ),
        "0166_1": (
            46,
            [
                0.01222962472679,
                -0.0009994851917941,
                0.0001848136587403,
                0.001411721499645,
                -12.20240891477,
                None,
                11.62099722484,
                -6.308205959817,
            ],
        ),
    },
    "A-D": {
        "0165_1": (
            32,
            [
                0.01479444550628,
                0.000518710839323,
                0.0005893475162837,
                0.001649744919134,
                -11.76210662956,
                3.247700851828,
                5.352500652835,
                -8.357331867589,
                0.02696468153115,
            ],
        ),
        "0165_3": (
            174,
            [
                0.0002561012201107,
                0.0002974257764617,
                0.002723982800106,
                0.0005802172590131,
                6.613661051681,
                2.565673648395,
                1.195052144649,
                3.919708251031,
                0.06069926925303,
            ],
        ),
        "0165_6": (
            220,
            [
                0.0001760974050534,
                0.000305353017338,
                0.001722544953188,
                0.0004911115676071,
                5.359940418554,
                3.195615121136,
                4.306791009822,
                4.656890273754,
                0.2760769471825,
            ],
        ),
        "0166_1": (
            46,
            [
                0.01180772714208,
                0.0002922965749845,
                0.0009536582997074,
                0.001222503157625,
                -10.0830899092,
                10.41802701186,
                3.028830761767,
                -3.716364780928,
                -0.112458978858,
            ],
        ),
    },
    "B-C": {
        "0165_1": (
            32,
            [
                0.0144538197801,
                0.0008000409248676,
                0.001108317563102,
                0.001566554554344,
                -10.37225959539,
                0.0771455909229,
                1.320886612382,
                -6.843932645365,
                0.3211210908175,
            ],
        ),
        "0165_3": (
            174,
            [
                0.0002348803752548,
                0.0003069570903329,
                0.002787650092074,
                0.0005543621492534,
                7.067091357384,
                2.350901842414,
                1.016932004676,
                4.195460134637,
                0.02660153452826,
            ],
        ),
        "0165_6": (
            220,
            [
                0.0001233543331999,
                0.0003564600387912,
                0.002094907942635,
                0.000366002838302,
                7.268941674589,
                2.160512986015,
                3.093831428145,
                6.296863169803,
                0.1595533143337,
            ],
        ),
        "0166_1": (
            46,
            [
                0.01244057351914,
                -0.003583048725351,
                -0.001352875623194,
                0.001506330670655,
                -13.74226081225,
                None,
                None,
                -8.055498044222,
                -1.369007170033,
            ],
        ),
    },
}
ALL = ("smap", "gldas", "era5land", "c3s")


@pytest.fixture(scope="module")
def table(real_data):
    return pd.read_csv(real_data("hawaii_products", "smap_gldas_era5land_hawaii.csv"))


def samples(table, cell, products):
    """The samples that products share in a cell, (products, n)."""
    return table.loc[table["cell"] == cell, list(products)].dropna().to_numpy().T


def estimate(values, correlated="", **options):
    """The estimates by name, and the flag. Without other options all that can be estimated is: few samples and weak
    correlations say less, not something else.
    """
    plan = design(len(values), correlated)
    found = collocate(
        np.cov(values)[..., None], np.array([values.shape[1]]), plan, **{"min_samples": 30, "alpha": 1, **options}
    )
    return dict(zip(plan.estimates, found.estimates[:, 0])), found.flags[0]


def compare(found, expected, rtol):
    """Compare estimates by name with an entry of `TRIPLE`; near 0 dB, where variances are equal, an SNR has no digits
    to be relative to.
    """
    np.testing.assert_allclose([found[f"snr_{letter}"] for letter in "abc"], expected[:3], rtol=rtol, atol=rtol)
    np.testing.assert_allclose([found[f"scaled_error_{letter}"] for letter in "abc"], expected[3:6], rtol=rtol)
    np.testing.assert_allclose([found["sensitivity_b"], found["sensitivity_c"]], expected[6:], rtol=rtol)


@pytest.mark.parametrize("products", TRIPLE)
def test_three_products_as_pytesmo(table, products):
    for cell, (count, expected) in TRIPLE[products].items():
        values = samples(table, cell, products)
        assert values.shape[1] == count
        found, flag = estimate(values)
        if None in expected:
            assert flag == 3 and np.isnan(list(found.values())).all()
            continue
        assert flag == 0
        compare(found, expected, 1e-6)


@pytest.mark.parametrize("correlated", FOUR)
def test_four_products_as_pytesmo(table, correlated):
    for cell, (count, expected) in FOUR[correlated].items():
        values = samples(table, cell, ALL)
        assert values.shape[1] == count
        found, flag = estimate(values, correlated)
        if None in expected:
            assert flag == 3
            continue
        assert flag == 0
        np.testing.assert_allclose(
            [found[f"error_{letter}"] for letter in "abcd"], np.sqrt(expected[:4]), rtol=1e-6, err_msg=cell
        )
        np.testing.assert_allclose(
            [found[f"snr_{letter}"] for letter in "abcd"], expected[4:8], rtol=1e-6, err_msg=cell
        )
        if correlated:
            pair = correlated.replace("-", "").lower()
            np.testing.assert_allclose(found[f"error_correlation_{pair}"], expected[8], rtol=1e-6, err_msg=cell)


def test_customary_limits_leave_the_two_cells_that_can_be_trusted(table):
    flags = {cell: estimate(samples(table, cell, ALL[:3]), min_samples=100, alpha=0.05)[1] for cell in TRIPLE[ALL[:3]]}
    assert flags == {"0165_1": 1, "0165_3": 0, "0165_6": 0, "0166_1": 1}
    # Where SMAP and GLDAS hardly know of one another, fewer samples do not help.
    assert estimate(samples(table, "0165_1", ALL[:3]), min_samples=30, alpha=0.05)[1] == 2


@pytest.fixture
def stacks(table, write_raster):
    """The series as stacks of one row with the four cells, a band for each day that has any."""
    days = table["time_utc"].str[:10]
    found = {}
    for product in ALL:
        # One sample for each cell and day: nothing is aggregated.
        wide = table.assign(day=days).pivot_table(index="day", columns="cell", values=product, dropna=False)
        found[product] = [
            write_raster(
                f"{product}.tif", wide.to_numpy()[:, None, :], [f"sm@{day}" for day in wide.index], nodata=np.nan
            )
        ]
        cells = list(wide.columns)
    return found, cells, list(wide.index)


def read(path):
    with rasterio.open(path) as dataset:
        return dict(zip(dataset.descriptions, dataset.read()[:, 0]))


@pytest.mark.parametrize("products", TRIPLE)
def test_rasters_as_pytesmo(stacks, tmp_path, products):
    sources, cells, _ = stacks
    triple_collocation(
        [sources[product] for product in products],
        str(tmp_path / "tc.tif"),
        settings=CollocationSettings(min_samples=30, alpha=1),
    )
    found = read(tmp_path / "tc.tif")
    for place, cell in enumerate(cells):
        count, expected = TRIPLE[products][cell]
        assert found["samples"][place] == count
        assert found["flag"][place] == (3 if None in expected else 0)
        here = {name: values[place] for name, values in found.items()}
        if None in expected:
            assert np.isnan(
                [here[f"{kind}_{letter}"] for kind in ("snr", "scaled_error", "sensitivity") for letter in "abc"]
            ).all()
        else:
            # The values themselves are in single precision here.
            compare(here, expected, 2e-6)


def test_rasters_of_four_products_as_pytesmo(stacks, tmp_path):
    sources, cells, _ = stacks
    triple_collocation(
        [sources[product] for product in ALL],
        str(tmp_path / "tc.tif"),
        settings=CollocationSettings(min_samples=30, alpha=1, correlated="A-D"),
    )
    found = read(tmp_path / "tc.tif")
    assert (found["flag"] == 0).all()
    for place, cell in enumerate(cells):
        expected = FOUR["A-D"][cell][1]
        np.testing.assert_allclose(
            [found[f"snr_{letter}"][place] for letter in "abcd"], expected[4:8], rtol=2e-6, atol=2e-6, err_msg=cell
        )
        np.testing.assert_allclose(found["error_correlation_ad"][place], expected[8], rtol=1e-5, err_msg=cell)


def test_merging_the_real_products(stacks, table, tmp_path):
    sources, cells, days = stacks
    result = merge_products(
        [sources[product] for product in ALL[:3]],
        str(tmp_path / "merged.tif"),
        str(tmp_path / "weights.tif"),
        settings=CollocationSettings(replicates=200),
    )
    merged, weights = read(tmp_path / "merged.tif"), read(tmp_path / "weights.tif")
    assert list(merged) == [f"soil_moisture@{day}" for day in days] and result.tally.resolved_percent == 50
    resolved = weights["flag"] == 0
    assert [cell for cell, known in zip(cells, resolved) if known] == ["0165_3", "0165_6"]
    for name in ("weight_a", "weight_b", "weight_c", "merged_error"):
        assert np.isnan(weights[name][~resolved]).all() and np.isnan(weights[f"{name}_low"][~resolved]).all()
        assert (weights[f"{name}_low"][resolved] <= weights[name][resolved]).all() and (
            weights[name][resolved] <= weights[f"{name}_high"][resolved]
        ).all()
    for place, cell in enumerate(cells):
        own = table[table["cell"] == cell]
        values = samples(table, cell, ALL[:3])
        got = np.array([merged[f"soil_moisture@{day}"][place] for day in own["time_utc"].str[:10]])
        if not resolved[place]:
            # The mean of what is matched to SMAP keeps its mean.
            assert np.isfinite(got).all() and got.mean() == pytest.approx(values[0].mean(), rel=1e-4)
            continue
        _, (*_, error_a, error_b, error_c, beta_b, beta_c) = TRIPLE[ALL[:3]][cell]
        inverse = 1 / np.square([error_a, error_b, error_c])
        own_weights = inverse / inverse.sum()
        np.testing.assert_allclose([weights[f"weight_{letter}"][place] for letter in "abc"], own_weights, rtol=1e-5)
        assert weights["merged_error"][place] == pytest.approx(inverse.sum() ** -0.5, rel=1e-5)
        centred = (values - values.mean(axis=1, keepdims=True)) * np.array([[1], [beta_b], [beta_c]])
        np.testing.assert_allclose(got, values[0].mean() + own_weights @ centred, rtol=1e-5)
