"""Debian's PostgreSQL with its own database cluster in a directory."""

import os
import pathlib
import pwd
import re
import shutil
import signal
import subprocess

from bed.process import BedError, Process, free_port

PASSWORD = "bed-superuser"


def _programs() -> pathlib.Path:
    versions = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/postgres"),
                      key=lambda path: [int(n) for n in re.findall(r"\d+", str(path))])
    if not versions:
        raise BedError("PostgreSQL is not installed: run setup/install test")
    return versions[-1].parent


class Postgres:
    """Listens at `host` and `port`; the superuser is "postgres" with PASSWORD."""

    def __init__(self, directory: pathlib.Path):
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.host = "127.0.0.1"
        self.port = free_port()
        self._bin = _programs()
        # The server refuses to run as root.
        self._user = "postgres" if os.geteuid() == 0 else None
        self._process: Process | None = None

    def __enter__(self) -> "Postgres":
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    def start(self) -> None:
        data = self.directory / "data"
        if not data.exists():
            self._create(data)
        if self._process is None:
            self._process = Process("postgres", [
                self._bin / "postgres", "-D", data, "-h", self.host, "-p", self.port, "-k", self.directory,
                "-c", "fsync=off", "-c", "full_page_writes=off", "-c", "max_connections=50", "-c", "shared_buffers=16MB",
            ], self.directory, user=self._user, stop_signal=signal.SIGINT)
        self._process.start()
        self._process.wait_until(lambda: self._psql("select 1").returncode == 0)

    def stop(self) -> None:
        """Ends sessions and stops the server; the data survive a restart."""
        if self._process is not None:
            self._process.stop()

    def _create(self, data: pathlib.Path) -> None:
        self._make_parents_searchable()
        password = self.directory / "password"
        password.write_text(PASSWORD + "\n")
        data.mkdir(mode=0o700)
        if self._user:
            shutil.chown(self.directory, self._user)
            shutil.chown(password, self._user)
            shutil.chown(data, self._user)
        done = subprocess.run([
            self._bin / "initdb", "-D", data, "-U", "postgres", "--pwfile", password, "--auth=scram-sha-256",
            "--no-sync", "--encoding=UTF8", "--locale=C",
        ], capture_output=True, text=True, cwd=self.directory, **({"user": self._user} if self._user else {}))
        if done.returncode != 0:
            raise BedError(f"initdb: {done.stderr.strip()}")

    def _make_parents_searchable(self) -> None:
        """Gives the server's user access to the parent folders, which a test run creates for root only."""
        if not self._user:
            return
        uid = pwd.getpwnam(self._user).pw_uid
        for folder in self.directory.parents:
            status = folder.stat()
            if status.st_uid != uid and not status.st_mode & 0o001:
                folder.chmod(status.st_mode | 0o011)

    def _psql(self, sql: str, user: str = "postgres", password: str = PASSWORD) -> subprocess.CompletedProcess:
        return subprocess.run([
            self._bin / "psql", "-h", self.host, "-p", str(self.port), "-U", user, "-d", "postgres", "-X", "-A", "-t", "-q",
            "-v", "ON_ERROR_STOP=1", "-c", sql,
        ], capture_output=True, text=True, cwd=self.directory, env={**os.environ, "PGPASSWORD": password})

    def query(self, sql: str, user: str = "postgres", password: str = PASSWORD) -> str:
        """Output of one SQL statement, columns separated by "|". Raises BedError if the statement or the login fails."""
        done = self._psql(sql, user, password)
        if done.returncode != 0:
            raise BedError(f"postgres: {sql!r} as {user}: {done.stderr.strip()}")
        return done.stdout.strip()
