"""The user's own price file: what is taken, and how everything wrong with one is told."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orchestrator.adapters.catalog.list_forms import MOST_YAML_BYTES, read_price_list
from orchestrator.adapters.catalog.price_list import MOST_BYTES, MOST_PROBLEMS
from orchestrator.domain.errors import InvalidInputError
from orchestrator.domain.offers import Offer

TODAY, WRITTEN = date(2026, 11, 24), date(2026, 11, 20)
HEADER = "provider,region,instance_type,accelerator,count,price_per_hour"
GOOD = "acme,eu,box,H200,4,12.50"


def read(content: str | bytes, name: str = "prices.csv") -> tuple[Offer, ...]:
    return read_price_list(name, content.encode() if isinstance(content, str) else content, WRITTEN, TODAY, "mine")


def told(content: str | bytes, name: str = "prices.csv") -> list[str]:
    """The problems as they are shown: `prices:2 price_per_hour must be above zero`."""
    with pytest.raises(InvalidInputError) as caught:
        read(content, name)
    return [f"{each.field} {each.message}" for each in caught.value.problems]


def row(**changes: str) -> str:
    cells = dict(zip(HEADER.split(","), GOOD.split(","), strict=True)) | changes
    return f"{HEADER}\n{','.join(cells.values())}\n"


def test_a_row_is_an_offer_with_the_day_of_the_file() -> None:
    (offer,) = read(f"{HEADER}\n{GOOD}\n")
    assert offer.id == "acme/eu/box:4:on-demand"
    assert (offer.rate.micros_per_hour, offer.priced_on, offer.price_source) == (12_500_000, WRITTEN, "mine")
    assert (offer.billing_quantum_seconds, offer.minimum_seconds) == (3600, 3600), "an unknown provider, an hour taken"
    assert (offer.undated, offer.firm) == (False, True)


def test_every_column_may_be_given() -> None:
    (offer,) = read(
        f"{HEADER},spot,billing_quantum_seconds,minimum_seconds,priced_on,undated,firm,source\n"
        f"Acme,eu,box,H200-SXM,4,12.5,yes,60,120,2026-10-01,yes,no,a letter\n"
    )
    assert (offer.provider, offer.accelerator, offer.listed_as, offer.spot) == ("acme", "H200", "H200-SXM", True)
    assert (offer.billing_quantum_seconds, offer.minimum_seconds) == (60, 120)
    assert (offer.priced_on, offer.undated, offer.firm) == (date(2026, 10, 1), True, False)
    assert offer.price_source == "a letter"


def test_a_known_provider_bills_as_is_known_of_it() -> None:
    (offer,) = read(f"{HEADER}\nrunpod,eu,box,H200,4,12.50\n")
    assert offer.billing_quantum_seconds == 1


def test_remarks_empty_lines_a_mark_of_encoding_and_any_line_ending_are_nothing_to_complain_about() -> None:
    assert len(read(f"\ufeff# mine\r\n\r\n{HEADER}\r\n{GOOD}\r\n,,,,,\r\n".encode())) == 1


@pytest.mark.parametrize(
    ("price", "micros"),
    [("0.1", 100_000), ("3.3333333", 3_333_334), ("1e1", 10_000_000), ("0.0000001", 1), ("4000", 4_000_000_000)],
)
def test_a_price_is_exact_and_rounded_up_to_the_micro_dollar(price: str, micros: int) -> None:
    assert read(row(price_per_hour=price))[0].rate.micros_per_hour == micros


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"price_per_hour": "-1"}, "price_per_hour must be above zero"),
        ({"price_per_hour": "0"}, "price_per_hour must be above zero"),
        ({"price_per_hour": ""}, "price_per_hour is missing"),
        ({"price_per_hour": "NaN"}, "price_per_hour must be a number of dollars such as 3.50, not 'NaN'"),
        ({"price_per_hour": "inf"}, "price_per_hour must be a number of dollars such as 3.50, not 'inf'"),
        ({"price_per_hour": "$4"}, "price_per_hour must be a number of dollars such as 3.50, not '$4'"),
        ({"price_per_hour": "1_000"}, "price_per_hour must be a number of dollars such as 3.50, not '1_000'"),
        (
            {"price_per_hour": "4000.01"},
            "price_per_hour is above $1000 for a GPU and hour: is the decimal point where it was?",
        ),
        ({"count": "0"}, "count must be a whole number of accelerators from 1 to 72, not '0'"),
        ({"count": "1.5"}, "count must be a whole number of accelerators from 1 to 72, not '1.5'"),
        ({"count": "-4"}, "count must be a whole number of accelerators from 1 to 72, not '-4'"),
        ({"count": ""}, "count must be a whole number of accelerators from 1 to 72, not ''"),
        ({"accelerator": "H2000"}, "accelerator 'H2000' is not known here; the nearest: H200, H100, B200"),
        ({"accelerator": ""}, "accelerator is missing"),
        ({"provider": "local"}, None),
        ({"provider": "a/b"}, "provider must be letters, digits, dots and dashes, not 'a/b'"),
        ({"region": ""}, "region is missing"),
        ({"region": "x" * 121}, "region must be at most 120 characters"),
        ({"instance_type": "a\x00b"}, "instance_type has a character that cannot be printed"),
    ],
)
def test_a_bad_cell_is_told_with_its_line_and_its_column(change: dict[str, str], message: str | None) -> None:
    (problem,) = told(row(**change))
    if message is None:
        assert problem.startswith("prices:2 provider `local` is this machine")
    else:
        assert problem == f"prices:2 {message}"


@pytest.mark.parametrize(
    ("column", "text", "message"),
    [
        ("spot", "maybe", "must be yes or no, not 'maybe'"),
        ("priced_on", "yesterday", "must be a day such as 2026-11-23, not 'yesterday'"),
        ("priced_on", "2027-01-01", "2027-01-01 is in the future"),
        ("billing_quantum_seconds", "0", "must be whole seconds from 1 to 31622400, not '0'"),
        ("minimum_seconds", "1.5", "must be whole seconds from 1 to 31622400, not '1.5'"),
    ],
)
def test_a_bad_optional_cell_is_told_too(column: str, text: str, message: str) -> None:
    assert told(f"{HEADER},{column}\n{GOOD},{text}\n") == [f"prices:2 {column} {message}"]


def test_everything_wrong_is_told_at_once() -> None:
    content = f"{HEADER}\n{GOOD}\nacme,eu,box,H200,0,-1\n{GOOD}\nacme,eu,box,H200\n\nacme,,box,H300,1,x\n"
    assert [problem.split(" ")[0:2] for problem in told(content)] == [
        ["prices:5", "has"],
        ["prices:3", "count"],
        ["prices:3", "price_per_hour"],
        ["prices:4", "is"],
        ["prices:7", "region"],
        ["prices:7", "accelerator"],
        ["prices:7", "price_per_hour"],
    ]


def test_a_file_that_is_broken_throughout_is_told_briefly() -> None:
    problems = told(HEADER + "\nacme,eu,box,H200,0,1" * 500)
    assert len(problems) == MOST_PROBLEMS + 1
    assert problems[-1] == "prices and 400 more problems"


def test_the_same_offer_twice_is_told_with_both_lines() -> None:
    content = f"{HEADER}\n{GOOD}\nacme,eu,box,H200,4,11\n"
    assert told(content) == ["prices:3 is the same offer as line 2: acme/eu/box:4:on-demand"]


def test_a_misspelt_column_is_not_silently_left_out() -> None:
    problems = told(f"{HEADER},sopt\n{GOOD},yes\n")
    assert problems == ["prices:1 'sopt' is not a column; did you mean spot?"]


def test_missing_columns_are_named() -> None:
    assert told("provider,region\nacme,eu\n") == [
        f"prices:1 {name} is missing" for name in ("instance_type", "accelerator", "count", "price_per_hour")
    ]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "prices is empty"),
        (b"\n\n", "prices is empty"),
        (HEADER.encode(), "prices has no offer in it"),
        (b"<!DOCTYPE html><html>no</html>", "prices is a web page and not a price list"),
        (f"{HEADER}\n{GOOD}\nacme,".encode() + b"\xff\xfe", "prices:3 is not in UTF-8; save the file in this encoding"),
        (f"{HEADER}\n{GOOD}\n".encode("utf-16"), "prices:1 is not in UTF-8; save the file in this encoding"),
        (b"x" * (MOST_BYTES + 1), "prices must be at most 10 MB"),
        (f'{HEADER}\n"acme,eu'.encode(), "prices is not CSV: unexpected end of data"),
    ],
)
def test_what_is_no_price_file_is_refused(content: bytes, problem: str) -> None:
    assert told(content) == [problem]


YAML = """offers:
  - {provider: acme, region: eu, instance_type: box, accelerator: H200, count: 4, price_per_hour: 12.50, spot: yes}
  - provider: acme
    region: us
    instance_type: box
    accelerator: H200
    count: 1
    price_per_hour: 0.1
