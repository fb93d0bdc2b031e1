"""All targets, by name."""

from tests.fuzz.arrays import TARGETS as _ARRAYS
from tests.fuzz.sources import TARGETS as _SOURCES
from tests.fuzz.stores import TARGETS as _STORES
from tests.fuzz.tables import TARGETS as _TABLES
from tests.fuzz.texts import TARGETS as _TEXTS

TARGETS = {target.name: target for target in (*_TEXTS, *_TABLES, *_SOURCES, *_STORES, *_ARRAYS)}
