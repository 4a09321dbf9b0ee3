"""Is what lies in the landing whole, and is it exactly what came?"""

from __future__ import annotations

import gzip
import hashlib
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from w365core.errors import ConfigurationMissing
from w365core.store.landing import Landing


@pytest.fixture
def landing(tmp_path: Path) -> Landing:
    return Landing(tmp_path / "landing")


def test_an_adopted_file_lies_under_its_fingerprint_byte_for_byte(landing: Landing) -> None:
    content = os.urandom(3_000_000)
    with landing.aside() as path:
        path.write_bytes(content)
        fingerprint, size = landing.adopt(path)
    assert (fingerprint, size) == (hashlib.sha256(content).hexdigest(), len(content))
    assert landing.path(fingerprint).read_bytes() == content
    assert list((landing.folder / "incoming").iterdir()) == []


def test_the_same_bytes_are_kept_once(landing: Landing) -> None:
    for _ in range(2):
        with landing.aside() as path:
            path.write_bytes(b"same")
            landing.adopt(path)
        landing.adopt_content(b"an answer")
    assert len([file for file in landing.folder.rglob("*") if file.is_file()]) == 2


def test_an_answer_is_kept_compressed_and_read_back(landing: Landing) -> None:
    answer = b'{"items": []}' * 100
    fingerprint = landing.adopt_content(answer)
    assert fingerprint == hashlib.sha256(answer).hexdigest()
    assert landing.read_answer(fingerprint) == answer
    assert gzip.decompress(landing.path(fingerprint).with_suffix(".gz").read_bytes()) == answer


def test_what_is_not_adopted_is_gone(landing: Landing) -> None:
    with pytest.raises(ValueError), landing.aside() as path:
        path.write_bytes(b"half")
        raise ValueError
    assert list(landing.folder.rglob("*-*")) == []


def test_only_what_dead_processes_left_is_swept(landing: Landing) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    incoming = landing.folder / "incoming"
    incoming.mkdir(parents=True)
    for name in (f"{dead.pid}-x", "nobody-y", f"{os.getpid()}-z"):
        (incoming / name).write_bytes(b"half")
    assert landing.sweep() == 2
    assert [file.name for file in incoming.iterdir()] == [f"{os.getpid()}-z"]


def test_what_lands_is_for_its_owners_eyes_only_from_the_landing_folder_down(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        landing = Landing(tmp_path / "home" / "landing")
        landing.adopt_content(b"x")
    finally:
        os.umask(before)
    folders = [landing.folder, *(path for path in landing.folder.rglob("*") if path.is_dir())]
    assert len(folders) == 3 and {stat.S_IMODE(folder.stat().st_mode) for folder in folders} == {0o700}


def test_a_folder_that_cannot_be_made_is_said_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "landing").write_text("a file is in the way")
    with pytest.raises(ConfigurationMissing, match=r"Could not write to .*incoming: .*W365_HOME to another folder"):
        Landing(tmp_path / "landing").adopt_content(b"x")


def test_a_landing_below_a_closed_folder_is_said_in_one_sentence(tmp_path: Path, as_nobody) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    program = f"from pathlib import Path\nfrom w365core.store.landing import Landing\nLanding(Path({str(closed / 'landing')!r})).adopt_content(b'x')\n"
    if os.geteuid() != 0:
        program = f"os.chmod({str(closed)!r}, 0)\n" + program
    assert as_nobody("import os\n" + program).startswith("ConfigurationMissing Could not write to")


def test_a_landing_that_may_not_be_written_is_said_in_one_sentence(tmp_path: Path, as_nobody) -> None:
    """As another account, since root may write everywhere."""
    folder = tmp_path / "landing"
    (folder / "incoming").mkdir(parents=True)
    said = as_nobody(
        f"from pathlib import Path\nfrom w365core.store.landing import Landing\nLanding(Path({str(folder)!r})).adopt_content(b'x')\n"
    )
    assert "ConfigurationMissing" in said and str(folder) in said and "W365_HOME" in said


@pytest.fixture
def as_nobody(tmp_path: Path):
    """Runs a program as an account that owns nothing here; the last line it prints."""

    def run(program: str) -> str:
        drop = "import os\nif os.geteuid() == 0:\n    os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        caught = "".join(f"    {line}\n" for line in program.splitlines())
        whole = f"import w365core.store.landing\n{drop}try:\n{caught}except Exception as error:\n    print(type(error).__name__, error)\n"
        if os.geteuid() != 0:
            for folder in tmp_path.rglob("*"):
                folder.chmod(0o555)
        for parent in [tmp_path, *tmp_path.parents][: 4 if os.environ.get("PYTEST_XDIST_WORKER") else 3]:
            parent.chmod(parent.stat().st_mode | 0o111)
        done = subprocess.run([sys.executable, "-c", whole], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run
