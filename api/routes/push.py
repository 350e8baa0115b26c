"""Publishing a run's result."""

from __future__ import annotations

from fastapi import APIRouter

from api.dependencies import App, RunIdPath
from api.json_body import StrictRoute
from api.schemas.problem import documented
from api.schemas.push import PushBody
from api.schemas.run import RunView

router = APIRouter(tags=["runs"], route_class=StrictRoute)


@router.post(
    "/runs/{run_id}/push",
    status_code=202,
    summary="Push a run's result to the Hugging Face Hub",
    responses=documented(403, 404, 409, 422),
)
def push(run_id: RunIdPath, body: PushBody, app: App) -> RunView:
    """The adapter or model with its tokenizer, the model card and the resolved configurations are uploaded soon after;
    `published` says how far that is. Needs a token in the service's environment and a run that has ended with a
    result; 409 otherwise. Asking again is safe: what is there already is not sent again."""
    app.push.execute(run_id, body.repo, private=body.private)
    return RunView.of(app.read.one(run_id))
