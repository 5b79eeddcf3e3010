// What is known about one span: times, tags, events, links, its log lines, and where to go from it.

import { duration, h } from "./model.js";

const SHOWN_LINES = 50;

export function renderDetails(element, model, index, { close, choose, linesNote }) {
  const list = (pairs, action) =>
    h("dl", { class: "kv kv-tags" }, pairs.flatMap(([key, value]) => [h("dt", {}, key), h("dd", { class: "mono" }, value, action?.(key, value) ?? null)]));
  const section = (title, count, ...content) =>
    h("details", { class: "details-part", open: true }, h("summary", {}, title, " ", h("span", { class: "muted" }, count)), ...content);

  const spanId = model.id_(index);
  const service = model.service(index);
  const tags = model.tags(index);
  const events = model.events[index] ?? [];
  const links = model.links[index] ?? [];
  const lines = model.lines.get(index) ?? [];
  const parent = model.parent(index);
  const logQuery = `trace.id:"${model.id}" and span.id:"${spanId}"`;
  const logsUrl = `/logs?query=${encodeURIComponent(logQuery)}&${model.window}`;
  const findUrl = (key, value) =>
    `/traces?service=${encodeURIComponent(service)}&tags=${encodeURIComponent(JSON.stringify({ [key]: value }))}`;
  const status = model.status(index);

  element.replaceChildren(
    h(
      "header",
      { class: `details-head svc-${model.colour[index]}` },
      h(
        "div",
        { class: "row row-between" },
        h("h2", {}, h("span", { class: "wf-dot" }), " ", model.operation(index)),
        h("button", { type: "button", class: "btn-plain", "aria-label": "Close (Esc)", title: "Close (Esc)", onclick: close }, "✕"),
      ),
      h(
        "p",
        { class: "row" },
        h("a", { href: `/services/${encodeURIComponent(service)}` }, service),
        h("span", { class: "badge" }, model.kind(index)),
        model.isError[index] && h("span", { class: "badge badge-crit" }, "failed"),
        model.critical.has(index) && h("span", { class: "badge" }, "on the critical path"),
      ),
    ),
    status ? h("p", { class: "note note-crit" }, status) : "",
    h(
      "dl",
      { class: "kv" },
      h("dt", {}, "Duration"), h("dd", {}, `${duration(model.length(index))} (own ${duration(model.own(index))})`),
      h("dt", {}, "Starts at"), h("dd", {}, `${duration(model.start(index))} of the trace`),
      h("dt", {}, "Time"), h("dd", { class: "mono" }, new Date((model.startUs + model.start(index)) / 1000).toISOString()),
      model.process(index) && [h("dt", {}, "Replica"), h("dd", { class: "mono" }, model.process(index))],
      h("dt", {}, "Span"), h("dd", { class: "mono" }, spanId),
      parent >= 0 && [
        h("dt", {}, "Caller"),
        h("dd", {}, h("button", { type: "button", class: "btn-plain link", onclick: () => choose(parent) }, `${model.service(parent)}: ${model.operation(parent)}`)),
      ],
    ),
    h(
      "p",
      { class: "row details-links" },
      h("a", { class: "btn", href: logsUrl }, "Log lines of this span"),
      h("a", { class: "btn", href: `/d/platform-service?var-service=${encodeURIComponent(service)}&${model.window}` }, "Dashboard"),
    ),
    ...(model.warnings[index] ?? []).map((warning) => h("p", { class: "note note-warn" }, warning)),
    lines.length || linesNote
      ? section(
          "Log lines",
          lines.length || "",
          linesNote ? h("p", { class: "note note-warn" }, linesNote) : "",
          h(
            "ol",
            { class: "details-lines" },
            lines.slice(0, SHOWN_LINES).map((line) =>
              h(
                "li",
                {},
                h("span", { class: "mono muted" }, `${line.at < 0 ? "" : "+"}${duration(line.at)}`), " ",
                h("span", { class: `badge level-${line.level}` }, line.level), " ",
                h("span", { class: "mono" }, line.message),
                line.failure && h("div", { class: "mono crit" }, line.failure),
              ),
            ),
          ),
          lines.length > SHOWN_LINES ? h("p", { class: "muted" }, `and ${lines.length - SHOWN_LINES} more: see the log lines of this span`) : "",
        )
      : "",
    events.length
      ? section(
          "Events",
          events.length,
          ...events.map((event) =>
            h(
              "div",
              { class: "details-event" },
              h("p", {}, h("strong", {}, event.name), " ", h("span", { class: "muted mono" }, `+${duration(event.time - model.start(index))}`)),
              list(event.attributes.filter(([, value]) => !value.includes("\n"))),
              ...event.attributes
                .filter(([, value]) => value.includes("\n"))
                .map(([key, value]) => h("details", {}, h("summary", {}, key), h("pre", { tabindex: "0" }, value))),
            ),
          ),
        )
      : "",
    links.length
      ? section(
          "Linked traces",
          links.length,
          h("ul", {}, links.map(([traceId, linked]) => h("li", {}, h("a", { class: "mono", href: `/traces/${encodeURIComponent(traceId)}?span=${encodeURIComponent(linked)}` }, `${traceId.slice(0, 8)}… ${linked}`)))),
        )
      : "",
    section(
      "Tags",
      tags.length,
      list(tags, (key, value) => value && value.length <= 200 && h("a", { class: "details-find", href: findUrl(key, value), title: `Traces of ${service} with this ${key}`, "aria-label": `Traces with ${key} ${value}` }, "⌕")),
    ),
    h("details", { class: "details-part" }, h("summary", {}, "Process"), list(model.resource(index))),
  );
  element.hidden = false;
}
