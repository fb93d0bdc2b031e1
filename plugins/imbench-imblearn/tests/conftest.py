"""Drawn examples are the same each time; `python -m pytest --hypothesis-profile=random` draws anew."""

from hypothesis import HealthCheck, settings

# Neither is held to a time: a busy machine may take seconds for an example.
_UNTIMED = settings(print_blob=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("same", _UNTIMED, derandomize=True)
settings.register_profile("random", _UNTIMED)


def pytest_configure(config):
    if not config.getoption("--hypothesis-profile"):
        settings.load_profile("same")
