"""Tab-separated rows, with the line number that a message about them needs."""

import csv

# File names that are not UTF-8 come and go as they are.
TEXT = {"encoding": "utf-8", "errors": "surrogateescape", "newline": ""}
_SPECIAL = frozenset('\t\r\n"\ufeff')


def open_text(path):
    """A text file open for reading, without the byte order mark that some editors put first."""
    return open(path, **{**TEXT, "encoding": "utf-8-sig"})


def read_rows(file, path):
    """(line number, fields) of the rows that are not empty.

    Raises: ValueError naming `path` and line, for quotes that do not match.
    """
    rows = csv.reader(file, delimiter="\t", strict=True)
    while True:
        line = rows.line_num + 1
        try:
            row = next(rows, None)
        except csv.Error as error:
            raise ValueError(f"{path}, line {line}: {error}") from error
        if row is None:
            return
        if row:
            yield line, row


def read_columns(file, path, columns):
    """(line number, the asked columns) of the rows under a header.

    A row may be its first field alone; what is missing is "" then.

    Raises: ValueError naming `path` and line, for a header that lacks a column, and for rows
        that are too short or too long for their header.
    """
    rows = read_rows(file, path)
    header = next(rows, (1, []))[1]
    missing = [column for column in columns if column not in header]
    if missing:
        raise ValueError(f"{path}, line 1: the header lacks {', '.join(missing)}; it has {header}")
    for line, row in rows:
        if len(row) not in (1, len(header)):
            raise ValueError(f"{path}, line {line}: has {len(row)} fields, its header has "
                             f"{len(header)}")
        named = dict(zip(header, row, strict=False))
        yield line, [named.get(column, "") for column in columns]


def rows_text(rows):
    """Rows as text, quoted where a field needs it."""
    return "".join("\t".join(map(_quoted, row)) + "\n" for row in rows)


def _quoted(field):
    # Python 3.11's csv.writer leaves a lone carriage return bare, which ends a row for readers.
    text = str(field)
    if set(text) & _SPECIAL:
        return '"' + text.replace('"', '""') + '"'
    return text


def write_text(path, text):
    """Write to a path, or to a text file open for writing."""
    if hasattr(path, "write"):
        path.write(text)
        return
    with open(path, "w", **TEXT) as file:
        file.write(text)
