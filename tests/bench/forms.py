"""What other forms of what is stored would save, and what they would cost: none of them is used.

    python tests/bench/forms.py                     about 1 GB in one big file
    python tests/bench/forms.py --size-mb 100 --work FOLDER

A sample of the frames of a backup, which are leaves of the table without ids, is compressed as a
backup does it, with a dictionary that was made of every other frame, and with the columns of the
rows apart: one behind the other in each frame, then numbers as differences from the row before,
then groups without those that are the row before's, as bytes. Told are the bytes, as a share of
what is stored now, and milliseconds of processor per MB of leaves. Putting columns together again
in a restore, which is not measured, would cost about what taking them apart does.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import zstandard
from indexes import File
from prepared import work_folder
from project_files import MB, SHAPES, device_files, make_project
from run import say

from engine.pages.btree import Bytes
from engine.pages.ids import table_leaves
from engine.pages.records import Field, Others, Rows, read_fields, read_rows, spans
from engine.repository.packs import COMPRESSION, FRAME_SIZE

T = TypeVar("T")

SAMPLE = 160  # frames
DICTIONARY = 64 << 10  # bytes
TURNS = 3
COLUMNS = 13
GROUP = 5  # the place of the column in a record


@dataclass(frozen=True, slots=True)
class Frame:
    """Some leaves, and the columns of their rows; of a row that goes on elsewhere, there too."""

    pages: Bytes
    rows: Rows
    fields: dict[int, Field]


@dataclass(frozen=True, slots=True)
class Form:
    """How columns are kept apart."""

    name: str
    differences: bool = False
    groups_once: bool = False


FORMS = (
    Form("columns apart"),
    Form("and numbers as differences", differences=True),
    Form("and groups once, as bytes", differences=True, groups_once=True),
)


def main() -> None:
    """Measure all forms and print their table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size-mb", type=int, default=1000, help="of device files (1000)")
    parser.add_argument("--work", type=Path, help="keeps the project for the next run")
    given = parser.parse_args()
    with work_folder(given.work) as work:
        (path,) = device_files(make_project(work, SHAPES["one"], given.size_mb))
        measure(sample(File(path)))


def sample(file: File) -> list[Frame]:
    """Frames of a file, evenly, without the ids of their rows."""
    size, count = file.header.page_size, file.header.page_count
    leaves = table_leaves(file.flat, size, count, 1, file.lookalikes)
    each = min(FRAME_SIZE // size, leaves.size)
    image = file.flat[: file.raw.size].reshape(-1, size)
    firsts = np.linspace(0, leaves.size - each, min(SAMPLE, leaves.size // each)).astype(int)
    frames = []
    for first in firsts.tolist():
        pages = image[leaves[first : first + each]]
        rows, _ = read_rows(pages, Others(file.read, count))
        frames.append(Frame(pages, rows, read_fields(rows, range(COLUMNS))))
    return frames


def measure(frames: Sequence[Frame]) -> None:
    """Print what each form takes of bytes and time."""
    size = sum(frame.pages.size for frame in frames) / MB
    plain = zstandard.ZstdCompressor(compression_params=COMPRESSION)
    whole = [frame.pages.tobytes() for frame in frames]
    stored, seconds = clock(plain.compress, whole)
    now = sum(map(len, stored))
    say(f"{size:.0f} MB of leaves, {len(frames)} frames: stored in {now / size / MB:.1%} of that")
    say(f"{'':<30}{'bytes':>8}{'taking apart':>16}{'zstd':>16}")
    tell("as it is", 1, 0, seconds / size)

    begin = time.process_time()
    pages: list[bytes | bytearray | memoryview[int]] = []
    for frame in frames[::2]:
        pages += [page.tobytes() for page in frame.pages]
    dictionary = zstandard.train_dictionary(DICTIONARY, pages)
    training = time.process_time() - begin
    helped = zstandard.ZstdCompressor(compression_params=COMPRESSION, dict_data=dictionary)
    others = whole[1::2] or whole
    small, seconds = clock(helped.compress, others)
    share = sum(map(len, small)) / sum(len(plain.compress(each)) for each in others)
    of_these = sum(map(len, others)) / MB
    tell(f"a dictionary ({training:.1f} s to train)", share, 0, seconds / of_these)

    for form in FORMS:
        parts, splitting = clock(lambda frame, form=form: apart(frame, form), frames)
        small, seconds = clock(plain.compress, parts)
        tell(form.name, sum(map(len, small)) / now, splitting / size, seconds / size)


def tell(name: str, share: float, splitting: float, seconds: float) -> None:
    """Print one line: a share, and seconds per MB."""
    say(f"{name:<30}{share:>7.0%} {splitting * 1e3:>9.2f} ms/MB{seconds * 1e3:>10.2f} ms/MB")


def clock(task: Callable[..., bytes], each: Sequence[T]) -> tuple[list[bytes], float]:
    """What a task makes of each, and the processor seconds that all took, at best."""
    best = float("inf")
    made: list[bytes] = []
    for _ in range(TURNS):
        begin = time.process_time()
        made = [task(one) for one in each]
        best = min(best, time.process_time() - begin)
    return made, best


def apart(frame: Frame, form: Form) -> bytes:
    """The bytes of a frame with the values of each column one behind the other, then the rest."""
    data = frame.rows.data
    is_rest = np.ones(data.size, np.bool_)
    parts = []
    for column, field in frame.fields.items():
        at = np.repeat(field.at - (np.cumsum(field.length) - field.length), field.length)
        at += np.arange(at.size)
        is_rest[at] = False
        if form.groups_once and column == GROUP:
            parts.append(once(data, field))
        elif form.differences and at.size and bool(((field.serial > 0) & (field.serial < 7)).all()):
            parts.append(differences(data, field))
        else:
            parts.append(data[at].tobytes())
    return b"".join([*parts, data[is_rest].tobytes()])


def differences(data: Bytes, field: Field) -> bytes:
    """Integers, each as what it is more than the one before, all lowest bytes first."""
    found = spans(data, 8)[field.at].view(">i8").astype(np.int64) >> 8 * (8 - field.length)
    octets = np.diff(found, prepend=found[:1]).astype("<i8").view(np.uint8).reshape(-1, 8)
    return octets.T.tobytes()


def once(data: Bytes, field: Field) -> bytes:
    """Texts of hexadecimal digits as bytes, without those that are the row before's."""
    texts = [
        data[at : at + length].tobytes().decode()
        for at, length in zip(field.at.tolist(), field.length.tolist(), strict=True)
    ]
    is_new = [text != before for text, before in zip(texts, ["", *texts], strict=False)]
    kept = [text for text, new in zip(texts, is_new, strict=True) if new]
    return np.packbits(is_new).tobytes() + bytes.fromhex("".join(kept))


if __name__ == "__main__":
    main()
