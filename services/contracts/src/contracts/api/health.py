"""`/livez`: the process responds. `/readyz`: its dependencies are available; names each one that isn't."""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.utils.module_loading import import_string
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from contracts.api.problems import problem_response

logger = logging.getLogger(__name__)

Check = Callable[[], None]


def database() -> None:
    """Check that the service's own database responds. Raises the driver's exception."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


_migrated = False


def migrations() -> None:
    """Check that every migration is applied, until that was true once. Raises RuntimeError with the first missing."""
    global _migrated
    if _migrated:
        return
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if plan:
        raise RuntimeError(f"migration {plan[0][0]} is not applied")
    _migrated = True


@require_safe
@never_cache
def livez(request: HttpRequest) -> HttpResponseBase:
    """200 while the process can respond at all; checks no dependency."""
    return JsonResponse({"status": "alive"})


@require_safe
@never_cache
def readyz(request: HttpRequest) -> HttpResponseBase:
    """200 when all settings.READINESS_CHECKS ({dependency: dotted path}) pass, otherwise 503 naming those that fail."""
    missing: dict[str, str] = {}
    for dependency, path in settings.READINESS_CHECKS.items():
        check: Check = import_string(path)
        try:
            check()
        except Exception as error:
            missing[dependency] = type(error).__name__
            logger.warning("Not ready: %s", dependency, exc_info=error)
    if missing:
        names = ", ".join(missing)
        response = problem_response(503, "not_ready", f"Missing: {names}", missing=sorted(missing))
        response["Retry-After"] = "2"
        return response
    return JsonResponse({"status": "ready", "checks": sorted(settings.READINESS_CHECKS)})
