"""The ReMix paper's tables and figures, reproduced and compared with the printed ones."""
