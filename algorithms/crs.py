"""Coordinate reference systems between QGIS and plain Python, and between its threads."""

from __future__ import annotations

import threading

from qgis.core import QgsCoordinateReferenceSystem, QgsCoordinateTransform

from sm_toolbox.errors import InputError

_WKT = QgsCoordinateReferenceSystem.WktVariant.WKT_PREFERRED


def wkt_of(crs: QgsCoordinateReferenceSystem) -> str:
    """Return a CRS as WKT; empty where it is none."""
    return whole_crs(crs).toWkt(_WKT)


def whole_crs(crs: QgsCoordinateReferenceSystem) -> QgsCoordinateReferenceSystem:
    """Return a CRS that has its definition, where it has lost it.

    QGIS keeps a CRS that it has met for all threads. With the thread that met it first, half a minute after its work,
    the definition goes; what is left has its name, transforms nothing, and says that it is valid.
    """
    if not crs.isValid() or crs.toWkt(_WKT):
        return crs
    forget_crs()
    again = QgsCoordinateReferenceSystem(crs.authid())
    return again if again.isValid() else QgsCoordinateReferenceSystem.fromProj(crs.toProj())


def forget_crs() -> None:
    """Have QGIS look up afresh each CRS that it meets from now on."""
    QgsCoordinateReferenceSystem.invalidateCache()
    QgsCoordinateTransform.invalidateCache()


def forget_crs_of_this_thread() -> None:
    """Leave no CRS behind that would lose its definition with this thread; nothing in the main thread, which stays."""
    if threading.current_thread() is not threading.main_thread():
        forget_crs()


def core_crs(crs: QgsCoordinateReferenceSystem, layer: str):
    """Hand a CRS over as WKT, so that it does not depend on a second look-up in PROJ's database."""
    from sm_toolbox.raster.choice import driver
    from sm_toolbox.raster.driver import DriverError

    try:
        return driver().crs(wkt_of(crs))
    except DriverError as error:
        raise InputError(
            f"The coordinate reference system of '{layer}' cannot be used: {error}. Run 'Check installation', or "
            "reproject the layer."
        ) from error


def qgis_crs(crs) -> QgsCoordinateReferenceSystem:
    """Return a raster's CRS as QGIS's own."""
    return QgsCoordinateReferenceSystem.fromWkt(crs.to_wkt())
