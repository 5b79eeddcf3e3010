"""Builds alerts/rules/*.yml and alerts/alertmanager.yml from services/catalogue.yaml and alerts/thresholds.yaml."""
