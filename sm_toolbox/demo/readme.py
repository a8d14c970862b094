"""README.txt of the demo scene: what each file is, which errors were put in, and first steps."""

from __future__ import annotations

from sm_toolbox.demo import cover, downloads, field, networks, parts, products, record, scene
from sm_toolbox.demo.archive import ISMN_NETWORK, ISMN_STATIONS
from sm_toolbox.demo.products import ErrorModel
from sm_toolbox.raster.grid import Grid

README_TITLE = "Soil Moisture Toolbox demo data"


def readme_text(seed: int, years: int, grid: Grid, has_layers: bool, has_arrays: bool) -> str:
    """Return the text.

    Parameters
    ----------
    seed, years : int
    grid : Grid
        Of 90 m.
    has_layers, has_arrays : bool
        Whether there are point layers; and HDF5 and NetCDF.

    Returns
    -------
    str
    """
    first, last = scene.date_of(0), scene.date_of(scene.DAYS - 1)
    end = scene.year_after(years - 1).all_days[-1] if years else scene.DAYS - 1
    whole = f", and {years} more to {scene.date_of(end):%Y-%m-%d}" if years else ""
    errors = "\n".join(f"  product_{name}  = {_in_words(error)}" for name, error in products.PRODUCT_ERRORS.items())
    points = (
        "….gpkg                    the same as point layers"
        if has_layers
        else "(Made without QGIS: load the tables as points, lon and lat in EPSG:4326.)"
    )
    return f"""{README_TITLE}

ALL MOISTURE, SOIL, WEATHER AND SATELLITE VALUES ARE SIMULATED. Only the terrain is real: SRTM elevation near the \
Jacksboro
fault, Tennessee, from matplotlib's sample data. Use it to learn and to test, never to say anything about the place.

Seed {seed}; {first:%Y-%m-%d} to {last:%Y-%m-%d}{whole}; UTM zone 16N (EPSG:32616); \
{grid.width} × {grid.height} cells of 90 m.

90 m
  dem.tif         dem: elevation, m (real)
  soil.tif        sand, clay: percent
  truth.tif       soil_moisture@date: the truth, mean of the day, m³ m⁻³, every eight days. \
Compare your maps with it; never train on it.
  sentinel1.tif   vv@date, vh@date: backscatter, dB, every twelve days, with speckle; \
angle: local incidence angle, degrees
450 m, every eight days (MODIS calendar, named after the first of the eight days)
  ndvi.tif        ndvi@date
  reflectance.tif red@date and nir, blue, green, swir_1240, swir1, swir2: surface reflectance
  albedo.tif      albedo@date
  lst_day.tif     lst_day@date: K, gaps under clouds
  lst_night.tif   lst_night@date: K, gaps under clouds
4.5 km, daily
  rain.tif        rain_7d@date: rain of the day and the six before, mm \
(from {scene.date_of(products.FIRST_RAIN_SUM):%Y-%m-%d})
  api.tif         api@date: antecedent precipitation index, mm, k = {products.API_MEMORY:g}
  product_a.tif, product_b.tif, product_c.tif   soil_moisture@date: three products with errors of their own, m³ m⁻³
  product_truth.tif                             soil_moisture@date: what they should have shown
Stations, one row per station and day, days without a measurement left out
  stations.csv              {products.TRAINING_STATIONS} stations for training: \
station, time, soil_moisture (m³ m⁻³), land_cover, lon, lat
  stations_validation.csv   {products.VALIDATION_STATIONS} other stations; \
keep them for validation
  {points}
  ismn.zip                  {ISMN_STATIONS} of the stations for training as an archive of the International Soil \
Moisture Network (header+values): four readings a day
                            with quality flags at 0.05 m, two sensors at some stations, and 0.20 m at one. \
The network is called {ISMN_NETWORK}.

{_further(has_arrays)}
The errors that were put in (m³ m⁻³)
{errors}
  The noise of the products is independent from day to day, from cell to cell and of the other products; \
product_a has the gaps of an orbit.
  Where the soil is frozen (5 days below 0 °C on average: winters alone), product_a shows \
{products.FROZEN_SHARE:g} of it.
  stations  = truth of their 90 m cell + a bias of each station \
(standard deviation {products.STATION_BIAS:g}) + daily noise ({products.STATION_NOISE:g})
{_further_errors(has_arrays)}
First steps in QGIS (Processing toolbox > Soil Moisture Toolbox)
  1. Terrain indices on dem.tif.
  2. Sample predictors at stations: stations.gpkg; terrain indices, soil.tif, ndvi.tif, rain.tif, api.tif; \
MAX_TIME_GAP 4.
  3. Train model: target soil_moisture, split by station. Then split at random and \
see how much better it looks than it is.
  4. Predict raster on the same predictors, and compare the map with truth.tif.
  5. Validate against stations: the map and stations_validation.gpkg.
  6. Triple collocation of product_a, product_b and product_c: does it find the errors above?
"""


