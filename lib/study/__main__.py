"""`python -m lib.study` prints the JSON schema of a study, for editors that complete and check YAML."""

import json

from lib.study.schema import Study

print(json.dumps(Study.model_json_schema(), indent=2))
