"""The web application: the frame with its pages, and three addresses for whoever watches over it.

Where a provider of identities is set up, people sign in; else it is for one person at this machine, and starts on loopback alone.

    /healthz    200 as soon as the app answers
    /readyz     200 when the database answers too, else 503
    /metrics    counts as Prometheus reads them; no customer's data

Run it with `streamlit run app.py`, or everything at once with `python -m w365core up`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

import streamlit as st  # noqa: E402
from starlette.concurrency import run_in_threadpool  # noqa: E402
from starlette.middleware import Middleware  # noqa: E402
from starlette.requests import Request  # noqa: E402
from starlette.responses import JSONResponse, Response  # noqa: E402
from starlette.routing import Route  # noqa: E402
from streamlit import config  # noqa: E402

from w365core import printing, serving, settings  # noqa: E402
from w365core.errors import ConfigurationMissing  # noqa: E402
from w365core.jobs import measuring, saying  # noqa: E402
from w365core.reports import connection  # noqa: E402

saying.begin(part="web")


async def healthz(_request: Request) -> JSONResponse:
    """Whether the app answers."""
    return JSONResponse({"status": "ok"})


async def readyz(_request: Request) -> JSONResponse:
    """Whether a page would find its data."""
    ready = await run_in_threadpool(connection.database_answers)
    return JSONResponse({"status": "ok" if ready else "waiting", "database": "ok" if ready else "away"}, status_code=200 if ready else 503)


async def metrics(_request: Request) -> Response:
    """How much there is of everything."""
    return Response(await run_in_threadpool(measuring.exposition), media_type=measuring.CONTENT_TYPE)


def sign_in() -> dict[str, str] | None:
    """What is known of the provider of identities: from the environment, else from Streamlit's own file of secrets; None where people do not sign in."""
    told = settings.read().sign_in()
    if told is None and st.secrets.load_if_toml_exists() and "auth" in st.secrets:
        return dict(st.secrets["auth"])
    return told


def guarded() -> tuple[dict[str, str] | None, Middleware]:
    """The sign-in, and what stands before the app. Ends the process in one sentence where it would be open to whoever comes."""
    try:
        auth = sign_in()
        serving.refuse_open(config.get_option("server.address"), shared=auth is not None)
        if auth is not None:
            serving.refuse_without_client()
    except ConfigurationMissing as error:
        printing.progress(str(error))
        sys.exit(error.exit_code)
    public = (auth or {}).get("redirect_uri", "").removesuffix("/oauth2callback")
    if public:
        hosts = [*config.get_option("server.allowedHosts"), urlsplit(public).hostname]
        config.set_option("server.allowedHosts", list(dict.fromkeys(hosts)))
    return auth, Middleware(serving.Guarded, shared=auth is not None, public=public)


auth, guard = guarded()
app = st.App(
    "pages/frame.py",
    secrets={"auth": auth} if auth else None,
    routes=[Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)],
    middleware=[guard],
)
