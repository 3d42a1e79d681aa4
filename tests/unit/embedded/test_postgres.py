import pytest

from embedded.errors import StackError
from embedded.keys import Secrets
from embedded.paths import Home
from embedded.postgres import Postgres
from embedded.programs import Programs


async def test_make_cluster_rejects_another_version(tmp_path):
    home = Home(tmp_path, None)
    home.cluster.mkdir()
    (home.cluster / "PG_VERSION").write_text("18\n")
    postgres = Postgres(
        programs=Programs(tmp_path / "bin", "15.18"),
        home=home,
        sockets=tmp_path,
        host="127.0.0.1",
        port=1,
        log=tmp_path / "log",
        secrets=Secrets(),
        lock=0,
    )
    with pytest.raises(StackError, match=r"was made by Postgres 18, which Postgres 15\.18"):
        await postgres.make_cluster()
