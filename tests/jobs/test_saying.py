"""Is what happens told in sentences, or as one JSON document a line with the run's id, and is no secret in either?"""

from __future__ import annotations

import json
import logging
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from tests import estates
from tests.conftest import Command
from tests.estates import Estate, seat
from w365core import settings
from w365core.jobs.saying import Lines, about

SECRETS = {
    "W365_SECRET_CSP": "planted-secret-1",
    "W365_REFRESH_CSP": "planted-refresh-2",
    "W365_KEY": "planted-key-3",
    "W365_SMTP_PASSWORD": "planted-smtp-4",
    "W365_WEBHOOK_SECRET": "planted-hook-5",
    "DATABASE_URL": "postgresql://me:planted%2Dpassword-6@127.0.0.1:1/none",
}


def line(message: object, *arguments: object, trace: bool = False) -> dict:
    info = sys.exc_info() if trace else None
    record = logging.LogRecord("w365core.test", logging.INFO, __file__, 1, message, arguments, info)
    said = Lines({"part": "test", "run": "r1"}, settings.secret_values(SECRETS)).format(record)
    assert "\n" not in said
    return json.loads(said)


def test_a_document_says_when_who_and_about_what() -> None:
    with about(sync_run=7, provider="csp"), about(job=3):
        told = line("invoice %s is in", "G1")
    assert {"at", "level", "logger", "message", "part", "run", "sync_run", "provider", "job"} == set(told)
    assert (told["message"], told["sync_run"], told["job"], told["level"]) == ("invoice G1 is in", 7, 3, "info")
    assert "sync_run" not in line("afterwards")


@pytest.mark.parametrize(
    "secret",
    [
        "planted-secret-1",
        "planted-refresh-2",
        "planted-key-3",
        "planted-smtp-4",
        "planted-hook-5",
        "planted%2Dpassword-6",
        "planted-password-6",
    ],
)
def test_a_secret_of_the_environment_is_cut_wherever_it_stands(secret: str) -> None:
    assert secret not in json.dumps(line(f"refused: {secret}, again {secret}"))
    try:
        raise ValueError(secret)
    except ValueError:
        told = line("failed", trace=True)
    assert told["traceback"][-1].startswith("ValueError: ") and secret not in json.dumps(told)


def test_a_signed_address_and_a_bearer_token_are_cut() -> None:
    told = json.dumps(line("GET https://x.blob.core.windows.net/a?sig=PLANTED%3D&x=1 with Bearer abcdefgh12345678"))
    assert "PLANTED" not in told and "abcdefgh12345678" not in told


@given(st.text())
def test_any_text_is_one_line_that_can_be_read_again(text: str) -> None:
    assert isinstance(line("%s", text.encode("utf-8", "replace").decode())["message"], str)


def test_a_command_tells_its_progress_as_json_and_its_answer_as_before(w365: Command, tmp_path: Path) -> None:
    estate = Estate(tmp_path / "estate", client_secret=estates.SECRET)
    estate.invoice("G1", [seat("10.00")], total="10.00")
    with estates.serve(estate) as served:
        url = served.url
        told = replace(w365, environment={**w365.environment, "W365_LOG": "json", "W365_SECRET_CSP": estates.SECRET})
        told("init")
        urls = ("--api-url", url, "--graph-url", url, "--login-url", url)
        added = told("provider", "add", "csp", "--type", "partner_center", "--tenant-id", estates.TENANT, "--client-id", "c", *urls)
        assert added.returncode == 0, added.stderr
        done = told("sync", "--provider", "csp", "--json")
    assert json.loads(done.stdout)
    lines = [json.loads(one) for one in done.stderr.splitlines()]
    assert lines and len({one["run"] for one in lines}) == 1 and {one["part"] for one in lines} == {"sync"}
    assert [one["message"] for one in lines if one["logger"] == "w365core.runs"][0] == "begins"
    assert {one["sync_run"] for one in lines if one["logger"] == "w365core.runs"} == {1}
    assert estates.SECRET not in done.stdout + done.stderr


def test_a_refusal_is_a_document_too_and_without_the_variable_a_sentence(w365: Command) -> None:
    refused = w365("currency", "set", "XXX", "2", W365_LOG="json")
    assert refused.returncode == 2 and "There is no currency" in json.loads(refused.stderr.splitlines()[-1])["message"]
    assert w365("currency", "set", "XXX", "2").stderr.startswith("There is no currency")
