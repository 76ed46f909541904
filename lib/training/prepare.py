"""`python -m lib.training.prepare`: compile what DeepSpeed would compile in the first training run.

On a CPU DeepSpeed builds a shared-memory communication op on first use; doing it at set-up keeps the first run's time its own.
"""

from __future__ import annotations


def main() -> None:
    """Build the op and load it; on a machine with GPUs there is nothing to build."""
    from deepspeed.accelerator import get_accelerator

    if get_accelerator().device_name() == "cpu":
        from deepspeed.ops.op_builder.cpu import ShareMemCommBuilder

        ShareMemCommBuilder().load()


if __name__ == "__main__":
    main()
