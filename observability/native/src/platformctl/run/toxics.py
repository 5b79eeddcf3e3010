"""Toxiproxy's proxies, one for each edge that the catalogue gives a proxy port."""

from __future__ import annotations

import json

from catalogue import Catalogue

from platformctl.run.environment import HOST
from platformctl.settings import Settings


def proxies(catalogue: Catalogue, settings: Settings) -> str:
    """Toxiproxy's configuration file: `<caller>-<callee>` listens, the callee's own port is upstream."""
    entries = [
        {
            "name": edge.proxy_name,
            "listen": f"{HOST}:{settings.port(edge.proxy_name, 'proxy')}",
            "upstream": f"{HOST}:{settings.port(catalogue.listener(edge))}",
            "enabled": True,
        }
        for edge in catalogue.proxied_edges()
    ]
    return json.dumps(entries, indent=2) + "\n"
