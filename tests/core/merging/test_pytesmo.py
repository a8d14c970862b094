"""Triple and extended collocation of one series as pytesmo does them.

The numbers are those of pytesmo 0.18.1 (`tcol_metrics`, and `ecol` with `abs_est=False`) for the series that is made
here.
"""

import numpy as np
import pytest

from sm_toolbox.merging.collocation import collocate, design

# By the product in whose space the errors are: SNR (dB), scaled errors, sensitivities.
TRIPLE = {
    0: (
        [9.229944580532, 4.143236059297, 4.972775198648],
        [0.02066428491846, 0.03711554202976, 0.03373485519718],
        [1, 1.243212717331, 0.682640092533],
    ),
    1: (
        [9.229944580532, 4.143236059297, 4.972775198648],
        [0.01662168077144, 0.02985453857764, 0.02713522370461],
        [0.8043675760871, 1, 0.5490935565706],
    ),
    2: (
        [9.229944580532, 4.143236059297, 4.972775198648],
        [0.03027112697379, 0.05437058625145, 0.04941821549333],
        [1.464900774125, 1.821183272019, 1],
    ),
}
# By the pair that is declared: error variances, SNR (dB), the pair's error correlation.
FOUR = {
    "": (
        [0.0006069841458355, 0.001354798303507, 0.002470667259702, 0.000798150079592],
        [7.478336906364, 3.040727734364, 5.603832702441, 1.652212854866],
        None,
    ),
    "B-C": (
        [0.0003693284749625, 0.001736667437877, 0.003727173557178, 0.0007164461414176],
        [9.929714991043, 1.307553942018, 3.163425521715, 2.414955523136],
        0.4083937640278,
    ),
}


@pytest.fixture(scope="module")
def series():
    rng = np.random.default_rng(2015)
    signal = rng.normal(0.25, 0.06, 400)
    made = [
        offset + gain * signal + rng.normal(0, error, 400)
        for offset, gain, error in ((0, 1, 0.02), (0.05, 0.8, 0.03), (-0.1, 1.5, 0.05), (0.02, 0.6, 0.025))
    ]
    values = np.round(np.stack(made), 4)
    # A generator of random numbers that has changed is no fault of the method.
    np.testing.assert_allclose(values.sum(axis=1), [98.7415, 99.8327, 108.485, 68.051], rtol=1e-9)
    shared = rng.normal(0, 0.03, 400)
    correlated = values.copy()
    correlated[1] += np.round(shared, 4)
    correlated[2] += np.round(1.2 * shared, 4)
    return values[:3], correlated


def estimate(values, correlated="", **options):
    """The estimates of a series, in the order of their names, each (products,) or one; all resolved."""
    plan = design(len(values), correlated)
    found = collocate(np.cov(values)[..., None], np.array([values.shape[1]]), plan, **options)
    assert found.flags[0] == 0
    return dict(zip(plan.estimates, found.estimates[:, 0]))


@pytest.mark.parametrize("reference", TRIPLE)
def test_three_products(series, reference):
    found = estimate(series[0], reference=reference)
    for kind, expected in zip(("snr", "scaled_error", "sensitivity"), TRIPLE[reference]):
        np.testing.assert_allclose([found[f"{kind}_{letter}"] for letter in "abc"], expected, rtol=1e-6, err_msg=kind)


@pytest.mark.parametrize("correlated", FOUR)
def test_four_products(series, correlated):
    found = estimate(series[1], correlated)
    variances, snr, shared = FOUR[correlated]
    np.testing.assert_allclose([found[f"error_{letter}"] for letter in "abcd"], np.sqrt(variances), rtol=1e-6)
    np.testing.assert_allclose([found[f"snr_{letter}"] for letter in "abcd"], snr, rtol=1e-6)
    if shared is not None:
        np.testing.assert_allclose(found["error_correlation_bc"], shared, rtol=1e-6)
