"""What orchestrator/ports/artifacts.py promises, proved on every adapter."""

from __future__ import annotations

import os

import pytest

from orchestrator.domain.errors import NotFoundError
from orchestrator.domain.ids import RunId
from orchestrator.ports.artifacts import Artifact
from tests.contract.artifact_adapters import ArtifactSite, s3, shelf

__all__ = ["s3", "shelf"]
RUN = RunId("run_000000000001")
OTHER = RunId("run_000000000002")
OUTPUT = "01-train/output"


def test_the_files_of_a_run_are_listed_by_path_with_their_sizes(shelf: ArtifactSite) -> None:
    shelf.put(RUN, OUTPUT, {"adapter.bin": b"1", "a/b.txt": b"", "ü name.txt": b"12"})
    shelf.put(RUN, f"{OUTPUT}/checkpoint-4", {"weights": b"123"})
    shelf.put(OTHER, OUTPUT, {"other": b"x"})
    assert shelf.artifacts.list(RUN) == (
        Artifact(f"{OUTPUT}/a/b.txt", 0),
        Artifact(f"{OUTPUT}/adapter.bin", 1),
        Artifact(f"{OUTPUT}/checkpoint-4/weights", 3),
        Artifact(f"{OUTPUT}/ü name.txt", 2),
    )


def test_a_run_that_left_nothing_has_nothing(shelf: ArtifactSite) -> None:
    assert shelf.artifacts.list(RUN) == ()
    assert shelf.artifacts.configs(RUN) == ()
    assert shelf.artifacts.log(RUN, 0, 100).text == ""
    with pytest.raises(NotFoundError):
        shelf.artifacts.read(RUN, "a")


def test_a_large_file_comes_in_bounded_pieces(shelf: ArtifactSite) -> None:
    content = os.urandom((5 << 20) + 17)
    shelf.put(RUN, OUTPUT, {"big.bin": content, "empty.bin": b""})
    pieces = list(shelf.artifacts.read(RUN, f"{OUTPUT}/big.bin"))
    assert max(map(len, pieces)) <= 1 << 20
    assert b"".join(pieces) == content
    assert b"".join(shelf.artifacts.read(RUN, f"{OUTPUT}/empty.bin")) == b""


def test_a_file_is_opened_to_be_read_from_any_place(shelf: ArtifactSite) -> None:
    content = os.urandom(9 << 20)
    shelf.put(RUN, OUTPUT, {"big.bin": content})
    with shelf.artifacts.open(RUN, f"{OUTPUT}/big.bin") as stream:
        assert stream.seek(0, os.SEEK_END) == len(content)
        assert stream.read(1) == b""
        stream.seek(5_000_000)
        assert stream.read(20) == content[5_000_000:5_000_020]
        assert stream.tell() == 5_000_020
        stream.seek(0)
        assert stream.read() == content
        stream.seek(-7, os.SEEK_END)
        assert stream.read(100) == content[-7:]


@pytest.mark.parametrize(
    "path", ["", ".", "..", f"../{OTHER}/{OUTPUT}/a", f"{OUTPUT}/../../../{OTHER}/{OUTPUT}/a", "/etc/passwd",
             OUTPUT, f"{OUTPUT}/", f"/{OUTPUT}/a", f"{OUTPUT}//a", "a\0b", "no"]
)  # fmt: skip
def test_a_path_that_is_no_file_of_the_run_is_not_found(shelf: ArtifactSite, path: str) -> None:
    shelf.put(RUN, OUTPUT, {"b": b"mine"})
    shelf.put(OTHER, OUTPUT, {"a": b"another's"})
    for look in (shelf.artifacts.read, shelf.artifacts.open):
        with pytest.raises(NotFoundError):
            look(RUN, path)


def test_a_name_that_no_run_can_bear_is_not_found(shelf: ArtifactSite) -> None:
    for call in (shelf.artifacts.list, shelf.artifacts.configs, lambda run: shelf.artifacts.log(run, 0, 1)):
        with pytest.raises(NotFoundError):
            call(RunId("../../etc"))


def test_the_newest_configuration_of_each_stage_is_named(shelf: ArtifactSite) -> None:
    for folder in ("03-train/attempt-2", "01-train/attempt-9", "01-train/attempt-10", "01-train/attempt-x"):
        shelf.put(RUN, folder, {"config.yaml": b"{}"})
    shelf.put(RUN, "02-merge/attempt-1", {"job.json": b"{}"})
    assert shelf.artifacts.configs(RUN) == (
        ("01-train", "01-train/attempt-10/config.yaml"),
        ("03-train", "03-train/attempt-2/config.yaml"),
    )


def test_the_log_joins_all_attempts_in_their_order(shelf: ArtifactSite) -> None:
    for folder, text in (
        ("02-evaluate/attempt-1", b"four\n"),
        ("01-train/attempt-10", b"three\n"),
        ("01-train/attempt-2", b"two\n"),
        ("01-train/attempt-1", b"one\n"),
        ("01-train/attempt-x", b"no attempt\n"),
    ):
        shelf.put(RUN, folder, {"log.txt": text})
    log = shelf.artifacts.log
    assert log(RUN, 0, 1000).text == "one\ntwo\nthree\nfour\n"
    assert log(RUN, 2, 4).text == "e\ntw"
    assert log(RUN, -7, 1000).text == "e\nfour\n"
    assert log(RUN, -1000, 3).text == "one"
    assert (log(RUN, 999, 10).text, log(RUN, 999, 10).next_offset) == ("", 999)


def test_a_log_is_never_cut_inside_a_character(shelf: ArtifactSite) -> None:
    text = "a€ü😀é" * 4
    shelf.put(RUN, "01-train/attempt-1", {"log.txt": text.encode()})
    for limit in (4, 5, 7):
        offset, shown = 0, ""
        while (piece := shelf.artifacts.log(RUN, offset, limit)).next_offset != offset:
            offset, shown = piece.next_offset, shown + piece.text
        assert shown == text


def test_a_path_that_the_node_names_is_told_relative_to_the_run(shelf: ArtifactSite) -> None:
    found = shelf.artifacts.list(RUN)
    assert found == ()
    for path in (f"/nowhere/{OTHER}/a", "01-train", "", "/etc"):
        assert shelf.artifacts.relative(RUN, path) is None
