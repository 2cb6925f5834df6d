"""Ray, started here or found elsewhere."""

from __future__ import annotations

import importlib.util
import logging
import os
import re
import socket
import subprocess
import sys
from typing import Any

import ray

from tune_am.errors import UserError, first_line, reason
from tune_am.naming import option
from tune_am.tuning import environment

CONNECT_SECONDS = 3
HANDSHAKE_SECONDS = 8

# Nothing large travels between driver and workers.
OBJECT_STORE_BYTES = 128 * 2**20

_DASHBOARD_LOG = re.compile(r"[^\s'\"]+dashboard\.(log|err)")


def check_address(address: str) -> None:
    """Raise `UserError` within seconds unless a Ray cluster answers at `address`.

    Ray itself tries for 40 seconds, then ends the process.
    """
    if running():
        raise UserError(
            f"{option('ray_address', address)}: this process is connected to a Ray already; leave "
            "the address out to use it, or call ray.shutdown() first"
        )
    _offer_token()
    if address == "auto":
        return
    host, colon, port = address.rpartition(":")
    if "//" in address or not (colon and host and port.isdecimal()):
        raise UserError(f"{option('ray_address', address)}: must be auto or host:port")
    try:
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        said = getattr(error, "strerror", None) or str(error)
        raise UserError(f"no Ray cluster answers at {address} ({said})") from None
    # In a process of its own, for it may wait long for a port that speaks something else.
    handshake = f"from ray._raylet import GcsClient; GcsClient(address={address!r})"
    try:
        subprocess.run(
            [sys.executable, "-c", handshake],
            timeout=HANDSHAKE_SECONDS,
            check=True,
            capture_output=True,
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        if b"InvalidAuthToken" in (error.stderr or b""):
            raise UserError(
                f"the Ray cluster at {address} refuses this machine's token: copy the file "
                "~/.ray/auth_token from its head node, or set RAY_AUTH_TOKEN"
            ) from None
        raise UserError(f"what answers at {address} is no Ray cluster of this version") from None


def environment_address() -> str | None:
    """The cluster that RAY_ADDRESS names, as `ray job submit` sets it; None for "local", for an
    address of Ray's other services, which start with what they speak, or where this process has a
    Ray."""
    address = os.environ.get("RAY_ADDRESS")
    elsewhere = address and address != "local" and "//" not in address and not running()
    return address if elsewhere else None


def gpus() -> int:
    """Those of the Ray that this process is connected to."""
    return int(ray.cluster_resources().get("GPU", 0))


def _offer_token() -> None:
    """Have Ray show the user's token, where there is one and nobody said otherwise.

    Since 2.60 a cluster made by `ray start` wants the token that it put into the user's home, yet
    what connects shows none unless RAY_AUTH_MODE says so. Ray reads that variable only once, hence
    its own function, which earlier versions neither have nor need.
    """
    try:
        from ray._private.authentication import authentication_token_setup as setup

        offer = setup.maybe_enable_token_auth_if_token_available
    except (ImportError, AttributeError):
        return
    logging.getLogger(setup.__name__).setLevel(logging.ERROR)
    offer(warn_if_disabled=False)


def running() -> bool:
    """Whether this process has a Ray already, as in a notebook of one who uses it."""
    return bool(ray.is_initialized())


def start(workers: int, gpus: int, address: str | None) -> str | None:
    """Connect to Ray, or start it for `workers`; the address of its dashboard, if it has one.

    A Ray that this process has already is taken as it is.
    """
    environment.prepare()
    common: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    try:
        if running():
            context = ray.init(ignore_reinit_error=True, **common)
        elif address is not None:
            context = ray.init(address=address, **common)
        else:
            os.environ.pop("RAY_ADDRESS", None)
            context = ray.init(
                # Or it would be whatever `ray start` has left or runs on this machine.
                address="local",
                num_cpus=workers,
                num_gpus=gpus,
                include_dashboard=importlib.util.find_spec("aiohttp_cors") is not None,
                object_store_memory=OBJECT_STORE_BYTES,
                **common,
            )
    except (Exception, SystemExit) as error:
        # Which goes on for pages, but where versions differ: they are in the lines that follow.
        said = reason(error) if "Version mismatch" in str(error) else first_line(error)
        if log := _DASHBOARD_LOG.search(str(error)):
            said = (
                "its dashboard was not up in time; try again, when the machine has less to do or "
                f"with RAY_DASHBOARD_STARTUP_TIMEOUT_S=300 ({log[0]} says more)"
            )
        raise UserError(f"Ray does not start: {said}") from None
    url = context.dashboard_url
    return f"http://{url}" if url else None


def token_command() -> str | None:
    """What prints the token that the dashboard of this Ray asks for; None where it asks for none.

    Since Ray 2.60 a Ray that is started here wants one, unless RAY_AUTH_MODE says otherwise.
    """
    wanted = os.environ.get("RAY_AUTH_MODE", "").lower() == "token"
    return "ray get-auth-token" if wanted else None


def stop() -> None:
    ray.shutdown()
