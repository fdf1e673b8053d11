from __future__ import annotations

import pytest

from studies import StorageError, UsageError
from studies.files import read_text, write_text


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b" \n\t", "is empty"),
        (b"\x7fELF\x00\x01\xff", "binary file"),
        (b"Task a GPU;\x00", "binary file"),
        ("Task é GPU;".encode("latin-1"), "binary file"),
        (b"x" * 10_000_000, "larger than 1 MB"),
    ],
)
def test_a_file_that_is_no_mapper_gets_one_sentence(tmp_path, content, sentence):
    path = tmp_path / "a.mapper"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=sentence) as caught:
        read_text(str(path))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder_get_one_sentence(tmp_path):
    with pytest.raises(UsageError, match="no such file"):
        read_text(str(tmp_path / "none"))
    with pytest.raises(UsageError, match="is a directory"):
        read_text(str(tmp_path))


def test_a_text_is_read_as_it_is(tmp_path):
    (tmp_path / "a").write_text("Task é GPU;\n")
    assert read_text(str(tmp_path / "a")) == "Task é GPU;\n"


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "best.mapper"
    write_text(path, "old")
    write_text(path, "new")
    assert path.read_text() == "new"
    with pytest.raises(StorageError, match="cannot write"):
        write_text(tmp_path / "missing" / "best.mapper", "new")
    assert [each.name for each in tmp_path.iterdir()] == ["best.mapper"]
