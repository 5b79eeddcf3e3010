"""Pages and data of traces."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlencode

from backends import jaeger
from backends.errors import BackendDown
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from shell import links
from shell.fragments import fragment
from shell.printable import gzipped
from shell.timerange import TimeRange

from traces import document, lines
from traces import search as searching
from traces.compare import compare
from traces.form import LIMITS, SORTS, Search
from traces.reach import days

# As in W3C traceparent; some programs omit leading zeros, or use upper case.
_MICROSECONDS = re.compile(r"[0-9]{1,16}")
_TRACE_ID = re.compile(r"[0-9a-f]{1,32}")
# The modules that traces/trace.js imports.
_MODULES = tuple(f"traces/{name}.js" for name in ("model", "details", "flame", "overview", "waterfall"))


def normal_id(text: str) -> str | None:
    """Return a trace id as it is stored: 32 lower-case hex digits. None for an invalid one."""
    text = text.strip().lower()
    return text.zfill(32) if _TRACE_ID.fullmatch(text) and text.strip("0") else None


@require_safe
def search(request: HttpRequest) -> HttpResponse:
    """The search form; its results load separately."""
    wanted = Search.from_params(request.GET)
    services = list(dict.fromkeys((*searching.known_services(), *([wanted.service] if wanted.service else ()))))
    context = {
        "nav": "traces",
        "search": wanted,
        "timerange": wanted.timerange,
        "services": services,
        "sorts": SORTS,
        "limits": LIMITS if wanted.limit in LIMITS else sorted((*LIMITS, wanted.limit)),
        "results_query": request.GET.urlencode(),
    }
    return render(request, "traces/search.html", context)


@require_safe
@fragment("traces")
def results(request: HttpRequest) -> HttpResponse:
    """The results of a search: scatter plot and table."""
    wanted = Search.from_params(request.GET)
    if wanted.errors:
        return render(request, "traces/_results.html", {"search": wanted})
    found = searching.find(wanted)
    points = [
        [row.start * 1000, row.duration, row.spans, row.errors, row.trace_id, f"{row.service}: {row.operation}"]
        for row in found.rows
    ]
    context = {
        "search": wanted,
        "results": found,
        "points": points,
        "longest": max((row.duration for row in found.rows), default=0.0),
        **_chart_bounds(wanted, found),
        "probes_url": _with_probes(request, "true"),
        "hide_url": _with_probes(request, ""),
    }
    return render(request, "traces/_results.html", context)


def _chart_bounds(wanted: Search, found: searching.Results) -> dict[str, float]:
    """Return the scatter plot's time range in epoch seconds: the searched one, or the part covered by the results."""
    start, end = wanted.timerange.start, wanted.timerange.end
    if found.cut and found.rows:
        first, last = min(row.start for row in found.rows), max(row.start for row in found.rows)
        margin = max(0.5, (last - first) * 0.02)
        start, end = first - margin, last + margin
    return {"chart_from": start, "chart_to": end}


def _with_probes(request: HttpRequest, shown: str) -> str:
    params = request.GET.copy()
    params["probes"] = shown
    return f"{reverse('traces')}?{params.urlencode()}"


@require_safe
@fragment("operations")
def operations(request: HttpRequest) -> HttpResponse:
    """The options of the form's operation, for one service."""
    service = request.GET.get("service", "").strip()
    names = jaeger.client().operations(service) if service else []
    return render(request, "traces/_operations.html", {"operations": names})


@require_safe
def trace(request: HttpRequest, trace_id: str) -> HttpResponse:
    """One trace. The page fetches its spans and its log lines separately."""
    known = normal_id(trace_id)
    if known is None:
        shown = trace_id if len(trace_id) <= 64 else f"{trace_id[:64]}…"
        raise Http404(f"{shown} is no trace id: a trace id has 32 hex digits.")
    if known != trace_id:
        return HttpResponseRedirect(links.trace(known, request.GET.get("span", "")))
    context = {"nav": "traces", "trace_id": known, "jaeger_ui_url": _in_jaeger(known), "modules": _MODULES}
    return render(request, "traces/trace.html", context)


@require_safe
@never_cache
@gzipped
def trace_data(request: HttpRequest, trace_id: str) -> JsonResponse:
    """The spans of one trace as JSON (traces.document), or a `note` for users about why there are none."""
    known = _known(trace_id)
    try:
        found = jaeger.client().trace(known)
    except BackendDown as error:
        return _down(error)
    if found is None:
        note = (
            f"Jaeger has no trace with this id. It may be older than the {days(settings.TRACES_RETENTION_DAYS)} that "
            "traces are kept, was not sampled, or its spans are still on their way: that takes a few seconds."
        )
        return JsonResponse({"note": note, "unknown": True, "logs_url": _logs(known)})
    around = TimeRange.between(found.start - lines.SLACK_SECONDS, found.start + found.duration + lines.SLACK_SECONDS)
    return JsonResponse(
        {**document.build(found), "logs_url": links.logs_of_trace(known, around), "window": around.query()},
        json_dumps_params={"separators": (",", ":"), "ensure_ascii": False},
    )


