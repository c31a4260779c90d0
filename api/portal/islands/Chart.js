// Line charts over time, from ECharts with only what lines need. Import { lineChart, ink } in an island that has one.

import { LineChart } from "echarts/charts";
import { AriaComponent, DataZoomInsideComponent, GridComponent, MarkAreaComponent, MarkLineComponent, TooltipComponent } from "echarts/components";
import * as echarts from "echarts/core";
import { CanvasRenderer } from "echarts/renderers";

echarts.use([LineChart, GridComponent, TooltipComponent, MarkLineComponent, MarkAreaComponent, DataZoomInsideComponent, AriaComponent, CanvasRenderer]);

/** Return a token of portal.css as the page shows it now: ink("accent"). */
export const ink = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/**
 * Draw into an element, and again when it is resized or the theme changes.
 * `options` is a function that returns ECharts options; it may use ink(). Returns the chart.
 *
 * Tooltips are painted on the canvas: as HTML they would need style attributes, which the page's policy forbids.
 */
export function lineChart(element, options) {
  const chart = echarts.init(element, null, { renderer: "canvas" });
  const draw = () => chart.setOption({ animation: false, aria: { enabled: true }, ...base(), ...options() }, true);
  draw();
  new ResizeObserver(() => chart.resize()).observe(element);
  document.addEventListener("theme", draw);
  chart.redraw = draw;
  return chart;
}

function base() {
  const text = { color: ink("ink-soft"), fontSize: 11, fontFamily: getComputedStyle(document.body).fontFamily };
  const axis = {
    axisLine: { lineStyle: { color: ink("line-strong") } },
    axisTick: { show: false },
    axisLabel: text,
    splitLine: { lineStyle: { color: ink("line") } },
  };
  return {
    color: [1, 2, 3, 4, 5, 6].map((hue) => ink(`hue-${hue}`)),
    textStyle: text,
    grid: { left: 8, right: 12, top: 12, bottom: 4, containLabel: true },
    xAxis: { type: "time", ...axis, splitLine: { show: false } },
    yAxis: { type: "value", ...axis },
    tooltip: {
      trigger: "axis",
      renderMode: "richText",
      backgroundColor: ink("raised"),
      borderColor: ink("line"),
      textStyle: { ...text, color: ink("ink") },
      axisPointer: { lineStyle: { color: ink("line-strong") } },
    },
  };
}

export { echarts };
