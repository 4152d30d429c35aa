"""``tailgate why`` as a person meets it: sentences, JSON, a status."""

import json

import pytest

from pipeline.cli.main import main
from pipeline.lake import Lake, append
from pipeline.schema import SPANS

NOON = 1_795_608_000_000_000_000
MILLI = 1_000_000
SIDES = ("--baseline", "service.version=v1", "--canary", "service.version=v2")


@pytest.fixture
def tailgate(lake: Lake, capfdbinary):
    """Run the command here, and give its status, what it printed and what it complained."""

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            main(["why", "--lake", str(lake.path), *arguments])
        printed = capfdbinary.readouterr()
        return int(end.value.code or 0), printed.out.decode(), printed.err.decode()

    return run


@pytest.fixture
def landed(lake: Lake, span_rows) -> None:
    """Land a request of each version; of v2 the database takes 6 ms more."""
    for version, ms in (("v1", 4), ("v2", 10)):
        shared: dict[str, object] = {"service_version": version}
        shared |= {"trace_id": f"{version[1]}{1:031x}"}
        shared |= {"start_time_unix_nano": NOON}
        rows = (
            shared | {"kind": 2, "span_id": "f" * 16, "duration_nano": (6 + ms) * MILLI},
            shared
            | {"name": "db", "kind": 3, "span_id": "1" * 16, "parent_span_id": "f" * 16}
            | {"duration_nano": ms * MILLI},
        )
        named = {"service_name": "shop", "attributes": []}
        append(lake, SPANS, span_rows(*(named | row for row in rows)))


def test_it_says_how_much_slower_and_which_span_it_is(landed, tailgate) -> None:
    status, out, _ = tailgate(*SIDES)
    assert status == 0
    lines = [line.strip() for line in out.splitlines()]
    assert lines[0] == "shop POST /checkout"
    assert lines[1].startswith("mean: 10 → 16 ms")
    assert lines[2].startswith("- shop db (call): 4 → 10 ms a call")
    assert "100 % of the growth" in lines[2]


def test_the_json_has_numbers_and_ids_of_requests(landed, tailgate) -> None:
    status, out, _ = tailgate(*SIDES, "--format", "json", "--operation", "POST /checkout")
    assert status == 0
    document = json.loads(out)
    assert document["schema"].startswith("tailgate.why/")
    (operation,) = document["operations"]
    assert operation["causes"][0]["growth_ms"] == 6
    assert operation["exemplars"][0]["trace_id"] == f"2{1:031x}"


def test_nothing_to_explain_ends_with_status_3(landed, tailgate) -> None:
    status, out, _ = tailgate(*SIDES, "--operation", "GET /nothing")
    assert (status, out) == (3, "no such operation has requests\n")


def test_sides_that_are_the_same_are_refused_with_a_way_out(landed, tailgate) -> None:
    status, _, complaint = tailgate(
        "--baseline", "service.version=v1", "--canary", "service.version=v1"
    )
    assert status == 2
    assert "choose two sides" in complaint
