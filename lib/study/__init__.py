"""The typed study file: schema, loading, overrides. No Ray, no torch."""

from lib.study.load import load_study, parse_study
from lib.study.schema import Study

__all__ = ["Study", "load_study", "parse_study"]
