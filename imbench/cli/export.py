"""``imbench export``: a model as an ONNX file."""

from __future__ import annotations

import json
from pathlib import Path

import click

from imbench.cli.output import say
from imbench.cli.session import Session, Verb
from imbench.contract.errors import UsageError


@click.command(cls=Verb)
@click.argument("folder", metavar="MODEL")
@click.argument("file", metavar="FILE.onnx")
@click.pass_obj
def export(session: Session, /, folder: str, file: str) -> None:
    """Write the model in the folder MODEL as an ONNX file.

    Its inputs are the encoded columns; FILE.json lists them in order, and how each column is encoded. Needs the extra
    'onnx'.

    \b
    imbench export model/ churn.onnx
    """
    path = Path(file)
    if path.suffix.lower() != ".onnx":
        raise UsageError(f"{file} must end in .onnx")
    from imbench.model.files import load_model
    from imbench.model.onnx_file import mapping, to_onnx
    from imbench.store.files import write_durably
    from imbench.store.outputs import check_output_file

    beside = path.with_suffix(".json")
    for one in (path, beside):
        check_output_file(one)
    model = load_model(folder)
    content = to_onnx(model).SerializeToString()
    write_durably(path, content)
    write_durably(beside, (json.dumps(mapping(model), indent=1, ensure_ascii=False) + "\n").encode())
    say(f"{len(model.encoding.inputs):,} inputs, {len(model.classes)} classes: {path} (inputs in order: {beside})")
