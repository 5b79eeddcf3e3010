// The map of services, and a service's charts.

import { colours, mount, selectTime } from "../shell/chart.js";

const json = (id) => JSON.parse(document.getElementById(id)?.textContent ?? "null");
const perSecond = (value) => (value > 0 && value < 0.1 ? `${(value * 60).toPrecision(2)}/min` : `${Number(value.toPrecision(3))}/s`);
const seconds = (value) => (value < 1 ? `${Number((value * 1000).toPrecision(3))} ms` : `${Number(value.toPrecision(3))} s`);
const share = (value) => `${Number((value * 100).toPrecision(3))} %`;
const UNITS = { ops: perSecond, s: seconds, share };

// --- the map

const mapElement = document.querySelector("[data-map]");
const graph = json("map-graph");
let state = null;
let map = null;

function describe(flow) {
  if (!flow?.rate) return "no calls";
  const parts = [perSecond(flow.rate)];
  if (flow.failed) parts.push(`${share(flow.failed)} fail`);
  if (flow.p95 !== null) parts.push(`p95 ${seconds(flow.p95)}`);
  return parts.join(" · ");
}

function mapOption(c) {
  const narrow = mapElement.clientWidth < 700;
  const edge = narrow ? { left: 36, right: 52, top: 16, bottom: 34 } : { left: 70, right: 110, top: 48, bottom: 34 };
  // In pixels, as the view has them: otherwise symbols would be stretched with the picture.
  const width = Math.max(1, mapElement.clientWidth - edge.left - edge.right);
  const height = Math.max(1, mapElement.clientHeight - edge.top - edge.bottom);
  const heights = graph.nodes.map((node) => node.y);
  const [highest, lowest] = [Math.min(...heights), Math.max(...heights)];
  const colourOf = { ok: c.ok, warn: c.warn, crit: c.crit, idle: c.muted };
  const flows = new Map((state?.edges ?? []).map((edge) => [edge.key, edge]));
  const nodeState = (name) => state?.nodes[name] ?? "idle";
  const busiest = Math.max(1, ...(state?.edges ?? []).map((edge) => edge.rate ?? 0));
  return {
    tooltip: {
      formatter: ({ dataType, data }) => (dataType === "edge" ? `${data.source} → ${data.target} (${data.protocol})\n${data.said}` : `${data.name}\n${data.title}`),
    },
    series: [
      {
        type: "graph",
        layout: "none",
        roam: narrow ? "move" : false,
        ...edge,
        edgeSymbol: ["none", "arrow"],
        edgeSymbolSize: 8,
        label: { show: true, position: "bottom", color: c.text, fontSize: narrow ? 11 : 13, textBorderColor: c.surface, textBorderWidth: 3 },
        emphasis: { focus: "adjacency", lineStyle: { width: 4 } },
        data: graph.nodes.map((node) => ({
          name: node.name,
          title: node.title,
          x: (node.x / Math.max(1, graph.columns - 1)) * width,
          y: ((node.y - highest) / (lowest - highest || 1)) * height,
          symbol: node.service ? "roundRect" : "circle",
          symbolSize: node.service ? [34, 24] : 22,
          itemStyle: { color: c.raised, borderColor: colourOf[nodeState(node.name)], borderWidth: 3 },
        })),
        links: graph.edges.map((edge) => {
          const flow = flows.get(edge.key);
          const failing = flow && (flow.state === "warn" || flow.state === "crit");
          return {
            source: edge.from,
            target: edge.to,
            protocol: edge.protocol,
            said: describe(flow),
            label: { show: Boolean(failing) || (!narrow && edge.protocol !== "sql" && Boolean(flow?.rate)), formatter: describe(flow), fontSize: 10, color: failing ? colourOf[flow.state] : c.muted, textBorderColor: c.surface, textBorderWidth: 3 },
            lineStyle: {
              color: colourOf[flow?.state ?? "idle"],
              width: 1.2 + 3 * Math.sqrt((flow?.rate ?? 0) / busiest),
              type: edge.protocol === "events" ? "dashed" : "solid",
              opacity: flow?.rate ? 0.85 : 0.35,
              curveness: edge.protocol === "events" ? 0.35 : 0.08,
            },
          };
        }),
      },
    ],
  };
}

function drawMap() {
  if (map && !map.isDisposed()) map.setOption(mapOption(colours()));
}

if (mapElement && graph) {
  map = mount(mapElement, mapOption);
  new ResizeObserver(drawMap).observe(mapElement);
  map.on("click", ({ dataType, data }) => {
    if (dataType === "node") location.assign(`/services/${encodeURIComponent(data.name)}`);
    if (dataType === "edge") location.assign(`/services/${encodeURIComponent(data.target)}`);
  });
}

// --- a service's charts

function chartOption(chart, c) {
  const show = UNITS[chart.unit];
  const statusColour = { 2: c.ok, 3: c.series[5], 4: c.warn, 5: c.crit };
  const byStatus = chart.series.every(({ name }) => /^[1-5]\d\d$/.test(name));
  return {
    grid: { left: 8, right: 12, top: 12, bottom: 32, containLabel: true },
    legend: { type: "scroll", bottom: 0, icon: "roundRect", itemHeight: 4, itemWidth: 14 },
    xAxis: { type: "time", min: chart.start, max: chart.end },
    yAxis: { type: "value", min: 0, axisLabel: { formatter: show } },
    tooltip: { trigger: "axis", order: "valueDesc", valueFormatter: (value) => (value === undefined || value === null ? "–" : show(value)) },
    series: [
      ...chart.series.map(({ name, points }) => ({
        name,
        type: "line",
        data: points,
        showSymbol: false,
        lineStyle: { width: 1.6 },
        ...(byStatus && { color: statusColour[name[0]] }),
      })),
      ...(chart.exemplars.length
        ? [
            {
              name: "traces",
              type: "scatter",
              symbol: "diamond",
              symbolSize: 8,
              color: c.accent,
              cursor: "pointer",
              tooltip: { trigger: "item", formatter: ({ data }) => `${show(data.value[1])}: open the trace` },
              data: chart.exemplars.map(({ time, value, url }) => ({ value: [time, value], url })),
            },
          ]
        : []),
    ],
  };
}

function drawCharts(root) {
  for (const element of root.querySelectorAll("[data-node-chart]")) {
    const data = json(element.dataset.nodeChart);
    const chart = mount(element, (c) => chartOption(data, c));
    selectTime(chart);
    chart.on("click", ({ data: point }) => point?.url && location.assign(point.url));
  }
}

document.addEventListener("htmx:afterSwap", ({ detail }) => {
  const found = detail.elt.querySelector?.("#map-state");
  if (found) {
    state = JSON.parse(found.textContent);
    drawMap();
  }
  drawCharts(detail.elt);
});
