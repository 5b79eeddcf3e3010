"""SQL text without its values: literals become ``?``, comments lose their content, the structure stays.

A lexer of its own for each dialect, because telemetry must know exactly where a literal ends: after one wrong guess,
values are taken for structure. sqlparse (which Django installs) knows no dialects, and needs 20 times as long.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

# The characters of unquoted names; PostgreSQL counts everything beyond ASCII as a letter.
_NAME = r"[A-Za-z0-9_$\x80-\U0010ffff]"
_TAG = r"(?:[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_\x80-\U0010ffff]*+)?"

# What follows the first character of a token. A token without its closing quote ends at the end of the text.
_PLAIN = r"[^']*+(?:''[^']*+)*+'?"
_BACKSLASHES = r"(?:[^'\\]++|\\[\s\S]|'')*+(?:'|\\?\Z)"
_DOUBLE = r'[^"]*+(?:""[^"]*+)*+"?'
_DOUBLE_BACKSLASHES = r'(?:[^"\\]++|\\[\s\S]|"")*+(?:"|\\?\Z)'
_BLOCK = r"\*[\s\S]*?(?:\*/|\Z)"
# String constants that are separated by line breaks only are one constant, of the first one's kind.
_GAP = r"(?:[ \t\f\v]|--[^\n\r]*+)*+[\n\r](?:[ \t\f\v\n\r]++|--[^\n\r]*+[\n\r])*+"
_ESCAPED = rf"(?<=[eE]')(?<!{_NAME}[eE]'){_BACKSLASHES}(?:{_GAP}'{_BACKSLASHES})*+"
_ORACLE_QUOTED = (
    r"(?<=[qQ]')(?:\[[\s\S]*?(?:\]'|\Z)|\{[\s\S]*?(?:\}'|\Z)|\([\s\S]*?(?:\)'|\Z)|<[\s\S]*?(?:>'|\Z)"
    r"|(?P<delimiter>\S)[\s\S]*?(?:(?P=delimiter)'|\Z))"
)
# A digit and everything that may belong to it: hexadecimal, binary, exponents, underscores.
_DIGITS = r"[\w.]*+(?:(?<=[0-9.][eE])[+-][0-9_]++)?+"


def _not_after(more: str) -> str:
    """The digit is not part of a name, nor of a parameter: the characters in ``more`` begin one."""
    return rf"(?<![A-Za-z0-9_{more}\x80-\U0010ffff][0-9])"


def _dollars(group: str) -> str:
    return rf"(?P<{group}>{_TAG})\$(?:[\s\S]*?\$(?P={group})\$|[\s\S]*+)"


def _lexer(first: str, *tokens: tuple[str, str, str]) -> re.Pattern[str]:
    """Tokens as (kind, first character, what follows). Only at a character of ``first`` does a token begin.

    The expression begins with the set of all first characters: this lets the engine skip everything else quickly.
    """
    return re.compile(rf"[{first}](?:" + "|".join(f"(?P<{kind}>(?<={at}){rest})" for kind, at, rest in tokens) + ")")


_OTHER_NAMES = (r"[^`]*+(?:``[^`]*+)*+`?", r"[^\]]*+\]?")
_BACKTICKS, _BRACKETS = ("name", "`", _OTHER_NAMES[0]), ("bracket", r"\[", _OTHER_NAMES[1])
_LINE, _C_COMMENT = ("line", "-", r"-[^\n]*+"), ("block", "/", _BLOCK)
_NUMBER = ("number", "[0-9]", _not_after("$?:@") + _DIGITS)


def _postgresql(strings: str) -> re.Pattern[str]:
    return _lexer(
        "'\"0-9$/-",
        ("name", '"', rf'{_DOUBLE}(?:[\s.,]*+"{_DOUBLE})*+'),
        ("value", "'", strings),
        # A string can follow without a space: 1$$text$$, 1E'text', $1$$text$$.
        ("number", "[0-9]", rf"{_not_after('$')}{_DIGITS}(?:\${_dollars('tag1')}|(?<=[eE])'{_BACKSLASHES})?+"),
        ("attached", r"\$", rf"[0-9]++(?:\${_dollars('tag2')}|[eE]'{_BACKSLASHES})"),
        ("dollars", r"\$", rf"(?<!{_NAME}\$){_dollars('tag')}"),
        ("line", "-", r"-[^\n\r]*+"),
        ("nested", "/", r"\*"),
    )


def _mysql(strings: str, double_quoted: str) -> re.Pattern[str]:
    return _lexer(
        "'\"`0-9#/-",
        _BACKTICKS,
        ("value", "'", strings),
        ("double", '"', double_quoted),
        ("number", "[0-9]", _not_after("$@") + _DIGITS),
        ("line", "-", r"-(?=[\s\x00-\x1f]|\Z)[^\n]*+"),
        ("hash", "#", r"[^\n]*+"),
        # Code for some servers and a comment for the others.
        ("rest", "/", r"\*M?!"),
        _C_COMMENT,
    )


_LEXERS = {
    "postgresql": _postgresql(f"(?:{_ESCAPED}|{_PLAIN})"),
    # With standard_conforming_strings off, a backslash escapes in every string constant.
    "postgresql-backslashes": _postgresql(_BACKSLASHES),
    "mysql": _mysql(_BACKSLASHES, _DOUBLE_BACKSLASHES),
    # With the SQL mode NO_BACKSLASH_ESCAPES.
    "mysql-plain": _mysql(_PLAIN, _DOUBLE),
    "sqlite": _lexer(
        "'\"`[0-9/-",
        ("name", '"', rf'{_DOUBLE}\."{_DOUBLE}(?:,\s*+"{_DOUBLE}\."{_DOUBLE})*+'),
        ("perhaps", '"', _DOUBLE),
        ("backticks", "`", _OTHER_NAMES[0]),
        _BRACKETS,
        ("value", "'", _PLAIN),
        _NUMBER,
        _LINE,
        _C_COMMENT,
    ),
    "oracle": _lexer(
        "'\"0-9/-",
        ("name", '"', _DOUBLE),
        ("value", "'", f"(?:{_ORACLE_QUOTED}|{_PLAIN})"),
        _NUMBER,
        _LINE,
        _C_COMMENT,
    ),
}
_OTHER_LEXER = _lexer(
    "'\"`[0-9/-",
    ("name", '"', _DOUBLE),
    ("backticks", "`", _OTHER_NAMES[0]),
    _BRACKETS,
    ("value", "'", _PLAIN),
    _NUMBER,
    _LINE,
    _C_COMMENT,
)
_NAMES = frozenset({"name", "backticks", "bracket"})
_REPLACEMENT = {
    **dict.fromkeys(("value", "double", "perhaps", "number", "attached", "dollars"), "?"),
    **dict.fromkeys(("block", "nested", "rest"), "/* */"),
    "line": "--",
    "hash": "#",
}
# The letters before a string constant that belong to it.
_PREFIX = re.compile(rf"(?<!{_NAME})(?:[bBeEnNxX]|[uU]&|[nN]?[qQ])\Z")
_COMMENT_EDGE = re.compile(r"/\*|\*/")

# SQLite: what a name in double quotes follows.
_WORD_BEFORE = re.compile(r"(\w+)\s+\Z")
_BEFORE_NAMES = frozenset(
    {"AS", "COLUMN", "FROM", "INDEX", "INTO", "JOIN", "RELEASE", "SAVEPOINT", "TABLE", "TO", "UPDATE"}
)
_MAX_SEARCHED = 4096
_DEFINITION = re.compile(r"\s*(?:CREATE|ALTER|DROP)\b", re.IGNORECASE)

_GAPS = r"(?:\s|/\*[ ]\*/|--\n?|\#\n?)"
# Everything that a statement can begin with. Another first word is not shown: it may be a value.
_VERB = re.compile(
    rf"""(?:{_GAPS}|\()*+
    (ABORT|ALTER|ANALYZE|ATTACH|BEGIN|CALL|CHECKPOINT|CLOSE|CLUSTER|COMMENT|COMMIT|COPY|CREATE|DEALLOCATE|DECLARE|DELETE
    |DESCRIBE|DETACH|DISCARD|DO|DROP|END|EXECUTE|EXPLAIN|FETCH|FLUSH|GRANT|HANDLER|IMPORT|INSERT|KILL|LISTEN|LOAD|LOCK
    |MERGE|MOVE|NOTIFY|OPTIMIZE|PRAGMA|PREPARE|REASSIGN|REFRESH|REINDEX|RELEASE|RENAME|REPLACE|RESET|REVOKE|ROLLBACK
    |SAVEPOINT|SECURITY|SELECT|SET|SHOW|START|TABLE|TRUNCATE|UNLISTEN|UPDATE|USE|VACUUM|VALUES|WITH)\b""",
    re.IGNORECASE | re.VERBOSE,
)
OTHER = "OTHER"
_TARGET = re.compile(
    rf"""\b(?:FROM|INTO|UPDATE|JOIN|TABLE|COPY|CALL){_GAPS}+(?:ONLY{_GAPS}+)?
    ((?:"[^"]{{1,64}}"|`[^`]{{1,64}}`|\[[^\]]{{1,64}}\]|[^\W\d][\w$]{{0,63}})
     (?:\.(?:"[^"]{{1,64}}"|`[^`]{{1,64}}`|\[[^\]]{{1,64}}\]|[^\W\d][\w$]{{0,63}})){{0,3}})""",
    re.IGNORECASE | re.VERBOSE,
)
_QUOTES = str.maketrans("", "", '"`[]')
# Below "WITH name AS (…)", the statement itself is the first of these outside of parentheses.
_MAIN = re.compile(r"[()]|\b(?:SELECT|INSERT|UPDATE|DELETE|MERGE|REPLACE|VALUES)\b", re.IGNORECASE)
_CHANGES = re.compile(rf"\({_GAPS}*(INSERT|UPDATE|DELETE|MERGE)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Statement:
    """What telemetry may show of a statement.

    ``verb`` is a verb of SQL in capitals, or OTHER; ``table`` is the first table or procedure as written, without its
    outer quotes, or empty; ``text`` is the statement without values.
    """

    verb: str
    table: str
    text: str

    @property
    def summary(self) -> str:
        """The verb and the table: few different texts, for the name of a span."""
        return f"{self.verb} {self.table.translate(_QUOTES)}".rstrip()


def parse(sql: str, dialect: str, limit: int, is_name: Callable[[str], bool]) -> Statement:
    """``sql`` without its values, its text cut to ``limit`` characters.

    ``dialect`` is a key of _LEXERS; another one is read as standard SQL. ``is_name`` decides, for SQLite, whether a
    text in double quotes is a name: SQLite takes it for a string where it knows no such column.
    """
    text = without_values(sql, dialect, limit, is_name)
    found = _VERB.match(text)
    verb = found.group(1).upper() if found is not None else OTHER
    begin = 0
    if verb == "WITH":
        verb, begin = _main_verb(text)
    target = _TARGET.search(text, begin)
    table = target.group(1) if target is not None else ""
    if table[-1:] in ('"', "`", "]"):
        table = table[:-1]
    return Statement(verb, table.lstrip('"`['), text)


def _main_verb(text: str) -> tuple[str, int]:
    """The verb of a statement that begins with WITH, and where it is.

    A SELECT from a part that changes rows is described by this part: it writes.
    """
    depth = 0
    for match in _MAIN.finditer(text):
        word = match.group().upper()
        if word in "()":
            depth += 1 if word == "(" else -1
        elif depth == 0:
            changes = _CHANGES.search(text, 0, match.start()) if word == "SELECT" else None
            return (changes.group(1).upper(), changes.start()) if changes is not None else (word, match.start())
    return "WITH", 0


def without_values(sql: str, dialect: str, limit: int, is_name: Callable[[str], bool]) -> str:
    """``sql`` with ``?`` for each literal and without the content of comments, cut to ``limit`` characters.

    Reads from the beginning, so that a cut never divides a literal, and only as far as ``limit`` requires.
    """
    pattern = _LEXERS.get(dialect, _OTHER_LEXER)
    parts: list[str] = []
    room, shown, scan = limit, 0, 0  # sql[shown:] is neither copied nor replaced yet
    while scan >= 0:
        scan, begin = -1, scan
        for match in pattern.finditer(sql, begin):
            start, end = match.span()
            if start - shown >= room:
                break
            kind = match.lastgroup or ""
            if kind in _NAMES or (kind == "perhaps" and _is_name(sql, start, end, is_name)):
                continue
            if kind == "value" and (prefix := _PREFIX.search(sql, max(shown, start - 2), start)):
                start = prefix.start()
            replacement = _REPLACEMENT[kind]
            parts += (sql[shown:start], replacement)
            room -= start - shown + len(replacement)
            shown = end
            if kind == "nested":
                shown = scan = _end_of_comment(sql, end)
                break
            if kind == "rest":
                shown = len(sql)
                break
            if room <= 0:
                break
    parts.append(sql[shown : shown + max(room, 0)])
    return "".join(parts)[:limit]


def _end_of_comment(sql: str, begin: int) -> int:
    """Where the comment that was opened before ``begin`` ends. PostgreSQL's comments can contain comments."""
    depth = 1
    for match in _COMMENT_EDGE.finditer(sql, begin):
        depth += 1 if match.group() == "/*" else -1
        if depth == 0:
            return match.end()
    return len(sql)


def _is_name(sql: str, start: int, end: int, is_name: Callable[[str], bool]) -> bool:
    """Whether the text in double quotes at ``start`` is certainly a name in SQLite."""
    if sql[start - 1 : start] == "." or sql[end : end + 1] == ".":
        return True
    if sql[max(0, start - 8) : start].rstrip()[-1:] in ('"', ")"):
        return True  # an alias
    before = _WORD_BEFORE.search(sql, max(0, start - 32), start)
    word = before.group(1).upper() if before is not None else ""
    if word in _BEFORE_NAMES or (word != "DEFAULT" and _DEFINITION.match(sql)):
        return True
    name = sql[start:end]
    return is_name(name[1:-1]) or f"AS {name}" in sql[:_MAX_SEARCHED] or f"as {name}" in sql[:_MAX_SEARCHED]
