"""The names that the project's models give to the database: certainly names, and never values."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from django.apps import apps


def is_model_name(text: str) -> bool:
    """Whether a table, column, constraint or index of a model has this name. False until the models are loaded."""
    return apps.models_ready and text in _names()


@cache
def _names() -> frozenset[str]:
    models = apps.get_models(include_auto_created=True, include_swapped=True)
    return frozenset(name for model in models for name in _of_model(model._meta))


def _of_model(options: Any) -> Iterator[str]:
    yield options.db_table
    yield from options.db_table.replace('"', "").split(".")
    for field in options.local_fields:
        if field.column:
            yield field.column
    for named in (*options.constraints, *options.indexes):
        yield named.name
