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
        <paletteEntry value="0" label="no data" color="#000000" alpha="255"/>
        <paletteEntry value="1" label="saturated or defective" color="#ff0000" alpha="255"/>
        <paletteEntry value="2" label="dark or topographic shadow" color="#2f2f2f" alpha="255"/>
        <paletteEntry value="3" label="cloud shadow" color="#643200" alpha="255"/>
        <paletteEntry value="4" label="vegetation" color="#00a000" alpha="255"/>
        <paletteEntry value="5" label="not vegetated" color="#ffe65a" alpha="255"/>
        <paletteEntry value="6" label="water" color="#0000ff" alpha="255"/>
        <paletteEntry value="7" label="unclassified" color="#808080" alpha="255"/>
        <paletteEntry value="8" label="cloud, medium probability" color="#c0c0c0" alpha="255"/>
        <paletteEntry value="9" label="cloud, high probability" color="#ffffff" alpha="255"/>
        <paletteEntry value="10" label="thin cirrus" color="#64c8ff" alpha="255"/>
        <paletteEntry value="11" label="snow or ice" color="#ff96ff" alpha="255"/>
      </colorPalette>
    </rasterrenderer>
    <brightnesscontrast contrast="0" brightness="0" gamma="1"/>
    <huesaturation colorizeBlue="128" colorizeOn="0" grayscaleMode="0" saturation="0" invertColors="0" colorizeStrength="100" colorizeRed="255" colorizeGreen="128"/>
    <rasterresampler maxOversampling="2"/>
    <resamplingStage>resamplingFilter</resamplingStage>
  </pipe>
  <blendMode>0</blendMode>
</qgis>
