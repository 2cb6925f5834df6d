"""Where MLflow keeps runs: a server, or a database beside the run folders."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tune_am.errors import UserError, first_line
from tune_am.naming import option
from tune_am.tuning import environment
from tune_am.tuning.lock import lock

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment

EXPERIMENT = "tune-am"  # unless MLFLOW_EXPERIMENT_NAME or MLFLOW_EXPERIMENT_ID says otherwise

# At the end of what MLflow says of a server that it did not reach.
_CAUSE = re.compile(r"\(Caused by \w+\(\W?[^:]*: (.*?)\W*\)\)$")


def default_uri(asked: str | None, run_folder: Path) -> str:
    """Where to log: as asked, else as the environment says, else one database beside the run
    folders, so that runs can be compared."""
    database = run_folder.absolute().parent / "mlflow.db"
    uri = asked or os.environ.get("MLFLOW_TRACKING_URI")
    return absolute(uri) if uri else _sqlite("sqlite", database)


def absolute(uri: str) -> str:
    """`uri`, a database's file in it from the root on: it means the same wherever one is."""
    kind, _, file = uri.partition(":///")
    if not kind.startswith("sqlite") or not file or file.startswith(("/", ":memory:")):
        return uri
    _, mark, query = uri.partition("?")
    return _sqlite(kind, Path(_database(uri)).absolute()) + mark + query


def _sqlite(kind: str, file: Path) -> str:
    """The address of a database, escaped where its path has letters that mean something in one.

    Only there: MLflow makes a folder of what stands in the address. By SQLAlchemy, whose versions
    differ in what they read as escaped.
    """
    from sqlalchemy.engine import URL  # a tenth of a second

    plain = f"{kind}:///{file}"
    if _database(plain) == str(file):
        return plain
    return URL.create(kind, database=str(file)).render_as_string()


def _database(uri: str) -> str:
    """The file in the address of a database; empty of one in memory."""
    from sqlalchemy.engine import make_url

    return make_url(uri).database or ""


def redacted(uri: str) -> str:
    """`uri`, or a text with one in it, to be shown: without user and password."""
    return re.sub(r"://[^/\s]+@", "://***@", uri)


def ui_command(uri: str) -> str:
    """What a user types to look at the runs, or the address to open."""
    shown = redacted(uri)
    return shown if _is_server(uri) else f"mlflow ui --backend-store-uri {shlex.quote(shown)}"


def check_server(uri: str) -> None:
    """Raise `UserError` when `uri` is a server that MLflow does not reach."""
    if _is_server(uri):
        try:
            _client(uri).search_experiments(max_results=1)
        except Exception as error:
            raise unusable(uri, error) from None


def connect(uri: str, artifacts: Path) -> tuple[MlflowClient, Experiment]:
    """A client of `uri`, and the experiment to log to, made if there is none. Raises `UserError`.

    artifacts: where files go if the runs are in a database.
    """
    try:
        with _alone(uri):
            client = _client(uri)
            return client, _experiment(client, artifacts if uri.startswith("sqlite") else None)
    except Exception as error:
        raise unusable(uri, error) from None


def unusable(uri: str, error: Exception) -> UserError:
    """One line about what MLflow raised at `uri`."""
    address, reason = redacted(uri), redacted(first_line(error))
    if _is_server(uri) and (cause := _CAUSE.search(reason)):
        return UserError(
            f"no MLflow server answers at {address} ({cause[1]}): start it, or name another "
            f"server or database with {option('mlflow_uri')}"
        )
    if "MLFLOW_ALLOW_FILE_STORE" in reason:  # in the last of six lines' worth
        kept = f"folders are no longer taken; {option('mlflow_uri')} takes sqlite:///PATH"
        return UserError(f"MLflow at {address} cannot be used: {kept}, or the address of a server")
    return UserError(f"MLflow at {address} cannot be used: {reason}")


def _is_server(uri: str) -> bool:
    return uri.startswith(("http://", "https://"))


def _client(uri: str) -> MlflowClient:
    environment.prepare()
    from mlflow import MlflowClient  # seconds; reads the environment

    return MlflowClient(tracking_uri=uri)


def _experiment(client: MlflowClient, artifacts: Path | None) -> Experiment:
    """As MLflow itself chooses: by name, else by id."""
    from mlflow.exceptions import MlflowException

    name, identity = (os.environ.get(f"MLFLOW_EXPERIMENT_{part}") for part in ("NAME", "ID"))
    if identity and not name:
        return client.get_experiment(identity)
    name = name or EXPERIMENT
    if (found := client.get_experiment_by_name(name)) is not None:
        return found
    # A database's own default is ./mlruns of wherever the command runs.
    place = artifacts.absolute().as_uri() if artifacts else None
    try:
        return client.get_experiment(client.create_experiment(name, place))
    except MlflowException:
        if (found := client.get_experiment_by_name(name)) is None:
            raise
        return found  # another search was first


@contextmanager
def _alone(uri: str) -> Iterator[None]:
    """One process at a time where `uri` is a local database: MLflow makes its tables without a
    lock, and searches that start together would break them for good."""
    file = _database(uri) if uri.startswith("sqlite") else ""
    if not file:  # a server, or a database in memory
        yield
        return
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    with open(f"{file}.lock", "w") as held:
        lock(held, wait=True)
        yield
