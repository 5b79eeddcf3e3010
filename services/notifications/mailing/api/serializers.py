"""Notifications as they go out: without the address that they went to."""

from rest_framework import serializers

from mailing.models import Kind, Notification


class NotificationSerializer(serializers.ModelSerializer[Notification]):
    """A mail that was sent, and the trace that leads to its order."""

    kind = serializers.ChoiceField(choices=Kind.values)

    class Meta:
        model = Notification
        fields = ("id", "order_id", "kind", "sent_at", "trace_id")
        read_only_fields = fields
