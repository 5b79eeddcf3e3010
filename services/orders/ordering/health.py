"""Says in the log when a dependency goes and when it comes back, once each."""

from __future__ import annotations

import logging

logger = logging.getLogger(__name__)


class Health:
    """What is known of one dependency of a loop that tries it again and again."""

    def __init__(self, dependency: str) -> None:
        self._dependency = dependency
        self._is_up = True

    def up(self) -> None:
        """It works."""
        if not self._is_up:
            logger.info("%s is back", self._dependency, extra={"dependency.name": self._dependency})
        self._is_up = True

    def down(self, error: Exception) -> None:
        """It failed. Only the first failure in a row is worth a line."""
        if self._is_up:
            logger.warning(
                "%s is not available; trying again until it is",
                self._dependency,
                extra={"dependency.name": self._dependency},
                exc_info=error,
            )
        self._is_up = False
