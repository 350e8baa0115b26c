"""`latticeforge offers` and `latticeforge prices refresh`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.cli import app
from tests.unit.cli.conftest import CommandLine, environment

LIST = "provider,region,instance_type,accelerator,count,price_per_hour\nacme,eu,box,H200,4,12.50\n"


def test_this_machine_is_what_is_on_offer(cli: CommandLine) -> None:
    shown = cli("offers")
    assert shown.exit_code == 0
    assert "this-machine" in shown.stdout
    assert "1 x CPU" in shown.stdout
    assert "$4.00" in shown.stdout


def test_the_clouds_are_shown_with_their_prices_markets_and_dates(cli: CommandLine) -> None:
    shown = cli("offers", "--where", "clouds", "--accelerator", "H200").stdout
    for line in ("$2.60", "undated", "spot, from", "on demand", "2026-08-06", "p5en.48xlarge", "8 x H200", "1:00:00"):
        assert line in shown
    spot = json.loads(cli("offers", "--where", "clouds", "--spot", "--json").stdout)
    assert all(each["spot"] for each in spot["offers"])


def test_a_long_list_says_how_to_go_on(cli: CommandLine) -> None:
    first = cli("offers", "--where", "clouds", "--limit", "3").stdout
    assert "--after" in first
    page = json.loads(cli("offers", "--where", "clouds", "--limit", "3", "--json").stdout)
    second = json.loads(cli("offers", "--where", "clouds", "--after", page["next"], "--json").stdout)
    assert len(second["offers"]) == page["total"] - 3


def test_a_refresh_reads_the_prices_of_the_home_and_says_what_it_found(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(LIST)
    done = refresh(tmp_path, "--from", str(tmp_path / "list.csv"), "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["by_source"]["fetched"] == 1
    assert (tmp_path / "prices" / "current.json").is_file()
    assert "fetched" in refresh(tmp_path).stdout


@pytest.mark.parametrize("content", [LIST.replace("12.50", "-1"), "<html>", None])
def test_a_broken_refresh_names_the_problems_and_ends_as_refused(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "list.csv").write_text(content)
    done = refresh(tmp_path, "--from", str(tmp_path / "list.csv"))
    assert done.exit_code == 2
    assert "The prices were not refreshed; the old ones stay" in done.stderr
    assert "prices" in done.stderr
    assert not (tmp_path / "prices").exists()


def refresh(home: Path, *words: str):  # type: ignore[no-untyped-def]
    nowhere = {
        "LATTICEFORGE_SKYPILOT_CATALOG": str(home / "sky"),
        "LATTICEFORGE_PRICE_SOURCE": "",
        "LATTICEFORGE_PRICE_FILE": "",
    }
    return CliRunner().invoke(app, ["prices", "refresh", *words], env={**environment(home, None), **nowhere})
