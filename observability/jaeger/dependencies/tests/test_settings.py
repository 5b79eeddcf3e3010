"""The settings that the job reads from its environment."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DataObject
from jaeger_dependencies.__main__ import Settings, main
from platform_settings.testing import GENERATED, check_wrong_value


def test_wrong_settings_end_the_program_with_all_names(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("ELASTICSEARCH_URL", "elasticsearch:9200")
    monkeypatch.setenv("INTERVAL_SECONDS", "0")
    assert main() == 2
    assert all(name in caplog.text for name in ("ELASTICSEARCH_URL", "INTERVAL_SECONDS"))


@GENERATED
@given(data=st.data())
def test_any_wrong_value_of_any_variable_stops_the_start_with_its_name(data: DataObject) -> None:
    check_wrong_value(data, Settings, {}, blank_is_unset=True)
