"""A clone in a folder of any name: what backends read contains nothing of that name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from platformctl.app import Platform
from platformctl.errors import PlatformError, SettingsError
from platformctl.run import account
from platformctl.run.account import Account
from platformctl.run.model import ExecProbe, Process
from platformctl.settings import Settings

ODD = "größe 日本 [1], $HOME {{.x}} 100%s 'quoted\""


@pytest.fixture
def platform(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Platform:
    """A clone with that name, prepared as by `make up`. Its state is in a folder with a plain name."""
    monkeypatch.setattr(account, "OUTSIDE_STATE", tmp_path / "state")
    # As in an open folder: only the name decides.
    monkeypatch.setattr(account, "_others_may_enter", lambda _: True)
    clone = tmp_path / ODD / "clone"
    clone.mkdir(parents=True)
    for name in ("observability", "services", "alerts", "requirements.lock"):
        (clone / name).symlink_to(root / name)
    made = Platform(clone, environ={})
    made.account = Account("daemon")
    account.prepare_var(made.paths.var_link, made.paths.instance)
    return made


def own_programs(platform: Platform) -> tuple[str, ...]:
    """What is executed with the clone's path as a whole argument: no shell and no parser sees it."""
    return (str(platform.paths.python), str(platform.paths.observability / "rsyslog" / "start"))


def texts_of(process: Process, platform: Platform) -> list[str]:
    probe = process.probe.command if isinstance(process.probe, ExecProbe) else ()
    arguments = [argument for argument in process.command if argument not in own_programs(platform)]
    return [*arguments, *probe, *process.environment.values(), process.configuration]


def test_no_backend_is_started_with_the_clones_name(platform: Platform) -> None:
    for process in platform.backends.all():
        assert [text for text in texts_of(process, platform) if ODD in text] == [], process.name


def test_no_configuration_contains_the_clones_name(platform: Platform) -> None:
    platform.renderer.render(platform.processes.values())
    written = [file for file in platform.paths.etc.rglob("*") if file.is_file()]
    assert len(written) > 20
    # process-compose gets each argument and folder as a value of its own; test_runner.py proves it.
    written.remove(platform.renderer.process_compose_file)
    assert [file.name for file in written if ODD in file.read_text()] == []


def test_a_path_that_is_not_text_is_refused_with_advice(root: Path, tmp_path: Path) -> None:
    with pytest.raises(PlatformError, match=r"not UTF-8 text: .*x\\xe9"):
        Platform(tmp_path / "x\udce9", environ={})


@pytest.mark.parametrize("cache", ["/var/cache/with space", "/var/cache/größe"])
def test_a_cache_whose_path_is_not_plain_is_refused(load_settings: Callable[..., Settings], cache: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(f"CACHE_DIR='{cache}'")
    assert "CACHE_DIR" in str(caught.value)
    assert "letters and digits of ASCII" in str(caught.value)
