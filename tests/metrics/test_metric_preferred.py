"""Of one duration under its old and its new name, one is kept."""

import pytest

NAMES = "SELECT DISTINCT service_instance_id, name FROM metric_preferred ORDER BY ALL"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("http.server.duration", "http.server.request.duration"),
        ("http.client.duration", "http.client.request.duration"),
        ("rpc.server.duration", "rpc.server.call.duration"),
        ("rpc.client.duration", "rpc.client.call.duration"),
    ],
)
def test_the_new_name_hides_the_old_one_of_the_same_instance(ask, histogram, old, new):
    points = [
        histogram(60, name=old, unit="ms", scope_name="other"),
        histogram(61, name=new),
        histogram(60, name=old, unit="ms", service_instance_id="b"),
    ]
    assert ask(NAMES, *points) == [("a", new), ("b", old)]


def test_instances_without_an_id_and_other_releases_keep_their_own_names(ask, histogram):
    old = {"name": "http.server.duration", "unit": "ms", "service_instance_id": None}
    points = [
        histogram(60, **old),
        histogram(60, **old, service_version="v2"),
        histogram(60, service_instance_id=None, service_version="v2"),
    ]
    sql = "SELECT service_version, name FROM metric_preferred ORDER BY ALL"
    assert ask(sql, *points) == [
        ("v1", "http.server.duration"),
        ("v2", "http.server.request.duration"),
    ]


def test_every_other_metric_stays(ask, number, histogram):
    points = [number(10, 1), histogram(10), histogram(10, name="db.client.operation.duration")]
    assert len(ask(NAMES, *points)) == 3


def test_requests_sent_under_both_names_count_once(ask, histogram):
    new = histogram(60, bucket_counts=[0, 4, 0], explicit_bounds=[0.1, 0.2], start=0)
    old = histogram(
        60,
        name="http.server.duration",
        unit="ms",
        bucket_counts=[0, 4, 0],
        explicit_bounds=[100.0, 200.0],
        start=0,
    )
    sql = "SELECT SUM(requests), MIN(lower_nano), MAX(upper_nano) FROM metric_requests"
    for points in ([new, old], [new], [old]):
        assert ask(sql, *points) == [(4, 1e8, 2e8)]
