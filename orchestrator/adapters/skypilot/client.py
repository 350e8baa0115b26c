"""SkyPilot's REST interface, as its API server of 0.14 speaks it, with httpx and nothing of SkyPilot's own.

A request is posted and answered at once with an id; its result is asked for by that id. An id is forgotten when the
server restarts, the clusters are not: what a lost id did is found by listing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import NewType

import httpx

from orchestrator.adapters.skypilot.answers import (
    Answer,
    Cluster,
    ClusterJob,
    Cost,
    Health,
    RequestState,
    SkyPilotError,
    cluster_of,
    cost_of,
    decoded,
    failure_of,
    job_of,
    object_of,
    objects_of,
)
from orchestrator.domain.json_value import JsonValue

API_VERSION = "62"
VERSION = "0.14.1"
ID_HEADER = "X-SkyPilot-Request-ID"
USER_NAME = "latticeforge"
POST_SECONDS = 15.0
RESULT_SECONDS = 45.0
"""Most that a short request (list, queue, cost report) may take; 0.2 s idle, 22 s on a busy machine were seen."""
CANCEL_SECONDS = 8.0
QUIET_SECONDS = 60.0
"""A followed log shows a sign of life more often than this, or its connection is taken for lost."""

_PLAIN_STATUS: Answer = {"refresh": "NONE", "include_handle": False, "include_credentials": False}
"""Without what is pickled, and without secrets."""

RequestId = NewType("RequestId", str)


class SkyPilotClient:
    """Speaks to the server at `url`. `user` is eight hexadecimal digits: whose clusters they are. Any call may raise
    `SkyPilotError`; none waits longer than it says."""

    def __init__(self, url: str, user: str) -> None:
        self.user = user
        headers = {"X-SkyPilot-API-Version": API_VERSION, "X-SkyPilot-Version": VERSION}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=POST_SECONDS, trust_env=False)

    def close(self) -> None:
        self._http.close()

    def health(self) -> Health:
        answer = object_of(self._read(self._send("GET", "/api/health")), "health")
        return Health(str(answer.get("version")), str(answer.get("api_version")))

    def enabled_clouds(self) -> tuple[str, ...]:
        """The clouds that the server has credentials for, in lower case."""
        found = self._wait(self._id_of(self._send("GET", "/enabled_clouds")), RESULT_SECONDS)
        return tuple(str(name).lower() for name in found) if isinstance(found, list) else ()

    def launch(self, cluster: str, task: str) -> RequestId:
        """Ask for a cluster; does not wait for it."""
        return self._post("/launch", {"task": task, "cluster_name": cluster})

    def execute(self, cluster: str, task: str) -> RequestId:
        """Start a job on a cluster, its working folder brought over before; does not wait for either."""
        return self._post("/exec", {"task": task, "cluster_name": cluster})

    def down(self, cluster: str) -> RequestId:
        return self._post("/down", {"cluster_name": cluster})

    def autostop(self, cluster: str, idle_minutes: int) -> RequestId:
        """Arm the provider's side anew: the cluster goes down after `idle_minutes`, whatever runs on it."""
        body: Answer = {"cluster_name": cluster, "idle_minutes": idle_minutes, "down": True, "wait_for": "none"}
        return self._post("/autostop", body)

    def cancel_request(self, request: RequestId) -> None:
        """End a request that is under way. What it has made so far stays."""
        self.result(self._post("/api/cancel", {"request_ids": [request]}), CANCEL_SECONDS)

    def clusters(self, names: tuple[str, ...] | None = None) -> tuple[Cluster, ...]:
        """SkyPilot's list, as it last heard from the providers."""
        asked: list[JsonValue] | None = None if names is None else list(names)
        lines = self.result(self._post("/status", {**_PLAIN_STATUS, "cluster_names": asked}), RESULT_SECONDS)
        return tuple(cluster_of(line) for line in objects_of(lines, "list of clusters"))

    def refresh(self, cluster: str) -> RequestId:
        """Have the provider itself asked about a cluster, so that the list is right about it some seconds later."""
        return self._post("/status", {**_PLAIN_STATUS, "cluster_names": [cluster], "refresh": "FORCE"})

    def jobs(self, cluster: str) -> tuple[ClusterJob, ...]:
        lines = self.result(self._post("/queue", {"cluster_name": cluster, "all_users": True}), RESULT_SECONDS)
        return tuple(job_of(line) for line in objects_of(lines, "queue"))

    def costs(self, days: int = 2) -> tuple[Cost, ...]:
        """The clusters of the last days, those that are gone included."""
        lines = self.result(self._post("/cost_report", {"days": days}), RESULT_SECONDS)
        # A cluster that was never there has no duration.
        return tuple(cost_of(line) for line in objects_of(lines, "cost report") if line.get("duration") is not None)

    def state(self, request: RequestId) -> RequestState:
        """How far a request got; does not wait."""
        answer = self._send("GET", "/api/status", params={"request_ids": request, "all_status": "true"})
        if answer.status_code == httpx.codes.NOT_FOUND:
            return RequestState.UNKNOWN
        for line in objects_of(self._read(answer), "list of requests"):
            if line.get("request_id") == request:
                with contextlib.suppress(ValueError):
                    return RequestState(str(line.get("status")))
        return RequestState.UNKNOWN

    def result(self, request: RequestId, seconds: float) -> JsonValue:
        """What a request returned, waited for; `SkyPilotError` when it failed, or took longer than `seconds`."""
        return self._wait(request, seconds)

    @contextlib.contextmanager
    def logs(self, cluster: str, job_id: int, last_lines: int = 0) -> Iterator[Iterator[str]]:
        """Follow a job's output, from its `last_lines` on (0: all of it), until it ends or the connection does."""
        body = self._body({"cluster_name": cluster, "job_id": job_id, "follow": True, "tail": last_lines})
        try:
            timeout = httpx.Timeout(POST_SECONDS, read=QUIET_SECONDS)
            with self._http.stream("POST", "/logs", json=body, timeout=timeout) as stream:
                if stream.status_code != httpx.codes.OK:
                    stream.read()
                    raise self._failure(stream)
                yield stream.iter_lines()
        except httpx.HTTPError as error:
            raise SkyPilotError(f"the log's connection was lost: {type(error).__name__}") from error

    def _post(self, path: str, body: Answer) -> RequestId:
        return self._id_of(self._send("POST", path, json=self._body(body)))

    def _body(self, body: Answer) -> dict[str, JsonValue]:
        return {
            "env_vars": {"SKYPILOT_USER_ID": self.user, "SKYPILOT_USER": USER_NAME},
            "entrypoint": USER_NAME,
            "entrypoint_command": USER_NAME,
            "using_remote_api_server": False,
            "override_skypilot_config": {},
            **body,
        }

    def _wait(self, request: RequestId, seconds: float) -> JsonValue:
        answer = self._send("GET", "/api/get", params={"request_id": request}, timeout=seconds)
        return decoded(object_of(self._read(answer), "answer").get("return_value") or "null", "returned value")

    def _send(
        self,
        method: str,
        path: str,
        json: Mapping[str, JsonValue] | None = None,
        params: Mapping[str, str] | None = None,
        timeout: float = POST_SECONDS,
    ) -> httpx.Response:
        try:
            return self._http.request(method, path, json=json, params=params, timeout=timeout)
        except httpx.HTTPError as error:
            raise SkyPilotError(f"SkyPilot does not answer {path}: {type(error).__name__}") from error

    def _id_of(self, answer: httpx.Response) -> RequestId:
        self._read(answer)
        request = answer.headers.get(ID_HEADER)
        if not request:
            raise SkyPilotError("SkyPilot gave no request id")
        return RequestId(request)

    def _read(self, answer: httpx.Response) -> JsonValue:
        if answer.status_code != httpx.codes.OK:
            raise self._failure(answer)
        return decoded(answer.text, "answer")

    @staticmethod
    def _failure(answer: httpx.Response) -> SkyPilotError:
        try:
            return failure_of(object_of(decoded(answer.text, "error"), "error"))
        except SkyPilotError:
            return SkyPilotError(f"SkyPilot answered {answer.status_code}: {answer.text[:200]}")
