"""Does `up` bring everything up, keep it up, and leave nothing behind? Real processes, real kills, one home that lives through all of it."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

from tests import estates
from tests.estates import Estate
from tests.jobs import working
from tests.ports import free_port, is_free
from tests.postgres import OSUSER, fresh_database, reachable_home
from w365core.jobs.children import Child
from w365core.jobs.context import Context
from w365core.store import embedded, embedded_account, embedded_locks

REPOSITORY = Path(__file__).resolve().parents[2]
PATIENCE = 150.0
IN_ERROR = {"G052231690", "G052361813", "G052427346", "IONEU-1026-352"}  # the demo's stories; every other invoice of it is fine
pytestmark = pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks at processes through /proc")


@dataclass
class Running:
    """`python -m w365core up …` in a session of its own; `said` is what it has reported so far."""

    process: subprocess.Popen[bytes]
    home: Path
    port: int
    output: Path
    family: set[int] = field(default_factory=set)

    @property
    def said(self) -> str:
        return self.output.read_text()

    def wait_for(self, sentence: str, seconds: float = PATIENCE) -> None:
        self.wait_until(lambda: sentence in self.said, f"{sentence!r} in {self.said!r}", seconds)

    def wait_until(self, condition: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, f"it ended: {self.said}"
            assert time.monotonic() < deadline, f"waited in vain for {what}"
            time.sleep(0.02)

    def page(self) -> int:
        return answer(f"http://127.0.0.1:{self.port}/healthz")

    def child(self, what: str) -> int:
        """The process number of `streamlit`, `sandbox`, `worker` or `postgres`."""
        if what == "postgres":
            return embedded_locks.postmaster(embedded.data_directory(self.home)) or 0
        return next((number for number in self.children() if f" {what} " in command(number)), 0)

    def children(self) -> list[int]:
        return [number for number in living() if parent(number) == self.process.pid]

    def everything(self) -> set[int]:
        family = {self.process.pid, self.child("postgres")} - {0}
        while more := {number for number in living() if parent(number) in family} - family:
            family |= more
        return family

    def end(self, number: signal.Signals) -> int:
        """Sends the signal and waits; returns the exit code."""
        self.family |= self.everything()
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


def started(home: Path, *arguments: str, port: int | None = None, **environment: str) -> Running:
    chosen = port or free_port()
    handle, name = tempfile.mkstemp(prefix="w365-up-said-")
    with open(handle, "wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "w365core", "up", "--port", str(chosen), *arguments],
            cwd=REPOSITORY, env=surroundings(home, **environment), stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # a run of tests under nohup hands on that it is ignored
        )  # fmt: skip
    return Running(process, home, chosen, Path(name))


def surroundings(home: Path, **environment: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("W365_") and name != "DATABASE_URL"}
    return {**kept, "W365_HOME": str(home), "W365_PG_OSUSER": OSUSER, **environment}


def refused(home: Path, *arguments: str, **environment: str) -> tuple[int, str]:
    """Exit code and what it said, of an `up` that ends by itself."""
    running = started(home, *arguments, **environment)
    try:
        return running.process.wait(PATIENCE), running.said
    finally:
        end_whatever_runs(running)


def end_whatever_runs(running: Running) -> None:
    if running.process.poll() is None:
        running.end(signal.SIGKILL)
    running.output.unlink(missing_ok=True)


# --- looking at processes, ports and rows ------------------------------------------------------------------------------------------------


def living() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and state(int(entry.name)) not in ("", "Z")]


def state(number: int) -> str:
    """R, S, Z … or nothing where the process is gone."""
    return (stat(number) or [""])[0]


def parent(number: int) -> int:
    found = stat(number)
    return int(found[1]) if found else 0


def stat(number: int) -> list[str]:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def command(number: int) -> str:
    try:
        return Path(f"/proc/{number}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def answer(url: str) -> int:
    """The HTTP status, 0 where nobody answers."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(url, timeout=5) as response:
            return response.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


