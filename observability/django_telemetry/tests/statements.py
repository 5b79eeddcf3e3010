"""Generates SQL statements for each dialect, with a secret in every kind of literal and comment."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st

# A word that no pattern recognises, and digits that no statement contains otherwise.
SECRET, DIGITS = "hunter2planted", "8675309"
# No database: a failure is shown with its seed, and the suite writes nothing beside the code.
GENERATED = settings(deadline=None, max_examples=100, database=None)

_HOSTILE = ["'", '"', "\\", "\n", "--", "/*", "*/", "#", "$$", "$a$", "`", "]", "[", ";", "?", "%", "é", "x", " ", "''"]
DIALECTS = ("postgresql", "mysql", "sqlite", "oracle")


@dataclass(frozen=True)
class Piece:
    """A part of a statement: its SQL, what telemetry shows of it, and the text that the database returns for it."""

    sql: str
    shown: str
    value: str | None = None


@dataclass(frozen=True)
class Statement:
    """``pieces`` make up ``SELECT …``; each literal is a column of the result."""

    dialect: str
    pieces: tuple[Piece, ...]

    @property
    def sql(self) -> str:
        return "".join(piece.sql for piece in self.pieces)

    @property
    def shown(self) -> str:
        return "".join(piece.shown for piece in self.pieces)

    @property
    def values(self) -> list[str]:
        return [piece.value for piece in self.pieces if piece.value is not None]


@st.composite
def secrets(draw: st.DrawFn) -> str:
    """The secret between characters that end or begin a token in some dialect."""
    around = draw(st.lists(st.sampled_from(_HOSTILE), min_size=2, max_size=6))
    return f"{''.join(around[:-1])}{SECRET}{around[-1]}"


def _doubled(text: str, quote: str = "'") -> str:
    return f"{quote}{text.replace(quote, quote * 2)}{quote}"


def _backslashed(text: str, quote: str = "'") -> str:
    return quote + text.replace("\\", "\\\\").replace(quote, f"\\{quote}") + quote


@st.composite
def literals(draw: st.DrawFn, dialect: str) -> Piece:
    """A literal with the secret, in one of the forms of the dialect."""
    text = draw(secrets())
    forms = {"plain", "number"}
    if dialect == "postgresql":
        forms |= {
            "escape",
            "escape with doubled quotes",
            "dollars",
            "tagged dollars",
            "unicode",
            "national",
            "continued",
        }
    elif dialect == "mysql":
        forms |= {"double", "backslashes", "double with backslashes"}
    elif dialect == "oracle":
        forms |= {"national", "quoted by brackets"}
    form = draw(st.sampled_from(sorted(forms)))
    if form == "number":
        kinds = ["{}", "{}.5", "-{}", "1{}e3", ".{}"]
        number = draw(st.sampled_from(kinds)).format(DIGITS)
        return Piece(number, {"-": "-?", ".": ".?"}.get(number[0], "?"))
    if form == "plain" and dialect == "mysql":
        text = text.replace("\\", "")
    if form == "dollars":
        text = text.replace("$", "")
        sql = f"$${text}$$"
    elif form == "tagged dollars":
        text = text.replace("$é1$", "")
        sql = f"$é1${text}$é1$"
    elif form == "continued":
        sql = f"E{_backslashed(text)} -- it's\n \n {_backslashed(text)}"
        text += text
    else:
        sql = {
            "plain": _doubled(text),
            "escape": f"E{_backslashed(text)}",
            "escape with doubled quotes": "e" + _doubled(text.replace("\\", "\\\\")),
            "unicode": f"U&{_doubled(text.replace(chr(92), chr(92) * 2))}",
            "national": f"N{_doubled(text)}",
            "double": _doubled(text.replace("\\", "\\\\"), '"'),
            "backslashes": _backslashed(text),
            "double with backslashes": _backslashed(text, '"'),
            "quoted by brackets": f"q'[{text.replace(']', '')}]'",
        }[form]
    return Piece(sql, "?", text)


@st.composite
def comments(draw: st.DrawFn, dialect: str) -> Piece:
    """A comment with the secret. PostgreSQL's may contain others."""
    text = draw(secrets()).replace("*/", "").replace("/*", "").replace("*", "").replace("/", "")
    kinds = [
        "block",
        "line",
        *(["hash"] if dialect == "mysql" else []),
        *(["nested"] if dialect == "postgresql" else []),
    ]
    kind = draw(st.sampled_from(kinds))
    line = text.replace("\n", " ").replace("\r", " ")
    return {
        "block": Piece(f"/*{text}*/", "/* */"),
        "nested": Piece(f"/*a /*{text}*/ it's {text}*/", "/* */"),
        "line": Piece(f"-- {line}\n", "--\n"),
        "hash": Piece(f"#{line}\n", "#\n"),
    }[kind]


def _name(dialect: str) -> st.SearchStrategy[str]:
    # Names with the characters that begin literals and comments.
    text = st.lists(st.sampled_from(["it's", "a", "--", "/*", "7", "$$", " ", "B"]), min_size=1, max_size=4).map(
        "".join
    )
    quote = "`" if dialect == "mysql" else '"'
    return text.map(lambda name: f"{quote}n{name}{quote}")


@st.composite
def statements(draw: st.DrawFn, dialect: str) -> Statement:
    """SELECT of one to five literals with names, comments between, and a condition."""
    gap = st.one_of(st.just(Piece(" ", " ")), comments(dialect))
    pieces = [Piece("SELECT ", "SELECT ")]
    for number in range(draw(st.integers(1, 3))):
        if number:
            pieces.append(Piece(", ", ", "))
        pieces += [draw(gap), draw(literals(dialect)), draw(gap)]
        name = f" AS {draw(_name(dialect))} "
        pieces += [Piece(name, name), draw(gap)]
    condition = draw(literals(dialect))
    pieces += [Piece(" WHERE ", " WHERE "), condition, Piece(" IS NOT NULL", " IS NOT NULL")]
    pieces[-2] = Piece(condition.sql, condition.shown)  # not a column of the result
    return Statement(dialect, tuple(pieces))
