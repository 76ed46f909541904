"""One file per prompt-set format; `lib.generation.prompts.PromptFormat` is the contract."""
