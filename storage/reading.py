"""Tell SQL that only reads our own tables from SQL that reaches further.

A second lock beside the engine's `readonly`, which does not hold everything: embedded, the scalar function `file` reads
any file of the machine under it, and INTO OUTFILE writes one.
"""

import re
from typing import Final

from storage.errors import QueryRefusedError

SQL_CHARACTERS_MAX: Final = 16_384

_TOKEN: Final = re.compile(
    r"""
      (?P<space>[ \t\r\n]+)
    | (?P<text>'(?:[^'\\]|\\.|'')*')
    | (?P<name>"(?:[^"\\]|\\.|"")*"|`(?:[^`\\]|\\.|``)*`)
    | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<number>[0-9][0-9A-Za-z_.]*)
    | (?P<comment>--|\#|/\*)
    | (?P<sign>[-+*/%<>=!?:|&^~@,.()\[\]{}])
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)

_REFUSED_WORDS: Final = frozenset({"into", "settings", "parallel", "explain", "describe", "show"})
"""INTO OUTFILE and WITH … INSERT INTO write; SETTINGS lifts bounds; PARALLEL WITH strings statements together."""

_REFUSED_FUNCTION: Final = re.compile(
    r"""
    file(cluster|system)? | url(cluster)? | remote(secure)? | cluster(allreplicas)? | s3(cluster)? | gcs | cosn | oss
    | hdfs(cluster)? | azureblobstorage.* | deltalake.* | iceberg.* | hudi.* | paimon.* | mysql | postgresql | mongodb
    | redis | sqlite | odbc | jdbc | ytsaurus | bigquery | arrow.*stream | arrowstream | executable | python | input
    | eval | merge(tree.+)? | dictionary | dict(get|has|isin).* | joinget.* | loop | view.+ | fuzz.+ | prometheus.+
    | timeseries.+ | ai[a-z]+ | catboostevaluate | evalmlmethod | addressto.+ | getclienthttpheader | showcertificate
    | sleep.* | trap
    """,
    re.VERBOSE,
)


def only_reads(sql: str) -> str:
    """Return the SQL, without a closing semicolon, if it is one SELECT that reaches nothing outside the database.

    Strict rather than clever: comments, and signs that only strings may hold, are refused too, so that what is checked
    here is read the same way by the engine.

    Raises:
        QueryRefusedError: with the reason, for whoever typed it.
    """
    if len(sql) > SQL_CHARACTERS_MAX:
        raise QueryRefusedError(f"{len(sql)} characters of SQL, at most {SQL_CHARACTERS_MAX}")
    if "\0" in sql:
        raise QueryRefusedError("a NUL character")
    sql = sql.strip().removesuffix(";").rstrip()
    tokens: list[tuple[str, str]] = []
    at = depth = 0
    while at < len(sql):
        match = _TOKEN.match(sql, at)
        if match is None or match.lastgroup is None:
            raise QueryRefusedError(f"at {at}: {sql[at : at + 20]!r} is not taken; one statement, signs of SQL only")
        kind, text = match.lastgroup, match.group()
        if kind == "comment":
            raise QueryRefusedError(f"at {at}: comments are not taken")
        if kind != "space":
            tokens.append((kind, text))
        depth += (text == "(") - (text == ")")
        if depth < 0:
            raise QueryRefusedError(f"at {at}: a closing parenthesis without its opening one")
        at = match.end()
    if depth:
        raise QueryRefusedError("an opening parenthesis without its closing one")
    first = next((text.lower() for _, text in tokens if text != "("), "")
    if first not in ("select", "with"):
        raise QueryRefusedError("only SELECT is answered")
    before = ""
    for (kind, text), (_, following) in zip(tokens, [*tokens[1:], ("", "")], strict=True):
        name = text.strip('"`').lower()
        if kind == "word" and (name in _REFUSED_WORDS or (name == "format" and following != "(")):
            raise QueryRefusedError(f"{text.upper()} is not taken")
        if kind in ("word", "name") and following == "(" and _REFUSED_FUNCTION.fullmatch(name):
            raise QueryRefusedError(f"the function {text} is not taken: it reaches outside the stored reports")
        # Embedded, `default` is an overlay whose tables are the files of the machine.
        if kind in ("word", "name") and name == "default" and following == ".":
            raise QueryRefusedError("the database `default` is not taken; ours needs no name before its tables")
        if kind == "name" and ("\\" in text or (before == "." and "/" in text)):
            raise QueryRefusedError(f"the name {text} is not taken")
        before = text
    return sql
