"""The app of this service."""

from __future__ import annotations

from django.apps import AppConfig


class StockConfig(AppConfig):
    """Products and reservations."""

    name = "stock"
