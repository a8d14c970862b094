"""What algorithms that rate by observations share: fields of results, and the table of groups."""

from __future__ import annotations

from qgis.core import QgsCoordinateReferenceSystem, QgsField, QgsFields, QgsProcessing

from ..layers import INTEGER, NUMBER, TEXT
from ..parameters import layer_output, number_outputs

GROUP_FIELDS = (
    ("group", TEXT),
    ("product", TEXT),
    ("stations", INTEGER),
    ("n", INTEGER),
    *((f"{key}_{kind}", NUMBER) for key in ("r", "rmse", "ubrmse", "bias") for kind in ("mean", "median")),
    ("p_no_bias", NUMBER),
    *((f"p_{key}", NUMBER) for key in ("r", "rmse", "ubrmse", "bias")),
)


def add_rating_numbers(algorithm, **more):
    """Declare the numbers of a rating by observations."""
    number_outputs(
        algorithm,
        R="Correlation, all pairs",
        R2="Coefficient of determination, all pairs",
        RMSE="RMSE, all pairs",
        UBRMSE="Unbiased RMSE, all pairs",
        BIAS="Bias, all pairs",
        N="Pairs",
        MEDIAN_R="Median correlation of the stations",
        MEDIAN_UBRMSE="Median unbiased RMSE of the stations",
        MEDIAN_BIAS="Median bias of the stations",
        **more,
    )


def rating_numbers(result):
    """Return the numbers of `add_rating_numbers`."""
    pooled = result.pooled
    return {
        "R": pooled.r,
        "R2": pooled.r2,
        "RMSE": pooled.rmse,
        "UBRMSE": pooled.ubrmse,
        "BIAS": pooled.bias,
        "N": pooled.n,
        "MEDIAN_R": result.median("r"),
        "MEDIAN_UBRMSE": result.median("ubrmse"),
        "MEDIAN_BIAS": result.median("bias"),
    }


def add_group_table(algorithm):
    """Declare the table of groups of stations."""
    algorithm.add(
        layer_output("GROUP_TABLE", "Groups", optional=True, geometry=QgsProcessing.SourceType.TypeVector),
        "Table with a row for each group of GROUP and product, and for all stations: group, product, stations, n "
        "(pairs), mean and median over the stations of r, rmse, ubrmse and bias; p_no_bias (that the mean bias is "
        "none), p_r, p_rmse, p_ubrmse, p_bias (no difference to the first product at the same stations; of the bias "
        "its size).",
    )


def write_group_table(algorithm, found, progress):
    """Write the table of groups, where it is asked for."""
    from sm_toolbox.validation.groups import GROUP_METRICS, group_rows

    fields = QgsFields()
    for name, kind in GROUP_FIELDS:
        fields.append(QgsField(name, kind))
    rows = [
        [
            row.group,
            row.product,
            row.stations,
            row.n,
            *(each[key] for key in GROUP_METRICS for each in (row.mean, row.median)),
            row.p_bias_zero,
            *(row.p_first[key] for key in GROUP_METRICS),
        ]
        for row in group_rows(found)
    ]
    return algorithm.outputs.write_table("GROUP_TABLE", fields, rows, (), QgsCoordinateReferenceSystem(), progress)
