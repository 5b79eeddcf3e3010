"""Records as they leave the service."""

from rest_framework import serializers

from newapp.models import Record


class RecordSerializer(serializers.ModelSerializer[Record]):
    """A confirmed order."""

    class Meta:
        model = Record
        fields = ("id", "order_id", "created_at")
        read_only_fields = fields
