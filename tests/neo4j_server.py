"""A real Neo4j 5.26 Community for tests and benchmarks, started from Maven artifacts: no Docker, no tarball.

``running_server()`` fetches the jars once into a cache, starts a server with an empty database, a random password and
free ports on the loopback interface, and stops it at the end. ``python tests/neo4j_server.py`` does the same for a
person with Java and no Docker, until Ctrl-C.

Environment: ``SHOPGRAPH_CACHE`` moves the cache (default ``~/.cache/shopgraph``). ``SHOPGRAPH_TEST_NEO4J`` (a URL, with
``SHOPGRAPH_NEO4J_USER`` and ``SHOPGRAPH_NEO4J_PASSWORD``) names a server that runs already; it is used only while its
database is empty, because tests wipe it.
"""

import ctypes
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import neo4j

VERSION = "5.26.24"
START_SECONDS = 120
STOP_SECONDS = 30

_POM = Path(__file__).with_name("neo4j_server.pom.xml")
_OPENS = ("java.nio", "java.io", "sun.nio.ch", "java.util.concurrent", "java.lang")
_CONF = """\
server.default_listen_address=127.0.0.1
server.bolt.listen_address=127.0.0.1:{bolt}
server.bolt.advertised_address=127.0.0.1:{bolt}
server.http.listen_address=127.0.0.1:{http}
server.http.advertised_address=127.0.0.1:{http}
server.directories.import=import
server.memory.pagecache.size={pagecache}
dbms.security.auth_enabled=true
dbms.security.allow_csv_import_from_file_urls=false
internal.dbms.cypher_ip_blocklist=0.0.0.0/0,::/0
dbms.usage_report.enabled=false
db.transaction.timeout=120s
db.tx_log.preallocate=false
db.tx_log.rotation.size=32m
"""


class NoServerError(RuntimeError):
    """No Neo4j server can be had here; the message says what is missing."""


class Server(NamedTuple):
    """Where the server answers. ``http`` is None for a server that was there before us."""

    url: str
    user: str
    password: str
    http: str | None = None

    @property
    def auth(self) -> tuple[str, str]:
        return (self.user, self.password)

    def wipe(self) -> None:
        """Delete every node and relationship; constraints and indexes stay."""
        with neo4j.GraphDatabase.driver(self.url, auth=self.auth) as driver, driver.session() as session:
            session.run("MATCH (n) CALL (n) { DETACH DELETE n } IN TRANSACTIONS OF 5000 ROWS").consume()


@contextmanager
def running_server(cache: Path | None = None, *, heap: str = "512m", pagecache: str = "256m") -> Iterator[Server]:
    """A server with an empty database. Raises NoServerError where Java, Maven or the network is missing."""
    named = os.environ.get("SHOPGRAPH_TEST_NEO4J")
    if named:
        yield _named_server(named)
        return
    java = _program("java", "a Java runtime, 17 or newer (Debian: apt install openjdk-17-jre-headless)")
    jars = fetch_jars(cache or default_cache())
    with tempfile.TemporaryDirectory(prefix="shopgraph-neo4j-") as folder:
        home = Path(folder)
        server = _configure(home, pagecache)
        _set_password(java, jars, home, server.password)
        with (home / "console.log").open("wb") as console:
            process = _launch(java, jars, home, heap, console.fileno())
            try:
                _wait(process, server, home)
                yield server
            finally:
                _stop(process)


def default_cache() -> Path:
    return Path(os.environ.get("SHOPGRAPH_CACHE", Path.home() / ".cache" / "shopgraph"))


def fetch_jars(cache: Path) -> Path:
    """The folder of the server's jars, fetched with Maven unless it is there already. Other runs may do the same."""
    jars = cache / "neo4j" / VERSION
    if jars.is_dir():
        return jars
    maven = _program("mvn", f"Maven, which fetches Neo4j {VERSION} (Debian: apt install maven)")
    jars.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fetching-", dir=jars.parent) as folder:
        fetched = Path(folder) / "jars"
        command = [maven, "-B", "-q", "-f", str(_POM), "dependency:copy-dependencies", f"-DoutputDirectory={fetched}"]
        build = f"-Dshopgraph.build={folder}"
        done = subprocess.run([*command, build], capture_output=True, text=True, timeout=900, check=False)
        if done.returncode != 0:
            tail = (done.stdout + done.stderr)[-1500:]
            raise NoServerError(f"Maven could not fetch Neo4j {VERSION}: is the network there?\n{tail}")
        try:
            fetched.rename(jars)  # whole or not at all
        except OSError:
            if not jars.is_dir():  # otherwise another run was faster
                raise
    return jars


