"""Guard models: language models that read a request and an answer and say whether either is harmful or a refusal."""
