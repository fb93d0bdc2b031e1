"""A fresh virtual environment that sees what is installed here, so that installing into it needs no network."""

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

# Read before any fixture hides it from tests which must not lean on it.
MIRROR = os.environ.get("IMBENCH_DATA_MIRROR")


class Fresh:
    """One such environment, and the folder to work in.

    ``pip install`` takes neither dependencies nor build tools from anywhere: they are here already.
    """

    def __init__(self, top: Path) -> None:
        self.home, self.folder = top / "venv", top / "work"
        self.folder.mkdir()
        venv.create(self.home, with_pip=False)
        python = self.home / "bin" / "python"
        here = {sysconfig.get_path(kind) for kind in ("purelib", "platlib")}
        site = self.home / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
        # addsitedir, so that editable installs, which are .pth files themselves, are seen too.
        (site / "here.pth").write_text("".join(f"import site; site.addsitedir({path!r})\n" for path in sorted(here)))
        self._command("imbench", f'exec "{python}" -m imbench "$@"')
        offline = '[ "$1" = install ] && shift && set -- install --no-deps --no-build-isolation "$@"'
        self._command("pip", f'{offline}\nexec "{python}" -m pip "$@"')

    def _command(self, name: str, line: str) -> None:
        path = self.home / "bin" / name
        path.write_text(f"#!/bin/sh\n{line}\n")
        path.chmod(0o755)

    def sh(self, script: str) -> subprocess.CompletedProcess[str]:
        """Run a shell script in the folder; what it printed, if it ended well."""
        hidden = ("PYTHONPATH", "VIRTUAL_ENV", "COLUMNS", "PIP_CONSTRAINT")
        surroundings = {key: value for key, value in os.environ.items() if key not in hidden}
        surroundings |= {
            "PATH": f"{self.home / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "IMBENCH_CACHE": str(self.home / "cache"),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }
        if MIRROR:
            surroundings["IMBENCH_DATA_MIRROR"] = str(Path(MIRROR).resolve()) if "://" not in MIRROR else MIRROR
        done = subprocess.run(
            ["sh", "-eu", "-c", script], cwd=self.folder, env=surroundings, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
        return done
