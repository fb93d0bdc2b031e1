"""The wheel holds what imbench needs, and works outside the checkout."""

import os
import shutil
import subprocess
import sys
import zipfile

import pytest

pytest.importorskip("hatchling", reason="building the wheel needs hatchling (the extra 'test' has it)")


@pytest.fixture(scope="module")
def wheel(root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", folder, root]
    subprocess.run(command, check=True)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_has_every_module_card_and_suite_and_nothing_else(root, wheel):
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    package = {
        str(path.relative_to(root))
        for path in (root / "imbench").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix not in (".nbi", ".nbc")
    }
    cards = {f"imbench/{path.relative_to(root)}" for path in (root / "datasets").rglob("*.toml")}
    assert names == package | cards


def test_the_wheel_works_outside_the_checkout(root, wheel, tmp_path):
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    with_compiled_code(root / "imbench", site / "imbench")
    surroundings = {key: value for key, value in os.environ.items() if key != "IMBENCH_DATA_MIRROR"}
    script = [sys.executable, root / "tests" / "house" / "installed.py", root]
    done = subprocess.run(
        script,
        cwd=tmp_path,
        env={**surroundings, "PYTHONPATH": str(site), "IMBENCH_CACHE": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def with_compiled_code(here, there):
    """Numba's compiled code of these sources, valid for equal ones of the same time: compiling takes a minute."""
    for file in (here / "kernels").glob("*.py"):
        if (there / "kernels" / file.name).read_bytes() == file.read_bytes():
            shutil.copystat(file, there / "kernels" / file.name)
    (there / "kernels" / "__pycache__").mkdir()
    for compiled in (here / "kernels" / "__pycache__").glob("*.nb[ic]"):
        shutil.copy(compiled, there / "kernels" / "__pycache__")
