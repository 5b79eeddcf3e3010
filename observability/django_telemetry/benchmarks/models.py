"""Something to list."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class Shelf(models.Model):
    """A place for things."""

    name = models.CharField(max_length=64)

    def __str__(self) -> str:
        return self.name


class Thing(models.Model):
    """One row of the list that the service answers with."""

    name = models.CharField(max_length=64)
    shelf = models.ForeignKey(Shelf, on_delete=models.CASCADE)

    objects: ClassVar[models.Manager[Thing]] = models.Manager()  # for mypy: not among the apps of its settings

    def __str__(self) -> str:
        return self.name
