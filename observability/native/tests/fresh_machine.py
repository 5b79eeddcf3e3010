"""A new machine without virtualisation: a root from Debian's archive, with its own processes, mounts and network.

It has what Debian's installer leaves out: no locale, no git identity, a /tmp of 16 MB, and a network without IPv6 that
reaches nothing. Commands that install something run with the network of the machine outside.

Needs root, mmdebstrap, iproute2 and the right to create namespaces (in a container: `--privileged`).
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from platform_testing.checkout import copy_checkout
from platform_testing.polling import eventually

TMP_MEGABYTES = 16
# What this machine needs to reach its registries, if anything.
PASSED_ON = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "PIP_INDEX_URL", "SSL_CERT_FILE", "UV_DEFAULT_INDEX")
CERTIFICATES = Path("usr/local/share/ca-certificates")
# What make needs; the platform installs the rest.
PREREQUISITES = ("ca-certificates", "git", "make")
# Caches that hold no finished program.
NOT_COPIED = ("go", "npm", "downloads", "log", "lock", "fresh-machines", ".rubbish.*")
# The root is a mount, as on any machine: Java asks which one a file is on. Process 1 collects the processes that lost
# their parents.
INIT = """
set -eu
mount --bind "$1" "$1"
mount -t proc proc "$1/proc"
mount --rbind /dev "$1/dev"
mount -t tmpfs -o mode=1777 tmpfs "$1/dev/shm"
mount -t tmpfs -o mode=1777,size="$2"m tmpfs "$1/tmp"
mount -t tmpfs -o mode=755 tmpfs "$1/run"
mount --bind "$3" "$1/var/cache/apt/archives"
echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6
ip link set lo up
touch "$1/run/prepared"
exec chroot "$1" /bin/sh -c 'while :; do sleep 3600 & wait; done'
"""


@dataclass(frozen=True)
class FreshMachine:
    """A running machine. `root` is its file system, `pid` its process 1, both as this machine sees them."""

    root: Path
    pid: int

    def run(
        self,
        *command: str,
        folder: str = "/",
        environment: Mapping[str, str] | None = None,
        online: bool = False,
        timeout: float = 1800.0,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as root; `online` with the network of this machine. stderr is part of stdout."""
        own_network = [] if online else ["--net"]
        variables = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", **(environment or {})}
        if online:
            variables |= {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        return subprocess.run(
            [
                *("nsenter", f"--target={self.pid}", "--mount", "--pid", "--ipc", "--uts", "--root", *own_network),
                *("env", "--ignore-environment", f"--chdir={folder}"),
                *(f"{name}={value}" for name, value in variables.items()),
                *command,
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )

    def must_run(self, *command: str, **how: object) -> str:
        """Run a command that has to succeed. Returns what it wrote."""
        done = self.run(*command, **how)  # type: ignore[arg-type]
        assert done.returncode == 0, f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-4000:]}"
        return done.stdout

    def processes(self) -> list[str]:
        """The command lines of its processes, without process 1 and its pause."""
        space = (Path("/proc") / str(self.pid) / "ns" / "pid").readlink()
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                if (Path("/proc") / str(process.pid) / "ns" / "pid").readlink() == space and process.pid != self.pid:
                    found.append(" ".join(process.cmdline()))
        return [line for line in found if line and line != "sleep 3600"]

    def clone(self, source: Path, folder: str) -> None:
        """Put a copy of a checkout into that folder."""
        copy_checkout(source, self.root / folder.removeprefix("/"))


@contextmanager
def fresh_machine(code_name: str, folder: Path, cache: Path) -> Iterator[FreshMachine]:
    """A new machine of a Debian release in `folder`. `cache` is the platform's; its finished builds are copied."""
    root, own_cache = folder / "root", cache / "fresh-machines" / code_name
    packages = own_cache / "packages"
    (packages / "partial").mkdir(parents=True, exist_ok=True)
    archive = _root_archive(code_name, own_cache)
    # A run that was killed has removed nothing; its machine ended with it.
    shutil.rmtree(folder, ignore_errors=True)
    root.mkdir(parents=True)
    with ExitStack() as cleaning:
        cleaning.callback(shutil.rmtree, folder)
        subprocess.run(["tar", "--extract", "--numeric-owner", f"--file={archive}", f"--directory={root}"], check=True)
        _connect(root)
        shutil.copytree(cache, root / cache.relative_to("/"), symlinks=True, ignore=shutil.ignore_patterns(*NOT_COPIED))
        namespaces = ("--mount", "--pid", "--ipc", "--uts", "--net", "--fork", "--kill-child")
        init = ("sh", "-c", INIT, "init", str(root), str(TMP_MEGABYTES), str(packages))
        holder = cleaning.enter_context(
            subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "unshare", *namespaces, *init])
        )
        cleaning.callback(holder.kill)
        machine = FreshMachine(root, _first_process(holder))
        # The kernel ends all others with process 1, and then removes the mounts.
        cleaning.callback(eventually, lambda: not psutil.pid_exists(machine.pid), "the machine's end")
        cleaning.callback(holder.kill)
        prepared = ("test", "-e", "/run/prepared")
        eventually(lambda: machine.run(*prepared).returncode == 0, "the machine's mounts", timeout=60)
        machine.must_run("apt-get", "update", "-qq", online=True)
        install = ("apt-get", "install", "-qq", "--no-install-recommends")
        machine.must_run(*install, *PREREQUISITES, online=True, environment={"DEBIAN_FRONTEND": "noninteractive"})
        yield machine


def _root_archive(code_name: str, folder: Path) -> Path:
    """The release's smallest root that has apt, kept for the next time."""
    archive, partial = folder / "root.tar", folder / "partial.tar"
    if not archive.exists():
        # Debian's own defaults decide where packages come from; dpkg need not wait for the disk.
        subprocess.run(
            ["mmdebstrap", "--quiet", "--variant=apt", "--dpkgopt=force-unsafe-io", code_name, str(partial)], check=True
        )
        partial.rename(archive)
    return archive


def _connect(root: Path) -> None:
    """Give the root the name servers and certificates of this machine."""
    shutil.copy("/etc/resolv.conf", root / "etc" / "resolv.conf")
    # As Debian's installer writes it: Elasticsearch looks up the machine's own name.
    (root / "etc" / "hosts").write_text(f"127.0.0.1 localhost\n127.0.1.1 {socket.gethostname()}\n")
    if Path("/", CERTIFICATES).is_dir():
        shutil.copytree(Path("/", CERTIFICATES), root / CERTIFICATES, dirs_exist_ok=True)
    if Path("/etc/pip.conf").exists():
        shutil.copy("/etc/pip.conf", root / "etc" / "pip.conf")


def _first_process(holder: subprocess.Popen[bytes]) -> int:
    """The pid of process 1 of the new namespace."""

    def children() -> Sequence[psutil.Process]:
        assert holder.poll() is None, f"unshare ended with {holder.returncode}"
        return psutil.Process(holder.pid).children()

    return int(eventually(children, "process 1 of the machine")[0].pid)
