"""What a plan costs before it says anything: the packages that it must not import."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.makers import DEMO, REPOSITORY

HEAVY = ("ray", "torch", "transformers", "sentence_transformers", "vllm", "deepspeed", "peft", "faiss", "sklearn", "scipy",
         "matplotlib", "pandas", "datasets", "huggingface_hub")  # fmt: skip
"""Each takes from half a second to ten on two cores, and a plan is arithmetic."""
CODE = """
import json, sys
from jobs.sweep import work
code = work([sys.argv[1], "--dry-run", f"storage={sys.argv[2]}"])
print(json.dumps({"code": code, "modules": sorted({name.partition(".")[0] for name in sys.modules})}))
"""


def test_a_plan_imports_no_heavy_package(tmp_path: Path) -> None:
    given = [sys.executable, "-c", CODE, str(DEMO), str(tmp_path / "runs")]
    done = subprocess.run(given, cwd=REPOSITORY, check=True, capture_output=True, text=True)
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["code"] == 0
    assert not set(HEAVY) & set(said["modules"])
    assert not (tmp_path / "runs").exists(), "a plan touches nothing"
