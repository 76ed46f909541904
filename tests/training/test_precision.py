"""Who trains in a precision that this CPU computes in software is told so, and nobody else is."""

from __future__ import annotations

import pytest

from lib.training.precision import has_bf16, slow_precision


@pytest.mark.parametrize(
    ("dtype", "device", "fast", "told"),
    [
        ("bf16", "cpu", False, True),
        ("bf16", "cpu", True, False),
        ("bf16", "cuda", False, False),
        ("fp32", "cpu", False, False),
    ],
)
def test_it_is_said_where_it_is_so(dtype: str, device: str, fast: bool, told: bool) -> None:
    assert ("recipe.dtype=fp32" in slow_precision(dtype, device, fast_bf16=fast)) == told


def test_this_cpus_answer_is_that_of_its_flags() -> None:
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        flags = set(next(line for line in file if line.startswith(("flags", "Features"))).split())
    if "avx2" not in flags:
        pytest.skip("this CPU is no x86 of the last ten years")
    # oneDNN takes AVX-512 with BW, VL and DQ as enough to compute bf16 well, and AMX and BF16 build on them.
    assert has_bf16() == ({"avx512bw", "avx512vl", "avx512dq"} <= flags)
