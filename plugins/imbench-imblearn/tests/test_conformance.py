"""What imbench asks of every strategy."""

from imbench.checks import strategy_checks


@strategy_checks(
    "imblearn:sampler=SMOTE",
    "imblearn:sampler=BorderlineSMOTE,k_neighbors=3",
    "imblearn:sampler=RandomOverSampler",
    "imblearn:sampler=RandomUnderSampler",
    "imblearn:sampler=TomekLinks",
    "imblearn:sampler=SMOTEENN",
)
def test_conforms(check):
    check()
