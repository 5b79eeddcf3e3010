"""One installation step: its dependencies, whether it is complete, how to install it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from platformctl.errors import InstallError

LINES_SHOWN = 20


class Interrupted(InstallError):
    """Another step failed, or the user pressed Ctrl-C."""


class Step(ABC):
    """One installation step. `typical_seconds` is its duration on two cores, used until there is a measured one."""

    name: str
    title: str
    typical_seconds: float
    needs: tuple[str, ...] = ()

    @abstractmethod
    def is_done(self) -> bool:
        """Whether it is installed completely."""

    def check(self, shell: Shell) -> None:  # noqa: B027 - most steps have nothing to check
        """Raise InstallError if it can't be installed on this machine. Runs before any step installs anything."""

    @abstractmethod
    def install(self, shell: Shell) -> None:
        """Install it. An interrupted installation must never look complete."""

    def progress(self) -> float | None:
        """The completed share, 0 to 1, during the installation; None if it isn't known."""
        return None


class Shell:
    """Runs a step's commands with their output in a log, and stops them when the installation is cancelled.

    Temporary files are in a folder of their own beside the log: a build needs more of them than a small /tmp holds.
    """

    def __init__(self, log: Path, cancelled: threading.Event) -> None:
        self._log = log
        self._temporary = log.with_suffix(".tmp")
        self._cancelled = cancelled
        self._began_at = 0

    def run(
        self, command: Sequence[str], *, environment: Mapping[str, str] | None = None, folder: Path | None = None
    ) -> None:
        """Run a command to its end. Raises InstallError with its last lines if it fails, Interrupted if cancelled."""
        self._temporary.mkdir(parents=True, exist_ok=True)
        try:
            code = self._run(command, {"TMPDIR": str(self._temporary), **(environment or {})}, folder)
        finally:
            shutil.rmtree(self._temporary, ignore_errors=True)
        if code != 0:
            lines = self._log.read_text(errors="replace").splitlines()[-LINES_SHOWN:]
            raise InstallError(
                f"{command[0]} failed with exit code {code}", detail=lines, advice=f"the whole output: {self._log}"
            )

    def _run(self, command: Sequence[str], environment: Mapping[str, str], folder: Path | None) -> int:
        with self._log.open("ab") as output:
            output.write(f"$ {' '.join(command)}\n".encode())
            output.flush()
            self._began_at = output.tell()
            # A new session, so that Ctrl-C reaches the command once, through us, and with all its children.
            process = subprocess.Popen(
                command,
                env={**os.environ, **environment},
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                return self._wait(process)
            except BaseException:
                self._end(process)
                raise

    def count_lines(self) -> int:
        """The number of lines that the running command has written."""
        with self._log.open("rb") as output:
            output.seek(self._began_at)
            return output.read().count(b"\n")

    def _wait(self, process: subprocess.Popen[bytes]) -> int:
        while True:
            try:
                return process.wait(timeout=0.5)
            except subprocess.TimeoutExpired:
                if self._cancelled.is_set():
                    raise Interrupted("interrupted") from None

    @staticmethod
    def _end(process: subprocess.Popen[bytes]) -> None:
        for number, patience in ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=patience)
                return


class Staging:
    """A folder that appears at its final path only when it is complete. Use as a context manager."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self.folder = target.with_name(f".{target.name}.partial")

    def __enter__(self) -> Path:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.folder.chmod(0o755)
        return self.folder

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            shutil.rmtree(self._target, ignore_errors=True)
            self.folder.rename(self._target)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)


class Clock:
    """Seconds since its creation."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began
