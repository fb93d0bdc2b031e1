"""Drawn examples are the same each time; `python -m pytest --hypothesis-profile=random` draws anew."""

from hypothesis import settings

settings.register_profile("same", derandomize=True, print_blob=True)
settings.register_profile("random", print_blob=True)


def pytest_configure(config):
    if not config.getoption("--hypothesis-profile"):
        settings.load_profile("same")
