"""The web application: the frame with its pages, and three addresses for whoever watches over it.

    /healthz    200 as soon as the app answers
    /readyz     200 when the database answers too, else 503
    /metrics    counts as Prometheus reads them; no customer's data

Run it with `streamlit run app.py`, or everything at once with `python -m w365core up`.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

import streamlit as st  # noqa: E402
from starlette.concurrency import run_in_threadpool  # noqa: E402
from starlette.requests import Request  # noqa: E402
from starlette.responses import JSONResponse, Response  # noqa: E402
from starlette.routing import Route  # noqa: E402

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


app = st.App("pages/frame.py", routes=[Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)])
