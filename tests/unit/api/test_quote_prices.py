"""How old the price of a quote is."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from anyio.from_thread import BlockingPortal

from tests.unit.api.serving import Client, make_service

WISH = {"strategy": "lora", "budget": "500", "model": "meta-llama/Llama-3.1-8B", "dataset_tokens": "20M"}


@pytest.mark.parametrize(("days", "old"), [(30, False), (31, True)])
def test_a_quote_says_how_old_its_price_is(tmp_path: Path, portal: BlockingPortal, days: int, old: bool) -> None:
    prices = tmp_path / "own.csv"
    service = make_service(tmp_path, price_file=prices)
    day = service.clock.now().date() - timedelta(days=days)
    prices.write_text(
        f"provider,region,instance_type,accelerator,count,price_per_hour,priced_on\nacme,eu,box,H200,1,0.10,{day}\n"
    )
    with Client(service, portal) as client:
        quoted = client.post("/quotes", json={**WISH, "where": "clouds", "prefer": "dollars"}).json()
        assert quoted["plan"]["offer"]["provider"] == "acme"
        assert (quoted["price_age_days"], quoted["price_is_old"]) == (days, old)
        told = [each for each in quoted["plan"]["assumptions"] if each["name"] == "price_age_days"]
        assert [each["value"] for each in told] == ([str(days)] if old else [])
        here = client.post("/quotes", json={"strategy": "lora", "budget": "0.50"}).json()
        assert (here["price_age_days"], here["price_is_old"]) == (0, False)
