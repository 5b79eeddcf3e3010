"""The components of the platform, from catalogue.yaml. Imports no other package of this repository."""

from .loader import default_path, load, schema
from .model import (
    Audience,
    Backend,
    Catalogue,
    CatalogueError,
    Dependency,
    Event,
    External,
    Journey,
    Process,
    ProcessKind,
    Program,
    Protocol,
    Queue,
    Service,
    Slo,
)

__all__ = [
    "Audience",
    "Backend",
    "Catalogue",
    "CatalogueError",
    "Dependency",
    "Event",
    "External",
    "Journey",
    "Process",
    "ProcessKind",
    "Program",
    "Protocol",
    "Queue",
    "Service",
    "Slo",
    "default_path",
    "load",
    "schema",
]
