"""The accounts of a Slurm: its daemon slurmdbd and a MariaDB that only this machine's root reaches, by a socket.

It needs Debian's packages slurmdbd, mariadb-server-core and mariadb-client-core, none of which starts anything by
itself; without them a Slurm runs too, but keeps no accounts.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.cluster.servers import lacking, wait_for

CONF = """AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=localhost
AccountingStoragePort={accounts_port}
AccountingStoragePass={folder}/run/munge.socket
AccountingStorageEnforce=limits,qos
"""
"""What slurm.conf says of them; the password is where munge answers."""
OWN_CONF = """AuthType=auth/munge
AuthInfo=socket={folder}/run/munge.socket
CommunicationParameters=NoInAddrAny
DbdHost=localhost
DbdPort={accounts_port}
SlurmUser={user}
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser={user}
LogFile={folder}/log/slurmdbd.log
PidFile={folder}/run/slurmdbd.pid
"""
SMALL = ("--innodb-buffer-pool-size=64M", "--innodb-log-file-size=16M", "--innodb-flush-log-at-trx-commit=0")


def missing() -> str:
    """Return what is missing to keep accounts, empty where nothing is."""
    commands = ("slurmdbd", "mariadbd", "mariadb-install-db", "my_print_defaults")
    return lacking(commands, "slurmdbd, mariadb-server-core and mariadb-client-core", "keep accounts")


@contextmanager
def accounting(folder: Path, values: Mapping[str, object], environment: dict[str, str]) -> Iterator[None]:
    """Start a database and slurmdbd whose files lie in a Slurm's folder, which runs munge, and stop the database at the
    end; slurmdbd's number lies with those of the other daemons.
    """
    data, socket = folder / "database", folder / "database.socket"
    own = folder / "slurmdbd.conf"
    own.write_text(OWN_CONF.format(**values), encoding="utf-8")
    own.chmod(0o600)
    told = {"check": True, "stdout": subprocess.DEVNULL}
    make = ["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--user=root", "--skip-test-db"]
    subprocess.run(make, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
    options = [f"--datadir={data}", f"--socket={socket}", f"--pid-file={folder}/database.pid", "--user=root"]
    with (folder / "log" / "database.log").open("wb") as log:
        database = subprocess.Popen(
            ["mariadbd", "--no-defaults", "--skip-networking", *options, *SMALL],
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        wait_for(socket.exists, "MariaDB")
        # Where libmariadb looks for the socket.
        subprocess.run(["slurmdbd"], env=environment | {"MYSQL_UNIX_PORT": str(socket)}, **told)
        wait_for(lambda: _answers(environment), "slurmdbd")
        subprocess.run(["sacctmgr", "-i", "add", "cluster", str(values["cluster"])], env=environment, **told)
        yield
    finally:
        database.terminate()
        database.wait(timeout=120)


def _answers(environment: dict[str, str]) -> bool:
    """Tell whether slurmdbd answers."""
    asked = ["sacctmgr", "-n", "show", "cluster"]
    return subprocess.run(asked, env=environment, capture_output=True, check=False).returncode == 0
