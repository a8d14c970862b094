"""What the algorithms of the group share: the words of the learning part's tables, which import nothing heavy."""

from __future__ import annotations

import json
from dataclasses import fields


def model_words():
    """List the kinds of models."""
    from sm_toolbox.models.estimators import MODELS

    return list(MODELS)


def split_words():
    """List the ways to divide rows into folds."""
    from sm_toolbox.models.splits import SPLITS

    return list(SPLITS)


def hyperparameter_help():
    """Name the hyper-parameters of every kind with their defaults."""
    from sm_toolbox.models.estimators import MODELS

    return " ".join(f"{kind}: {', '.join(f'{item.name} ({json.dumps(item.default)})' for item in fields(model))}." for kind, model in MODELS.items())