@require_safe
@never_cache
@gzipped
def trace_lines(request: HttpRequest, trace_id: str) -> JsonResponse:
    """The log lines of one trace as JSON; `start` and `end` are its bounds in epoch microseconds."""
    known = _known(trace_id)
    bounds = [request.GET.get(name, "") for name in ("start", "end")]
    if not all(_MICROSECONDS.fullmatch(bound) for bound in bounds):
        return JsonResponse({"note": "start and end are epoch microseconds."}, status=400)
    start, end = (int(bound) for bound in bounds)
    try:
        found = lines.of_trace(known, start, end)
    except BackendDown as error:
        return _down(error)
    return JsonResponse({"lines": found.lines, "total": found.total})


@require_safe
def compare_page(request: HttpRequest) -> HttpResponse:
    """Two traces side by side; the comparison loads separately. Without both, a form asks for them."""
    left, right, errors = _pair(request)
    texts = {name: request.GET.get(name, "").strip() for name in ("a", "b")}
    context: dict[str, Any] = {
        "nav": "traces",
        "pairs": [(name, {"text": text, "error": errors.get(name, "")}) for name, text in texts.items()],
        "ready": bool(left and right and not errors),
        "left": left,
        "right": right,
        "rows_url": f"{reverse('trace-compare-rows')}?{urlencode({'a': left or '', 'b': right or ''})}",
    }
    return render(request, "traces/compare.html", context)


@require_safe
@fragment("comparison")
def compare_rows(request: HttpRequest) -> HttpResponse:
    """The comparison of two traces."""
    left_id, right_id, errors = _pair(request)
    if errors or not left_id or not right_id:
        return render(request, "traces/_compare.html", {"missing": [], "errors": errors})
    client = jaeger.client()
    left, right = client.trace(left_id), client.trace(right_id)
    missing = [trace_id for trace_id, found in ((left_id, left), (right_id, right)) if found is None]
    if left is None or right is None:
        return render(request, "traces/_compare.html", {"missing": missing})
    context = {
        "sides": [("a", searching.Summary.of(left)), ("b", searching.Summary.of(right))],
        "difference": compare(left, right),
        "delta": right.duration - left.duration,
    }
    return render(request, "traces/_compare.html", context)


@require_safe
def jaeger_search(request: HttpRequest) -> HttpResponseRedirect:
    """Redirect Jaeger's URL of a search."""
    wanted = Search.from_params(request.GET)
    params = request.GET.copy()
    for name in ("start", "end", "lookback"):
        params.pop(name, None)
    # Invalid input is kept, so that the page can report what is wrong with it.
    address = f"/traces?{params.urlencode()}" if params else "/traces"
    if "from" in params:
        return HttpResponseRedirect(address)
    return HttpResponseRedirect(f"{address}{'&' if params else '?'}{wanted.timerange.query()}")


@require_safe
def jaeger_trace(request: HttpRequest, trace_id: str) -> HttpResponseRedirect:
    """Redirect Jaeger's URL of a trace (`uiFind` is a span there)."""
    return HttpResponseRedirect(links.trace(trace_id, request.GET.get("uiFind", "")))


def _known(trace_id: str) -> str:
    known = normal_id(trace_id)
    if known is None:
        raise Http404("That is no trace id.")
    return known


def _pair(request: HttpRequest) -> tuple[str | None, str | None, dict[str, str]]:
    errors: dict[str, str] = {}
    found: list[str | None] = []
    for name in ("a", "b"):
        text = request.GET.get(name, "").strip()
        # A trace's whole URL may be pasted too.
        known = normal_id(text.rstrip("/").rsplit("/", 1)[-1].partition("?")[0])
        if text and known is None:
            errors[name] = "That is no trace id: 32 hex digits, or a trace's address."
        found.append(known)
    if found[0] and found[0] == found[1]:
        errors["b"] = "These are the same trace."
    return found[0], found[1], errors


def _down(error: BackendDown) -> JsonResponse:
    # Not an error status: as in a fragment, the page shows the note in place of the part.
    return JsonResponse({"note": f"{error.backend} doesn't answer.", "reason": error.reason, "backend": error.backend})


def _logs(trace_id: str) -> str:
    return links.logs_of_trace(trace_id, TimeRange.from_params({}, default="now-7d"))


def _in_jaeger(trace_id: str) -> str:
    return f"{settings.JAEGER_UI_URL.rstrip('/')}/trace/{trace_id}" if settings.JAEGER_UI_URL else ""