def _in_words(error: ErrorModel) -> str:
    return f"{error.offset:g} + {error.gain:g} × truth + noise of standard deviation {error.noise:g}"


def _further(has_arrays: bool) -> str:
    """Return the files that came later, each with its truth and what it is for."""
    classes = ", ".join(f"{number} {name}" for name, number in cover.LAND_COVER_CLASSES.items())
    without = (
        "  (Made without GDAL's Python module: the files of SMAP and GLDAS and the record of ten years are not here.)"
    )
    return f"""Further parts, each with its truth
  landcover.tif             land_cover@year, 450 m, as MODIS names classes: {classes}.
                            For masks, and as a predictor of classes; truth: landcover_truth.tif, 90 m. Of lake and ice
                            only these files, sentinel2.tif and SMAP know.
  reflectance_cloudy.tif    red@date, nir@date, 450 m, under clouds; state.tif: their quality words (rule modis_state).
                            For Mask by quality layer; truth: reflectance.tif.
  sentinel2.tif             red@date, nir@date, 90 m, four days, under clouds; scl.tif: scene classification (rule
                            sentinel2_scl). For Mask by quality layer; truth: sentinel2_truth.tif.
  sand_0-5cm_mean.tif, clay_…, bdod_…, soc_…   as SoilGrids, 270 m: g/kg, g/kg, cg/cm³, dg/kg.
                            For Import product; truth: soil.tif and soil_truth.tif.
  soil_truth.tif            bulk_density (g cm⁻³), organic_carbon (g kg⁻¹), porosity, field_capacity, wilting_point
                            (m³ m⁻³), 90 m: what the simulation uses.
  stations_networks.csv     two networks of {networks.NETWORK_STATIONS} stations, with a column network: VALLEY in the \
west, RIDGE in the east.
                            For splits by group; truth: truth.tif.
  stations_field.csv        {field.FIELD_SENSORS} sensors in one field of 810 m. field_radar.tif: vv@date, vh@date, \
angle; field_dem.tif: dem; 10 m.
                            For radar and dense networks; truth: field_truth.tif.
  rain_gauges.csv           {networks.GAUGES} rain gauges: station, time, rain (mm of the day), lon, lat.
                            For Interpolate stations and antecedent rain; truth: rain_truth.tif, 450 m.
{_further_arrays() if has_arrays else without}
"""


def _further_arrays() -> str:
    start, end = record.DRY_SPELL
    first = scene.date_of(scene.year_after(-record.RECORD_YEARS).first)
    return f"""  {parts.SMAP_FILE}               a file a day as SMAP's level 3 of 9 km (HDF5), AM and PM.
                            With quality words, for Import product; truth: smap_truth.tif.
  {parts.GLDAS_FILE}   as GLDAS Noah (NetCDF), kg m⁻² of the upper 0.1 m, but in cells of 0.05°.
                            For Import product; truth: gldas_truth.tif.
  record_a.nc, record_b.nc, record_c.nc   soil_moisture@date, 4.5 km: ten years of the products from \
{first:%Y-%m-%d} on. The last {scene.DAYS} days
                            are those of product_a.tif … For anomalies; truth: record_truth.nc.
  record_weather.nc         rain@date (mm), soil_temperature@date (K; below 273.15 the soil is frozen). From \
{start:%Y-%m-%d} to {end:%Y-%m-%d}
                            the eastern half has next to no rain: a dry spell to be found.
  record_flag.nc            retrieval_qual_flag@date: 1 where the soil is frozen (rule smap_retrieval), for \
record_a.nc."""


def _further_errors(has_arrays: bool) -> str:
    bias, noise = field.FIELD_BIAS, field.FIELD_NOISE
    catch, step = networks.GAUGE_CATCH, networks.GAUGE_STEP
    lines = [
        *(f"  {name:9} = {_in_words(error)}, and a bias of each station" for name, error in networks.NETWORKS.items()),
        f"  field     = truth of their 10 m cell + a bias of each (deviation {bias:g}) + daily noise ({noise:g})",
        f"  gauges    = {catch:g} × rain, with {networks.GAUGE_NOISE:.0%} noise, in steps of {step:g} mm",
        f"  landcover = {cover.LAND_COVER_CONFUSED:.0%} of the cells on land have another class",
    ]
    if has_arrays:
        wet = downloads.WATER_TOO_WET
        lines += [
            *(f"  SMAP {half}   = {_in_words(error)}" for half, error in downloads.SMAP_ERRORS.items()),
            f"              where retrieval is recommended; else three times the noise, {wet:g} × the share of water",
            f"              too wet, and {products.FROZEN_SHARE:g} of it where the soil is frozen",
            f"  GLDAS     = {_in_words(downloads.GLDAS_ERRORS)}, of which the next day has {downloads.GLDAS_MEMORY:g}",
        ]
    return "\n".join(lines) + "\n"
