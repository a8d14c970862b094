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
    <rasterrenderer band="1" type="singlebandpseudocolor" opacity="1" alphaBand="-1" classificationMax="3" nodataColor="" classificationMin="-3">
      <minMaxOrigin>
        <limits>None</limits>
        <extent>WholeRaster</extent>
        <statAccuracy>Estimated</statAccuracy>
        <cumulativeCutLower>0.02</cumulativeCutLower>
        <cumulativeCutUpper>0.98</cumulativeCutUpper>
        <stdDevFactor>2</stdDevFactor>
      </minMaxOrigin>
      <rastershader>
        <colorrampshader minimumValue="-3" labelPrecision="6" maximumValue="3" clip="0" classificationMode="1" colorRampType="INTERPOLATED">
          <colorramp type="gradient" name="[source]">
            <Option type="Map">
              <Option type="QString" name="color1" value="178,24,43,255"/>
              <Option type="QString" name="color2" value="33,102,172,255"/>
              <Option type="QString" name="discrete" value="0"/>
              <Option type="QString" name="rampType" value="gradient"/>
              <Option type="QString" name="stops" value="0.166667;239,138,98,255:0.333333;253,219,199,255:0.5;247,247,247,255:0.666667;209,229,240,255:0.833333;103,169,207,255"/>
            </Option>
            <prop k="color1" v="178,24,43,255"/>
            <prop k="color2" v="33,102,172,255"/>
            <prop k="discrete" v="0"/>
            <prop k="rampType" v="gradient"/>
            <prop k="stops" v="0.166667;239,138,98,255:0.333333;253,219,199,255:0.5;247,247,247,255:0.666667;209,229,240,255:0.833333;103,169,207,255"/>
          </colorramp>
          <item alpha="255" color="#b2182b" label="-3" value="-3"/>
          <item alpha="255" color="#ef8a62" label="-2" value="-2"/>
          <item alpha="255" color="#fddbc7" label="-1" value="-1"/>
          <item alpha="255" color="#f7f7f7" label="0" value="0"/>
          <item alpha="255" color="#d1e5f0" label="1" value="1"/>
          <item alpha="255" color="#67a9cf" label="2" value="2"/>
          <item alpha="255" color="#2166ac" label="3" value="3"/>
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
