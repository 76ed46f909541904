"""Training: mix, batches, adapter, DeepSpeed preset, loop. No Ray."""
