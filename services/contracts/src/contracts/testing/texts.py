"""Hypothesis strategies of e-mail addresses and names as people, and attackers, write them."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st

from contracts import text as rules

# Characters that change under lower-casing or normalisation, that end lines, turn text around or can't be seen.
TRICKY = "\u0130\u0131\u017f\u212a\u00df\u1e9e\u00e5\u212b\ufb01\u00a0\u00ad\u0085\u180e\u200b\u200c\u200d\u200e\u202e\u2028\u2029\u2066\u3000\ufeff\x00\x1b\x7f\t\n\r\"'<>@.,;:\\()[]+-_ "  # noqa: E501
_CHARACTERS = st.one_of(st.sampled_from(TRICKY), st.characters(exclude_categories=["Cs"]), st.sampled_from("aZ09.-"))


def _with_insertions(base: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Return the base text with up to three characters inserted anywhere."""

    def insert(drawn: tuple[str, list[tuple[int, str]]]) -> str:
        text, insertions = drawn
        for position, character in insertions:
            at = position % (len(text) + 1)
            text = text[:at] + character + text[at:]
        return text

    return st.tuples(base, st.lists(st.tuples(st.integers(0, 300), _CHARACTERS), max_size=3)).map(insert)


def customers() -> st.SearchStrategy[dict[str, str]]:
    """Return {email, name} as users stores them: each accepted by the rules, however it was written."""
    return st.fixed_dictionaries(
        {
            "email": emails().map(lambda written: _accepted(rules.email, written, "x@example.com")),
            "name": names().map(lambda written: _accepted(rules.name, written, "Ada")),
        }
    )


def _accepted(rule: Callable[[str], str], written: str, otherwise: str) -> str:
    try:
        return rule(written)
    except rules.InvalidText:
        return otherwise


def emails() -> st.SearchStrategy[str]:
    """Return addresses, most of them almost valid."""
    bases = ["x@example.com", "Ada.Lovelace+shop@Example.COM", "o'b@sub.example.org", "x@m\u00fcnchen.example", "x@a.b"]
    return st.one_of(_with_insertions(st.sampled_from(bases)), st.text(_CHARACTERS, max_size=260))


def names() -> st.SearchStrategy[str]:
    """Return names of people, most of them almost valid."""
    bases = ["Ada Lovelace", "\u6797\u3000\u592a\u90ce", "\u0645\u06cc\u200c\u062e", "Zo\u0065\u0308"]
    return st.one_of(_with_insertions(st.sampled_from(bases)), st.text(_CHARACTERS, max_size=210))
