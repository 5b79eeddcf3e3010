"""Generated blocks between two markers, in files that are otherwise written by hand."""

from __future__ import annotations

from platformctl.errors import PlatformError


def filled(text: str, begin: str, end: str, content: str) -> str:
    """Replace the lines of `text` between the line that starts with `begin` and the one that starts with `end`.

    Raises PlatformError if a marker is missing.
    """
    before, opened, rest = text.partition(begin)
    inside, closed, after = rest.partition(end)
    if not (opened and closed):
        raise PlatformError(f"no block from {begin!r} to {end!r}", advice="restore the two lines with git")
    rest_of_line = inside.partition("\n")[0]
    return f"{before}{begin}{rest_of_line}\n{content}{end}{after}"
