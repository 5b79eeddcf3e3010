"""The settings that retention reads from its environment."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DataObject
from platform_retention.__main__ import main
from platform_retention.settings import Settings, load
from platform_settings.testing import GENERATED, check_wrong_value


def test_values_are_parsed() -> None:
    given_values = {
        "ELASTICSEARCH_URL": "http://user:hunter2@elasticsearch:9200",
        "LOGS_RETENTION_DAYS": "1",
        "TRACES_RETENTION_DAYS": "",
        "INTERVAL_SECONDS": "1.5",
        "MAIL_FOLDER": "/var/mail",
    }
    settings = load(given_values)
    assert settings.elasticsearch_url == "http://user:hunter2@elasticsearch:9200"
    assert (settings.logs_retention_days, settings.traces_retention_days, settings.interval_seconds) == (1, 3, 1.5)
    assert (settings.mail_folder, settings.rsyslog_stats) == (Path("/var/mail"), None)
    assert "hunter2" not in repr(settings)


def test_wrong_settings_end_the_program_with_all_names(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("LOGS_RETENTION_DAYS", "0")
    monkeypatch.setenv("INTERVAL_SECONDS", "soon")
    assert main() == 2
    assert all(name in caplog.text for name in ("LOGS_RETENTION_DAYS", "INTERVAL_SECONDS"))


@GENERATED
@given(data=st.data())
def test_any_wrong_value_of_any_variable_stops_the_start_with_its_name(data: DataObject) -> None:
    check_wrong_value(data, Settings, {}, blank_is_unset=True)
