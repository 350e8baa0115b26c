"""The HTTP application. `uvicorn --factory api.app:make_app` serves it."""

from __future__ import annotations

from fastapi import FastAPI

from api.auth import RefuseForeignPages, RequireBearer, is_loopback
from api.errors import add_problem_handlers
from api.limits import LimitBody
from api.openapi import describe
from api.routes import (
    artifacts,
    calibration,
    datasets,
    events,
    health,
    ledger,
    logs,
    metrics,
    offers,
    problems,
    push,
    quotes,
    runs,
    strategies,
)
from api.web.pages import router as pages
from orchestrator.bootstrap import Application, build_application
from orchestrator.settings import Settings

VERSION = "0.1.0"
DESCRIPTION = """Money is a decimal string in dollars, exact to the micro-dollar; times are RFC 3339 in UTC; durations
are seconds. Every error is an RFC 9457 problem (`application/problem+json`) whose `errors` name the fields."""


def create_app(application: Application) -> FastAPI:
    """The API on the use cases of `application`."""
    app = FastAPI(
        title="LatticeForge",
        summary="Budget-aware fine-tuning: the best model that a sum of money buys, and not one cent more.",
        description=DESCRIPTION,
        version=VERSION,
        redirect_slashes=False,
        # FastAPI's own pages of the document load their scripts from a foreign host.
        docs_url=None,
        redoc_url=None,
    )
    app.state.application = application
    for resource in (
        runs,
        datasets,
        events,
        metrics,
        logs,
        artifacts,
        push,
        ledger,
        quotes,
        strategies,
        offers,
        calibration,
        health,
        problems,
    ):
        app.include_router(resource.router)
    app.include_router(pages)
    add_problem_handlers(app)
    _protect(app, application)
    describe(app)
    return app


def _protect(app: FastAPI, application: Application) -> None:
    """The last one added is asked first: who asks, then how much comes with it."""
    upload = application.settings.max_upload_megabytes << 20
    app.add_middleware(LimitBody, others={("POST", datasets.PATH): upload})
    token = application.settings.api_token
    if token is not None:
        app.add_middleware(RequireBearer, token=token.get_secret_value())
    # A token is no cookie: a foreign page cannot send it, whatever name the service goes by.
    loopback_only = token is None and is_loopback(application.settings.host)
    app.add_middleware(RefuseForeignPages, loopback_only=loopback_only)


def make_app() -> FastAPI:
    """The API on the application that the environment's settings describe."""
    return create_app(build_application(Settings()))
