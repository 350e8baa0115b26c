"""What is told of a failure of the hub: which ones may pass, and that no secret is in the telling."""

from __future__ import annotations

import httpx
import pytest
from huggingface_hub.errors import HfHubHTTPError

from orchestrator.adapters.huggingface.failures import LONGEST, clean, hub_error

TOKEN = "hf_secret"
REQUEST = httpx.Request("PUT", "https://storage.example/x?X-Amz-Signature=abc")


def answered(status: int, said: str | None = None) -> Exception:
    return HfHubHTTPError("whole story", response=httpx.Response(status, request=REQUEST), server_message=said)


@pytest.mark.parametrize(
    ("status", "temporary"),
    [(400, False), (401, False), (402, False), (403, False), (404, False), (408, True), (409, True), (412, True),
     (413, False), (429, True), (500, True), (502, True), (503, True), (504, True)],
)  # fmt: skip
def test_an_answer_may_pass_or_not(status: int, temporary: bool) -> None:
    error = hub_error(answered(status, "because"), TOKEN)
    assert error.temporary is temporary
    assert f"HTTP {status}" in str(error)
    assert "because" in str(error)


def test_what_happened_to_one_file_is_found_beneath_what_the_client_says() -> None:
    outer = RuntimeError("Error while uploading 'x' to the Hub.")
    outer.__cause__ = answered(503)
    assert "HTTP 503" in str(hub_error(outer, TOKEN))


def test_a_broken_connection_may_pass_and_a_defect_may_not() -> None:
    broken = hub_error(httpx.RemoteProtocolError("Server disconnected", request=REQUEST), TOKEN)
    assert broken.temporary
    assert "RemoteProtocolError" in str(broken)
    defect = hub_error(ValueError("Malformed response"), TOKEN)
    assert not defect.temporary
    assert "ValueError: Malformed response" in str(defect)


def test_neither_token_nor_signature_nor_length_gets_through() -> None:
    told = clean(f"no {TOKEN} at\n'https://storage.example/x?X-Amz-Signature=abc&y=1' please " + "x" * 9999, TOKEN)
    assert told.startswith("no [token] at 'https://storage.example/x' please")
    assert len(told) == LONGEST
