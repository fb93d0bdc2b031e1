"""The ReMix paper's tables and figures, made again and compared with the printed ones."""
