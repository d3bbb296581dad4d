"""A program that writes to the table of a file until it is killed, and says which writes were acknowledged.

python -m tests.contract.table_writer FILE [COUNT]
"""

from __future__ import annotations

import sys
from itertools import count
from pathlib import Path

from chalicelib.stores.table import Key, Put, Update
from local.sqlite_table import SqliteTable


def main(path: str, limit: str = "") -> None:
    table = SqliteTable(Path(path), lambda: 0)
    for number in range(int(limit)) if limit else count():
        item = {"pk": "p", "sk": f"{number:06}", "text": "x" * 2000}
        table.transact([Put(item), Update(Key("total", "n"), add={"n": 1})])
        print(number, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
