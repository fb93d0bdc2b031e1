"""Protocol files that extend others: what they inherit, and what is wrong with a chain of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imbench.cli import main
from imbench.contract.errors import UsageError
from imbench.runs.protocols import load_protocol

WANTED = "extends must be the name of a protocol or the path of a .toml file"


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda name, text: (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())


def test_a_chain_of_files_inherits_from_the_nearest(write):
    write("a.toml", 'extends = "b.toml"\nepochs = 3\n')
    write("b.toml", 'extends = "smoke"\nepochs = 4\nfolds = 3\n')
    found = load_protocol("a.toml")
    assert (found.name, found.epochs, found.folds) == ("smoke/a", 3, 3)


@given(names=st.lists(st.sampled_from("abcdefg"), min_size=1, max_size=6, unique=True), data=st.data())
def test_files_that_extend_each_other_are_refused_with_their_chain(tmp_path_factory, names, data):
    folder = tmp_path_factory.mktemp("protocols")
    files = [f"{folder}/{name}.toml" for name in names]
    length = data.draw(st.integers(1, min(4, len(names))), label="length of the circle")
    for file, base in zip(files, [*files[1:], files[-length]], strict=True):
        with open(file, "w") as out:
            out.write(f'extends = "{base}"\nepochs = 3\n')
    with pytest.raises(UsageError) as error:
        load_protocol(files[0])
    chain = " extends ".join([*files, files[-length]])
    assert str(error.value).startswith(f"{chain}: a protocol cannot extend itself; name another one in extends of")


@pytest.mark.parametrize(
    ("a", "message"),
    [
        ('extends = "a.toml"', "a.toml extends a.toml: a protocol cannot extend itself; name another one"),
        ('extends = "./a.toml"', "a.toml extends ./a.toml: a protocol cannot extend itself"),
        ('extends = "b.toml"', "cannot read protocol 'b.toml' (a.toml extends b.toml): No such file or directory"),
        ('extends = "broken.toml"', "cannot read protocol 'broken.toml' (a.toml extends broken.toml): Expected '='"),
        ('extends = "latin.toml"', "cannot read protocol 'latin.toml' (a.toml extends latin.toml): it is not UTF-8"),
        ('extends = "."', "unknown protocol '.' (a.toml extends .)"),
        ('extends = "papr"', "unknown protocol 'papr' (a.toml extends papr); did you mean paper?"),
        ("extends = 3", f"protocol 'a.toml': {WANTED}, got 3"),
        ('extends = ""', f"protocol 'a.toml': {WANTED}, got ''"),
        ("exceptions = 3", "protocol a: exceptions must be a table, got 3"),
        ("epochs", "cannot read protocol 'a.toml': Expected '='"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_is_one_line(a, message, write, capsys):
    write("a.toml", a)
    write("broken.toml", "epochs")
    write("latin.toml", 'title = "Größe"'.encode("latin-1"))
    assert main(["run", "--dataset", "segment:ir=0.05", "--protocol", "a.toml", "--dry-run"]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith(f"error: {message}")
