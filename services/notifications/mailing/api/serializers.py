"""Response bodies of notifications, without the recipient's address."""

from rest_framework import serializers

from mailing.models import Kind, Notification


class NotificationSerializer(serializers.ModelSerializer[Notification]):
    """A sent mail, and the trace of its order."""

    kind = serializers.ChoiceField(choices=Kind.values)

    class Meta:
        model = Notification
        fields = ("id", "order_id", "kind", "sent_at", "trace_id")
        read_only_fields = fields
