"""The artifact store: content keys, atomic publication. No Ray."""

from lib.store.digest import digest_file, digest_files, digest_value
from lib.store.place import at, deliver, here
from lib.store.store import Artifact, Attempt, Store

__all__ = ["Artifact", "Attempt", "Store", "at", "deliver", "digest_file", "digest_files", "digest_value", "here"]
