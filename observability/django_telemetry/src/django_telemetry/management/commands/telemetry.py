"""``manage.py telemetry check``: shows the enabled signals and their targets, and tests each backend."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from django_telemetry.conf import TelemetryConfig, get_config
from django_telemetry.probe import Finding, probe


class Command(BaseCommand):
    """Shows the telemetry configuration and sends one test item to each backend. Exits with 1 when one is rejected."""

    help = "Show what telemetry is on and where it goes, and send one test item to each backend."
    requires_system_checks = ["telemetry"]

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=["check"], help="check: show the settings and try each backend")

    def handle(self, *args: Any, **options: Any) -> None:
        config = get_config()
        for name, value in _settings(config):
            self.stdout.write(f"{name:<12} {value}")
        self.stdout.write("")
        findings = probe(config)
        for finding in findings:
            self.stdout.write(self._line(finding))
        failed = [finding.signal for finding in findings if finding.ok is False]
        if failed:
            raise CommandError(f"not delivered: {', '.join(failed)}")

    def _line(self, finding: Finding) -> str:
        mark = {True: self.style.SUCCESS("ok  "), False: self.style.ERROR("FAIL"), None: "-   "}[finding.ok]
        time = f" in {finding.seconds * 1000:.0f} ms" if finding.ok is not None else ""
        target = f" {finding.target}:" if finding.target else ""
        return f"{mark} {finding.signal:<8}{target} {finding.detail}{time}"


def _settings(config: TelemetryConfig) -> list[tuple[str, str]]:
    sampler = config.sampler + (f" {config.sampler_ratio:g}" if "ratio" in config.sampler else "")
    tail = f"failed, or slower than {config.slow_request:g} s, is kept anyway" if config.tail else "no tail rule"
    return [
        ("service", f"{config.service_name} {config.service_version}".rstrip() + f", instance {config.instance_id}"),
        ("environment", config.environment),
        ("http", config.http),
        ("signals", ", ".join(sorted(config.signals)) or "none"),
        ("sampling", f"{sampler}; {tail}"),
        ("trust", f"{config.trusted_parents}, {len(config.trusted_tokens)} tokens known"),
        ("log level", config.log_level),
    ]
