"""Templates into responses: everything escaped, nothing undefined, every page with its headers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from api.figures import count
from api.web import quote_sheet, wording
from api.web.security import PAGE_HEADERS
from orchestrator.domain.money import Money

HERE = Path(__file__).resolve().parent
STATIC = HERE / "static"


def _address_of(name: str) -> str:
    """The address of a static file; it changes with the content, so that a browser may keep the file for good."""
    return f"/static/{name}?v={hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]}"


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        auto_reload=False,  # a service that runs does not mix its own code with newer templates
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    assets = {str(path.relative_to(STATIC)): _address_of(str(path.relative_to(STATIC)))
              for path in STATIC.rglob("*") if path.suffix in {".css", ".js", ".svg"}}  # fmt: skip
    environment.globals["asset"] = assets.__getitem__
    environment.globals["sheet"] = quote_sheet
    environment.filters.update(
        dollars=wording.dollars,
        exact=wording.exact_dollars,
        micros=lambda micros: wording.dollars(Money(micros)),
        duration=wording.duration,
        size=wording.size,
        number=wording.number,
        words=wording.words,
        short=count,
        stamp=wording.stamp,
    )
    return environment


_TEMPLATES = _environment()


def page(template: str, context: Mapping[str, Any], status: int = 200) -> HTMLResponse:
    """`template` filled with `context`, under the headers of a page."""
    return HTMLResponse(_TEMPLATES.get_template(template).render(context), status, dict(PAGE_HEADERS))
