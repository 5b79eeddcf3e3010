"""Executes a Dockerfile's stages without Docker: the same COPY and RUN, with a folder in place of the file system.

Absolute paths of the image that the file itself creates (/app, /opt/…) become folders below the given one. Commands
run as the stage's user. The base image is replaced by the machine's Python and C library.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

ROOTS = ("/app", "/opt/uv", "/opt/venv")


@dataclass
class Stage:
    """The state of a stage. `user` is numeric, "0" before USER."""

    base: str
    environment: dict[str, str] = field(default_factory=dict)
    workdir: str = "/"
    user: str = "0"
    command: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


class Builder:
    """One build of one target. RUN lines that change system files (users, /usr) are skipped and listed."""

    def __init__(self, dockerfile: Path, context: Path, target: Path, arguments: dict[str, str], python: Path) -> None:
        self._instructions = _instructions(dockerfile.read_text())
        self._context = context
        self._target = target
        self._arguments = arguments
        self._python = python
        self._stages: dict[str, Stage] = {}

    def build(self, name: str) -> Stage:
        """Execute the stage and those that it uses. Raises AssertionError with the output of a failed command."""
        if name in self._stages:
            return self._stages[name]
        lines = self._stage_lines(name)
        first = lines[0][1].split()
        base = self.build(first[0]) if not first[0].startswith("$") else Stage(first[0])
        stage = Stage(base.base, dict(base.environment), base.workdir, base.user, list(base.command), base.skipped)
        self._stages[name] = stage
        for keyword, text in lines[1:]:
            getattr(self, f"_{keyword.lower()}")(stage, text)
        return stage

    def path(self, inside: str) -> Path:
        """The path on this machine for a path of the image."""
        return Path(self.translate(inside))

    def translate(self, text: str) -> str:
        """Replace the image's paths in a text by those on this machine."""
        return re.sub(rf"(?<![\w.])({'|'.join(ROOTS)})(?=[/:\s\"']|$)", lambda m: f"{self._target}{m[1]}", text)

    def environment(self, stage: Stage) -> dict[str, str]:
        """The environment of the stage's commands."""
        own = {name: self.translate(value) for name, value in stage.environment.items()}
        path = f"{self._python.parent}:{os.environ['PATH']}"
        if "PATH" in own:
            path = own["PATH"].replace("/usr/local/bin", str(self._target / "usr/local/bin"))
        return os.environ | own | self._arguments | {"PATH": path}

    def _stage_lines(self, name: str) -> list[tuple[str, str]]:
        starts = [i for i, (keyword, _) in enumerate(self._instructions) if keyword == "FROM"]
        for start, end in zip(starts, [*starts[1:], len(self._instructions)], strict=True):
            if self._instructions[start][1].split()[-1] == name:
                return self._instructions[start:end]
        raise AssertionError(f"no stage is named {name}")

    def _substitute(self, text: str, stage: Stage) -> str:
        values = stage.environment | self._arguments
        return re.sub(r"\$\{(\w+)\}", lambda m: values[m[1]], text)

    def _arg(self, stage: Stage, text: str) -> None:
        name, _, default = text.partition("=")
        self._arguments.setdefault(name, default)

    def _env(self, stage: Stage, text: str) -> None:
        for name, value in re.findall(r"(\w+)=(\S+)", text):
            stage.environment[name] = self._substitute(value, stage)

    def _workdir(self, stage: Stage, text: str) -> None:
        stage.workdir = self._substitute(text, stage)
        self.path(stage.workdir).mkdir(parents=True, exist_ok=True)

    def _user(self, stage: Stage, text: str) -> None:
        stage.user = text.partition(":")[0]

    def _label(self, stage: Stage, text: str) -> None:
        """Ignored: there is no image."""

    _entrypoint = _label

    def _cmd(self, stage: Stage, text: str) -> None:
        stage.command = re.findall(r'"([^"]+)"', text)

    def _copy(self, stage: Stage, text: str) -> None:
        words = self._substitute(text, stage).split()
        *sources, target = [word for word in words if not word.startswith("--")]
        options = dict(word.removeprefix("--").split("=") for word in words if word.startswith("--"))
        if other := options.get("from"):
            self.build(other)
            (folder,) = sources
            self._move(folder, target)
            return
        for source in (self._context / name for name in sources):
            inside = target if target.startswith("/") else f"{stage.workdir}/{target.removeprefix('./')}"
            place = self.path(inside) if inside.startswith(ROOTS) else self._target / inside.lstrip("/")
            if source.is_dir():
                shutil.copytree(source, place, dirs_exist_ok=True, ignore=self._ignored())
            else:
                place = place / source.name if target.endswith("/") or target == "./" else place
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, place)
            _own(place, options)

    def _ignored(self) -> Callable[[str, list[str]], set[str]]:
        """The files that .dockerignore excludes from every folder."""
        lines = (self._context / ".dockerignore").read_text().splitlines()
        return shutil.ignore_patterns(*(line.removeprefix("**/") for line in lines if line.startswith("**/")))

    def _move(self, source: str, target: str) -> None:
        """Copy from another stage. All stages share one folder, so only a changed name needs a move."""
        if source != target:
            aside = self._target / "aside"
            self.path(source).rename(aside)
            shutil.rmtree(self.path(target), ignore_errors=True)
            aside.rename(self.path(target))

    def _run(self, stage: Stage, text: str) -> None:
        if re.match(r"(groupadd|useradd)\b", text):
            stage.skipped.append(text)
            return
        command = ["sh", "-ec", self.translate(text)]
        if stage.user != "0":
            command = ["setpriv", f"--reuid={stage.user}", f"--regid={stage.user}", "--clear-groups", *command]
        done = subprocess.run(
            command,
            cwd=self.path(stage.workdir),
            env=self.environment(stage),
            capture_output=True,
            text=True,
            timeout=500,
            check=False,
        )
        assert done.returncode == 0, f"RUN {text}\n{done.stdout[-2000:]}{done.stderr[-4000:]}"


def _own(place: Path, options: dict[str, str]) -> None:
    """Apply --chown and --chmod, which are numeric. Without them a copy belongs to root and keeps its mode."""
    for path in (place, *place.rglob("*")):
        if owner := options.get("chown"):
            user, group = owner.split(":")
            os.chown(path, int(user), int(group))
        if mode := options.get("chmod"):
            path.chmod(int(mode, 8))


def _instructions(text: str) -> list[tuple[str, str]]:
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\s*\\\n\s*", " ", "\n".join(lines))
    return [(keyword, rest.strip()) for keyword, _, rest in (line.partition(" ") for line in joined.splitlines())]
