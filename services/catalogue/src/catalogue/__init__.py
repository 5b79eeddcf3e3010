"""The ground floor: what the platform consists of, from catalogue.yaml. Imports no other package of this repository."""

from .loader import default_path, load
from .model import (
    Audience,
    Catalogue,
    CatalogueError,
    Dependency,
    Event,
    External,
    Journey,
    Process,
    ProcessKind,
    Protocol,
    Service,
    Slo,
)

__all__ = [
    "Audience",
    "Catalogue",
    "CatalogueError",
    "Dependency",
    "Event",
    "External",
    "Journey",
    "Process",
    "ProcessKind",
    "Protocol",
    "Service",
    "Slo",
    "default_path",
    "load",
]
