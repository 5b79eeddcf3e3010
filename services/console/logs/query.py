"""The query language of the logs page: a subset of Lucene's and Kibana's, made into Elasticsearch's Query DSL.

    payment declined                     both words, in a line's message or error message
    "connection refused"                 the words in this order
    log.level:(warning or error)         and, or, not in any case; ( ) group; words side by side must all match
    http.response.status_code >= 500     also > < <= and [400 TO 499]
    event.duration > 1s                  durations take a unit: ns us ms s m
    http.route:*                         the field exists
    service.name:order* not request.id:x wildcards * and ?

luqum parses the query and this module builds the DSL: no user input reaches Elasticsearch's query_string, and an
unknown field is an error at the input instead of an empty result.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from luqum import tree
from luqum.exceptions import IllegalCharacterError, ParseSyntaxError
from luqum.thread import parse as parse_lucene

MOST_CHARACTERS = 2000
MOST_CLAUSES = 100
MOST_WILDCARDS = 10
DEEPEST = 20

Dsl = dict[str, Any]
Value = TypeVar("Value", int, float, datetime)

# The fields searched for words without a field.
TEXT_FIELDS = ("message", "error.message")
# A word that looks like an id is also searched here.
_ID = re.compile(r"[0-9a-f]{16}|[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_ID_FIELDS = ("trace.id", "span.id", "request.id", "event.id", "order.id", "user.id", "messaging.message.id")
_PATH_FIELDS = ("url.path", "http.route", "url.template")
_DURATION_FIELD = "event.duration"
_DURATION = re.compile(r"(-?\d+(?:\.\d+)?)\s*(ns|us|µs|ms|s|m)")
_NANOSECONDS = {"ns": 1, "us": 1_000, "µs": 1_000, "ms": 1_000_000, "s": 1_000_000_000, "m": 60_000_000_000}
# Elasticsearch refuses a search with a value outside of the field's range.
_INTEGERS = {
    "long": range(-(2**63), 2**63),
    "integer": range(-(2**31), 2**31),
    "short": range(-(2**15), 2**15),
    "byte": range(-(2**7), 2**7),
    "unsigned_long": range(2**64),
}
_FLOATS = {"double": sys.float_info.max, "float": 3.4028234e38, "half_float": 65504.0, "scaled_float": 9.0e15}
# The times that a date with nanoseconds can have.
_YEARS = range(1970, 2262)
# Fields whose values are lower case, regardless of the input.
_LOWER = frozenset({"log.level", "trace.id", "span.id"})
_OPERATORS = {"and": "AND", "or": "OR", "not": "NOT"}
_COMPARISON = re.compile(r"[ \t]*(>=|<=|>|<)[ \t]*")
_FIELD = re.compile(r"[\w@][\w.@\-]*")
_EQUALS = re.compile(r"(?P<field>[\w@.\-]+)(?P<not>!?)==?(?P<value>.*)")
_POSITION = re.compile(r"at position (\d+)")
_UNEXPECTED = re.compile(r"unexpected\s+'(.*)' at position", re.DOTALL)


class QueryError(ValueError):
    """The query is invalid. ``position`` is the character that the message refers to, if any.

    ``instead`` are suggested replacements for the word there.
    """

    def __init__(self, message: str, position: int | None = None, instead: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.position = position
        self.instead = instead


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed query. ``dsl`` is {} for all lines; ``words`` are those to highlight in messages."""

    text: str
    dsl: Dsl
    words: tuple[str, ...]


def parse(text: str, fields: Mapping[str, str]) -> Query:
    """Parse a query. ``fields`` are the searchable fields with their types. Raises QueryError."""
    text = text.strip()
    if not text or text == "*":
        return Query(text, {}, ())
    if len(text) > MOST_CHARACTERS:
        raise QueryError(f"The query is too long: at most {MOST_CHARACTERS} characters.")
    prepared = _Prepared.of(text)
    try:
        found = parse_lucene(prepared.text)
    except (ParseSyntaxError, IllegalCharacterError) as error:
        raise _syntax_error(str(error), prepared) from None
    except RecursionError:
        raise QueryError("The query is nested too deeply.") from None
    builder = _Builder(fields, prepared)
    return Query(text, builder.build(found, None, 0), tuple(dict.fromkeys(builder.words)))


def term(name: str, value: str, *, negated: bool = False) -> str:
    """Return a query for one field's exact value, as `filter for` and `filter out` add it."""
    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'{"NOT " if negated else ""}{name}:"{quoted}"'


def join(query: str, added: str) -> str:
    """Combine two queries, so that lines must match both."""
    query = query.strip()
    if not query or query == "*":
        return added
    # A space binds less than OR does, so the existing query needs parentheses to keep its meaning.
    needs_group = re.search(r"\bor\b", query, re.IGNORECASE) is not None and not _is_group(query)
    return f"({query}) {added}" if needs_group else f"{query} {added}"


