"""What is kept: one record for each confirmed order."""

from __future__ import annotations

import uuid

from django.db import models


class Record(models.Model):
    """A confirmed order. Its event id is the inbox: the same event makes no second record."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    event_id = models.UUIDField()
    order_id = models.UUIDField()
    user_id = models.UUIDField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["event_id"], name="record_once_for_each_event"),)
        # The only list: a person's own, newest first.
        indexes = (models.Index(fields=["user_id", "-created_at", "id"], name="record_own_newest"),)

    def __str__(self) -> str:
        return f"record of order {self.order_id}"
