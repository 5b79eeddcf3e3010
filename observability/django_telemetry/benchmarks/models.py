"""The models of the benchmark's list view."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class Shelf(models.Model):
    """The foreign key target of Thing."""

    name = models.CharField(max_length=64)

    def __str__(self) -> str:
        return self.name


class Thing(models.Model):
    """One row of the listed table."""

    name = models.CharField(max_length=64)
    shelf = models.ForeignKey(Shelf, on_delete=models.CASCADE)

    objects: ClassVar[models.Manager[Thing]] = models.Manager()  # for mypy: its Django settings lack this app

    def __str__(self) -> str:
        return self.name
