"""The pages: server-rendered, live over the API's own event stream, complete without JavaScript."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Literal, cast

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from fastapi.routing import APIRoute
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from api.dependencies import App, RunIdPath
from api.errors import INTERNAL, MOST_PROBLEMS, http_problem_type, problem_type_of
from api.field_problems import field_problems
from api.reading import reads_rows
from api.web import present
from api.web.caps import Caps, look_over
from api.web.curves import Curves
from api.web.forms import RunForm, RunFormView, TopUpForm, accepted, answered, new_token, problems_of
from api.web.guide import GUIDE
from api.web.rendering import STATIC, page
from api.web.run_view import RunView
from orchestrator.bootstrap import Application
from orchestrator.domain.errors import InvalidInputError, LatticeForgeError, UnaffordableError
from orchestrator.domain.ids import RunId, parse_run_id
from orchestrator.domain.money import parse_dollars
from orchestrator.ports.store import RunQuery
from orchestrator.services.draft import RunDraft
from orchestrator.services.told_rows import ToldTokens

RUNS_A_PAGE = 25
FOREVER = "public, max-age=31536000, immutable"
AMOUNT = frozenset({"amount"})

Fragment = Literal[
    "status", "progress", "trainings", "steps", "stages", "plan", "evaluation", "ledger", "history", "artifacts", "log",
    "actions",
]  # fmt: skip
"""A part of a run's page that is fetched again by itself: `templates/run/<name>.html`."""

REFUSALS = (InvalidInputError, UnaffordableError)
"""What a form answers beside its fields; any other error gets a page of its own."""


