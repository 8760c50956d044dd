"""A relay in front of PostgreSQL that cuts the line at the worst moment: after a COMMIT, before its answer."""

import socket
import threading
from contextlib import suppress
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo


class CommitCuttingRelay:
    """Listens on a Unix socket of its own. Armed, it lets the next COMMIT through and swallows what comes back."""

    def __init__(self, dsn: str, folder: Path) -> None:
        parts = conninfo_to_dict(dsn)
        self._upstream = f"{parts['host']}/.s.PGSQL.{parts.get('port', 5432)}"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / ".s.PGSQL.5432"))
        self._listener.listen(16)
        self.dsn = make_conninfo(dsn, host=str(folder), port="5432")
        self.cuts = 0
        self._armed = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def arm(self) -> None:
        self._armed.set()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(self._upstream)
                is_cut = threading.Event()
                for source, target, watched in ((client, server, True), (server, client, False)):
                    threading.Thread(target=self._pump, args=(source, target, is_cut, watched), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, is_cut: threading.Event, watched: bool) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                if watched and b"COMMIT" in data and self._armed.is_set():
                    self._armed.clear()
                    is_cut.set()
                if not watched and is_cut.is_set():  # the server has answered, so it has committed
                    self.cuts += 1
                    break
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
