"""The store's schema: numbered migrations, each applied once and in one transaction."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.resources import files

import duckdb

from oversight.errors import StoreError

__all__ = ["VERSION", "check_version", "migrate", "stored_version"]


def _migrations() -> list[str]:
    folder = files("oversight.store") / "migrations"
    scripts = sorted((f for f in folder.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
    return [script.read_text(encoding="utf-8") for script in scripts]


_MIGRATIONS = _migrations()

VERSION = len(_MIGRATIONS)
"""The schema version that this release reads and writes."""


def stored_version(con: duckdb.DuckDBPyConnection) -> int:
    """The version of the schema in an open database, 0 if it holds none."""
    try:  # every query of a reader asks; to look among the tables first would take ten times as long
        ((version,),) = con.execute("SELECT coalesce(max(version), 0) FROM schema_version").fetchall()
    except duckdb.CatalogException:
        return 0
    return int(version)


def check_version(con: duckdb.DuckDBPyConnection) -> None:
    """Make sure that this release can read an open database.

    Raises:
        StoreError: its schema is newer, older or missing.
    """
    found = stored_version(con)
    if found > VERSION:
        raise StoreError(
            f"the store has schema version {found}, this release of oversight knows {VERSION}: upgrade oversight"
        )
    if found < VERSION:
        raise StoreError(
            f"the store has schema version {found}, this release of oversight needs {VERSION}: "
            "any `oversight run` on it brings it up to date"
        )


def migrate(con: duckdb.DuckDBPyConnection) -> None:
    """Bring an open database up to `VERSION`; a migration that fails leaves it as it was.

    Raises:
        StoreError: its schema is newer than this release.
    """
    for version in range(stored_version(con) + 1, VERSION + 1):
        con.execute("BEGIN")
        try:
            con.execute("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER, applied_at TIMESTAMPTZ)")
            con.execute(_MIGRATIONS[version - 1])
            con.execute("INSERT INTO schema_version VALUES (?, ?)", [version, datetime.now(UTC)])
        except BaseException:
            con.execute("ROLLBACK")
            raise
        con.execute("COMMIT")
        con.execute("CHECKPOINT")  # what a migration altered is not left to be replayed from the log
    check_version(con)
