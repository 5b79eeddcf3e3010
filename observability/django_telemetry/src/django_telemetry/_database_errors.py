"""Texts of database errors without the values that databases quote in them.

Databases quote parameters, rows and parts of statements in their messages. What is a value follows from the structure
of the message: from the server's diagnostic fields where the driver has them (PostgreSQL), otherwise from the quotes. A
quoted word stays if it is certainly a name: one of the error's own fields, of a model, or of the failed statement.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Any

from ._guard import guarded, report
from ._model_names import is_model_name

HIDDEN = "[redacted]"
_MAX_TEXT = 4096
# Errors whose texts are recognised inside other texts, and for how long, in seconds.
_MAX_RECENT, _RECENT = 16, 60.0
_MAX_CAUSES = 16

# The packages of drivers; each defines the exceptions of PEP 249.
_DRIVERS = frozenset(
    {
        "psycopg",
        "psycopg2",
        "sqlite3",
        "MySQLdb",
        "pymysql",
        "mysql",
        "oracledb",
        "cx_Oracle",
        "asyncpg",
        "pyodbc",
        "mssql",
    }
)
_TEXT = "_django_telemetry_text"

# Opening and closing quotes of messages in all languages of the servers.
_QUOTES = {'"': '"', "'": "'", "`": "`", "«": "»", "»": "«", "„": "“", "“": "”", "‘": "’", "‚": "‘"}
# An apostrophe after a letter is not a quote: "doesn't".
_OPENING = re.compile(r"""["`«»„“‚]|(?<![^\W_])['‘]""")
_BARE_NUMBER = re.compile(r"(?<![\w(,.$])[+-]?\d[\w.]*")
_LONG_NUMBER = re.compile(r"\d{5,}")

# PostgreSQL. Conditions that functions raise with texts of their own, and those of other servers and languages.
_FREE_CLASSES = ("P0", "38", "39", "HV", "XX")
_STANDARD_CLASS = re.compile(r"0[0-389ABFLPZ]|10|2[0-8BDF]|3[489BDF]|4[024]|5[34578]|72|F0|HV|P0|XX")
# RAISE of PL/pgSQL, whatever SQLSTATE it uses.
_RAISING = frozenset({"exec_stmt_raise", "exec_stmt_assert"})
_KEY = re.compile(
    r"Key \((?P<columns>.+?)\)=\(.*\) (?P<rest>already exists|is duplicated|is not present in table \"[^\"]*\"|is "
    r"still referenced from table \"[^\"]*\"|conflicts with existing key)",
    re.DOTALL,
)
_DEADLOCK = re.compile(r"(?:Process \d+ waits for \w+ on [\w ,()]+; blocked by process \d+\.\s*)+\Z")
# MySQL. (.*) reaches as far as it can: the value may contain quotes.
_MYSQL_FORMS = (
    re.compile(r"(?P<before>Duplicate entry ')(?:.*)(?P<after>' for key '[\w.$-]{1,130}')\Z", re.DOTALL),
    re.compile(
        r"(?P<before>(?:Incorrect|Truncated incorrect) [\w ]{1,40} value: ')(?:.*)"
        r"(?P<after>' for column (?:[\w.$`]{1,200}|'[\w.$]{1,64}') at row \d+)\Z",
        re.DOTALL,
    ),
)
_MYSQL_PHRASES = frozenset(
    {"field list", "where clause", "on clause", "order clause", "group statement", "having clause"}
)
_MYSQL_SIGNAL = 1644
# SQLite.
_SQLITE_CONSTRAINT = re.compile(r"(?:UNIQUE|NOT NULL|CHECK|FOREIGN KEY) constraint failed(?:: [\w., ]+)?\Z")
_SQLITE_TAILS = frozenset({"syntax error", "incomplete input"})

_CONNECTION_ERRORS = frozenset({"OperationalError", "InterfaceError", "PoolTimeout", "PoolClosed", "ConnectionTimeout"})
_ORACLE_FREE = re.compile(r"ORA-20\d{3}")

Known = Callable[[str], bool]


def is_database_error(exc: BaseException) -> bool:
    """Whether a database, its driver or Django's database layer raised ``exc``."""
    for base in type(exc).__mro__:
        module = str(base.__module__)
        if module.partition(".")[0] in _DRIVERS or module == "django.db.utils":
            return issubclass(base, Exception)
    return False


