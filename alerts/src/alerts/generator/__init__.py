"""Builds alerts/rules/*.yml and alerts/alertmanager.yml from services/catalogue/ and alerts/thresholds.yaml."""
