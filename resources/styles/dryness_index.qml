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
    <rasterrenderer alphaBand="-1" band="1" nodataColor="" classificationMin="0" classificationMax="1" opacity="1" type="singlebandpseudocolor">
      <minMaxOrigin>
        <limits>None</limits>
        <extent>WholeRaster</extent>
        <statAccuracy>Estimated</statAccuracy>
        <cumulativeCutLower>0.02</cumulativeCutLower>
        <cumulativeCutUpper>0.98</cumulativeCutUpper>
        <stdDevFactor>2</stdDevFactor>
      </minMaxOrigin>
      <rastershader>
        <colorrampshader clip="0" colorRampType="INTERPOLATED" labelPrecision="6" classificationMode="1" minimumValue="0" maximumValue="1">
          <colorramp name="[source]" type="gradient">
            <Option type="Map">
              <Option value="166,97,26,255" name="color1" type="QString"/>
              <Option value="0,68,27,255" name="color2" type="QString"/>
              <Option value="0" name="discrete" type="QString"/>
              <Option value="gradient" name="rampType" type="QString"/>
              <Option value="0.2;223,194,125,255:0.4;245,245,220,255:0.6;128,180,108,255:0.8;27,120,55,255" name="stops" type="QString"/>
            </Option>
            <prop v="166,97,26,255" k="color1"/>
            <prop v="0,68,27,255" k="color2"/>
            <prop v="0" k="discrete"/>
            <prop v="gradient" k="rampType"/>
            <prop v="0.2;223,194,125,255:0.4;245,245,220,255:0.6;128,180,108,255:0.8;27,120,55,255" k="stops"/>
          </colorramp>
          <item value="0" color="#a6611a" label="0" alpha="255"/>
          <item value="0.2" color="#dfc27d" label="0.2" alpha="255"/>
          <item value="0.4" color="#f5f5dc" label="0.4" alpha="255"/>
          <item value="0.6" color="#80b46c" label="0.6" alpha="255"/>
          <item value="0.8" color="#1b7837" label="0.8" alpha="255"/>
          <item value="1" color="#00441b" label="1" alpha="255"/>
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