def _is_group(query: str) -> bool:
    depth = 0
    for index, character in enumerate(query):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth == 0:
            return index == len(query) - 1
    return False


@dataclass(slots=True)
class _Prepared:
    """The query in luqum's syntax: Kibana's operators, comparisons and paths are translated to Lucene.

    ``origin`` maps each character to its position in the input.
    """

    text: str
    origin: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, typed: str) -> _Prepared:
        pieces: list[tuple[str, int]] = []
        index, depth = 0, 0
        while index < len(typed):
            character = typed[index]
            starts = index == 0 or typed[index - 1] in " \t\r\n(:"
            if character == '"':
                end = _closing_quote(typed, index)
                pieces.append((typed[index:end], index))
                index = end
                continue
            if character in "()":
                depth += 1 if character == "(" else -1
                if depth > DEEPEST:
                    raise QueryError(f"Parentheses go {DEEPEST} deep at most.", index)
            if starts and character == "/":
                # A path. Lucene would parse it as a regular expression.
                pieces.append(("\\/", index))
                index += 1
                continue
            word = _FIELD.match(typed, index) if starts else None
            if word is None:
                pieces.append((character, index))
                index += 1
                continue
            index = word.end()
            comparison = _COMPARISON.match(typed, index)
            followed = typed[index : index + 1]
            if comparison:
                pieces += [(word.group(), word.start()), (":", index), (comparison.group(1), comparison.start(1))]
                index = comparison.end()
            elif word.group().lower() in _OPERATORS and followed in ("", " ", "\t", "\n", "\r", "(", ")"):
                pieces.append((_OPERATORS[word.group().lower()], word.start()))
            else:
                pieces.append((word.group(), word.start()))
        prepared = cls("")
        for piece, start in pieces:
            prepared.text += piece
            prepared.origin += [start + offset for offset in range(len(piece))]
        return prepared

    def typed_at(self, position: int | None) -> int | None:
        """Return the position in the input of a character of the prepared query."""
        if position is None or not self.origin:
            return None
        return self.origin[min(position, len(self.origin) - 1)]


def _closing_quote(typed: str, start: int) -> int:
    """Return the index after the quote that closes the one at start."""
    index = start + 1
    while index < len(typed):
        if typed[index] == "\\":
            index += 1
        elif typed[index] == '"':
            return index + 1
        index += 1
    raise QueryError('A quotation mark is open: add the closing ".', start)


def _syntax_error(message: str, prepared: _Prepared) -> QueryError:
    found = _POSITION.search(message)
    position = prepared.typed_at(int(found.group(1))) if found else None
    unexpected = _UNEXPECTED.search(message)
    if position is None:
        return QueryError("The query breaks off: a value, or a closing parenthesis, is missing at its end.")
    shown = unexpected.group(1) if unexpected else prepared.text[int(found.group(1))] if found else ""
    hint = " Put a value with such characters into quotation marks." if shown and shown in "{}[]^~:\\" else ""
    return QueryError(f"{shown or 'Something'} isn't expected at character {position + 1}.{hint}", position)


