"""The reader: values, defaults, secret files, and all wrong variables named at once without their values."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import FrozenInstanceError, dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DataObject
from platform_settings import SettingsError, ValidationError, kinds, parse, read, variable, variables
from platform_settings.testing import GENERATED, check_wrong_value

SECRET = "correct-horse-battery-staple"


def _even(value: str) -> int:
    if int(value) % 2:
        raise ValidationError("odd")
    return int(value)


def _paired(value: str, others: Mapping[str, Any]) -> str | None:
    return "missing" if others.get("APP_USER") and not value else None


@dataclass(frozen=True)
class Settings:
    mode: str = kinds.choice("slow", ("slow", "fast"), name="MODE")
    port: int = kinds.port(9095)
    free_port: int = kinds.port(0, low=0)
    seconds: float = kinds.number(2.5, 0.5, 60)
    traffic: bool = kinds.switch(True)
    site: str = kinds.origin("http://127.0.0.1:9200")
    webhook: str = kinds.url("", or_none=True)
    target: str = kinds.host_port("127.0.0.1:8202")
    mail_to: str = kinds.email("on-call@example.com")
    title: str = kinds.text("title", shortest=2, longest=40)
    anything: str = kinds.text("")
    nickname: str | None = kinds.text(None, shortest=1, longest=9)
    cache: Path = kinds.folder(Path("/var/cache"), absolute=True)
    record: Path = kinds.file(Path("record.jsonl"))
    assets: Path | None = kinds.folder(None)
    key_file: Path | None = kinds.readable_file()
    even: int = variable(_even, "2", allowed="an even number")
    user: str = kinds.text("")
    password: str = kinds.text(
        "", longest=40, secret=True, allowed="up to 40 characters; needed with APP_USER", check=_paired
    )
    api_key: str = kinds.text("a default for development", shortest=16, secret=True)


def load(**environ: str) -> Settings:
    return read(Settings, environ, prefix="APP_")


def problems(**environ: str) -> dict[str, str]:
    with pytest.raises(SettingsError) as caught:
        load(**environ)
    return caught.value.problems


def test_without_variables_every_value_is_the_default_and_parsed() -> None:
    settings = load()
    assert settings == Settings()
    assert (settings.port, settings.seconds, settings.traffic) == (9095, 2.5, True)
    assert (settings.cache, settings.assets, settings.key_file, settings.nickname) == (
        Path("/var/cache"),
        None,
        None,
        None,
    )
    assert settings.even == 2


def test_values_are_parsed(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("key")
    settings = load(
        MODE="FAST",
        APP_PORT="80",
        APP_SECONDS="1",
        APP_TRAFFIC="off",
        APP_SITE="https://example.com/",
        APP_WEBHOOK="http://[::1]:80/hook/",
        APP_TARGET="[::1]:8202",
        APP_CACHE=str(tmp_path),
        APP_KEY_FILE=str(tmp_path / "key"),
        APP_EVEN="10",
    )
    assert (settings.mode, settings.port, settings.seconds, settings.traffic) == ("fast", 80, 1.0, False)
    assert (settings.site, settings.webhook) == ("https://example.com", "http://[::1]:80/hook")
    assert (settings.target, settings.cache, settings.key_file) == ("[::1]:8202", tmp_path, tmp_path / "key")
    assert settings.even == 10


def test_settings_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        load().port = 1  # type: ignore[misc]


def test_every_wrong_variable_is_named_with_what_is_allowed_and_the_problem() -> None:
    assert problems(APP_PORT="http", APP_EVEN="3", MODE="quick") == {
        "APP_PORT": "allowed is a port from 1 to 65535 (not a valid integer)",
        "APP_EVEN": "allowed is an even number (odd)",
        "MODE": "allowed is slow, fast (none of these)",
    }


def test_a_parser_error_is_a_problem_and_its_text_stays_out_of_the_message() -> None:
    assert problems(APP_EVEN="many") == {"APP_EVEN": "allowed is an even number (not valid)"}


def test_a_check_receives_only_the_other_well_formed_values() -> None:
    assert set(problems(APP_USER="reader")) == {"APP_PASSWORD"}
    assert set(problems(APP_USER="reader", APP_PASSWORD="p" * 41)) == {"APP_PASSWORD"}
    assert load(APP_USER="reader", APP_PASSWORD=SECRET).password == SECRET


def test_a_variable_without_a_default_must_be_set() -> None:
    @dataclass(frozen=True)
    class Needed:
        url: str = kinds.url(allowed="an address")

    with pytest.raises(SettingsError, match=r"URL: allowed is an address \(environment variable not set\)"):
        read(Needed, {})
    assert read(Needed, {"URL": "http://a"}).url == "http://a"


def test_a_blank_variable_counts_as_not_set_only_on_request() -> None:
    assert set(problems(APP_PORT="", APP_TITLE="")) == {"APP_PORT", "APP_TITLE"}
    blank = read(Settings, {"APP_PORT": "", "APP_TITLE": "  ", "MODE": " fast "}, prefix="APP_", blank_is_unset=True)
    assert (blank.port, blank.title, blank.mode) == (9095, "title", "fast")


class TestSecrets:
    def test_secrets_stay_out_of_the_repr(self) -> None:
        assert SECRET not in repr(load(APP_API_KEY=SECRET, APP_PASSWORD=SECRET))

    def test_a_secret_may_be_read_from_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "secret").write_text(f"{SECRET}\n")
        assert load(APP_API_KEY_FILE=str(tmp_path / "secret")).api_key == SECRET

    def test_a_files_content_is_checked_and_not_shown(self, tmp_path: Path) -> None:
        (tmp_path / "secret").write_text("hunter2")
        found = problems(APP_API_KEY_FILE=str(tmp_path / "secret"))
        assert set(found) == {"APP_API_KEY"}
        assert "hunter2" not in str(found)

    def test_an_unreadable_file_is_named_with_all_other_problems(self, tmp_path: Path) -> None:
        (tmp_path / "binary").write_bytes(b"\xff\xfe\xfd")
        found = problems(
            APP_API_KEY_FILE=str(tmp_path / "none"), APP_PASSWORD_FILE=str(tmp_path / "binary"), APP_PORT="0"
        )
        assert set(found) == {"APP_API_KEY", "APP_PASSWORD", "APP_PORT"}
        assert "APP_API_KEY_FILE is not a readable text file" in found["APP_API_KEY"]

    def test_a_value_and_a_file_together_are_refused(self, tmp_path: Path) -> None:
        (tmp_path / "secret").write_text(SECRET)
        found = problems(APP_API_KEY=SECRET, APP_API_KEY_FILE=str(tmp_path / "secret"))
        assert "APP_API_KEY_FILE is set as well" in found["APP_API_KEY"]

    def test_a_variable_that_is_not_secret_is_not_read_from_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "port").write_text("80")
        assert load(APP_PORT_FILE=str(tmp_path / "port")).port == 9095


@GENERATED
@given(data=st.data())
def test_any_wrong_value_of_any_variable_stops_the_start_with_its_name(data: DataObject) -> None:
    custom = {"even": lambda _: st.integers().map(lambda half: str(2 * half + 1)) | st.text("xyz", min_size=1)}
    check_wrong_value(data, Settings, {}, kinds=custom, prefix="APP_")


@GENERATED
@given(st.dictionaries(st.sampled_from(list(variables(Settings, "APP_"))), st.text(max_size=30)), st.booleans())
def test_any_text_is_either_parsed_or_refused_by_name(environ: dict[str, str], blank_is_unset: bool) -> None:
    declared = variables(Settings, "APP_")
    values, refused = parse(declared, environ, blank_is_unset=blank_is_unset)
    assert {*values, *refused} == set(declared)
    assert set(refused) <= {*environ, "APP_PASSWORD"}


def test_variables_known_only_at_runtime_are_parsed_in_the_same_way() -> None:
    declared = {"USERS_PORT": kinds.port(8001), "ORDERS_PORT": kinds.port(8003)}
    assert parse(declared, {"USERS_PORT": "1", "ORDERS_PORT": "x"}) == (
        {"USERS_PORT": 1},
        {"ORDERS_PORT": "allowed is a port from 1 to 65535 (not a valid integer)"},
    )


def test_importing_it_imports_neither_django_nor_another_package_of_this_repository() -> None:
    code = "import sys, platform_settings; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "environs" in loaded
    assert not {"django", "contracts", "catalogue", "django_telemetry", "platformctl", "hypothesis"} & set(loaded)
