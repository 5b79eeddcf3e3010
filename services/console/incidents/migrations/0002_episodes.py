"""Episodes; `episode` of alerts stays empty until the next migration has filled it."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("incidents", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="Episode",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("title", models.CharField(max_length=500)),
                ("started_at", models.DateTimeField(help_text="When the first of its alerts fired.")),
                ("ended_at", models.DateTimeField(null=True)),
                (
                    "incident",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="episodes",
                        to="incidents.incident",
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("ended_at__isnull", True)),
                        fields=("incident",),
                        name="episode_one_open_for_an_incident",
                    )
                ],
            },
        ),
        migrations.AddField(
            model_name="alert",
            name="episode",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="alerts",
                to="incidents.episode",
            ),
        ),
        migrations.AlterField(
            model_name="incident",
            name="started_at",
            field=models.DateTimeField(help_text="When the first alert of its first episode fired."),
        ),
    ]
