"""bpftrace's maps of stacks become profiles."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import BadFile
from tests.ebpf.bpftrace_files import Told, lines, tell


def stack(*frames: str) -> str:
    """Write a stack, leaf first."""
    return "\n" + "".join(f"    {frame}\n" for frame in frames)


def prints(*maps: dict[str, Any], metric: str = "@") -> bytes:
    """Write prints of one map."""
    return lines(*({"type": "map", "data": {metric: each}} for each in maps))


def samples(told: Told, *columns: str) -> list[tuple[Any, ...]]:
    """Give samples with the functions of their stacks."""
    functions = dict(told.rows("profile_stacks", "stack_id", "functions"))
    found = told.rows("profile_samples", "stack_id", *columns)
    return sorted((functions[row[0]], *row[1:]) for row in found)


def test_a_stack_has_the_kernel_s_frames_above_the_user_s_and_root_last(tmp_path: Path) -> None:
    kernel = stack("tcp_ack+1613", "do_syscall_64+113", "entry_SYSCALL_64_after_hwframe+118")
    user = stack("connect+75", "0x7ff46d3a81b0", "main+1")
    told = tell(tmp_path, prints({f"{kernel},{user},cat": 3}))
    functions = ["tcp_ack", "do_syscall_64", "entry_SYSCALL_64_after_hwframe"]
    functions += ["connect", "0x7ff46d3a81b0", "main"]
    assert samples(told, "comm", "value", "samples", "sample_type", "sample_unit") == [
        (functions, "cat", 3, 3, "samples", "count")
    ]
    assert told.rows("profile_stacks", "leaf_function", "root_function") == [("tcp_ack", "main")]
    kinds = dict(told.rows("profile_frames", "function", "kind"))
    assert [kinds[name] for name in functions] == ["kernel"] * 3 + ["native"] * 3
    assert told.rows("ebpf_counts") == []


def test_an_empty_kernel_stack_is_only_the_user_s(tmp_path: Path) -> None:
    content = prints({f",{stack('f+1', 'main+2')},cat": 1, f"{stack('k+1')},,cat": 2, ",,cat": 4})
    told = tell(tmp_path, content)
    assert samples(told, "value") == [(["[no stack]"], 4), (["f", "main"], 1), (["k"], 2)]


def test_offsets_do_not_tell_functions_apart_and_equal_stacks_add_up(tmp_path: Path) -> None:
    content = prints({stack("f+1", "main+9"): 1, stack("f+2", "main+9"): 2})
    told = tell(tmp_path, content)
    assert samples(told, "value") == [(["f", "main"], 3)]
    assert told.rows("profiles", "sample_types") == [
        [{"type": "samples", "unit": "count", "total": 3}]
    ]


def test_stacks_that_print_alike_all_count(tmp_path: Path) -> None:
    key = '"\\n    f+1\\n"'
    content = f'{{"type": "map", "data": {{"@": {{{key}: 3, {key}: 4}}}}}}\n'.encode()
    assert samples(tell(tmp_path, content), "value") == [(["f"], 7)]
    text = b"@[\n    f+1\n]: 3\n@[\n    f+1\n]: 4\n"
    assert samples(tell(tmp_path, text, "text"), "value") == [(["f"], 7)]


def test_other_keys_are_the_command_its_pid_or_labels(tmp_path: Path) -> None:
    one = tell(tmp_path, prints({f"7,cat,{stack('f')}": 1}))
    assert samples(one, "comm", "pid", "labels") == [(["f"], "cat", 7, [])]
    two = tell(tmp_path, prints({f"{stack('f')},a,b": 1, f"{stack('g')},c": 2}))
    # The second key has no comma: the map has two keys, and a command's name holds one.
    assert samples(two, "comm") == [(["f"], "a,b"), (["g"], "c")]
    three = tell(tmp_path, prints({f"{stack('f')},7": 1}))
    # A number alone may be a processor or a thread as well.
    assert samples(three, "pid", "labels") == [(["f"], None, [("key1", "7")])]


def test_names_with_commas_and_parentheses_stay_whole(tmp_path: Path) -> None:
    told = tell(tmp_path, prints({f"{stack('ns::f(int, char)+12', 'main+1')},cat": 1}))
    assert samples(told, "comm") == [(["ns::f(int, char)", "main"], "cat")]


def test_perf_s_mode_of_stacks_has_addresses_and_binaries(tmp_path: Path) -> None:
    key = "\n\tffffffff81a0 vfs_read+0x12 ([kernel.kallsyms])\n\t7f00aa11 main+0x5 (/usr/bin/cat)\n"
    told = tell(tmp_path, prints({key: 1}))
    assert dict(told.rows("profile_frames", "function", "mapping")) == {
        "vfs_read": "[kernel.kallsyms]",
        "main": "/usr/bin/cat",
    }


def test_totals_that_are_printed_again_count_once_and_cleared_maps_add_up(tmp_path: Path) -> None:
    f, g = stack("f"), stack("g")
    totals = tell(tmp_path, prints({f: 1}, {f: 3}, {f: 3, g: 2}))
    assert samples(totals, "value") == [(["f"], 3), (["g"], 2)]
    cleared = tell(tmp_path, prints({f: 5}, {f: 3}, {g: 2}))
    assert samples(cleared, "value") == [(["f"], 8), (["g"], 2)]


def test_each_map_is_a_profile(tmp_path: Path) -> None:
    content = prints({stack("f"): 2}, metric="@k") + prints({stack("f"): 3}, metric="@wait_us")
    lost = lines({"type": "lost_events", "data": {"events": 4}})
    told = tell(tmp_path, content + lost)
    assert told.rows("profiles", "attributes", "sample_types", "lost", "source_format") == [
        (
            [("map", "@k")],
            [{"type": "samples", "unit": "count", "total": 2}],
            4,
            "bpftrace-json",
        ),
        (
            [("map", "@wait_us")],
            [{"type": "wait_us", "unit": "nanoseconds", "total": 3000}],
            4,
            "bpftrace-json",
        ),
    ]
    assert told.rows("profile_samples", "profile_type", "value") == [("events", 2), ("other", 3000)]


def test_samples_are_of_the_processor_where_their_rate_is_known(tmp_path: Path) -> None:
    told = tell(tmp_path, prints({stack("f"): 2}), rate_hertz=100.0)
    assert told.rows("profile_samples", "profile_type") == ["cpu"]
    assert told.rows("profiles", "period", "period_type") == [(10_000_000, "cpu")]


def test_values_of_stacks_that_are_no_counts_stay_in_the_tables_of_ebpf(tmp_path: Path) -> None:
    stats = {"count": 1, "average": 5, "total": 5}
    content = lines({"type": "stats", "data": {"@s": {stack("f"): stats}}})
    told = tell(tmp_path, content + prints({stack("g"): -1}))
    assert told.rows("profile_samples") == []
    assert told.rows("ebpf_counts", "metric", "key_list")[0] == ("@s.count", [stack("f")])
    assert told.rows("ebpf_counts", "value_int") == [1, 5, 5, -1]


def test_counts_beyond_63_bits_are_refused(tmp_path: Path) -> None:
    most = 2**63 - 1
    with pytest.raises(BadFile, match="more than 2\\^63-1; import a part of it"):
        tell(tmp_path, prints({stack("f"): most, stack("g"): most}))
