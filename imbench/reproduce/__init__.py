"""The ReMix paper's tables and figures, made again and set beside what was printed."""
