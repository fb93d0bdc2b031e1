"""The samplers of imbalanced-learn as mini-batch strategies of imbench: ``imblearn:sampler=BorderlineSMOTE``."""
