"""Toxiproxy's proxies, one for each edge that the catalogue gives a proxy port."""

from __future__ import annotations

import json

from catalogue import Catalogue, Dependency

from platformctl.run.environment import HOST
from platformctl.settings import Settings


def proxies(catalogue: Catalogue, settings: Settings) -> str:
    """Toxiproxy's configuration file: `<caller>-<callee>` listens, the callee's own port is upstream."""
    entries = [
        {
            "name": edge.proxy_name,
            "listen": f"{HOST}:{settings.port(edge.proxy_name, 'proxy')}",
            "upstream": f"{HOST}:{_upstream_port(catalogue, settings, edge)}",
            "enabled": True,
        }
        for edge in catalogue.proxied_edges()
    ]
    return json.dumps(entries, indent=2) + "\n"


def _upstream_port(catalogue: Catalogue, settings: Settings, edge: Dependency) -> int:
    external = catalogue.external.get(edge.callee)
    if external is not None and external.process_name is not None:
        return settings.port(external.process_name)
    kind = {"http": "web", "grpc": "grpc"}[edge.protocol]
    process = next(process for process in catalogue.services[edge.callee].processes if process.kind == kind)
    return settings.port(process.name)