@dataclass(slots=True)
class _Builder:
    fields: Mapping[str, str]
    prepared: _Prepared
    words: list[str] = field(default_factory=list)
    clauses: int = 0
    wildcards: int = 0

    def build(self, node: tree.Item, name: str | None, depth: int) -> Dsl:
        """Return the DSL of a node, within the field ``name`` if given."""
        if depth > DEEPEST * 3:
            raise QueryError("The query is nested too deeply.")
        make = _MAKERS.get(type(node))
        if make is None:
            raise QueryError(f"{node!s} can't be used here: only words, phrases, ranges and wildcards.", self._at(node))
        return make(self, node, name, depth)

    def _at(self, node: tree.Item) -> int | None:
        return self.prepared.typed_at(node.pos)

    def _all(self, node: tree.Item, name: str | None, depth: int) -> Dsl:
        must: list[Dsl] = []
        must_not: list[Dsl] = []
        for child in node.children:
            if isinstance(child, (tree.Not, tree.Prohibit)):
                must_not.append(self._excluded(child.children[0], name, depth))
            else:
                must.append(self.build(child, name, depth + 1))
        return {"bool": {"filter": must, **({"must_not": must_not} if must_not else {})}}

    def _any(self, node: tree.Item, name: str | None, depth: int) -> Dsl:
        should = [self.build(child, name, depth + 1) for child in node.children]
        return {"bool": {"should": should, "minimum_should_match": 1}}

    def _not(self, node: tree.Item, name: str | None, depth: int) -> Dsl:
        inner = node.children[0]
        if name and isinstance(node, tree.Prohibit) and isinstance(inner, tree.Word) and self._is_number(name):
            return self._value(name, f"-{inner.value}", node)
        return {"bool": {"must_not": [self._excluded(inner, name, depth)]}}

    def _excluded(self, node: tree.Item, name: str | None, depth: int) -> Dsl:
        # Excluded words can't be highlighted.
        words, self.words = self.words, []
        excluded = self.build(node, name, depth + 1)
        self.words = words
        return excluded

    def _inner(self, node: tree.Item, name: str | None, depth: int) -> Dsl:
        return self.build(node.children[0], name, depth + 1)

    def _field(self, node: tree.SearchField, name: str | None, depth: int) -> Dsl:
        wanted = _unescape(node.name)
        if name is not None:
            raise QueryError(f'A value with a colon needs quotation marks: {name}:"{node!s}".', self._at(node))
        if wanted == "_exists_":
            return self._exists(_unescape(str(node.children[0]).strip()), node.children[0])
        if wanted not in self.fields:
            raise self._unknown(wanted, node)
        return self.build(node.children[0], wanted, depth + 1)

    def _word(self, node: tree.Word, name: str | None, depth: int) -> Dsl:
        self._count(node)
        if node.value in ("&&", "||"):
            raise QueryError("Write AND, OR.", self._at(node))
        if name is None:
            equals = _EQUALS.match(node.value)
            if equals and equals.group("field") in self.fields:
                wanted = f"{equals.group('field')}:{equals.group('value') or 'value'}"
                raise QueryError(f"Write {'NOT ' if equals.group('not') else ''}{wanted}.", self._at(node))
            return self._anywhere(node.value, node)
        if node.value == "*":
            return self._exists(name, node)
        if _has_wildcard(node.value):
            return self._pattern(name, node.value, node)
        return self._value(name, _unescape(node.value), node)

    def _phrase(self, node: tree.Phrase, name: str | None, depth: int) -> Dsl:
        self._count(node)
        value = _unescape(node.value[1:-1])
        if name is None:
            self.words.append(value)
            return self._text(value, exact=True)
        return self._value(name, value, node)

    def _range(self, node: tree.Range, name: str | None, depth: int) -> Dsl:
        bounds = {}
        if str(node.low).strip() != "*":
            bounds["gte" if node.include_low else "gt"] = self._bound(name, node.low)
        if str(node.high).strip() != "*":
            bounds["lte" if node.include_high else "lt"] = self._bound(name, node.high)
        return self._between(name, bounds, node)

    def _from(self, node: tree.From, name: str | None, depth: int) -> Dsl:
        return self._between(name, {"gte" if node.include else "gt": self._bound(name, node.a)}, node)

    def _to(self, node: tree.To, name: str | None, depth: int) -> Dsl:
        return self._between(name, {"lte" if node.include else "lt": self._bound(name, node.a)}, node)

    def _between(self, name: str | None, bounds: Dsl, node: tree.Item) -> Dsl:
        self._count(node)
        if name is None:
            raise QueryError("A comparison needs a field in front, as in event.duration > 1s.", self._at(node))
        return {"range": {name: bounds}} if bounds else self._exists(name, node)

    def _bound(self, name: str | None, node: tree.Item) -> Any:
        if name is None:
            return None
        text = str(node).strip()
        return self._typed(name, _unescape(text[1:-1] if text.startswith('"') else text), node)

    def _exists(self, name: str, node: tree.Item) -> Dsl:
        if name not in self.fields:
            raise self._unknown(name, node)
        return {"exists": {"field": name}}

    def _anywhere(self, raw: str, node: tree.Item) -> Dsl:
        if raw == "*":
            return {"match_all": {}}
        if _has_wildcard(raw):
            self._count_wildcards(raw, node)
            self.words.append(re.sub(r"[*?]+.*", "", raw))
            should = [
                {"wildcard": {name: {"value": raw, "case_insensitive": True}}} for name in (*TEXT_FIELDS, "error.type")
            ]
            return {"bool": {"should": should, "minimum_should_match": 1}}
        value = _unescape(raw)
        self.words.append(value)
        return self._text(value)

    def _text(self, value: str, *, exact: bool = False) -> Dsl:
        should: list[Dsl] = [{"multi_match": {"query": value, "type": "phrase", "fields": list(TEXT_FIELDS)}}]
        if not exact:
            should.append({"term": {"error.type": {"value": value, "case_insensitive": True}}})
        if _ID.fullmatch(value):
            should += [{"term": {name: value.lower()}} for name in _ID_FIELDS if name in self.fields]
        if value.startswith("/"):
            should += [{"term": {name: value}} for name in _PATH_FIELDS if name in self.fields]
        return {"bool": {"should": should, "minimum_should_match": 1}}

    def _value(self, name: str, value: str, node: tree.Item) -> Dsl:
        if self.fields[name] in ("text", "match_only_text"):
            self.words.append(value)
            return {"match_phrase": {name: value}}
        return {"term": {name: self._typed(name, value, node)}}

    def _pattern(self, name: str, raw: str, node: tree.Item) -> Dsl:
        kind = self.fields[name]
        if kind not in ("keyword", "constant_keyword", "wildcard", "text", "match_only_text"):
            raise QueryError(
                f"{name} takes no wildcard: it is a {_kind(kind)}. Compare it by >= and <=.", self._at(node)
            )
        self._count_wildcards(raw, node)
        return {"wildcard": {name: {"value": raw, "case_insensitive": True}}}

    def _typed(self, name: str, value: str, node: tree.Item) -> Any:
        """Convert a value to the field's type. Raises QueryError for an invalid one."""
        kind = self.fields[name]
        try:
            if kind in _INTEGERS:
                number = _nanoseconds(value) if name == _DURATION_FIELD else int(value)
                return _within(number, number in _INTEGERS[kind])
            if kind in _FLOATS:
                # Neither infinite nor NaN, for which the comparison is false.
                return _within(float(value), abs(float(value)) <= _FLOATS[kind])
            if kind == "boolean":
                return {"true": True, "false": False}[value.lower()]
            if kind == "ip":
                ipaddress.ip_network(value, strict=False)
            if kind in ("date", "date_nanos"):
                moment = datetime.fromisoformat(value)
                moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
                # With milliseconds: Elasticsearch reads a time without them as the whole second.
                return _within(moment, moment.year in _YEARS).isoformat(timespec="milliseconds")
        except (ValueError, KeyError, OverflowError):
            raise QueryError(f"{name} is a {_kind(kind)}: {value!r} isn't one.", self._at(node)) from None
        return value.lower() if name in _LOWER else value

    def _is_number(self, name: str) -> bool:
        return self.fields.get(name) in {**_INTEGERS, **_FLOATS}

    def _count(self, node: tree.Item) -> None:
        self.clauses += 1
        if self.clauses > MOST_CLAUSES:
            raise QueryError(f"The query has too many conditions: at most {MOST_CLAUSES}.", self._at(node))

    def _count_wildcards(self, raw: str, node: tree.Item) -> None:
        self.wildcards += len(re.findall(r"[*?]", raw))
        if self.wildcards > MOST_WILDCARDS:
            raise QueryError(f"The query has too many wildcards: at most {MOST_WILDCARDS}.", self._at(node))

    def _unknown(self, name: str, node: tree.Item) -> QueryError:
        guesses = tuple(suggest(name, self.fields))
        hint = f" Did you mean {' or '.join(guesses)}?" if guesses else ""
        return QueryError(f"No line has a field {name}.{hint}", self._at(node), guesses)


