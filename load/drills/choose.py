"""Chooses the platform that the drills act on: native or docker compose."""

from __future__ import annotations

import os
from collections.abc import Mapping

from platformctl.app import Platform

from load.drills import compose
from load.drills.native import Native
from load.drills.site import Site


def choose(platform: Platform, environ: Mapping[str, str] = os.environ) -> Site:
    """The site that DRILLS_SITE names (default: native). Exits with the allowed values for any other value."""
    name = environ.get("DRILLS_SITE") or "native"
    if name == "native":
        return Native(platform)
    if name == "compose":
        return compose.Compose(platform, compose.load(environ))
    raise SystemExit(f"DRILLS_SITE={name!r}: allowed are native and compose")
