"""Something to list."""

from __future__ import annotations

from django.db import models


class Shelf(models.Model):
    """A place for things."""

    name: models.CharField[str, str] = models.CharField(max_length=64)

    def __str__(self) -> str:
        return self.name


class Thing(models.Model):
    """One row of the list that the service answers with."""

    name: models.CharField[str, str] = models.CharField(max_length=64)
    shelf: models.ForeignKey[Shelf, Shelf] = models.ForeignKey(Shelf, on_delete=models.CASCADE)

    def __str__(self) -> str:
        return self.name
