"""The dead man's switch: Alertmanager sends it a continuous heartbeat, and a missing heartbeat raises an alarm."""