class PageRoute(APIRoute):
    """Answers errors as pages a person can read, with the status that the API's table gives them."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handle(request)
            except LatticeForgeError as error:
                kind = problem_type_of(error)
                if kind is INTERNAL:
                    raise
                return _refusal(kind.status, kind.title, str(error))
            except RequestValidationError as error:
                wrong = field_problems(error.errors(), known=())[:MOST_PROBLEMS]
                return _refusal(422, "The form cannot be read", str(InvalidInputError(wrong)))
            except HTTPException as error:
                return _refusal(error.status_code, http_problem_type(error.status_code).title, str(error.detail))

        return answer


router = APIRouter(route_class=PageRoute, include_in_schema=False)
_static = StaticFiles(directory=STATIC)


def _refusal(status: int, title: str, detail: str) -> Response:
    return page("error.html", {"status": status, "title": title, "detail": detail}, status)


async def _kept_curves(request: Request) -> Curves:
    """The curves that this process has read so far; made on the event loop, so that there is one."""
    state = request.app.state
    if not hasattr(state, "curves"):
        state.curves = Curves()
    return cast(Curves, state.curves)


KeptCurves = Annotated[Curves, Depends(_kept_curves)]


@router.get("/static/{path:path}")
async def static(path: str, request: Request) -> Response:
    """A stylesheet or script; kept by browsers for good where the address names its content."""
    response = await _static.get_response(path, request.scope)
    response.headers["Cache-Control"] = FOREVER if "v" in request.query_params else "no-cache"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


@router.get("/")
def index(app: App, curves: KeptCurves, after: str | None = None) -> Response:
    return _index(app, curves, RunFormView.empty(), after=after)


@router.get("/ui/runs")
def runs(app: App, curves: KeptCurves, after: str | None = None) -> Response:
    """The list alone, for the page to renew itself."""
    return page("runs.html", _list(app, curves, after))


@router.get("/guide")
def guide() -> Response:
    return page("guide.html", {"guide": GUIDE})


@router.post("/ui/quotes")
@reads_rows
def quote(app: App, curves: KeptCurves, form: Annotated[RunForm, Form()], request: Request) -> Response:
    """The form again, with the plan and its price: alone for htmx, on the whole page otherwise."""
    status = 200
    try:
        quoted = answered(form, app.quote.execute)
        view = RunFormView(form, quote=quoted, listed=app.offers.listed(quoted.plan.offer))
    except REFUSALS as error:
        view, status = RunFormView.refused(form, error), problem_type_of(error).status
    if _is_partial(request):
        return page("run_form.html", {"form": view, "guide": GUIDE}, status)
    return _index(app, curves, view, status)


@router.post("/ui/caps")
@reads_rows
def caps(app: App, curves: KeptCurves, form: Annotated[RunForm, Form()], request: Request) -> Response:
    """What other caps would buy: alone for htmx, on the whole page otherwise."""
    try:
        view = RunFormView(form, caps=_caps(app, form))
    except REFUSALS as error:
        view, status = RunFormView.refused(form, error), problem_type_of(error).status
        if _is_partial(request):
            return page("caps.html", {"form": view, "refused": True}, status)
        return _index(app, curves, view, status)
    return page("caps.html", {"form": view}) if _is_partial(request) else _index(app, curves, view)


def _caps(app: Application, form: RunForm) -> Caps:
    def ask(draft: RunDraft, where: object, told: ToldTokens | None) -> Caps:
        # The cap is what is being asked about: none need be typed yet.
        typed = parse_dollars(draft.budget, "budget") if form.budget.strip() else None
        return look_over(
            lambda budgets: app.quote.compare(draft, [draft.strategy], budgets, [draft.gpus], where, told), typed
        )

    return answered(form, ask)


def _is_partial(request: Request) -> bool:
    return request.headers.get("hx-request") == "true"


@router.post("/ui/runs")
@reads_rows
def submit(app: App, curves: KeptCurves, form: Annotated[RunForm, Form()]) -> Response:
    try:
        run = app.submit.execute(accepted(form, app.quote.execute), form.idempotency_key())
    except REFUSALS as error:
        return _index(app, curves, RunFormView.refused(form, error), problem_type_of(error).status)
    return _to_run(run.id)


@router.get("/r/{run_id}")
def run(app: App, curves: KeptCurves, run_id: RunIdPath) -> Response:
    return page("run.html", {"view": RunView(app, curves, run_id, TopUpForm(token=new_token()))})


@router.get("/r/{run_id}/fragments/{name}")
def fragment(app: App, curves: KeptCurves, run_id: RunIdPath, name: Fragment) -> Response:
    view = RunView(app, curves, run_id, TopUpForm(token=new_token()))
    return page(f"run/{name}.html", {"view": view})


@router.post("/ui/runs/{run_id}/cancel")
def cancel(app: App, run_id: RunIdPath) -> Response:
    app.cancel.execute(run_id)
    return _to_run(run_id)


@router.post("/ui/runs/{run_id}/budget")
def top_up(app: App, curves: KeptCurves, run_id: RunIdPath, form: Annotated[TopUpForm, Form()]) -> Response:
    try:
        app.top_up.execute(run_id, form.amount, form.idempotency_key())
    except InvalidInputError as error:
        view = RunView(app, curves, run_id, form, dict(problems_of(error, AMOUNT)))
        return page("run.html", {"view": view}, problem_type_of(error).status)
    return _to_run(run_id)


def _to_run(run_id: RunId) -> Response:
    return RedirectResponse(f"/r/{run_id}", 303)


def _index(
    app: Application, curves: Curves, form: RunFormView, status: int = 200, after: str | None = None
) -> Response:
    return page("index.html", {**_list(app, curves, after), "form": form, "guide": GUIDE}, status)


def _list(app: Application, curves: Curves, after: str | None) -> dict[str, Any]:
    found = app.read.page(RunQuery(RUNS_A_PAGE, parse_run_id(after) if after else None))
    rows = [present.run_row(reading, curves.of(app.read, reading.run.id)) for reading in found.readings]
    return {
        "rows": rows,
        "after": after,
        "next_after": found.next_after,
        "live": any(present.is_live(row.run) for row in rows),
    }
