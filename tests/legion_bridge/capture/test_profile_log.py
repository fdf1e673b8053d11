"""The binary profile: read by what its head tells, refused where it is not what it should be."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from legion_bridge import CaptureError
from legion_bridge.capture.profile_log import read_profile

HEAD = """\
FileType: BinaryLegionProf v: 1011
legion-25.12.0
MaxDimDesc {id:8, max_dim:maxdim:4}
TaskKind {id:11, task_id:TaskID:4, name:string:-1, overwrite:bool:1}
ProcDesc {id:6, proc_id:ProcID:8, kind:ProcKind:4, uuid_size:uuid_size:4, uuid:uuid:1}
ZeroTime {id:63, zero_time:long long:8}
IndexSpacePointDesc {id:32, unique_id:unsigned long long:8, dim:unsigned:4, rem:point:8}
IndexSpaceRectDesc {id:33, unique_id:unsigned long long:8, dim:unsigned:4, rem:array:8}
IndexSpaceEmptyDesc {id:34, unique_id:unsigned long long:8}
PhysicalInstanceUsage {id:46, inst_uid:unsigned long long:8, mode:unsigned:4, redop:unsigned:4}

"""
RECORDS = b"".join(
    [
        struct.pack("<II", 8, 2),
        struct.pack("<II", 11, 7) + b"stencil\0" + b"\1",
        struct.pack("<IQII", 6, 0x1D00000000000001, 2, 3) + b"abc",
        struct.pack("<Iq", 63, -5),
        struct.pack("<IQIqq", 32, 1, 2, 3, -4),
        struct.pack("<IQIqqqq", 33, 1, 2, 0, 0, 9, 9),
        # The reduction is on disk only where the mode is to reduce.
        struct.pack("<IQI", 46, 5, 1),
        struct.pack("<IQII", 46, 6, 4, 12),
        struct.pack("<II", 11, 8) + b"sum\0" + b"\0",
    ]
)


def written(folder: Path, data: bytes) -> Path:
    path = folder / "profile"
    path.write_bytes(data)
    return path


def test_records_are_read_by_the_head(tmp_path: Path) -> None:
    path = written(tmp_path, HEAD.encode() + RECORDS)
    kinds = ("TaskKind", "ProcDesc", "ZeroTime", "IndexSpacePointDesc", "IndexSpaceRectDesc",
             "PhysicalInstanceUsage", "IndexSpaceEmptyDesc")  # fmt: skip
    records = read_profile(path, *kinds)
    assert [(r["task_id"], r["name"]) for r in records["TaskKind"]] == [(7, "stencil"), (8, "sum")]
    assert records["ProcDesc"][0]["uuid"] == b"abc"
    assert records["ZeroTime"][0]["zero_time"] == -5
    assert records["IndexSpacePointDesc"][0]["rem"] == (3, -4)
    assert records["IndexSpaceRectDesc"][0]["rem"] == (0, 0, 9, 9)
    assert [r["redop"] for r in records["PhysicalInstanceUsage"]] == [0, 12]
    assert records["IndexSpaceEmptyDesc"] == []


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "the profile is empty"),
        (b"hello", "this is no profile of Legion"),
        (HEAD.replace("1011", "1012").encode(), "of version 1012, and mappertune reads 1011"),
        (HEAD.strip().encode(), "breaks off in its head"),
        (HEAD.encode() + RECORDS[:-3], "breaks off: the program did not end well"),
        (HEAD.encode() + struct.pack("<I", 99), "a record 99 that its head does not describe"),
        (
            HEAD.replace("maxdim:4", "maxdim:3").encode(),
            "records MaxDimDesc of the profile have a member of the unknown type 'maxdim'",
        ),
    ],
)
def test_what_cannot_be_read_is_told(data: bytes, said: str, tmp_path: Path) -> None:
    path = written(tmp_path, data)
    with pytest.raises(CaptureError, match=said):
        read_profile(path, "TaskKind")


def test_a_missing_profile_is_told(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="cannot be read: No such file"):
        read_profile(tmp_path / "nowhere")
