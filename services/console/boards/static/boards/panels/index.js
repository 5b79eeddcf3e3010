// What draws each kind of panel: draw(body, data) fills the panel's body.

import { drawBars } from "./bargauge.js";
import { drawGauge } from "./gauge.js";
import { drawHeatmap } from "./heatmap.js";
import { drawLogs } from "./logs.js";
import { drawStat } from "./stat.js";
import { drawStates } from "./statetimeline.js";
import { drawTable } from "./table.js";
import { drawText } from "./text.js";
import { drawTimeseries } from "./timeseries.js";

export const renderers = {
  timeseries: drawTimeseries,
  stat: drawStat,
  gauge: drawGauge,
  bargauge: drawBars,
  table: drawTable,
  "state-timeline": drawStates,
  heatmap: drawHeatmap,
  logs: drawLogs,
  text: drawText,
};
