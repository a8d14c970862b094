"""What is compared: scenarios, sizes, models, repeats and candidates."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from sm_toolbox.errors import InputError
from sm_toolbox.experiments.scenarios import SCENARIOS
from sm_toolbox.experiments.sizes import parse_sizes
from sm_toolbox.models.assessment.tuning import make_candidates
from sm_toolbox.models.learners.catalogue import kinds_of_rows, make_estimator

_MOST_REPEATS = 1000
_MOST_CANDIDATES = 1000


@dataclass(frozen=True)
class ScenarioSettings:
    """What is compared, and how thoroughly.

    Parameters
    ----------
    scenarios : tuple of str
        Words of `SCENARIOS`.
    models : tuple of str
        Words of `catalogue.kinds_of_rows`.
    sizes_dependent : str
        Percent of the rows that train; see `parse_sizes`.
    sizes_temporal : str
        Rows per station.
    sizes_spatial : str
        Stations.
    train_year : int, optional
        Of the scenario temporal; by default that of the most rows.
    repeats : int
        Draws of each size.
    candidates : int
        Draws of hyper-parameters in each repeat; 1: the defaults, or what is given.
    hyperparameters : str
        JSON by model, `{"random_forest": {"n_estimators": 50}}`; a list stands for values to choose from.
    target_rmse : float
        The error that is to be reached.
    seed : int
    """

    scenarios: tuple[str, ...] = ("dependent", "temporal", "spatial")
    models: tuple[str, ...] = ("random_forest", "svr")
    sizes_dependent: str = "0.5,1,2,3,4,5"
    sizes_temporal: str = "1,3,…,21"
    sizes_spatial: str = "1,9,…,57"
    train_year: int | None = None
    repeats: int = 10
    candidates: int = 10
    hyperparameters: str = ""
    target_rmse: float = 0.06
    seed: int = 0

    def check(self) -> None:
        """Raise where a setting is impossible.

        Raises
        ------
        InputError
        """
        for name, words in (("scenarios", SCENARIOS), ("models", kinds_of_rows())):
            chosen = getattr(self, name)
            unknown = [word for word in chosen if word not in words]
            if unknown or not chosen:
                found = f"names {', '.join(unknown)}, which is unknown" if unknown else "is empty"
                raise InputError(f"`{name}` {found}. Choose of: {', '.join(words)}.")
        for name, least, most in (("repeats", 1, _MOST_REPEATS), ("candidates", 1, _MOST_CANDIDATES)):
            if not least <= getattr(self, name) <= most:
                raise InputError(f"`{name}` is {getattr(self, name)}, but must be from {least} to {most:,}.")
        if not self.target_rmse > 0:
            raise InputError(f"`target_rmse` is {self.target_rmse:g}, but must be above 0, in the target's unit.")
        self.sizes()
        for model in self.models:
            given = self.by_model().get(model)
            if self.candidates == 1:
                make_estimator(model, given)
            else:
                make_candidates(model, given, "random", self.candidates, self.seed)

    def sizes(self) -> dict[str, tuple[float, ...]]:
        """Return the sizes that are asked for, by scenario; those without sizes have none.

        Returns
        -------
        dict of str to tuple of float

        Raises
        ------
        InputError
            As `parse_sizes`.
        """
        return {
            "dependent": parse_sizes(self.sizes_dependent, "sizes_dependent", whole=False, most=100),
            "temporal": parse_sizes(self.sizes_temporal, "sizes_temporal", whole=True, most=1e6),
            "spatial": parse_sizes(self.sizes_spatial, "sizes_spatial", whole=True, most=1e6),
        }

    def by_model(self) -> Mapping[str, str]:
        """Return the hyper-parameters of each model as JSON.

        Returns
        -------
        dict of str to str

        Raises
        ------
        InputError
            Where the text is no JSON object of objects, or names a model that is unknown.
        """
        try:
            given = json.loads(self.hyperparameters.strip() or "{}")
        except (json.JSONDecodeError, RecursionError) as error:
            raise InputError(
                f"`hyperparameters` is not valid JSON ({error}). Write them by model: "
                '{"random_forest": {"n_estimators": 50}}.'
            ) from None
        if not isinstance(given, dict) or not all(isinstance(value, dict) for value in given.values()):
            raise InputError('`hyperparameters` must be by model: {"random_forest": {"n_estimators": 50}}.')
        unknown = sorted(set(given) - set(kinds_of_rows()))
        if unknown:
            raise InputError(
                f"`hyperparameters` names {', '.join(unknown)}, which is no model. Models are: "
                f"{', '.join(kinds_of_rows())}."
            )
        return {model: json.dumps(value) for model, value in given.items()}

    def as_text(self) -> dict[str, str]:
        """Return what the outcome of a trial depends on, for comparison with an earlier run."""
        return {
            "candidates": str(self.candidates),
            "hyperparameters": json.dumps(dict(self.by_model()), sort_keys=True),
            "seed": str(self.seed),
            "sizes_temporal": re.sub(r"\s", "", ",".join(f"{size:g}" for size in self.sizes()["temporal"])),
            "train_year": str(self.train_year),
        }
