"""What crosses rooms: frozen records and interfaces. Imports nothing else of imbench."""
