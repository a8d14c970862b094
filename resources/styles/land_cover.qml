<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>
<qgis styleCategories="Symbology" version="3.22.16-Białowieża">
  <pipe-data-defined-properties>
    <Option type="Map">
      <Option type="QString" value="" name="name"/>
      <Option name="properties"/>
      <Option type="QString" value="collection" name="type"/>
    </Option>
  </pipe-data-defined-properties>
  <pipe>
    <provider>
      <resampling enabled="false" zoomedInResamplingMethod="nearestNeighbour" zoomedOutResamplingMethod="nearestNeighbour" maxOversampling="2"/>
    </provider>
    <rasterrenderer nodataColor="" type="paletted" alphaBand="-1" band="1" opacity="1">
      <minMaxOrigin>
        <limits>None</limits>
        <extent>WholeRaster</extent>
        <statAccuracy>Estimated</statAccuracy>
        <cumulativeCutLower>0.02</cumulativeCutLower>
        <cumulativeCutUpper>0.98</cumulativeCutUpper>
        <stdDevFactor>2</stdDevFactor>
      </minMaxOrigin>
      <colorPalette>
        <paletteEntry value="1" label="evergreen needleleaf forest" color="#05450a" alpha="255"/>
        <paletteEntry value="2" label="evergreen broadleaf forest" color="#086a10" alpha="255"/>
        <paletteEntry value="3" label="deciduous needleleaf forest" color="#54a708" alpha="255"/>
        <paletteEntry value="4" label="deciduous broadleaf forest" color="#78d203" alpha="255"/>
        <paletteEntry value="5" label="mixed forest" color="#009900" alpha="255"/>
        <paletteEntry value="6" label="closed shrubland" color="#c6b044" alpha="255"/>
        <paletteEntry value="7" label="open shrubland" color="#dcd159" alpha="255"/>
        <paletteEntry value="8" label="woody savanna" color="#dade48" alpha="255"/>
        <paletteEntry value="9" label="savanna" color="#fbff13" alpha="255"/>
        <paletteEntry value="10" label="grassland" color="#b6ff05" alpha="255"/>
        <paletteEntry value="11" label="permanent wetland" color="#27ff87" alpha="255"/>
        <paletteEntry value="12" label="cropland" color="#c24f44" alpha="255"/>
        <paletteEntry value="13" label="urban and built-up" color="#a5a5a5" alpha="255"/>
        <paletteEntry value="14" label="cropland and natural vegetation" color="#ff6d4c" alpha="255"/>
        <paletteEntry value="15" label="snow and ice" color="#69fff8" alpha="255"/>
        <paletteEntry value="16" label="barren" color="#f9ffa4" alpha="255"/>
        <paletteEntry value="17" label="water" color="#1c0dff" alpha="255"/>
      </colorPalette>
    </rasterrenderer>
    <brightnesscontrast contrast="0" brightness="0" gamma="1"/>
    <huesaturation colorizeBlue="128" colorizeOn="0" grayscaleMode="0" saturation="0" invertColors="0" colorizeStrength="100" colorizeRed="255" colorizeGreen="128"/>
    <rasterresampler maxOversampling="2"/>
    <resamplingStage>resamplingFilter</resamplingStage>
  </pipe>
  <blendMode>0</blendMode>
</qgis>
