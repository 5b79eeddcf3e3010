"""Pages and data of logs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import wraps

from backends import elasticsearch
from backends.elasticsearch import Line
from backends.errors import BackendDown
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from shell import links
from shell.fragments import fragment
from shell.timerange import TimeRange

from logs import cursor
from logs import query as language
from logs import search as searching
from logs.address import Address
from logs.query import Query, QueryError


@dataclass(frozen=True, slots=True)
class Field:
    """A field of an expanded line, and the targets of its links; without links it can't be searched."""

    name: str
    value: str
    filter_url: str = ""
    exclude_url: str = ""
    column_url: str = ""
    is_column: bool = False


@require_safe
def search(request: HttpRequest) -> HttpResponse:
    """The page: query, histogram and lines, which load separately."""
    address = Address.from_params(request.GET)
    context = {
        "nav": "logs",
        "address": address,
        "timerange": address.timerange,
        "lines_url": address.url("/logs/lines"),
        "histogram_url": address.url("/logs/histogram"),
        "columns_url": address.url("/logs/columns"),
        "hides_noise": not address.shows_noise and searching.hides_noise(address.text),
        "noise_url": address.with_noise(not address.shows_noise),
        "export_url": address.url("/logs/export"),
        "is_tailing": request.GET.get("tail") == "1" and address.timerange.is_live,
        "tail_url": (address if address.timerange.is_live else address.live()).url("/logs", tail="1"),
    }
    return render(request, "logs/search.html", context)


@require_safe
@fragment("log lines")
def lines(request: HttpRequest) -> HttpResponse:
    """A page of lines; with `after`, the rows that follow. Reports errors of the query to the input."""
    address = Address.from_params(request.GET)
    after = cursor.decode(request.GET.get("after", ""))
    try:
        query = _query(address)
    except QueryError as error:
        return render(request, "logs/_query_error.html", _explained(address, error))
    page = searching.page(query, address.timerange, after)
    context = {
        "address": address,
        "lines": page.lines,
        "words": query.words,
        "total": page.total,
        "more_url": address.url("/logs/lines", after=cursor.encode(page.cursor)) if page.cursor else "",
    }
    return render(request, "logs/_rows.html" if after else "logs/_lines.html", context)


def _data(view: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], HttpResponseBase]:
    """A view for scripts: a `note` for users replaces the data after an invalid query or a backend failure.

    As in a fragment, the HTTP status is no error: the page shows the note in place of the part.
    """

    @require_safe
    @never_cache
    @wraps(view)
    def guarded(request: HttpRequest) -> HttpResponseBase:
        try:
            return view(request)
        except QueryError as error:
            return JsonResponse({"note": error.message, "position": error.position})
        except BackendDown as error:
            note = f"{error.backend} doesn't answer."
            return JsonResponse({"note": note, "reason": error.reason, "backend": error.backend})

    return guarded


@_data
def histogram(request: HttpRequest) -> HttpResponseBase:
    """Counts of lines over time, by level."""
    address = Address.from_params(request.GET)
    found = searching.histogram(_query(address), address.timerange)
    return JsonResponse(
        {
            "times": found.times,
            "step": found.step,
            "levels": found.levels,
            "total": found.total,
            "from": address.timerange.start * 1000,
            "to": address.timerange.end * 1000,
        }
    )


@_data
def tail(request: HttpRequest) -> HttpResponseBase:
    """Rows since `since` (epoch milliseconds), newest first, slightly overlapping; and the next `since`."""
    address = Address.from_params(request.GET)
    query = _query(address)
    since = _milliseconds(request.GET.get("since", "")) or round(address.timerange.end * 1000)
    found = searching.since(query, since)
    rows = render_to_string("logs/_rows.html", {"address": address, "lines": found, "words": query.words}, request)
    newest = max((searching.moment_of(line) for line in found), default=since)
    return JsonResponse({"rows": rows, "since": max(since, newest), "full": len(found) >= searching.TAIL_LINES})


@require_safe
@fragment("log line")
def line(request: HttpRequest) -> HttpResponse:
    """All fields of one line, with their actions."""
    address = Address.from_params(request.GET)
    moment = _milliseconds(request.GET.get("at", "")) or 0
    found = searching.line(request.GET.get("id", ""), moment)
    if found is None:
        return render(request, "logs/_line.html", {"address": address, "line": None})
    known = elasticsearch.client().fields()
    around = TimeRange.around(moment / 1000)
    trace_id = found.text("trace.id")
    context = {
        "address": address,
        "line": found,
        "fields": [_field(address, name, found, known) for name in sorted(found.fields) if name not in _LONG],
        "texts": [(name, found.text(name)) for name in _LONG if found.text(name)],
        "trace_url": links.trace(trace_id, found.text("span.id")) if trace_id else "",
        "trace_lines_url": links.logs_of_trace(trace_id, around) if trace_id else "",
        "service": found.text("service.name"),
        "around_url": address.url("/logs/around", id=found.id, at=str(moment)),
    }
    return render(request, "logs/_line.html", context)