_MAKERS: dict[type[tree.Item], Callable[[_Builder, Any, str | None, int], Dsl]] = {
    tree.UnknownOperation: _Builder._all,
    tree.AndOperation: _Builder._all,
    tree.OrOperation: _Builder._any,
    tree.Not: _Builder._not,
    tree.Prohibit: _Builder._not,
    tree.Plus: _Builder._inner,
    tree.Group: _Builder._inner,
    tree.FieldGroup: _Builder._inner,
    tree.SearchField: _Builder._field,
    tree.Word: _Builder._word,
    tree.Phrase: _Builder._phrase,
    tree.Range: _Builder._range,
    tree.From: _Builder._from,
    tree.To: _Builder._to,
}


def suggest(name: str, fields: Mapping[str, str]) -> list[str]:
    """Return at most three fields whose name, or its last part, is similar."""
    wanted = name.lower()
    same_end = [
        known for known in fields if known.lower().rsplit(".", 1)[-1] == wanted or known.startswith(f"{wanted}.")
    ]
    close = difflib.get_close_matches(wanted, list(fields), n=3, cutoff=0.6)
    return list(dict.fromkeys([*sorted(same_end, key=len), *close]))[:3]


def _has_wildcard(raw: str) -> bool:
    return re.search(r"(?<!\\)[*?]", raw) is not None


def _unescape(raw: str) -> str:
    return re.sub(r"\\(.)", r"\1", raw)


def _nanoseconds(value: str) -> int:
    found = _DURATION.fullmatch(value)
    return round(float(found.group(1)) * _NANOSECONDS[found.group(2)]) if found else int(value)


def _within(value: Value, is_within: bool) -> Value:
    if not is_within:
        raise ValueError("outside of the field's range")
    return value


def _kind(kind: str) -> str:
    if kind in _INTEGERS:
        return "whole number"
    if kind in _FLOATS:
        return "number"
    return {
        "boolean": "yes/no value (true, false)",
        "ip": "network address",
        "date": "time (2026-01-31T12:00:00Z)",
    }.get(kind, kind)
