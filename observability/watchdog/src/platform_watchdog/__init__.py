"""The dead man's switch: Alertmanager tells it all the time that alerting is alive, and its silence is the alarm."""