@contextmanager
def database(home: Path) -> Iterator[psycopg.Connection]:
    with psycopg.connect(embedded.start(home=home, osuser=OSUSER).replace("+psycopg", ""), autocommit=True) as connection:
        yield connection


def rows(home: Path) -> dict[str, tuple[int, int]]:
    """Of every table: how many rows, and a sum that tells other rows apart."""
    with database(home) as connection:
        of_ours = "select tablename from pg_tables where schemaname = 'public' and tablename !~ '^procrastinate_' order by 1"
        names = [name for (name,) in connection.execute(of_ours)]  # the queue's own tables are about who works, not about what is known
        told = "select count(*), coalesce(sum(hashtextextended(t::text, 0)::numeric), 0) from {} t"
        return {name: connection.execute(told.format(f'"{name}"')).fetchone() for name in names}


def fact(home: Path, name: str) -> str:
    with database(home) as connection:
        return connection.execute("select value from installation where name = %s", [name]).fetchone()[0]


def left_behind(home: Path, family: set[int]) -> list[str]:
    """What an ending must not leave: processes of it, the socket, locks, notes."""
    processes = [f"process {number}: {command(number)}" for number in family if state(number) not in ("", "Z")]
    files = [name for name in ("up.json", "up.lock", ".lock", "socket") if (home / name).exists()]
    data = embedded.data_directory(home)
    return (
        processes
        + files
        + (["postmaster.pid"] if (data / "postmaster.pid").exists() else [])
        + [str(n) for n in embedded_locks.orphans(data)]
    )


# --- homes -------------------------------------------------------------------------------------------------------------------------------


def removed_afterwards(home: Path) -> Iterator[Path]:
    try:
        yield home
    finally:
        with suppress(FileNotFoundError):
            if embedded.data_directory(home).exists():
                embedded.stop(home=home, osuser=OSUSER)
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def empty() -> Iterator[Path]:
    yield from removed_afterwards(reachable_home("w365-up-"))


@dataclass(frozen=True)
class Filled:
    """A home with the demo in it, how each of its interrupted fillings ended, and its rows."""

    home: Path
    ends: dict[str, tuple[int, str, list[str]]]
    rows: dict[str, tuple[int, int]]


@pytest.fixture(scope="module")
def filled() -> Iterator[Filled]:
    """The demo, filled against resistance: stopped, robbed of its database, of its sandbox, killed; then left in peace."""
    for home in removed_afterwards(reachable_home("w365-up-")):
        ends = {}
        ends["Ctrl-C"] = fill_until(home, "morning 3 of", lambda running: running.process.send_signal(signal.SIGINT))
        ends["database killed"] = fill_until(home, "morning 5 of", lambda running: os.kill(running.child("postgres"), signal.SIGKILL))
        ends["killed"] = fill_until(home, "morning 8 of", lambda running: running.process.kill())
        ends["sandbox killed"] = fill_until(
            home, "G052288690: importing", lambda running: os.kill(running.child("sandbox"), signal.SIGKILL)
        )
        running = started(home, "--demo")
        try:
            running.wait_until(running.page, "the page", 3 * PATIENCE)
            before = rows(home)
            running.end(signal.SIGTERM)
        finally:
            end_whatever_runs(running)
        yield Filled(home, ends, before)


def fill_until(home: Path, sentence: str, blow: Callable[[Running], object]) -> tuple[int, str, list[str]]:
    running = started(home, "--demo")
    try:
        running.wait_for(sentence, 3 * PATIENCE)
        running.family |= running.everything()
        blow(running)
        code = running.process.wait(2 * PATIENCE)
        return code, running.said, left_behind(home, running.family)
    finally:
        end_whatever_runs(running)


_now_running: list[Running] = []


@pytest.fixture
def running(filled: Filled) -> Iterator[Running]:
    """An `up` on the filled home that shows its page; one that a test leaves alive serves the next one."""
    if not (_now_running and _now_running[0].process.poll() is None):
        for ended in _now_running:
            end_whatever_runs(ended)
        _now_running[:] = [started(filled.home)]
    _now_running[0].wait_for("the dashboard is at")  # the page may answer a moment before: what dies then has not started
    yield _now_running[0]


