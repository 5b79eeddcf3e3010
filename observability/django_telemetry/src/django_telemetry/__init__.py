"""Four signals for Django services (traces, metrics, logs, errors) from one pass over the request."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("django-telemetry")
except PackageNotFoundError:  # run from a source tree that was never installed
    __version__ = "0.0.0"

__all__ = ["__version__"]
