<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>
<qgis version="3.22.16-Białowieża" styleCategories="Symbology">
  <pipe-data-defined-properties>
    <Option type="Map">
      <Option type="QString" name="name" value=""/>
      <Option name="properties"/>
      <Option type="QString" name="type" value="collection"/>
    </Option>
  </pipe-data-defined-properties>
  <pipe>
    <provider>
      <resampling enabled="false" zoomedInResamplingMethod="nearestNeighbour" maxOversampling="2" zoomedOutResamplingMethod="nearestNeighbour"/>
    </provider>
    <rasterrenderer band="1" type="singlebandpseudocolor" opacity="1" alphaBand="-1" classificationMax="100" nodataColor="" classificationMin="0">
      <minMaxOrigin>
        <limits>None</limits>
        <extent>WholeRaster</extent>
        <statAccuracy>Estimated</statAccuracy>
        <cumulativeCutLower>0.02</cumulativeCutLower>
        <cumulativeCutUpper>0.98</cumulativeCutUpper>
        <stdDevFactor>2</stdDevFactor>
      </minMaxOrigin>
      <rastershader>
        <colorrampshader minimumValue="0" labelPrecision="6" maximumValue="100" clip="0" classificationMode="1" colorRampType="DISCRETE">
          <colorramp type="gradient" name="[source]">
            <Option type="Map">
              <Option type="QString" name="color1" value="115,0,0,255"/>
              <Option type="QString" name="color2" value="67,147,195,255"/>
              <Option type="QString" name="discrete" value="0"/>
              <Option type="QString" name="rampType" value="gradient"/>
              <Option type="QString" name="stops" value="0.142857;230,0,0,255:0.285714;255,170,0,255:0.428571;252,211,127,255:0.571429;255,255,0,255:0.714286;242,242,242,255:0.857143;166,213,232,255"/>
            </Option>
            <prop k="color1" v="115,0,0,255"/>
            <prop k="color2" v="67,147,195,255"/>
            <prop k="discrete" v="0"/>
            <prop k="rampType" v="gradient"/>
            <prop k="stops" v="0.142857;230,0,0,255:0.285714;255,170,0,255:0.428571;252,211,127,255:0.571429;255,255,0,255:0.714286;242,242,242,255:0.857143;166,213,232,255"/>
          </colorramp>
          <item alpha="255" color="#730000" label="up to 2: D4, exceptional drought" value="2"/>
          <item alpha="255" color="#e60000" label="2 to 5: D3, extreme drought" value="5"/>
          <item alpha="255" color="#ffaa00" label="5 to 10: D2, severe drought" value="10"/>
          <item alpha="255" color="#fcd37f" label="10 to 20: D1, moderate drought" value="20"/>
          <item alpha="255" color="#ffff00" label="20 to 30: D0, abnormally dry" value="30"/>
          <item alpha="255" color="#f2f2f2" label="30 to 70: as usual" value="70"/>
          <item alpha="255" color="#a6d5e8" label="70 to 90: wet" value="90"/>
          <item alpha="255" color="#4393c3" label="above 90: very wet" value="100"/>
          <rampLegendSettings prefix="" suffix="" minimumLabel="" useContinuousLegend="1" direction="0" maximumLabel="" orientation="2">
            <numericFormat id="basic">
              <Option type="Map">
                <Option type="QChar" name="decimal_separator" value=""/>
                <Option type="int" name="decimals" value="6"/>
                <Option type="int" name="rounding_type" value="0"/>
                <Option type="bool" name="show_plus" value="false"/>
                <Option type="bool" name="show_thousand_separator" value="true"/>
                <Option type="bool" name="show_trailing_zeros" value="false"/>
                <Option type="QChar" name="thousand_separator" value=""/>
              </Option>
            </numericFormat>
          </rampLegendSettings>
        </colorrampshader>
      </rastershader>
    </rasterrenderer>
    <brightnesscontrast contrast="0" gamma="1" brightness="0"/>
    <huesaturation colorizeBlue="128" saturation="0" colorizeOn="0" colorizeRed="255" invertColors="0" colorizeGreen="128" colorizeStrength="100" grayscaleMode="0"/>
    <rasterresampler maxOversampling="2"/>
    <resamplingStage>resamplingFilter</resamplingStage>
  </pipe>
  <blendMode>0</blendMode>
</qgis>