@pytest.fixture(scope="module", autouse=True)
def _nothing_left_running() -> Iterator[None]:
    yield
    for one in _now_running:
        end_whatever_runs(one)


# --- filling the demo --------------------------------------------------------------------------------------------------------------------


def test_the_logs_are_for_their_owners_eyes_only(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        one = Child("one", [sys.executable, "-c", ""], dict(os.environ), tmp_path / "logs" / "one.log", tmp_path)
        one.start()
    finally:
        os.umask(before)
    assert one.process is not None and one.process.wait(60) == 0
    assert oct((tmp_path / "logs").stat().st_mode & 0o777) == "0o700"


def test_a_demo_that_was_broken_off_again_and_again_is_complete_in_the_end(filled: Filled) -> None:
    with database(filled.home) as connection:
        found = connection.execute("select invoice_number, state, status_reason from provider_invoice").fetchall()
    assert {number for number, _, reason in found if reason == "Error"} == IN_ERROR
    assert {reason for number, _, reason in found if number not in IN_ERROR} == {"Active", "Populating"}
    listed = set(re.findall(r'"id":"(G\d+)"', (REPOSITORY / "data/demo/partner_center/invoices.json").read_text()))
    listed |= set(re.findall(r'"invoiceNumber":"([^"]+)"', (REPOSITORY / "data/demo/streamone/invoices.json").read_text()))
    assert listed | {"DD-2026-09-102", "DD-2026-10-117"} == {number for number, _, _ in found}


def test_ctrl_c_while_filling_ends_in_order_and_leaves_nothing(filled: Filled) -> None:
    code, said, left = filled.ends["Ctrl-C"]
    assert (code, left) == (0, [])
    assert "Traceback" not in said
    assert said.rstrip().endswith("stopped")


def test_a_database_killed_while_filling_is_one_sentence(filled: Filled) -> None:
    code, said, left = filled.ends["database killed"]
    assert (code, left) == (3, [])
    assert "Traceback" not in said
    assert "The database went away in mid-run" in said


def test_a_sandbox_killed_while_filling_is_started_again_and_the_demo_not_called_complete(filled: Filled) -> None:
    code, said, left = filled.ends["sandbox killed"]
    assert (code, left) == (3, [])
    assert "the sandbox has ended; starting it again" in said
    assert "The demo is not complete" in said


# --- starting again ----------------------------------------------------------------------------------------------------------------------


def test_a_second_start_takes_seconds_and_keeps_the_data_and_the_sandbox_port(filled: Filled) -> None:
    sandbox_port = fact(filled.home, "sandbox_port")
    began = time.monotonic()
    again = started(filled.home)
    try:
        again.wait_until(again.page, "the page")
        took = time.monotonic() - began
        assert rows(filled.home) == filled.rows
        assert fact(filled.home, "sandbox_port") == sandbox_port
        assert answer(f"http://127.0.0.1:{sandbox_port}/v1/customers") == 401
        assert again.end(signal.SIGINT) == 0
        assert left_behind(filled.home, again.family) == []
    finally:
        end_whatever_runs(again)
    assert took < 20  # about 4 on an idle machine


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_polite_end_leaves_no_process_socket_or_lock(running: Running, number: signal.Signals) -> None:
    sandbox_port = int(fact(running.home, "sandbox_port"))
    assert running.end(number) == 0
    assert len(running.family) > 6  # itself, the sandbox, the web app, Postgres and its helpers
    assert left_behind(running.home, running.family) == []
    assert is_free(running.port)
    assert is_free(sandbox_port)
    assert "Traceback" not in running.said


def test_a_second_ctrl_c_does_not_break_off_the_ending(running: Running) -> None:
    running.family |= running.everything()
    for _ in range(20):
        if running.process.poll() is None:
            running.process.send_signal(signal.SIGINT)
        time.sleep(0.02)
    assert running.process.wait(PATIENCE) == 0
    assert left_behind(running.home, running.family) == []


# --- what dies is started again ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("victim", ["streamlit", "sandbox", "worker", "postgres"])
def test_what_dies_alone_is_started_again_with_the_same_rows(running: Running, filled: Filled, victim: str) -> None:
    killed = running.child(victim)
    os.kill(killed, signal.SIGKILL)
    running.wait_until(lambda: running.child(victim) not in (0, killed), f"another {victim}")
    running.wait_until(running.page, "the page")
    running.wait_until(lambda: answer(f"http://127.0.0.1:{running.port}/readyz") == 200, "the page's database")
    running.wait_until(lambda: answer(f"http://127.0.0.1:{fact(running.home, 'sandbox_port')}/v1/customers") == 401, "the sandbox")
    assert "ended; starting it again" in running.said
    assert rows(filled.home) == filled.rows


def test_after_a_kill_of_up_itself_its_children_end_and_the_next_one_has_the_same_rows(running: Running, filled: Filled) -> None:
    children = running.everything() - {running.process.pid, running.child("postgres")}
    children = {number for number in children if "postgres" not in command(number)}
    assert len(children) >= 3
    running.process.kill()
    running.process.wait()
    again = started(filled.home, port=running.port)
    try:
        again.wait_until(again.page, "the page")
        assert [number for number in children if state(number) not in ("", "Z")] == []
        assert rows(filled.home) == filled.rows
        assert again.end(signal.SIGTERM) == 0
        assert left_behind(filled.home, again.family) == []
    finally:
        end_whatever_runs(again)


def test_after_a_kill_of_everything_at_once_the_next_one_has_the_same_rows(running: Running, filled: Filled) -> None:
    for number in running.everything():
        with suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
    running.process.wait()
    again = started(filled.home, port=running.port)
    try:
        again.wait_until(again.page, "the page")
        assert rows(filled.home) == filled.rows
        assert again.end(signal.SIGTERM) == 0
        assert left_behind(filled.home, again.family) == []
    finally:
        end_whatever_runs(again)


def test_what_dies_again_and_again_ends_everything_with_a_sentence(empty: Path) -> None:
    running = started(empty)
    try:
        killed: set[int] = set()
        deadline = time.monotonic() + PATIENCE
        while running.process.poll() is None and time.monotonic() < deadline:
            running.family |= running.everything()
            if (web := running.child("streamlit")) and "the dashboard is at" in running.said:
                os.kill(web, signal.SIGKILL)
                killed.add(web)
            time.sleep(0.05)
        assert running.process.poll() == 4
        assert "the web app does not stay up" in running.said
        assert len(killed) > 3
        assert left_behind(empty, running.family) == []
    finally:
        end_whatever_runs(running)


def test_a_worker_killed_in_the_middle_of_a_job_is_started_again_and_so_is_the_job(empty: Path, context: Context, tmp_path: Path) -> None:
    estate = Estate(tmp_path / "estate")
    estates.two_invoices_worth(estate)
    with estates.serve(estate, "hang@blobx1") as served:
        configured = estates.configure(context, served.url, records=estate.records(tmp_path / "records"))
        url = configured.settings.database_url
        running = started(empty, DATABASE_URL=url, W365_SWEEP="3", W365_POLL="0.02", **configured.settings.environment)
        try:
            running.wait_until(running.page, "the page")
            job_id = working.queued(configured)
            running.wait_until(lambda: not served.faults.left(), "the download")
            running.family |= running.everything()
            os.kill(running.child("worker"), signal.SIGKILL)
            running.wait_until(lambda: working.job(configured, job_id).ended, "the job's end")
            assert "the worker has ended; starting it again" in running.said
            assert working.job(configured, job_id).message == "Invoice G1 is Active, 8 lines."
            assert running.end(signal.SIGTERM) == 0
            assert left_behind(empty, running.family) == []
        finally:
            end_whatever_runs(running)


# --- refusals ----------------------------------------------------------------------------------------------------------------------------


def test_a_second_up_on_the_same_home_says_where_it_is_up(running: Running) -> None:
    code, said = refused_beside(running)
    assert code == 2
    assert said == (
        f"It is up already at http://127.0.0.1:{running.port} (process {running.process.pid}); stop that one first, or set another W365_HOME.\n"
    )
    assert running.page() == 200


def refused_beside(running: Running) -> tuple[int, str]:
    second = subprocess.run(
        [sys.executable, "-m", "w365core", "up"], cwd=REPOSITORY, env=surroundings(running.home), capture_output=True, text=True, timeout=30
    )
    return second.returncode, second.stderr


def test_a_port_in_use_is_one_sentence_and_starts_nothing(empty: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        running = started(empty, port=port)
        code = running.process.wait(PATIENCE)
        said = running.said
        end_whatever_runs(running)
    assert (code, said) == (2, f"The web app cannot listen on port {port}: it is in use. Choose another with --port (with make: PORT=).\n")
    assert list(empty.iterdir()) == []


def test_a_number_that_is_no_port_is_one_sentence(empty: Path) -> None:
    running = started(empty, port=70000)
    assert running.process.wait(PATIENCE) == 2
    assert "ports go from 1 to 65535" in running.said
    end_whatever_runs(running)


def test_a_sandbox_port_in_use_gives_way_and_the_providers_follow(filled: Filled) -> None:
    end_whatever_is_up(filled)
    port = int(fact(filled.home, "sandbox_port"))
    with database(filled.home) as connection:
        connection.execute("update provider set tolerance = 0.07 where name = 'csp-demo'")
    with socket.create_server(("127.0.0.1", port)):
        running = started(filled.home)
        try:
            running.wait_until(running.page, "the page")
            other = int(fact(filled.home, "sandbox_port"))
            assert other != port
            assert f"port {port} is in use; the sandbox listens on {other} instead" in running.said
            assert answer(f"http://127.0.0.1:{other}/v1/customers") == 401
            with database(filled.home) as connection:
                told = connection.execute("select api_url, graph_url, login_url, tolerance::text from provider where name = 'csp-demo'")
                *urls, tolerance = told.fetchone()
                assert urls == [f"http://127.0.0.1:{other}"] * 3
                assert tolerance.startswith("0.07")  # what a person has changed stays
                connection.execute("update provider set tolerance = 0.05 where name = 'csp-demo'")
        finally:
            running.end(signal.SIGTERM)
            end_whatever_runs(running)


def end_whatever_is_up(filled: Filled) -> None:
    for one in _now_running:
        if one.process.poll() is None:
            one.end(signal.SIGTERM)


def test_a_home_that_cannot_be_written_to_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, said = refused_in(tmp_path / "file" / "home")
    assert code == 4
    assert said.count("\n") == 1
    assert "cannot be written to" in said
    assert "Set it to a folder that can" in said


def refused_in(home: Path) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "w365core", "up", "--port", str(free_port())],
        cwd=REPOSITORY, env=surroundings(home), capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    return done.returncode, done.stderr


def test_a_database_that_holds_other_data_is_not_filled_with_the_demo(empty: Path, database_url: str) -> None:
    with psycopg.connect(database_url.replace("+psycopg", "")) as connection:
        connection.execute("insert into provider (name, type, added_at) values ('mine', 'manual', now())")
    code, said = refused(empty, "--demo", DATABASE_URL=database_url)
    assert code == 2
    assert "This database holds data already" in said
    assert "Traceback" not in said
    assert [path.name for path in empty.iterdir()] == ["logs"]


# --- whose database ------------------------------------------------------------------------------------------------------------------------


def test_with_a_database_url_no_server_of_ours_is_started_or_stopped(empty: Path, database_url: str) -> None:
    running = started(empty, DATABASE_URL=database_url)
    try:
        running.wait_until(running.page, "the page")
        assert answer(f"http://127.0.0.1:{running.port}/readyz") == 200
        assert not embedded.data_directory(empty).exists()
        assert running.end(signal.SIGINT) == 0
        assert left_behind(empty, running.family) == []
    finally:
        end_whatever_runs(running)
    with psycopg.connect(database_url.replace("+psycopg", "")) as connection:
        assert connection.execute("select count(*) from provider").fetchone() == (0,)


def test_a_database_url_that_nobody_answers_is_one_sentence_within_seconds(empty: Path) -> None:
    began = time.monotonic()
    code, said = refused(empty, DATABASE_URL=f"postgresql://w365:hidden@127.0.0.1:{free_port()}/w365")
    assert code == 4
    assert said.startswith("Could not reach the database of DATABASE_URL")
    assert "hidden" not in said
    assert time.monotonic() - began < 10


def test_an_account_that_may_not_create_tables_is_one_sentence(empty: Path) -> None:
    with fresh_database() as url:
        direct = url.replace("+psycopg", "")
        with psycopg.connect(direct, autocommit=True) as connection:
            connection.execute("create role reader login")
        try:
            code, said = refused(empty, DATABASE_URL=direct.replace("w365@", "reader@"))
        finally:
            with psycopg.connect(direct, autocommit=True) as connection:
                connection.execute("drop role reader")
    assert (code, said.count("\n")) == (4, 1)
    assert said.startswith("The account of DATABASE_URL may not do that (permission denied for schema public")


# --- who runs it ---------------------------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.geteuid() != 0, reason="the other tests already run as an ordinary user")
def test_an_ordinary_user_gets_a_database_of_their_own(tmp_path: Path) -> None:
    person = pwd.getpwnam("nobody")
    python = reachable_python(person)
    folder = reachable_home("w365-user-")
    os.chown(folder, person.pw_uid, person.pw_gid)
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    environment = {"HOME": str(folder), "PATH": os.defpath, "PYTHONPATH": packages, "PYTHONDONTWRITEBYTECODE": "1"}
    home = folder / ".local" / "share" / "w365"
    port = free_port()
    process = subprocess.Popen(
        [python, "-m", "w365core", "up", "--port", str(port)],
        cwd=REPOSITORY, env=environment, user=person.pw_uid, group=person.pw_gid, extra_groups=[],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=(tmp_path / "said").open("wb"), start_new_session=True,
    )  # fmt: skip
    running = Running(process, home, port, tmp_path / "said")
    try:
        running.wait_until(running.page, "the page")
        data = embedded.data_directory(home)
        assert {path.stat().st_uid for path in (home, data, data / "PG_VERSION")} == {person.pw_uid}
        assert oct(home.stat().st_mode & 0o777) == "0o700"
        assert running.end(signal.SIGINT) == 0
        assert left_behind(home, running.family) == []
    finally:
        end_whatever_runs(running)
        for number in embedded_locks.orphans(embedded.data_directory(home)):
            os.kill(number, signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)


def reachable_python(person: pwd.struct_passwd) -> str:
    """An interpreter of our version that this account may run; ours may stand below a closed home of root."""
    who = embedded_account.Account(person.pw_name, person.pw_uid, person.pw_gid, dropped=True)
    if embedded_account.first_closed(REPOSITORY / "app.py", who) not in (None, REPOSITORY / "app.py"):
        pytest.skip(f"the account {person.pw_name} may not enter {REPOSITORY}")
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for candidate in (os.path.realpath(sys.executable), f"/usr/bin/{version}", f"/usr/local/bin/{version}"):
        if os.path.exists(candidate) and embedded_account.first_closed(Path(candidate), who) is None:
            return candidate
    pytest.skip(f"the account {person.pw_name} may not run any {version}")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's home is entered by another account")
def test_a_strict_umask_of_root_does_not_shut_out_the_database(empty: Path) -> None:
    before = os.umask(0o077)
    try:
        running = started(empty / "fresh" / "home")
    finally:
        os.umask(before)
    try:
        running.wait_until(running.page, "the page")
        assert running.end(signal.SIGINT) == 0
    finally:
        end_whatever_runs(running)
        embedded.stop(home=empty / "fresh" / "home", osuser=OSUSER)
