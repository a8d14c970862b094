"""Products as providers ship them: one row per product, as data; nothing is opened here."""

from __future__ import annotations

import re

from sm_toolbox.sensors.moisture_products import MOISTURE_PRODUCTS
from sm_toolbox.sensors.shipped import ProductRow, Variable
from sm_toolbox.sensors.surface_products import SURFACE_PRODUCTS

CATALOGUE: dict[str, ProductRow] = {row.key: row for row in (*MOISTURE_PRODUCTS, *SURFACE_PRODUCTS)}
"""By key of PRODUCT_TYPE."""


def product_of_name(path: str) -> tuple[ProductRow, re.Match[str]] | None:
    """Return the product that a path's name is that of.

    Parameters
    ----------
    path : str
        With forward slashes.

    Returns
    -------
    (ProductRow, re.Match) or None
        The row, and its match of the path.
    """
    for product in CATALOGUE.values():
        for pattern in product.files:
            match = re.search(pattern, path, re.IGNORECASE)
            if match is not None:
                return product, match
    return None


def variable_of_layer(product: ProductRow, layer: str, scene: str = "") -> Variable | None:
    """Return the variable that a layer holds.

    Parameters
    ----------
    product : ProductRow
    layer : str
        Its name, without groups.
    scene : str, optional
        The name of the scene.

    Returns
    -------
    Variable or None
    """
    return next(
        (
            variable
            for variable in product.variables
            if re.match(variable.scenes, scene)
            and any(re.fullmatch(pattern, layer, re.IGNORECASE) for pattern in variable.layers)
        ),
        None,
    )
