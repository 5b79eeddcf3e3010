"""Logs when a dependency becomes unavailable and when it recovers, once each."""

from __future__ import annotations

import logging

logger = logging.getLogger(__name__)


class Health:
    """The known state of one dependency that a loop calls repeatedly."""

    def __init__(self, dependency: str) -> None:
        self._dependency = dependency
        self._is_up = True

    def up(self) -> None:
        """Record a success."""
        if not self._is_up:
            logger.info("%s is back", self._dependency, extra={"dependency.name": self._dependency})
        self._is_up = True

    def down(self, error: Exception) -> None:
        """Record a failure. Only the first failure in a row is logged."""
        if self._is_up:
            logger.warning(
                "%s is not available; trying again until it is",
                self._dependency,
                extra={"dependency.name": self._dependency},
                exc_info=error,
            )
        self._is_up = False
