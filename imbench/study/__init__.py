"""Statistics and records, without torch: metrics, store, ranks, leaderboards, reports."""
