"""Models: what is counted, guessed and refused."""

from __future__ import annotations

import json
from pathlib import Path
from time import process_time

import pytest

from orchestrator.adapters.inputs.folders import FolderInputs
from orchestrator.adapters.inputs.parameters import guess_from_name
from orchestrator.domain.errors import InvalidInputError


def inputs(root: Path) -> FolderInputs:
    return FolderInputs("owner/name-135M", "owner/rows", None, (root,))


def weights(path: Path, **shapes: list[int]) -> None:
    header: dict[str, object] = {name: {"dtype": "F32", "shape": shape} for name, shape in shapes.items()}
    raw = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    path.write_bytes(len(raw).to_bytes(8, "little") + raw)


def model(folder: Path, **config: object) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"max_position_embeddings": 512, **config}))
    (folder / "tokenizer.json").write_text("{}")
    weights(folder / "model.safetensors", embedding=[100, 8], scale=[8], constant=[])
    return folder


def problem(root: Path, name: str) -> str:
    with pytest.raises(InvalidInputError) as refused:
        inputs(root).model(name)
    assert [one.field for one in refused.value.problems] == ["model"]
    return refused.value.problems[0].message


def test_the_parameters_of_a_folder_are_counted_exactly(tmp_path: Path) -> None:
    folder = model(tmp_path / "tiny")
    facts = inputs(tmp_path).model(str(folder))
    assert (facts.source, facts.is_local, facts.parameters) == (str(folder), True, 809)
    assert facts.max_sequence_len == 512
    assert inputs(tmp_path).model("tiny") == facts


def test_the_shards_of_an_index_are_counted_together(tmp_path: Path) -> None:
    folder = model(tmp_path / "sharded", max_position_embeddings=None, text_config={"max_position_embeddings": 64})
    (folder / "model.safetensors").unlink()
    weights(folder / "model-1.safetensors", a=[10, 10])
    weights(folder / "model-2.safetensors", b=[5])
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    facts = inputs(tmp_path).model("sharded")
    assert (facts.parameters, facts.max_sequence_len) == (105, 64)
    (folder / "model-2.safetensors").unlink()
    assert "model-2.safetensors, which is not there" in problem(tmp_path, "sharded")


def test_packed_and_pickled_weights_are_not_counted(tmp_path: Path) -> None:
    model(tmp_path / "packed", quantization_config={"bits": 4})
    assert inputs(tmp_path).model("packed").parameters is None
    pickled = model(tmp_path / "pickled")
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    assert inputs(tmp_path).model("pickled").parameters is None


@pytest.mark.parametrize(
    ("missing", "reason"),
    [("config.json", "no config.json"), ("tokenizer.json", "no tokenizer"), ("model.safetensors", "no weights")],
)
def test_a_folder_that_lacks_a_part_is_refused(tmp_path: Path, missing: str, reason: str) -> None:
    (model(tmp_path / "tiny") / missing).unlink()
    assert reason in problem(tmp_path, "tiny")


def test_an_adapter_is_not_taken_for_a_model(tmp_path: Path) -> None:
    folder = model(tmp_path / "tiny")
    (folder / "config.json").rename(folder / "adapter_config.json")
    assert "adapter" in problem(tmp_path, "tiny")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff" * 64,
        (9).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"[]",
        (10).to_bytes(8, "little") + b'{"a": "b"}',
        (22).to_bytes(8, "little") + b'{"a": {"shape": [-1] }}',
    ],
)
def test_broken_weights_are_refused(tmp_path: Path, content: bytes) -> None:
    (model(tmp_path / "tiny") / "model.safetensors").write_bytes(content)
    assert "model.safetensors" in problem(tmp_path, "tiny")


def test_a_shape_of_endless_numbers_is_refused_at_once(tmp_path: Path) -> None:
    header = b'{"a": {"shape": [' + b",".join([b"9" * 4000] * 300) + b"]}}"
    (model(tmp_path / "tiny") / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    begun = process_time()
    assert "claims a tensor of more than" in problem(tmp_path, "tiny")
    assert process_time() - begun < 2


@pytest.mark.parametrize("content", ["", "[]", "[" * 100_000])
def test_a_broken_configuration_is_refused(tmp_path: Path, content: str) -> None:
    (model(tmp_path / "tiny") / "config.json").write_text(content)
    assert "config.json cannot be read" in problem(tmp_path, "tiny")


def test_nothing_of_a_model_may_lie_outside_the_roots(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    outside = model(tmp_path / "outside")
    folder = model(root / "tiny")
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").symlink_to(outside / "model.safetensors")
    assert "link out of the permitted folders" in problem(root, "tiny")
    assert "outside the permitted folders" in problem(root, str(outside))


def test_a_hub_id_tells_its_size_by_its_name(tmp_path: Path) -> None:
    facts = inputs(tmp_path).model(None)
    assert (facts.source, facts.is_local, facts.parameters) == ("owner/name-135M", False, 135_000_000)


@pytest.mark.parametrize("name", ["gpt2", "owner/", "/name", "a/b/c", "owner/na me", "owner/..", "", "owner/a--b"])
def test_what_is_neither_a_folder_nor_a_hub_id_is_refused(tmp_path: Path, name: str) -> None:
    problem(tmp_path, name)


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("meta-llama/Llama-3.1-8B", 8_000_000_000),
        ("HuggingFaceTB/SmolLM2-135M-Instruct", 135_000_000),
        ("Qwen/Qwen2.5-1.5B", 1_500_000_000),
        ("google/gemma-2b-it", 2_000_000_000),
        ("Qwen/Qwen3-30B-A3B", 30_000_000_000),
        ("mistralai/Mixtral-8x7B-v0.1", None),
        ("unsloth/thing-4bit", None),
        ("70B/unnamed", None),
    ],
)
def test_a_size_is_guessed_from_a_name_only_when_it_is_told(name: str, size: int | None) -> None:
    assert guess_from_name(name) == size
