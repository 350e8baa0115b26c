"""The list of offers: here and in the clouds, filtered, in pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.api.serving import Client, Service, make_service

HEADER = "provider,region,instance_type,accelerator,count,price_per_hour,spot,priced_on"


@pytest.fixture
def service(tmp_path: Path) -> Service:
    """One whose user has a price file."""
    (tmp_path / "own.csv").write_text(f"{HEADER}\nacme,eu,box,H200,1,2.00,no,2025-12-25\n")
    return make_service(tmp_path, price_file=tmp_path / "own.csv")


def clouds(client: Client, **query: object) -> dict[str, Any]:
    document: dict[str, Any] = client.get("/offers", params={"where": "clouds", **query}).json()
    return document


def test_what_is_on_offer_here_is_what_runs_are_launched_on(client: Client) -> None:
    document = client.get("/offers").json()
    assert [offer["provider"] for offer in document["offers"]] == ["local"]
    assert (document["total"], document["next"], document["remarks"]) == (1, None, [])
    assert (document["offers"][0]["age_days"], document["offers"][0]["is_old"]) == (0, False)


def test_the_clouds_are_listed_the_cheapest_accelerator_first(client: Client) -> None:
    offers = clouds(client, accelerator="H200", spot=False)["offers"]
    per_gpu = [float(each["dollars_per_hour"]) / each["accelerator_count"] for each in offers]
    assert per_gpu == sorted(per_gpu)
    assert {each["accelerator"] for each in offers} == {"H200"}
    assert not any(each["spot"] for each in offers)


def test_the_floor_of_an_auction_is_not_the_cheapest(client: Client) -> None:
    offers = clouds(client, accelerator="H200", spot=True)["offers"]
    assert [each["provider"] for each in offers if not each["firm"]] == [offers[-1]["provider"]] == ["mithril"]


def test_filters_narrow_the_list(client: Client) -> None:
    assert {each["provider"] for each in clouds(client, provider="Nebius")["offers"]} == {"nebius"}
    assert {each["accelerator_count"] for each in clouds(client, count=4)["offers"]} == {4}
    assert all(each["spot"] for each in clouds(client, spot="true")["offers"])
    assert clouds(client, accelerator="H200-SXM")["total"] == clouds(client, accelerator="H200")["total"] > 0
    assert clouds(client, accelerator="H300") == {"offers": [], "total": 0, "next": None, "remarks": []}
    assert client.get("/offers", params={"accelerator": "H200"}).json()["total"] == 0


def test_pages_hold_every_offer_once(client: Client) -> None:
    whole = clouds(client)
    ids, after = [], None
    while True:
        page = clouds(client, limit=7, **({} if after is None else {"after": after}))
        assert page["total"] == whole["total"]
        ids += [each["id"] for each in page["offers"]]
        after = page["next"]
        if after is None:
            break
    assert ids == [each["id"] for each in whole["offers"]]


def test_an_undated_price_has_no_age_and_is_old(client: Client) -> None:
    (offer,) = clouds(client, provider="lium")["offers"]
    assert (offer["undated"], offer["age_days"], offer["is_old"]) == (True, None, True)


def test_the_users_own_price_is_as_old_as_the_file_says(client: Client, service: Service) -> None:
    (service.home / "own.csv").write_text(
        f"{HEADER}\nacme,eu,new,H200,1,2.00,no,2025-12-25\nacme,eu,old,H200,1,2.00,no,2025-11-01\n"
    )
    listed = {each["instance_type"]: each for each in clouds(client, provider="acme")["offers"]}
    assert (listed["new"]["age_days"], listed["new"]["is_old"]) == (7, False)
    assert (listed["old"]["age_days"], listed["old"]["is_old"]) == (61, True)


def test_a_broken_price_file_is_remarked_on_and_takes_nothing_away(client: Client, service: Service) -> None:
    (service.home / "own.csv").write_text(f"{HEADER}\nacme,eu,new,H200,1,-2.00,no,2025-12-25\n")
    document = clouds(client)
    assert document["total"] > 50
    assert "prices:2: price_per_hour must be above zero" in document["remarks"][0]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"where": "moon"}, "where"),
        ({"spot": "perhaps"}, "spot"),
        ({"count": "0"}, "count"),
        ({"limit": "1001"}, "limit"),
        ({"colour": "red"}, "colour"),
        ({"after": "no/such:1:offer"}, "after"),
        ({"accelerator": "x" * 81}, "accelerator"),
    ],
)
def test_a_bad_filter_is_refused_by_its_name(client: Client, query: dict[str, str], field: str) -> None:
    answer = client.get("/offers", params=query)
    assert answer.status_code == 422
    assert field in str(answer.json()["errors"][0]["field"])