def clean(exc: BaseException, statement: str = "") -> str:
    """The text of a database error without values. ``statement`` is the failed one, already without values."""
    driver = exc.__cause__ if exc.__cause__ is not None and is_database_error(exc.__cause__) else exc
    words = frozenset(re.findall(r"[^\W\d][\w$]*", statement))

    def known(text: str) -> bool:
        return is_model_name(text) or all(part in words or is_model_name(part) for part in text.split("."))

    package = type(driver).__module__.partition(".")[0]
    diagnosis: Any = getattr(driver, "diag", None)
    if getattr(diagnosis, "message_primary", None):
        return _of_postgresql(diagnosis, known)
    if package in ("MySQLdb", "pymysql", "mysql") and len(driver.args) > 1 and isinstance(driver.args[0], int):
        return f"({driver.args[0]}, {_of_mysql(driver.args[0], str(driver.args[1]), known)!r})"
    text = str(driver.args[0]) if driver.args and isinstance(driver.args[0], str) else str(driver)
    if package == "sqlite3":
        return _of_sqlite(text, known)
    if package == "django" or type(driver).__name__ in _CONNECTION_ERRORS:
        return text  # Django's own texts, and those about connections, quote no parameters
    if _ORACLE_FREE.search(text):
        return HIDDEN
    return _LONG_NUMBER.sub("?", _without_quoted(text, known))


def _of_postgresql(diagnosis: Any, known: Known) -> str:
    state = str(diagnosis.sqlstate or "")
    if (
        state[:2] in _FREE_CLASSES
        or not _STANDARD_CLASS.match(state)
        or diagnosis.source_function in _RAISING
        or "pl_exec" in str(diagnosis.source_file or "")
    ):
        return f"{HIDDEN} (SQLSTATE {state})"
    fields = ("schema_name", "table_name", "column_name", "datatype_name", "constraint_name")
    own = {str(getattr(diagnosis, field, None) or "") for field in fields} - {""}
    # Data exceptions quote values, also such as look like a name of the statement.
    named = own.__contains__ if state[:2] == "22" else lambda text: text in own or known(text)
    text = _BARE_NUMBER.sub("?", _without_quoted(str(diagnosis.message_primary), named))
    detail = str(getattr(diagnosis, "message_detail", None) or "")
    shown = _detail(detail, state)
    return f"{text}\nDETAIL:  {shown}" if shown else text


def _detail(detail: str, state: str) -> str:
    key = _KEY.match(detail)
    if key is not None:
        return f"Key ({key['columns']})=({HIDDEN}) {key['rest']}."
    if detail.startswith("Failing row contains "):
        return f"Failing row contains ({HIDDEN})."
    return detail if state == "40P01" and _DEADLOCK.match(detail) else ""


def _of_mysql(number: int, text: str, known: Known) -> str:
    if number == _MYSQL_SIGNAL:
        return HIDDEN
    for form in _MYSQL_FORMS:
        found = form.match(text)
        if found is not None:
            return f"{found['before']}{HIDDEN}{found['after']}"
    return _without_quoted(text, lambda quoted: quoted in _MYSQL_PHRASES or known(quoted))


def _of_sqlite(text: str, known: Known) -> str:
    if _SQLITE_CONSTRAINT.match(text):
        return text
    # Before the quoted parts are hidden, since they may contain anything: near "…": syntax error
    head, colon, tail = text.rpartition(": ")
    if colon and tail not in _SQLITE_TAILS and not known(tail):
        head, tail = text.partition(": ")[0], HIDDEN
    return _without_quoted(f"{head}{colon}{tail}", known)


def _without_quoted(text: str, known: Known) -> str:
    """``text`` without what is quoted in it, except known names.

    A value may contain quotes, so everything from the first quote of an unknown text to the last of its kind is hidden.
    """
    parts: list[str] = []
    at = 0
    while (opening := _OPENING.search(text, at)) is not None:
        begin = opening.start()
        closing = _QUOTES[text[begin]]
        end = text.find(closing, begin + 1)
        quoted = text[begin + 1 : end] if end >= 0 else ""
        if end >= 0 and known(quoted):
            parts.append(text[at : end + 1])
            at = end + 1
            continue
        parts += (text[at : begin + 1], HIDDEN, closing)
        # Not an apostrophe: "'…' doesn't exist".
        at = max((found.end() for found in re.finditer(rf"{closing}(?!\w)", text[begin + 1 :])), default=-1)
        at = begin + 1 + at if at >= 0 else len(text)
    parts.append(text[at:])
    return "".join(parts)


