"""Frozen records and interfaces that all packages of imbench share. Imports nothing else of imbench."""
