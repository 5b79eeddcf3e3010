// Drag over a chart's plot to choose a span of time: asks for it by the event that the page's time range listens to.

export function dragTime(chart) {
  const zr = chart.getZr();
  let from = null;
  const time = (x) => chart.convertFromPixel({ xAxisIndex: 0 }, x);
  const box = () => chart.getModel().getComponent("grid").coordinateSystem.getRect();
  const show = (a, b) => {
    const plot = box();
    const left = Math.max(plot.x, Math.min(a, b));
    const right = Math.min(plot.x + plot.width, Math.max(a, b));
    chart.setOption({
      graphic: [{ id: "drag", type: "rect", silent: true, z: 100, shape: { x: left, y: plot.y, width: Math.max(0, right - left), height: plot.height }, style: { fill: "rgba(90,140,220,.25)" } }],
    });
  };
  const hide = () => chart.setOption({ graphic: [{ id: "drag", $action: "remove" }] });
  zr.on("mousedown", (event) => {
    const plot = box();
    if (event.offsetX >= plot.x && event.offsetX <= plot.x + plot.width && event.offsetY >= plot.y && event.offsetY <= plot.y + plot.height) from = event.offsetX;
  });
  zr.on("mousemove", (event) => from !== null && Math.abs(event.offsetX - from) > 4 && show(from, event.offsetX));
  zr.on("globalout", () => {
    if (from !== null) hide();
    from = null;
  });
  zr.on("mouseup", (event) => {
    if (from === null) return;
    const [start, end] = [time(from), time(event.offsetX)].sort((a, b) => a - b);
    const moved = Math.abs(event.offsetX - from) > 4;
    from = null;
    if (!moved) return;
    hide();
    document.dispatchEvent(new CustomEvent("timerange:set", { detail: { from: start, to: end } }));
  });
}
