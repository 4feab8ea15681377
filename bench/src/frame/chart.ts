import { BarChart, LineChart } from 'echarts/charts';
import { GridComponent, LegendComponent, TitleComponent } from 'echarts/components';
import { init, use, type EChartsCoreOption } from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';

use([BarChart, LineChart, GridComponent, LegendComponent, TitleComponent, SVGRenderer]);

interface ChartFrame {
  /** Ends up in the file's name. */
  name: string;
  title: string;
  yName: string;
  logarithmic?: boolean;
}

export type Chart = ChartFrame &
  (
    | {
        kind: 'bars';
        categories: readonly string[];
        series: readonly { name: string; values: readonly number[] }[];
      }
    | {
        kind: 'lines';
        xName: string;
        series: readonly { name: string; points: readonly (readonly [x: number, y: number])[] }[];
      }
  );

/** The chart as SVG text, drawn without a browser. */
export function drawChart(chart: Chart): string {
  const drawing = init(null, null, { renderer: 'svg', ssr: true, width: 900, height: 460 });
  drawing.setOption({
    animation: false,
    backgroundColor: '#ffffff',
    title: { text: chart.title, left: 'center', top: 10, textStyle: { fontSize: 15 } },
    legend: { bottom: 8 },
    grid: { left: 80, right: 60, top: 70, bottom: 80 },
    yAxis: { type: chart.logarithmic ? 'log' : 'value', name: chart.yName },
    ...(chart.kind === 'bars'
      ? {
          xAxis: { type: 'category', data: chart.categories },
          series: chart.series.map(({ name, values }) => ({
            type: 'bar',
            name,
            data: values,
            label: { show: true, position: 'top' },
          })),
        }
      : {
          xAxis: { type: 'value', name: chart.xName, nameLocation: 'middle', nameGap: 30, min: 'dataMin' },
          series: chart.series.map(({ name, points }) => ({
            type: 'line',
            name,
            data: points,
            showSymbol: points.length < 20,
          })),
        }),
  } satisfies EChartsCoreOption);
  const svg = drawing.renderToSVGString();
  drawing.dispose();
  return svg;
}