"""


def test_yaml_holds_the_same_and_a_price_in_it_is_the_text_that_was_written() -> None:
    spot, demand = read(YAML, "prices.yaml")
    assert (spot.id, spot.rate.micros_per_hour) == ("acme/eu/box:4:spot", 12_500_000)
    assert (demand.id, demand.rate.micros_per_hour) == ("acme/us/box:1:on-demand", 100_000)


def test_a_bad_cell_in_yaml_is_told_with_the_line_that_its_offer_starts_on() -> None:
    content = YAML.replace("price_per_hour: 0.1", "price_per_hour: -0.1").replace("count: 4", "cuont: 4")
    assert told(content, "prices.yml") == [
        "prices:2 'cuont' is not a column; did you mean count?",
        "prices:2 count is missing",
        "prices:3 price_per_hour must be above zero",
    ]


@pytest.mark.parametrize(
    ("content", "beginning"),
    [
        ("", "prices is empty"),
        ("just words", "prices must be a list of offers"),
        ("offers: 3", "prices must be a list of offers"),
        ("offers: []", "prices has no offer in it"),
        ("- 3", "prices:1 must be a mapping"),
        ("- provider: [a]", "prices:1 must hold plain values"),
        ("a: [", "prices:1 is not YAML"),
        ("&a [*a, *a]", "prices:1 must be a mapping"),
        ("[" * 5000, "prices is not YAML"),
        ("a: \x00", "prices is not YAML"),
        (" " * (MOST_YAML_BYTES + 1), "prices must be at most 1 MB as YAML"),
    ],
)
def test_what_is_no_price_file_in_yaml_is_refused(content: str, beginning: str) -> None:
    assert told(content, "prices.yaml")[0].startswith(beginning)


def test_an_offer_that_yaml_repeats_by_its_anchor_is_there_twice() -> None:
    content = f"- &one {YAML.splitlines()[1].strip(' -')}\n- *one\n"
    assert told(content, "prices.yaml") == ["prices:1 is the same offer as line 1: acme/eu/box:4:spot"]


@given(
    st.one_of(
        st.binary(max_size=200),
        st.text(max_size=200).map(str.encode),
        st.lists(st.sampled_from([*HEADER, *GOOD, "\n", ",", '"', "-", ":", "[", "{", "&", "*", "\\"])).map(
            lambda parts: "".join(parts).encode()
        ),
        st.text(max_size=60).map(lambda cell: f"{HEADER}\nacme,eu,{cell},H200,4,1\n".encode()),
        st.text(max_size=60).map(lambda cell: f"{HEADER}\nacme,eu,box,H200,{cell},{cell}\n".encode()),
    ),
    st.sampled_from(["prices.csv", "prices.yaml"]),
)
@example(b'- "\\UFFFFFFFF"', "prices.yaml")
@example(b"- !!python/object:os.system {}", "prices.yaml")
@example(b"? [a, b]\n: c", "prices.yaml")
def test_whatever_the_file_holds_it_is_taken_or_refused_with_the_field(content: bytes, name: str) -> None:
    offers: tuple[Offer, ...] = ()
    fields = {"prices"}
    try:
        offers = read(content, name)
    except InvalidInputError as error:
        fields |= {each.field.split(":")[0] for each in error.problems}
    assert fields == {"prices"}
    assert all(offer.rate.micros_per_hour > 0 for offer in offers)
