"""Which way of running drills act on."""

from __future__ import annotations

import os
from collections.abc import Mapping

from platformctl.app import Platform

from load.drills import compose
from load.drills.native import Native
from load.drills.site import Site


def choose(platform: Platform, environ: Mapping[str, str] = os.environ) -> Site:
    """The site that DRILLS_SITE names, by default native. Exits naming what is allowed for any other value."""
    name = environ.get("DRILLS_SITE") or "native"
    if name == "native":
        return Native(platform)
    if name == "compose":
        return compose.Compose(platform, compose.load(environ))
    raise SystemExit(f"DRILLS_SITE={name!r}: allowed are native and compose")
