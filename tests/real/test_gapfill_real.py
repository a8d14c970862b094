"""Gap filling of a real series of surface temperature in which known values are hidden."""

import pytest

from benchmarks.gapfill_error import errors

pytestmark = pytest.mark.real


def test_hidden_values_of_modis_are_found_again(real_data):
    found = errors(str(real_data("modis_lst_istria", "modis_lst8d_istria_2008.tif")))
    climate = found.pop("mean of the cell").rmse
    # Temperature of 8 days over a year: the season makes 8 K, cloud and weather leave 3 K.
    assert 7 < climate < 9
    for name, error in found.items():
        assert 2.5 < error.rmse < 3.5 and abs(error.bias) < 0.2, name
        assert error.rmse < 0.45 * climate
        # The moving average also fills the ends of the year.
        assert error.filled > (0.96 if name == "moving_average" else 0.94)
    assert found["linear"].rmse <= min(error.rmse for error in found.values())
