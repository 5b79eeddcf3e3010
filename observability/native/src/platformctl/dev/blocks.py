"""Generated blocks in files that are otherwise written by hand, between two markers."""

from __future__ import annotations

from platformctl.errors import PlatformError


def filled(text: str, begin: str, end: str, content: str) -> str:
    """`text` with `content` on the lines after the one that starts with `begin`, up to `end`.

    Raises PlatformError where a marker is missing.
    """
    before, opened, rest = text.partition(begin)
    inside, closed, after = rest.partition(end)
    if not (opened and closed):
        raise PlatformError(f"no block from {begin!r} to {end!r}", advice="restore the two lines with git")
    rest_of_line = inside.partition("\n")[0]
    return f"{before}{begin}{rest_of_line}\n{content}{end}{after}"
