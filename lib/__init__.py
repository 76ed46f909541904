"""Ballast. Rooms under `lib` import no Ray, but for `lib.runtime`."""
