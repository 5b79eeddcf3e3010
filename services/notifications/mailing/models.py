"""The record of each sent mail."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q


class Kind(models.TextChoices):
    """The subject of a mail."""

    ORDER_CONFIRMED = "order_confirmed"
    ORDER_CANCELLED = "order_cancelled"


class Notification(models.Model):
    """A sent mail. Its event id is the inbox: the same event sends no second mail."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    event_id = models.UUIDField()
    order_id = models.UUIDField()
    user_id = models.UUIDField()
    kind = models.CharField(max_length=20, choices=Kind)
    recipient = models.EmailField()
    subject = models.CharField(max_length=200)
    # When the mail was sent, accurate to the duration of sending.
    sent_at = models.DateTimeField()
    # 32 hex digits: the trace of the mail's order. Empty when the event had none.
    trace_id = models.CharField(max_length=32, default="", blank=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["event_id"], name="notification_once_for_each_event"),
            models.CheckConstraint(condition=Q(kind__in=Kind.values), name="notification_kind_known"),
            models.CheckConstraint(condition=Q(trace_id__regex="^([0-9a-f]{32})?$"), name="notification_trace_id_hex"),
        )
        # The only list: a user's own notifications, newest first.
        indexes = (models.Index(fields=["user_id", "-sent_at", "id"], name="notification_own_newest"),)

    def __str__(self) -> str:
        return f"{self.kind} of order {self.order_id}"