# (when, text as raised, text to show), of the errors of this process; each error has several forms.
_recent: deque[tuple[float, str, str]] = deque(maxlen=_MAX_RECENT)


@guarded("errors")
def note(exc: BaseException, statement: str) -> None:
    """Recognise the text of this error wherever it appears: in other exceptions, in lines, in error reports.

    ``statement`` is the failed statement without its values.
    """
    driver = exc.__cause__ or exc
    raw, shown = str(exc)[:_MAX_TEXT], clean(exc, statement)
    for error in (exc, driver):
        with suppress(Exception):  # an exception class with slots is cleaned anew
            setattr(error, _TEXT, shown)
    now = monotonic()
    first, first_shown = raw.partition("\n")[0], shown.partition("\n")[0]
    for text, instead in ((first, first_shown), (repr(raw)[1:-1], shown), (raw, shown)):
        if text != instead and len(text) > 3:
            _recent.append((now, text, instead))


@guarded("errors")
def note_all(exc: BaseException) -> None:
    """note() the database errors among ``exc`` and its causes that are not known yet."""
    seen: set[int] = set()
    current: BaseException | None = exc
    while current is not None and id(current) not in seen and len(seen) < _MAX_CAUSES:
        seen.add(id(current))
        if is_database_error(current) and getattr(current, _TEXT, None) is None:
            note(current, "")
        current = current.__cause__ or current.__context__


def text_of(exc: BaseException) -> str | None:
    """The text of a database error without values; None for another exception. Never raises."""
    try:
        if not is_database_error(exc):
            return None
        known = getattr(exc, _TEXT, None)
        return known if isinstance(known, str) else clean(exc)
    except Exception:
        report("the text of a database error")
        return HIDDEN


def without_recent(text: str, limit: int) -> str:
    """``text`` with the texts of recent database errors replaced by those without values.

    Of a longer text, ``limit`` characters and as much as such a text has.
    """
    if not _recent:
        return text
    oldest = monotonic() - _RECENT
    text = text[: limit + _MAX_TEXT]
    for when, raw, shown in reversed(tuple(_recent)):
        if when < oldest:
            break
        if raw in text:
            text = text.replace(raw, shown)
    return text


# In texts that don't come from a known exception: the forms that only database errors have.
_REST = r"[^\n]*"
_FORMS = tuple(
    (re.compile(form, re.MULTILINE), instead)
    for form, instead in (
        (rf"\bLINE \d+: (?:.*?\\n *\^|{_REST}(?:\n *\^)?)", f"LINE: {HIDDEN}"),
        (
            rf"Key \(([^\n]+?)\)=\({_REST}\)"
            r"(?= already exists| is (?:duplicated|not present|still referenced)| conflicts)",
            rf"Key (\1)=({HIDDEN})",
        ),
        (rf"Failing row contains \((?:{_REST}\)|{_REST})", f"Failing row contains ({HIDDEN})"),
        (rf"(?:^|(?<=\\n))(CONTEXT|QUERY|STATEMENT|WHERE):  {_REST}", rf"\1:  {HIDDEN}"),
        (
            r"((?:invalid input (?:syntax|value)|out of range|malformed \w+ literal|not recognized|invalid \w+(?: \w+)?"
            r"|(?:syntax error|unterminated [\w -]{1,40}) at or near|unrecognized token)[\w() ]{0,60}:? )"
            rf'"(?:{_REST}"|{_REST})',
            rf'\1"{HIDDEN}"',
        ),
        (rf'(\bvalue )"{_REST}"( is out of range)', rf'\1"{HIDDEN}"\2'),
        (
            r"(Duplicate entry |(?:Incorrect|Truncated incorrect) [\w ]{1,40} value: |\bnear )"
            rf"(?:'{_REST}'(?= for (?:key|column))|'{_REST}'(?= at (?:line|row))|'{_REST}'(?=[\"')]*$))",
            rf"\1'{HIDDEN}'",
        ),
    )
)
_HINTS = re.compile(
    r"LINE \d|Key \(|Failing row|(?:CONTEXT|QUERY|STATEMENT|WHERE):  |invalid |out of range|malformed |at or near"
    r"|un(?:recognized|terminated)|not recognized|Duplicate entry|ncorrect |near '"
)


def without_forms(text: str) -> str:
    """``text`` without what databases quote in the messages that are recognised by their form."""
    if not _HINTS.search(text):
        return text
    for form, instead in _FORMS:
        text = form.sub(instead, text)
    return text
