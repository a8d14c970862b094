"""Fits side by side give what fits one after the other give, in their order, and hear Cancel."""

import threading
import time

import numpy as np
import pytest

from sm_toolbox.errors import Cancelled
from sm_toolbox.models.assessment.splits import make_split
from sm_toolbox.models.learners import threads
from sm_toolbox.models.learners.boosting import XGBoost
from sm_toolbox.models.learners.randomforest import RandomForest
from sm_toolbox.models.table import Roles, TrainingTable
from sm_toolbox.models.training import train
from sm_toolbox.progress import SILENT


@pytest.fixture(autouse=True)
def four_cores(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 4)


def test_small_tables_are_fitted_at_once_and_yield_in_order():
    together = threading.Barrier(3, timeout=10)

    def task(i):
        together.wait()
        time.sleep(0.05 * (3 - i))
        return i

    assert list(threads.side_by_side([lambda _, i=i: task(i) for i in range(3)], [SILENT] * 3, 10)) == [0, 1, 2]


def test_large_tables_are_fitted_one_after_the_other():
    begun = []
    found = threads.side_by_side([lambda _, i=i: begun.append(i) for i in range(3)], [SILENT] * 3, 10**7)
    next(found)
    assert begun == [0]


def test_cancel_ends_all_of_them(cancelling):
    def task(progress):
        while True:
            progress.check()
            time.sleep(0.01)

    start = time.perf_counter()
    with pytest.raises(Cancelled):
        list(threads.side_by_side([task] * 8, [cancelling(2)] * 8, 10))
    assert time.perf_counter() - start < 1


def test_an_error_of_one_is_that_of_all():
    with pytest.raises(ZeroDivisionError):
        list(threads.side_by_side([lambda _: 1 / 0, lambda _: 2], [SILENT] * 2, 10))


@pytest.mark.parametrize("estimator", [RandomForest(10), XGBoost(10)])
def test_the_model_is_the_same(estimator, monkeypatch):
    if isinstance(estimator, XGBoost):
        pytest.importorskip("xgboost")
    rng = np.random.default_rng(0)
    x = rng.random((300, 4))
    table = TrainingTable(
        Roles("sm", ("a", "b", "c", "d")), x, x @ np.arange(4) + rng.normal(0, 0.1, 300), np.arange(300)
    )
    first = train(table, estimator, make_split("random", 4))
    monkeypatch.setattr(threads, "_SMALL", 0)
    second = train(table, estimator, make_split("random", 4))
    np.testing.assert_array_equal(first.chosen.predictions, second.chosen.predictions)
    np.testing.assert_array_equal(first.importance, second.importance)
    np.testing.assert_array_equal(first.model.predict(x), second.model.predict(x))