@require_safe
@fragment("surrounding lines")
def around(request: HttpRequest) -> HttpResponse:
    """The lines around one: of the same process, or with `all=1` of all."""
    address = Address.from_params(request.GET)
    moment = _milliseconds(request.GET.get("at", "")) or 0
    middle = searching.line(request.GET.get("id", ""), moment)
    everything = request.GET.get("all") == "1"
    context = {
        "address": address,
        "middle": middle,
        "lines": searching.around(middle, moment, same_process=not everything) if middle else [],
        "everything": everything,
        "other_url": address.url(
            "/logs/around", id=request.GET.get("id", ""), at=str(moment), all="" if everything else "1"
        ),
    }
    return render(request, "logs/_around.html", context)


@require_safe
@fragment("fields")
def columns(request: HttpRequest) -> HttpResponse:
    """The selection of columns."""
    address = Address.from_params(request.GET)
    names = searching.popular(elasticsearch.client().fields())
    context = {
        "address": address,
        "names": [name for name in names if name not in address.columns and name not in ("@timestamp", "log.level")],
    }
    return render(request, "logs/_columns.html", context)


@require_safe
@never_cache
def export(request: HttpRequest) -> HttpResponseBase:
    """The newest 10,000 lines as an NDJSON file. 400 for an invalid query, 502 for a failing backend."""
    address = Address.from_params(request.GET)
    try:
        query = _query(address)
        # The first page is fetched here, so that an unavailable backend is an error and not an empty file.
        first = _export_page(query, address, None)
    except QueryError as error:
        return HttpResponse(error.message, status=400, content_type="text/plain; charset=utf-8")
    except BackendDown as error:
        return HttpResponse(str(error), status=502, content_type="text/plain; charset=utf-8")
    answer = StreamingHttpResponse(_export(query, address, first), content_type="application/x-ndjson")
    answer["Content-Disposition"] = 'attachment; filename="logs.ndjson"'
    return answer


# Shown below the other fields, in full width.
_LONG = ("error.stack_trace",)


def _query(address: Address) -> Query:
    query = language.parse(address.text, elasticsearch.client().fields())
    is_hidden = not address.shows_noise and searching.hides_noise(address.text)
    return searching.without_noise(query) if is_hidden else query


# What a message is about: a word, or a single character.
_WORD = re.compile(r"[\w@.\-]+|.", re.DOTALL)


def _explained(address: Address, error: QueryError) -> dict[str, object]:
    if error.position is None:
        return {"message": error.message}
    word = _WORD.match(address.text, error.position)
    end = word.end() if word else error.position
    before, after = address.text[: error.position], address.text[end:]
    return {
        "message": error.message,
        "has_position": True,
        "before": before,
        "at": address.text[error.position : end],
        "after": after,
        "instead": [(name, address.with_query(f"{before}{name}{after}")) for name in error.instead],
    }


def _field(address: Address, name: str, found: Line, known: dict[str, str]) -> Field:
    value = found.text(name)
    kind = known.get(name)
    if kind is None or name == "@timestamp" or not value or len(value) > 256:
        return Field(name, value, column_url=address.with_column(name), is_column=name in address.columns)
    return Field(
        name,
        value,
        filter_url=address.narrowed(name, value),
        exclude_url=address.narrowed(name, value, negated=True),
        column_url=address.with_column(name),
        is_column=name in address.columns,
    )


def _export_page(query: Query, address: Address, after: list[object] | None) -> list[Line]:
    answer = elasticsearch.client().logs(
        query.dsl,
        start=address.timerange.start,
        end=address.timerange.end,
        size=searching.EXPORT_PAGE,
        search_after=after,
        total=False,
    )
    return elasticsearch.lines(answer)


def _export(query: Query, address: Address, page: list[Line]) -> Iterator[str]:
    sent = 0
    while page:
        for found in page:
            yield _json_line(found.fields)
        sent += len(page)
        if len(page) < searching.EXPORT_PAGE or sent >= searching.EXPORT_LINES:
            return
        try:
            page = _export_page(query, address, list(page[-1].sort))
        except BackendDown as error:
            # The file itself states that it is incomplete.
            yield json.dumps({"export.incomplete": str(error)}) + "\n"
            return


def _json_line(fields: Mapping[str, object]) -> str:
    """Return a line of NDJSON in which characters that a terminal would obey or reorder are JSON escapes."""
    line = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
    return "".join(
        character if character.isprintable() else json.dumps(character)[1:-1] for character in line
    ) + "\n"  # fmt: skip


def _milliseconds(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 14 else None
