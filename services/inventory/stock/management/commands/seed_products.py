"""`manage.py seed_products`: creates the products of a new platform. Idempotent."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand
from django.db import transaction
from django.utils import timezone

from stock.models import Product
from stock.seeds import CURRENCY, SEEDS


class Command(BaseCommand):
    """Creates missing products, and restocks those with less than a tenth left."""

    help = "Creates the products of a fresh platform; existing ones stay, and are filled up where almost sold out."

    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        """Print how many products were created, restocked and left unchanged."""
        known = {
            product.sku: product
            for product in Product.objects.select_for_update(no_key=True)
            .filter(sku__in=[seed.sku for seed in SEEDS])
            .order_by("pk")
        }
        now = timezone.now()
        created = Product.objects.bulk_create(
            Product(
                id=seed.id,
                sku=seed.sku,
                name=seed.name,
                price=seed.price,
                currency=CURRENCY,
                available=seed.available,
                # One at a time, so that pages by age have a stable order.
                created_at=now - timedelta(seconds=index),
            )
            for index, seed in enumerate(SEEDS)
            if seed.sku not in known
        )
        filled = []
        for seed in SEEDS:
            product = known.get(seed.sku)
            if product is not None and product.available * 10 < seed.available:
                product.available = seed.available
                filled.append(product)
        Product.objects.bulk_update(filled, ["available"])
        kept = len(known) - len(filled)
        self.stdout.write(f"Products: {len(created)} created, {len(filled)} filled up, {kept} left as they were.")
