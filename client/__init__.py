"""The Python SDK of SimpleTuner Cloud, and the ``stcloud`` command line on top of it.

from client import CloudClient, Connection
with CloudClient(Connection.from_environment()) as cloud:
    for job in cloud.jobs()["jobs"]: ...
"""

from client.api import CloudClient
from client.errors import ApiError, ClientError, Unreachable
from client.settings import Connection

__all__ = ["ApiError", "ClientError", "CloudClient", "Connection", "Unreachable"]
