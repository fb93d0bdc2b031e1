"""Write a release's list of components (CycloneDX) beside its wheel, and check it: ``python components.py DIST``."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

from licences import LOCK, ROOT, runtime


def write(folder: Path) -> Path:
    """The list of what a release needs to run, for all platforms."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    file = folder / f"{project['name']}-{project['version']}.cdx.json"
    command = [sys.executable, "-m", "cyclonedx_py", "requirements", LOCK, "--pyproject", ROOT / "pyproject.toml"]
    command += ["--mc-type", "library", "--output-reproducible", "--of", "JSON", "-o", file]
    subprocess.run(command, check=True)
    listed = json.loads(file.read_text("utf-8"))
    file.write_text(json.dumps(of_runtime(listed), indent=1) + "\n", "utf-8")
    return file


def of_runtime(listed: dict) -> dict:
    """The list without what only builds imbench, and with who needs whom, which requirements do not say."""
    wanted = runtime()
    parts = [part | {"bom-ref": part["purl"]} for part in listed["components"] if part["name"] in wanted]
    for part in parts:
        del part["description"]  # the line of the file, all hashes in it, which are listed by themselves
    refs = {part["name"]: part["bom-ref"] for part in parts}
    root = listed["metadata"]["component"]["bom-ref"]
    needs = {refs[name]: [refs[n] for n, p in wanted.items() if name in p.needed_by] for name in refs}
    needs[root] = [refs[n] for n, p in wanted.items() if "imbench (pyproject.toml)" in p.needed_by]
    return listed | {
        "components": parts,
        "dependencies": [{"ref": ref, "dependsOn": needed} for ref, needed in needs.items()],
    }


def check(file: Path) -> None:
    """Fail with a message unless every package that imbench needs is listed with its version and hashes."""
    listed = json.loads(file.read_text("utf-8"))
    assert (listed["bomFormat"], listed["metadata"]["component"]["name"]) == ("CycloneDX", "imbench")
    found = {part["name"]: part for part in listed["components"]}
    wanted = runtime()
    assert set(found) == set(wanted), f"{file}: {sorted(set(found) ^ set(wanted))}"
    for name, one in wanted.items():
        hashes = {h["content"] for of in found[name]["externalReferences"] for h in of.get("hashes", ())}
        assert (found[name]["version"], hashes) == (one.version, set(one.hashes)), name
    refs = {listed["metadata"]["component"]["bom-ref"], *(part["bom-ref"] for part in listed["components"])}
    assert {entry["ref"] for entry in listed["dependencies"]} == refs
    assert {ref for entry in listed["dependencies"] for ref in entry["dependsOn"]} <= refs


if __name__ == "__main__":
    made = write(Path(sys.argv[1]))
    check(made)
    print(f"{made}: every dependency is listed")
