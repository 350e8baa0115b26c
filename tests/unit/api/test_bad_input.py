"""Nonsense: every piece of it is a 4xx problem that names the field, and nothing is started by it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.api.serving import WISH, Client, fields

JSON = {"Content-Type": "application/json"}


@pytest.fixture(autouse=True)
def _nothing_is_started(client: Client) -> Iterator[None]:
    yield
    assert client.get("/runs").json()["runs"] == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"strategy": "sorcery"}, "strategy"),
        ({"strategy": None}, "strategy"),
        ({"strategy": 7}, "strategy"),
        ({"strategy": ["lora"]}, "strategy"),
        *(
            ({"budget": value}, "budget")
            for value in (0, -0.0, -1, 1e12, "fifty", "", None, True, [], {}, "NaN", "1e400")
        ),
        ({"budget": "1_000"}, "budget"),
        ({"budget": 0.0000001}, "budget"),
        ({"model": 3}, "model"),
        ({"model": "../../../etc"}, "model"),
        ({"model": "/etc"}, "model"),
        ({"model": ""}, "model"),
        ({"dataset": "/etc/passwd"}, "dataset"),
        ({"dataset": "no-such-file.jsonl"}, "dataset"),
        ({"dataset": "x" * 10_000}, "dataset"),
        ({"heldout": "/nowhere.jsonl"}, "heldout"),
        *(({"max_hours": value}, "max_hours") for value in (0, -1, 1e9, "1", True, [])),
        *(({"gpus": value}, "gpus") for value in (0, -1, 1.5, 99, "1", True)),
        *(({"seed": value}, "seed") for value in (-1, 2**40, 1.5, "1", False)),
        ({"name": "x" * 1000}, "name"),
        ({"name": "bell\a"}, "name"),
        ({"name": 1}, "name"),
        ({"overrides": []}, "overrides"),
        ({"overrides": {"lora_rr": 1}}, "overrides.lora_rr"),
        ({"overrides": {"micro_batch_size": "many"}}, "overrides.micro_batch_size"),
        ({"overrides": {"micro_batch_size": -1}}, "overrides.micro_batch_size"),
        ({"buget": 5}, "buget"),
        ({"training_overrides": {"1": {"k" * 200: 1}}}, "training_overrides.1"),
        ({"overrides": {"k" * 200: 1}}, "overrides"),
        ({"parameters": {f"k{number}": 1 for number in range(999)}}, "parameters"),
        ({"strategy": None, "recipe": "learning_rate: 1" + ":00" * 300 + ".0"}, "recipe.learning_rate"),
        ({"strategy": None, "recipe": '"\\uD800": 1\n"\\uD800": 2'}, "recipe:2"),
    ],
    ids=str,
)
def test_a_wrong_value_is_refused_by_the_name_of_its_field(
    client: Client, change: dict[str, object], field: str
) -> None:
    for path in ("/runs", "/quotes"):
        answer = client.post(path, json={**WISH, **change})
        assert answer.status_code == 422, answer.text
        assert field in fields(answer), answer.text


def test_every_problem_is_told_at_once(client: Client) -> None:
    answer = client.post("/runs", json={"strategy": "lora", "budget": -1, "seed": -1, "gpus": 9, "max_hours": 0})
    assert set(fields(answer)) == {"budget", "seed", "gpus", "max_hours"}


def test_a_misspelt_field_is_answered_with_the_one_that_was_meant(client: Client) -> None:
    answer = client.post("/runs", json={"strategey": "lora", "budget": 5})
    assert fields(answer) == {"strategey": "is not known; did you mean strategy?"}


def test_a_misspelt_query_parameter_is_not_ignored(client: Client) -> None:
    answer = client.get("/runs", params={"stauts": "ended"})
    assert fields(answer) == {"stauts": "is not known; did you mean status?"}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"strategy": "lora", "budget": NaN}', "budget"),
        (b'{"strategy": "lora", "budget": Infinity}', "budget"),
        (b'{"strategy": "lora", "budget": -Infinity}', "budget"),
        (b'{"strategy": "lora", "budget": 1e400}', "budget"),
        (b'{"strategy": "lora", "budget": ' + b"9" * 5000 + b"}", "budget"),
        (b'{"strategy": "lora", "budget": -' + b"9" * 5000 + b"}", "budget"),
        (b'{"strategy": "lora", "budget": 5, "budget": 500}', "budget"),
        (b'{"strategy": "lora", "budget": 5, "overrides": {"a": [1, NaN]}}', "overrides.a.1"),
        (b'{"strategy": "lora", "budget": 5, "overrides": {"a": 1, "a": 2}}', "overrides.a"),
        (b'{"strategy": "lora", "budget": 5, "name": "\\ud800"}', "name"),
        (b'{"strategy": "lora", "budget": 5, "model": "a\\u0000b"}', "model"),
        (b'{"strategy": "lora", "budget": 5, "\\ud800": 1}', "\\ud800"),
        (b'{"strategy": "lora", "budget": "\xff"}', "body"),
        (b"\xef\xbb\xbf{}", "body"),
        (b"", "body"),
        (b"{", "body"),
        (b"[]", "body"),
        (b"null", "body"),
        (b'"lora"', "body"),
        (b"[" * 100_000, "body"),
        (b'{"strategy": "lora", "budget": 5, "overrides": ' + b'{"a":' * 50 + b"1" + b"}" * 51, None),
        (b'{"a":' * 100_000, "body"),
        (json.dumps({f"k{index}": 0 for index in range(20_000)}).encode(), "body"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_a_body_that_does_not_mean_one_thing_is_refused(client: Client, body: bytes, field: str | None) -> None:
    answer = client.post("/runs", content=body, headers=JSON)
    assert answer.status_code == 400, answer.text
    assert answer.json()["type"] == "/problems/malformed-body"
    assert field is None or field in fields(answer)


@pytest.mark.parametrize(
    "kind", [None, "text/plain", "application/x-www-form-urlencoded", "application/jsonx", ";", "é"]
)
def test_only_json_is_taken_as_json(client: Client, kind: str | None) -> None:
    headers = [] if kind is None else [(b"content-type", kind.encode())]
    for path in ("/runs", "/quotes", "/runs/run_000000000001/budget"):
        answer = client.post(path, content=json.dumps(WISH), headers=httpx.Headers(headers))
        assert answer.status_code == 415, answer.text


def test_json_may_name_its_charset(client: Client) -> None:
    headers = {"Content-Type": "application/json; charset=utf-8"}
    assert client.post("/quotes", content=json.dumps(WISH), headers=headers).status_code == 200


@pytest.mark.parametrize(
    "run_id",
    ["nonsense", "run_", "run_00000000000", "run_000000000001x", "RUN_000000000001", "run_%00", "%2e%2e", "%ff", "'"],
)
def test_an_id_that_names_no_run_is_not_found(client: Client, run_id: str) -> None:
    for part in ("", "/ledger", "/metrics", "/logs", "/artifacts", "/artifacts/a", "/events"):
        assert client.get(f"/runs/{run_id}{part}").status_code == 404
    assert client.post(f"/runs/{run_id}/cancel").status_code == 404
    assert client.post(f"/runs/{run_id}/budget", json={"amount": 1}).status_code == 404


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/runs?limit=0", "limit"),
        ("/runs?limit=many", "limit"),
        ("/runs?limit=" + "9" * 5000, "limit"),
        ("/runs?limit=1e3", "limit"),
        ("/runs?status=sleeping", "status"),
        ("/runs?strategy=sorcery", "strategy"),
        ("/runs?after=1&after=2&nonsense", "nonsense"),
    ],
)
def test_a_wrong_query_parameter_is_refused_by_its_name(client: Client, path: str, field: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, field in fields(answer)) == (422, True), answer.text


def test_a_page_after_a_run_that_is_not_there_is_not_found(client: Client) -> None:
    assert client.get("/runs?after=run_000000000009").status_code == 404
    assert client.get("/runs?after=nonsense").status_code == 404


@pytest.mark.parametrize("key", ["", " ", "x" * 201, "a\tb"])
def test_an_idempotency_key_that_cannot_be_kept_is_refused(client: Client, key: str) -> None:
    for path, body in (("/runs", WISH), ("/runs/run_000000000001/budget", {"amount": 1})):
        answer = client.post(path, json=body, headers={"Idempotency-Key": key})
        assert (answer.status_code, list(fields(answer))) == (422, ["Idempotency-Key"])


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/runs"),
        ("PUT", "/runs/run_000000000001"),
        ("GET", "/quotes"),
        ("POST", "/healthz"),
        ("PATCH", "/offers"),
    ],
)
def test_a_method_that_a_path_does_not_know_is_said_to_be_so(client: Client, method: str, path: str) -> None:
    answer = client.request(method, path)
    assert (answer.status_code, answer.json()["type"], "allow" in answer.headers) == (405, "about:blank", True)


def test_a_path_that_is_not_there_is_a_problem_too(client: Client) -> None:
    answer = client.get("/nonsense")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


_scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
_values = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_names = st.sampled_from([*WISH, "model", "dataset", "heldout", "max_hours", "gpus", "overrides", "seed", "name"])
_keys = st.sampled_from(["learning_rate", "lora_r", "num_epochs", "micro_batch_size", "datasets", "optimizer", "rl"])
_wishes = st.builds(
    lambda wish, overrides: {**WISH, **wish, **({"overrides": overrides} if overrides else {})},
    st.dictionaries(_names | st.text(max_size=10), _values, max_size=5),
    st.dictionaries(_keys | st.text(max_size=10), _values, max_size=4),
)
_unhurried = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])


@_unhurried
@given(wish=_wishes)
def test_no_wish_breaks_the_service(client: Client, wish: dict[str, object]) -> None:
    answer = client.post("/quotes", content=json.dumps(wish), headers=JSON)
    assert answer.status_code in {200, 400, 402, 422}, answer.text
    if answer.status_code in {400, 422} and "refusals" not in answer.json():
        assert fields(answer)


@_unhurried
@given(body=st.binary(max_size=200) | st.text(max_size=100).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_no_body_breaks_the_service(client: Client, body: bytes) -> None:
    answer = client.post("/runs", content=body, headers=JSON)
    assert answer.status_code in {400, 422}, answer.text
    assert fields(answer)


@_unhurried
@given(
    path=st.sampled_from(["runs", "runs/run_000000000001/metrics", "runs/run_000000000001/logs", "problems", "runs/x"]),
    rest=st.text(max_size=20),
    name=st.sampled_from(["after", "limit", "status", "strategy", "tail", "offset", "points", "event"]),
    value=st.text(max_size=20) | st.integers().map(str),
)
def test_no_address_breaks_the_service(client: Client, path: str, rest: str, name: str, value: str) -> None:
    clean = httpx.QueryParams({name: value.encode("utf-8", "replace").decode()})
    url = httpx.URL(f"http://127.0.0.1/{path}", params=clean)
    assert client.get(url).status_code < 500
    quoted = "".join(f"%{byte:02x}" for byte in rest.encode("utf-8", "surrogatepass"))
    assert client.get(f"/{path}/{quoted}").status_code < 500