def _named_server(url: str) -> Server:
    user = os.environ.get("SHOPGRAPH_NEO4J_USER", "neo4j")
    server = Server(url, user, os.environ.get("SHOPGRAPH_NEO4J_PASSWORD", ""))
    with neo4j.GraphDatabase.driver(url, auth=server.auth) as driver:
        nodes = driver.execute_query("MATCH (n) RETURN count(n) AS nodes").records[0]["nodes"]
    if nodes:
        raise NoServerError(
            f"SHOPGRAPH_TEST_NEO4J names {url}, whose database holds {nodes} nodes; tests wipe it, so it must be empty"
        )
    return server


def _program(name: str, what: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise NoServerError(f"`{name}` is not on the PATH: install {what}")
    return path


def _configure(home: Path, pagecache: str) -> Server:
    for folder in ("conf", "data", "logs", "import", "plugins", "run"):
        (home / folder).mkdir()
    bolt, http = _free_ports(2)
    (home / "conf" / "neo4j.conf").write_text(_CONF.format(bolt=bolt, http=http, pagecache=pagecache), encoding="utf-8")
    return Server(f"bolt://127.0.0.1:{bolt}", "neo4j", secrets.token_urlsafe(18), f"http://127.0.0.1:{http}")


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for held in sockets:
            held.bind(("127.0.0.1", 0))
        return [held.getsockname()[1] for held in sockets]
    finally:
        for held in sockets:
            held.close()


def _java(java: str, jars: Path, *options: str) -> list[str]:
    opens = [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in _OPENS]
    return [java, "-cp", f"{jars}/*", *opens, "-Dlog4j2.disable.jmx=true", *options]


def _set_password(java: str, jars: Path, home: Path, password: str) -> None:
    admin = "org.neo4j.server.startup.Neo4jAdminCommand"
    command = _java(java, jars, admin, "dbms", "set-initial-password", password)
    environment = {**os.environ, "NEO4J_HOME": str(home), "NEO4J_CONF": str(home / "conf")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode != 0:
        raise NoServerError(f"Neo4j could not set its first password:\n{(done.stdout + done.stderr)[-1500:]}")


def _launch(java: str, jars: Path, home: Path, heap: str, console: int) -> "subprocess.Popen[bytes]":
    entry = ("org.neo4j.server.CommunityEntryPoint", f"--home-dir={home}", f"--config-dir={home / 'conf'}")
    command = _java(java, jars, f"-Xms{heap}", f"-Xmx{heap}", *entry)
    # Its own session: Ctrl-C reaches the tests, which then stop the server in order.
    return subprocess.Popen(
        command, stdout=console, stderr=subprocess.STDOUT, cwd=home, start_new_session=True, preexec_fn=_die_with_parent
    )


def _die_with_parent() -> None:
    """On Linux, in the child: a test run that is killed leaves no server behind."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def _wait(process: "subprocess.Popen[bytes]", server: Server, home: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        if process.poll() is not None:
            raise NoServerError(f"Neo4j ended with code {process.returncode}:\n{_console(home)}")
        if _answers(f"{server.http}/"):
            return
        time.sleep(0.2)
    raise NoServerError(f"Neo4j did not answer within {START_SECONDS} s:\n{_console(home)}")


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _console(home: Path) -> str:
    return (home / "console.log").read_text(encoding="utf-8", errors="replace")[-2000:]


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def main() -> None:
    with running_server() as server:
        sys.stdout.write(f"bolt     {server.url}\nbrowser  {server.http}/browser/\n")
        sys.stdout.write(f"user     {server.user}\npassword {server.password}\nCtrl-C stops it and forgets the data.\n")
        sys.stdout.flush()
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            sys.stdout.write("stopping\n")


if __name__ == "__main__":
    main()
