"""Gives each incident without episodes one that holds all its alerts, and requires the episode of an alert."""

import django.db.models.deletion
from django.db import migrations, models


def fill(apps, schema_editor):
    Incident = apps.get_model("incidents", "Incident")
    Episode = apps.get_model("incidents", "Episode")
    Alert = apps.get_model("incidents", "Alert")
    for incident in Incident.objects.filter(episodes=None).iterator():
        episode = Episode.objects.create(
            incident=incident, title=incident.title, started_at=incident.started_at, ended_at=incident.ended_at
        )
        Alert.objects.filter(incident=incident).update(episode=episode)


class Migration(migrations.Migration):
    # PostgreSQL changes no table in a transaction that has changed rows with deferred constraints.
    atomic = False
    dependencies = [("incidents", "0002_episodes")]

    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop, atomic=True),
        migrations.AlterField(
            model_name="alert",
            name="episode",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="alerts", to="incidents.episode"
            ),
        ),
    ]
