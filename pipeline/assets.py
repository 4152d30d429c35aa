"""Where sql/ and data/sample/ are: inside the installed package, or beside it in a checkout."""

from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def _asset(*parts: str) -> Path:
    """Give the path of an asset, in the package first and beside it second."""
    inside = _PACKAGE.joinpath(*parts)
    return inside if inside.exists() else _PACKAGE.parent.joinpath(*parts)


def sql_dir() -> Path:
    """Give the folder of the SQL statements."""
    return _asset("sql")


def sample_dir() -> Path:
    """Give the folder of the recorded sample."""
    return _asset("data", "sample")


@cache
def statement(kind: str, name: str) -> str:
    """Read one SQL statement, for example ``statement("views", "spans_flagged")``.

    Args:
        kind: the folder below sql/ (views, rollups, jobs, queries).
        name: the file's name without ``.sql``, which is the relation's name.

    Returns:
        The text of the file.

    Raises:
        FileNotFoundError: no such statement ships with tailgate.
    """
    return (sql_dir() / kind / f"{name}.sql").read_text(encoding="utf-8")
