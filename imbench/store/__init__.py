"""Files of results: rows, merge, compare, upgrades of older schemas."""
