"""Does each connector read its recorded sample as it always has? A folder of answers per type of provider, served over a real socket.

`recording.json` says which path answers what, in turn, and what to ask; `expected.json` what comes of it. A new connector needs no line here: its folder.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.providers.scripted import Scripted, Step
from w365core.model import Feed, Provider, ProviderType, Secret
from w365core.providers import registry
from w365core.providers.contract import ListsFiles, Manifest, Patience
from w365core.providers.registry import KINDS

SAMPLES = Path(__file__).parents[1] / "samples"


def test_every_type_with_a_connection_has_its_sample() -> None:
    assert {folder.name for folder in SAMPLES.iterdir() if (folder / "recording.json").exists()} >= {str(kind) for kind in KINDS}


@pytest.mark.parametrize("kind", [str(kind) for kind in KINDS])
def test_the_recorded_answers_are_read_as_recorded(kind: str, script: Scripted, tmp_path: Path) -> None:
    folder = SAMPLES / kind
    recording = json.loads((folder / "recording.json").read_text())
    _play(script, folder, recording["answers"])
    asked, connector = recording["asked"], _connector(script, recording)
    found = {
        "invoices": connector.invoices(),
        "customers": list(connector.customers()),
        "subscriptions": list(connector.subscriptions(asked["customer_ids"])),
        "changes": list(connector.changes(since=date.fromisoformat(asked["since"]), until=date.fromisoformat(asked["until"]))),
    }
    read: dict[str, Any] = {name: [plain(asdict(one)) for one in ones] for name, ones in found.items()}
    header = next(one for one in found["invoices"] if one.number == asked["invoice"])
    if isinstance(connector, ListsFiles):
        read["files"] = [file.name for file in connector.files_of(header)]
    else:
        read["exports"] = {
            str(feed): _exported(connector, header.number, feed, tmp_path) for feed in (Feed.RECONCILIATION, Feed.DAILY_RATED)
        }
    assert read == json.loads((folder / "expected.json").read_text()), json.dumps(read, indent=1, ensure_ascii=False)


def _play(script: Scripted, folder: Path, answers: list[dict[str, Any]]) -> None:
    steps: dict[str, list[Step]] = {}
    for answer in answers:
        if "gzipped" in answer:
            body = gzip.compress((folder / answer["gzipped"]).read_bytes())
        elif "file" in answer:
            body = (folder / answer["file"]).read_bytes()
        else:
            body = json.dumps(answer["json"]).encode() if "json" in answer else b""
        headers = {name: value.replace("{root}", script.url) for name, value in answer.get("headers", {}).items()}
        steps.setdefault(answer["path"], []).append(Step(answer.get("status", 200), body.replace(b"{root}", script.url.encode()), headers))
    for path, of_path in steps.items():
        script.on(path, *of_path)


def _connector(script: Scripted, recording: dict[str, Any]):
    settings = {**recording["settings"], **dict.fromkeys(recording["urls"], script.url)}
    provider = Provider("recorded", **settings | {"type": ProviderType(settings["type"])})

    def rotation(exchange: Callable) -> Any:
        return exchange(Secret("rt-0"))

    return registry.connector(
        provider,
        secret=Secret("key:invented"),
        patience=Patience(timeout=3, tries=1, poll=0.01),
        keep=lambda answer: None,
        rotation=rotation,
        today=date.fromisoformat(recording["asked"].get("today", "2026-11-12")),
        sleep=lambda seconds: None,
    )


def _exported(connector: Any, number: str, feed: Feed, folder: Path) -> dict[str, Any]:
    """The version of the export, its blobs, and how many lines they hold; or why there are none."""
    manifest = connector.wait_for_export(connector.request_export(number, feed))
    if not isinstance(manifest, Manifest):
        return asdict(manifest)
    count = 0
    for blob in manifest.blobs:
        connector.download(manifest, blob, folder / "blob")
        count += len(gzip.decompress((folder / "blob").read_bytes()).splitlines())
    return {"etag": manifest.etag, "blobs": [blob.name for blob in manifest.blobs], "lines": count}


def plain(value: object) -> object:
    """As JSON has it: what is absent is left out."""
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items() if one not in (None, (), False) or name == "auto_renew"}
    return str(value) if isinstance(value, Decimal | date | datetime) else value
