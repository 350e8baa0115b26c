"""What the facts of a model tell of its architecture: in a folder, in the table, and on a hub."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import monotonic

import pytest

from orchestrator.adapters.inputs.folders import FolderInputs
from orchestrator.adapters.inputs.hub_configs import FAILURE_SECONDS, PATIENCE_SECONDS, SUCCESS_SECONDS, HubConfigs
from orchestrator.ports.inputs import ModelFacts

TINY = {
    "model_type": "llama",
    "hidden_size": 8,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "vocab_size": 100,
}
TINY_PARAMETERS = 2 * 100 * 8 + 4 * 64 + 3 * 128 + 3 * 8


def folder_facts(root: Path, stored: int, **config: object) -> ModelFacts:
    folder = root / "tiny"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({**TINY, **config}))
    (folder / "tokenizer.json").write_text("{}")
    header = json.dumps({"all": {"dtype": "F32", "shape": [stored]}}).encode()
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    return FolderInputs("owner/model", "owner/rows", None, (root,)).model("tiny")


def test_a_folder_whose_files_agree_with_its_config_has_its_architecture(tmp_path: Path) -> None:
    facts = folder_facts(tmp_path, TINY_PARAMETERS)
    assert facts.architecture is not None
    assert facts.architecture.parameters == facts.parameters == TINY_PARAMETERS
    assert (facts.architecture.name, facts.architecture_note) == ("tiny", "")


def test_a_tied_head_that_the_files_hold_twice_is_no_difference(tmp_path: Path) -> None:
    facts = folder_facts(tmp_path, TINY_PARAMETERS, tie_word_embeddings=True)
    assert facts.architecture is not None
    assert facts.architecture_note == ""


def test_files_that_hold_a_little_more_than_the_config_tells_are_noted(tmp_path: Path) -> None:
    facts = folder_facts(tmp_path, TINY_PARAMETERS + 64)
    assert facts.architecture is not None
    assert facts.architecture_note == f"its files hold {TINY_PARAMETERS + 64:,} parameters, its config makes 2,264"


def test_files_of_another_model_than_the_config_leave_no_architecture(tmp_path: Path) -> None:
    facts = folder_facts(tmp_path, 10 * TINY_PARAMETERS)
    assert (facts.architecture, facts.parameters) == (None, 10 * TINY_PARAMETERS)
    assert "its config makes 2,264" in facts.architecture_note


def test_the_text_part_of_a_folder_that_also_sees_is_its_architecture(tmp_path: Path) -> None:
    facts = folder_facts(tmp_path, 10 * TINY_PARAMETERS, model_type="seeing", text_config=TINY)
    assert facts.architecture is not None
    assert "text part, which alone is counted" in facts.architecture_note


def test_packed_weights_have_the_parameters_that_the_config_makes(tmp_path: Path) -> None:
    facts = folder_facts(tmp_path, 10, quantization_config={"bits": 4})
    assert facts.architecture is not None
    assert facts.parameters == TINY_PARAMETERS


@pytest.mark.parametrize(
    ("config", "said"),
    [({"model_type": "bert"}, "model_type is 'bert'"), ({"hidden_size": "large"}, "hidden_size is 'large'")],
)
def test_a_folder_without_a_known_architecture_can_still_be_trained(
    tmp_path: Path, config: dict[str, object], said: str
) -> None:
    facts = folder_facts(tmp_path, 809, **config)
    assert (facts.architecture, facts.parameters) == (None, 809)
    assert said in facts.architecture_note


class SmallHub:
    """Answers every request with `body` after `delay` seconds; None for a body is a 404."""

    def __init__(self) -> None:
        self.body: bytes | None = json.dumps(TINY).encode()
        self.delay = threading.Event()
        self.delay.set()
        self.asked: list[tuple[str, str | None]] = []
        self.url = ""


@contextmanager
def serving(hub: SmallHub) -> Iterator[SmallHub]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            hub.asked.append((self.path, self.headers.get("authorization")))
            hub.delay.wait(30)
            self.send_response(404 if hub.body is None else 200)
            self.end_headers()
            self.wfile.write(hub.body or b"")

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield hub
    finally:
        hub.delay.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[SmallHub]:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    with serving(SmallHub()) as found:
        yield found


def hub_facts(name: str, configs: HubConfigs | None) -> ModelFacts:
    return FolderInputs("owner/model", "owner/rows", None, (), configs=configs).model(name)


def test_a_known_model_needs_no_hub(hub: SmallHub) -> None:
    facts = hub_facts("meta-llama/Llama-3.1-8B", HubConfigs(hub.url))
    assert facts.architecture is not None
    assert facts.parameters == 8_030_261_248
    assert hub.asked == []


def test_the_config_of_an_unknown_model_is_fetched_once_with_the_token(hub: SmallHub) -> None:
    configs = HubConfigs(hub.url, "hf_secret")
    facts = [hub_facts("owner/name-3B", configs) for _ in range(2)]
    assert facts[0] == facts[1]
    assert facts[0].architecture is not None
    assert facts[0].parameters == TINY_PARAMETERS
    assert hub.asked == [("/owner/name-3B/resolve/main/config.json", "Bearer hf_secret")]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (None, "the hub answers 404"),
        (b"<html>", "cannot be read"),
        (b"[" * 100_000, "cannot be read"),
        (b"[]", "cannot be read"),
        (b" " * (5 << 20), "is larger than 4 MiB"),
        (b'{"model_type": "bert"}', "model_type is 'bert'"),
    ],
)
def test_a_hub_without_a_usable_config_leaves_a_note_and_the_size_of_the_name(
    hub: SmallHub, body: bytes | None, said: str
) -> None:
    hub.body = body
    facts = hub_facts("owner/name-3B", HubConfigs(hub.url))
    assert (facts.architecture, facts.parameters) == (None, 3_000_000_000)
    assert said in facts.architecture_note


def test_a_hub_that_does_not_answer_is_waited_for_once_and_briefly(hub: SmallHub) -> None:
    hub.delay.clear()
    configs = HubConfigs(hub.url)
    begun = monotonic()
    facts = hub_facts("owner/name", configs)
    waited = monotonic() - begun
    assert "has not answered" in facts.architecture_note
    assert PATIENCE_SECONDS - 0.1 < waited < PATIENCE_SECONDS + 2
    begun = monotonic()
    assert hub_facts("owner/name", configs).architecture is None
    assert monotonic() - begun < PATIENCE_SECONDS / 2
    assert len(hub.asked) == 1


def test_a_failure_is_asked_about_again_after_minutes_and_a_config_after_an_hour(hub: SmallHub) -> None:
    now = [1000.0]
    configs = HubConfigs(hub.url, monotonic=lambda: now[0])
    hub.body = None
    for later in (0.0, FAILURE_SECONDS - 1):
        now[0] = 1000.0 + later
        assert configs.get("owner/name").values is None
    assert len(hub.asked) == 1
    hub.body = json.dumps(TINY).encode()
    now[0] += 2
    assert configs.get("owner/name").values == TINY
    now[0] += SUCCESS_SECONDS - 1
    assert configs.get("owner/name").values == TINY
    assert len(hub.asked) == 2
    now[0] += 2
    assert configs.get("owner/name").values == TINY
    assert len(hub.asked) == 3


def test_a_network_that_is_not_there_is_told(hub: SmallHub) -> None:
    facts = hub_facts("owner/name", HubConfigs("http://127.0.0.1:1"))
    assert facts.architecture_note == "the hub cannot be asked: ConnectError"


def test_offline_the_cache_is_read_and_nothing_else(
    hub: SmallHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    kept = tmp_path / "cache" / "models--owner--kept"
    (kept / "refs").mkdir(parents=True)
    (kept / "refs" / "main").write_text("abc")
    (kept / "snapshots" / "abc").mkdir(parents=True)
    (kept / "snapshots" / "abc" / "config.json").write_text(json.dumps(TINY))
    configs = HubConfigs(hub.url)
    assert hub_facts("owner/kept", configs).parameters == TINY_PARAMETERS
    assert "HF_HUB_OFFLINE is set" in hub_facts("owner/other", configs).architecture_note
    assert hub.asked == []


def test_without_a_hub_an_unknown_model_is_told_by_its_name_alone() -> None:
    facts = hub_facts("owner/name-3B", None)
    assert (facts.architecture, facts.parameters) == (None, 3_000_000_000)
    assert "the hub is not asked" in facts.architecture_note
