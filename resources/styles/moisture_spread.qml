<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>
<qgis styleCategories="Symbology" version="3.22.16-Białowieża">
  <pipe-data-defined-properties>
    <Option type="Map">
      <Option value="" name="name" type="QString"/>
      <Option name="properties"/>
      <Option value="collection" name="type" type="QString"/>
    </Option>
  </pipe-data-defined-properties>
  <pipe>
    <provider>
      <resampling enabled="false" zoomedInResamplingMethod="nearestNeighbour" zoomedOutResamplingMethod="nearestNeighbour" maxOversampling="2"/>
    </provider>
    <rasterrenderer alphaBand="-1" band="1" nodataColor="" classificationMin="0" classificationMax="0.15" opacity="1" type="singlebandpseudocolor">
      <minMaxOrigin>
        <limits>None</limits>
        <extent>WholeRaster</extent>
        <statAccuracy>Estimated</statAccuracy>
        <cumulativeCutLower>0.02</cumulativeCutLower>
        <cumulativeCutUpper>0.98</cumulativeCutUpper>
        <stdDevFactor>2</stdDevFactor>
      </minMaxOrigin>
      <rastershader>
        <colorrampshader clip="0" colorRampType="INTERPOLATED" labelPrecision="6" classificationMode="1" minimumValue="0" maximumValue="0.14999999999999999">
          <colorramp name="[source]" type="gradient">
            <Option type="Map">
              <Option value="255,247,236,255" name="color1" type="QString"/>
              <Option value="127,0,0,255" name="color2" type="QString"/>
              <Option value="0" name="discrete" type="QString"/>
              <Option value="gradient" name="rampType" type="QString"/>
              <Option value="0.25;253,212,158,255:0.5;252,141,89,255:0.75;215,48,31,255" name="stops" type="QString"/>
            </Option>
            <prop v="255,247,236,255" k="color1"/>
            <prop v="127,0,0,255" k="color2"/>
            <prop v="0" k="discrete"/>
            <prop v="gradient" k="rampType"/>
            <prop v="0.25;253,212,158,255:0.5;252,141,89,255:0.75;215,48,31,255" k="stops"/>
          </colorramp>
          <item value="0" color="#fff7ec" label="0" alpha="255"/>
          <item value="0.0375" color="#fdd49e" label="0.0375" alpha="255"/>
          <item value="0.075" color="#fc8d59" label="0.075" alpha="255"/>
          <item value="0.1125" color="#d7301f" label="0.112" alpha="255"/>
          <item value="0.15" color="#7f0000" label="0.15" alpha="255"/>
          <rampLegendSettings useContinuousLegend="1" orientation="2" minimumLabel="" maximumLabel="" direction="0" prefix="" suffix="">
            <numericFormat id="basic">
              <Option type="Map">
                <Option value="" name="decimal_separator" type="QChar"/>
                <Option value="6" name="decimals" type="int"/>
                <Option value="0" name="rounding_type" type="int"/>
                <Option value="false" name="show_plus" type="bool"/>
                <Option value="true" name="show_thousand_separator" type="bool"/>
                <Option value="false" name="show_trailing_zeros" type="bool"/>
                <Option value="" name="thousand_separator" type="QChar"/>
              </Option>
            </numericFormat>
          </rampLegendSettings>
        </colorrampshader>
      </rastershader>
    </rasterrenderer>
    <brightnesscontrast brightness="0" contrast="0" gamma="1"/>
    <huesaturation invertColors="0" grayscaleMode="0" colorizeRed="255" saturation="0" colorizeBlue="128" colorizeOn="0" colorizeStrength="100" colorizeGreen="128"/>
    <rasterresampler maxOversampling="2"/>
    <resamplingStage>resamplingFilter</resamplingStage>
  </pipe>
  <blendMode>0</blendMode>
</qgis>
