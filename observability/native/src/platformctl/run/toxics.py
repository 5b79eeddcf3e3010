"""Toxiproxy's proxies, one for each edge that has a proxy port in the catalogue."""

from __future__ import annotations

import json

from catalogue import Catalogue

from platformctl.run.hosts import HostOf
from platformctl.settings import Settings


def proxies(catalogue: Catalogue, settings: Settings, host_of: HostOf, *, listen: str) -> str:
    """Toxiproxy's configuration file: `<caller>-<callee>` listens, the callee's own port is upstream.

    `listen` is the address that Toxiproxy binds to.
    """
    entries = [
        {
            "name": edge.proxy_name,
            "listen": f"{listen}:{settings.port(edge.proxy_name, 'proxy')}",
            "upstream": f"{host_of(catalogue.listener(edge))}:{settings.port(catalogue.listener(edge))}",
            "enabled": True,
        }
        for edge in catalogue.proxied_edges()
    ]
    return json.dumps(entries, indent=2) + "\n"
