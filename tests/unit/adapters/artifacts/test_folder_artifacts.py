"""Artifacts: what is shown, and that nothing outside a run's folder ever is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orchestrator.adapters.artifacts.folder import PIECE_BYTES, FolderArtifacts
from orchestrator.domain.errors import NotFoundError
from orchestrator.domain.ids import RunId
from orchestrator.ports.artifacts import Artifact

RUN = RunId("run_000000000001")
OTHER = RunId("run_000000000002")


def put(runs: Path, path: str, content: bytes, run: RunId = RUN) -> Path:
    target = runs / run / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    return target


def test_the_files_of_a_run_are_listed_by_path(tmp_path: Path) -> None:
    put(tmp_path, "data/train.jsonl", b"12345")
    put(tmp_path, "01-train/output/adapter.bin", b"1")
    put(tmp_path, "01-train/output/a/b.txt", b"")
    put(tmp_path, "other.txt", b"", OTHER)
    assert FolderArtifacts(tmp_path).list(RUN) == (
        Artifact("01-train/output/a/b.txt", 0),
        Artifact("01-train/output/adapter.bin", 1),
        Artifact("data/train.jsonl", 5),
    )


def test_a_run_without_a_folder_has_nothing(tmp_path: Path) -> None:
    artifacts = FolderArtifacts(tmp_path)
    assert artifacts.list(RUN) == ()
    assert artifacts.log(RUN, 0, 100).text == ""
    with pytest.raises(NotFoundError):
        artifacts.read(RUN, "a")


def test_a_large_file_comes_in_bounded_pieces(tmp_path: Path) -> None:
    content = os.urandom(2 * PIECE_BYTES + 17)
    put(tmp_path, "big.bin", content)
    pieces = list(FolderArtifacts(tmp_path).read(RUN, "big.bin"))
    assert [len(piece) for piece in pieces] == [PIECE_BYTES, PIECE_BYTES, 17]
    assert b"".join(pieces) == content


@pytest.mark.parametrize(
    "path",
    ["", ".", "..", "../run_000000000002/a", "a/../../run_000000000002/a", "/etc/passwd", "folder", "a\0b", "no"],
)
def test_a_path_that_is_no_file_of_the_run_is_not_found(tmp_path: Path, path: str) -> None:
    put(tmp_path, "folder/a", b"")
    put(tmp_path, "a", b"", OTHER)
    with pytest.raises(NotFoundError):
        FolderArtifacts(tmp_path).read(RUN, path)


def test_links_are_followed_only_inside_the_run(tmp_path: Path) -> None:
    inside = put(tmp_path, "a", b"inside")
    outside = put(tmp_path, "a", b"outside", OTHER)
    (inside.parent / "good").symlink_to("a")
    (inside.parent / "bad").symlink_to(outside)
    (inside.parent / "bad_folder").symlink_to(outside.parent)
    (inside.parent / "broken").symlink_to("nothing")
    (inside.parent / "loop").symlink_to("loop")
    os.mkfifo(inside.parent / "pipe")
    artifacts = FolderArtifacts(tmp_path)
    assert [one.path for one in artifacts.list(RUN)] == ["a", "good"]
    assert b"".join(artifacts.read(RUN, "good")) == b"inside"
    for path in ("bad", "bad_folder/a", "broken", "loop", "pipe"):
        with pytest.raises(NotFoundError):
            artifacts.read(RUN, path)


def test_a_name_that_no_run_can_bear_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        FolderArtifacts(tmp_path).list(RunId("../../etc"))


def test_the_log_joins_all_attempts_in_their_order(tmp_path: Path) -> None:
    for path, text in (
        ("02-evaluate/attempt-1/log.txt", b"four\n"),
        ("01-train/attempt-10/log.txt", b"three\n"),
        ("01-train/attempt-2/log.txt", b"two\n"),
        ("01-train/attempt-1/log.txt", b"one\n"),
        ("01-train/attempt-x/log.txt", b"no attempt\n"),
    ):
        put(tmp_path, path, text)
    log = FolderArtifacts(tmp_path).log
    assert log(RUN, 0, 1000).text == "one\ntwo\nthree\nfour\n"
    assert log(RUN, 2, 4).text == "e\ntw"
    assert log(RUN, -7, 1000).text == "e\nfour\n"
    assert log(RUN, -1000, 3).text == "one"
    assert log(RUN, 999, 10) == log(RUN, 999, 0)
    assert log(RUN, 999, 10).next_offset == 999


def test_a_log_is_never_cut_inside_a_character(tmp_path: Path) -> None:
    text = "a€ü😀é" * 40
    put(tmp_path, "01-train/attempt-1/log.txt", text.encode())
    log = FolderArtifacts(tmp_path).log
    for limit in range(4, 12):
        offset, shown = 0, ""
        while piece := log(RUN, offset, limit):
            if piece.next_offset == offset:
                break
            offset, shown = piece.next_offset, shown + piece.text
        assert shown == text
    assert text.endswith(log(RUN, -6, 100).text)


def test_a_character_that_is_still_being_written_is_waited_for(tmp_path: Path) -> None:
    path = put(tmp_path, "01-train/attempt-1/log.txt", "aü".encode()[:-1])
    log = FolderArtifacts(tmp_path).log
    first = log(RUN, 0, 100)
    assert (first.text, first.next_offset) == ("a", 1)
    assert log(RUN, 1, 100).text == ""
    path.write_bytes("aü".encode())
    assert log(RUN, 1, 100).text == "ü"


def test_bytes_that_are_no_text_are_replaced_and_passed(tmp_path: Path) -> None:
    put(tmp_path, "01-train/attempt-1/log.txt", b"a\xff\xf0b")
    assert FolderArtifacts(tmp_path).log(RUN, 0, 100).next_offset == 4


def test_a_file_is_opened_to_be_read_from_any_place(tmp_path: Path) -> None:
    put(tmp_path, "a/b.bin", b"0123456789")
    with FolderArtifacts(tmp_path).open(RUN, "a/b.bin") as stream:
        stream.seek(6)
        assert stream.read() == b"6789"
        assert stream.seek(0) == 0
        assert stream.read(3) == b"012"


def test_no_link_is_opened_wherever_it_leads(tmp_path: Path) -> None:
    inside = put(tmp_path, "folder/a", b"inside")
    run = tmp_path / RUN
    (run / "link").symlink_to(inside)
    (run / "outside").symlink_to(put(tmp_path, "a", b"outside", OTHER))
    (run / "folder_link").symlink_to(inside.parent)
    os.mkfifo(run / "pipe")
    for path in ("link", "outside", "folder_link/a", "pipe", "folder", "", "..", "/etc/passwd"):
        with pytest.raises(NotFoundError):
            FolderArtifacts(tmp_path).open(RUN, path)


def test_a_path_of_the_node_is_told_relative_to_the_run(tmp_path: Path) -> None:
    (tmp_path / "way").symlink_to(tmp_path / "real", target_is_directory=True)
    artifacts = FolderArtifacts(tmp_path / "way")
    for runs in (tmp_path / "way", tmp_path / "real"):
        assert artifacts.relative(RUN, f"{runs}/{RUN}/01-train/output") == "01-train/output"
        for outside in (f"{runs}/{RUN}", f"{runs}/{OTHER}/a", f"{runs}/{RUN}/../{OTHER}/a", "01-train", "", "/etc"):
            assert artifacts.relative(RUN, outside) is None


def test_the_newest_configuration_of_each_stage_is_named(tmp_path: Path) -> None:
    for path in ("03-train/attempt-2/config.yaml", "01-train/attempt-9/config.yaml", "01-train/attempt-10/config.yaml",
                 "01-train/attempt-x/config.yaml", "02-merge/attempt-1/job.json"):  # fmt: skip
        put(tmp_path, path, b"")
    (tmp_path / RUN / "03-train" / "attempt-3").mkdir()
    (tmp_path / RUN / "03-train" / "attempt-3" / "config.yaml").symlink_to("/etc/passwd")
    assert FolderArtifacts(tmp_path).configs(RUN) == (
        ("01-train", "01-train/attempt-10/config.yaml"),
        ("03-train", "03-train/attempt-2/config.yaml"),
    )
