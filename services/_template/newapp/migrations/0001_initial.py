import uuid

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Record",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("event_id", models.UUIDField()),
                ("order_id", models.UUIDField()),
                ("user_id", models.UUIDField()),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "indexes": [models.Index(fields=["user_id", "-created_at", "id"], name="record_own_newest")],
                "constraints": [
                    models.UniqueConstraint(fields=("event_id",), name="record_once_for_each_event"),
                ],
            },
        ),
    ]
