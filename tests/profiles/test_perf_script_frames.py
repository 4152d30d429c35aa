"""Frames of perf script: names, binaries, kinds and where in the source."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.frames_and_stacks import Frame
from collectors.perf_script_frames import FrameTexts, parse
from collectors.perf_script_names import short_name, tidy

JIT = " (/tmp/perf-31.map)"


@pytest.mark.parametrize(
    ("text", "function", "mapping", "kind"),
    [
        ("main+0x1f (/srv/shop)", "main", "/srv/shop", "native"),
        ("main (/srv/my shop (deleted))", "main", "/srv/my shop", "native"),
        ("main", "main", "", "native"),
        ("[unknown] ([unknown])", "", "", "unknown"),
        ("[unknown] (/usr/lib/libssl.so.3)", "", "/usr/lib/libssl.so.3", "native"),
        ("schedule+0x23 ([kernel.kallsyms])", "schedule", "[kernel.kallsyms]", "kernel"),
        ("schedule ([guest.kernel.kallsyms])", "schedule", "[guest.kernel.kallsyms]", "kernel"),
        ("nf_hook ([nf_tables])", "nf_hook", "[nf_tables]", "kernel"),
        ("f (/lib/modules/6.1/build/vmlinux)", "f", "/lib/modules/6.1/build/vmlinux", "kernel"),
        ("f (/lib/modules/6.1/ext4.ko.xz)", "f", "/lib/modules/6.1/ext4.ko.xz", "kernel"),
        ("clock_gettime ([vdso])", "clock_gettime", "[vdso]", "native"),
        ("stub ([JIT] tid 9)", "stub", "[JIT] tid 9", "jit"),
        ("f(int, char*) (/srv/shop)", "f", "/srv/shop", "native"),
        ("f(int, char*)", "f", "", "native"),
        ("write@@GLIBC_2.2.5+0x4 (/libc.so.6)", "write", "/libc.so.6", "native"),
        ("f::g::h0123456789abcdef (/srv/shop)", "f::g", "/srv/shop", "native"),
        ("py::pay:/srv/shop.py" + JIT, "pay", "/tmp/perf-31.map", "python"),
        ("Lorg/app/Shop;::pay" + JIT, "org.app.Shop.pay", "/tmp/perf-31.map", "java"),
        ("Interpreter" + JIT, "Interpreter", "/tmp/perf-31.map", "java"),
        ("LazyCompile:*pay /srv/shop.js:12" + JIT, "pay", "/tmp/perf-31.map", "js"),
        ("RegExp:(a|b)+0x" + JIT, "RegExp:(a|b)+0x", "/tmp/perf-31.map", "js"),
    ],
)
def test_a_frame_is_read(text: str, function: str, mapping: str, kind: str) -> None:
    (frame,) = parse(text)
    assert (frame.function, frame.mapping, frame.kind) == (function, mapping, kind)


def test_what_is_tidied_stays_known_as_the_system_has_it() -> None:
    (frame,) = parse("LazyCompile:*pay /srv/shop.js:12:7" + JIT)
    assert frame.system_name == "LazyCompile:*pay /srv/shop.js:12:7"
    assert (frame.file, frame.line, frame.column) == ("/srv/shop.js", 12, 7)


def test_a_source_line_belongs_to_the_frame_above() -> None:
    assert parse("main+0x1f (/srv/shop)\n  shop.c:33") == (
        Frame("main", "main", "shop.c", 33, mapping="/srv/shop", kind="native"),
    )


@pytest.mark.parametrize("text", ["f (inlined)", "f\n  shop.c:3 (inlined)"])
def test_an_inlined_frame_says_so(text: str) -> None:
    (frame,) = parse(text)
    assert (frame.function, frame.inlined) == ("f", True)


def test_functions_of_java_that_are_in_each_other_are_frames() -> None:
    frames = parse("La/A;::f->La/B;::g" + JIT)
    assert [(frame.function, frame.inlined) for frame in frames] == [
        ("a.B.g", True),
        ("a.A.f", False),
    ]


@pytest.mark.parametrize(
    ("symbol", "short"),
    [
        ("std::function<int (int)>::operator()(int) const", "std::function<int (int)>::operator()"),
        ("a::operator<<(std::ostream&, int)", "a::operator<<"),
        ("p::operator->()", "p::operator->"),
        ("(anonymous namespace)::f(char*)", "(anonymous namespace)::f"),
        ("main::{lambda(int)#1}::operator()(int) const", "main::{lambda(int)#1}::operator()"),
        ("f<(e)0>(int)", "f<(e)0>"),
        ("f(int)::local", "f(int)::local"),
        ("decltype(auto) f<int>(int&&)", "decltype(auto) f<int>"),
        ("net/http.(*conn).serve.func1", "net/http.(*conn).serve.func1"),
        ("f(int) [clone .isra.0]", "f"),
        ("broken(", "broken("),
    ],
)
def test_only_the_arguments_are_cut_off_a_name(symbol: str, short: str) -> None:
    assert short_name(symbol) == short


@given(st.text("ab:<>(){}[]*->operator $,;/0+x", max_size=40), st.booleans())
def test_no_name_is_lost(symbol: str, is_jit: bool) -> None:
    assert bool(tidy(symbol, is_jit).function) == bool(symbol)


@given(st.text(max_size=60))
def test_any_text_is_a_frame(text: str) -> None:
    assert parse(text)


@given(st.lists(st.sampled_from(["f", "f+0x1", "f+0x2 (a)", "f (a)", "+0x", "f+0xyz", ""])))
def test_texts_that_differ_in_their_offset_only_are_one(texts: list[str]) -> None:
    bare = {"f+0x1": "f", "f+0x2 (a)": "f (a)", "+0x": ""}
    known = FrameTexts()
    encoded = pa.array(texts, pa.string()).dictionary_encode()
    numbers = known.encode(encoded.indices.to_numpy(), encoded.dictionary).tolist()
    expected = [bare.get(text, text) for text in texts]
    pairs = set(zip(numbers, expected, strict=True))
    assert len(pairs) == len(set(numbers)) == len(set(expected))
    assert known.expanded(np.array(numbers, dtype=np.int64))[0].tolist() == [1] * len(texts)
