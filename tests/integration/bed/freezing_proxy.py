"""A TCP proxy whose connections can be frozen: they stay open and accept bytes, but forward nothing, as when a load balancer has
lost its connection state. New connections work."""

import contextlib
import socket
import threading


class FreezingProxy:
    def __init__(self, upstream_port: int):
        self._upstream = ("127.0.0.1", upstream_port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._links: list[tuple[socket.socket, socket.socket]] = []
        self._frozen: set[socket.socket] = set()
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def __enter__(self) -> "FreezingProxy":
        return self

    def __exit__(self, *_) -> None:
        # Closing alone does not wake a thread blocked in accept.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join()
        with self._lock:
            links = list(self._links)
        for end in (end for link in links for end in link):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    @property
    def port(self) -> int:
        return self._listener.getsockname()[1]

    def freeze(self) -> None:
        """Freezes all existing connections."""
        with self._lock:
            self._frozen.update(end for link in self._links for end in link)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._upstream)
            with self._lock:
                self._links.append((client, server))
            for source, target in ((client, server), (server, client)):
                threading.Thread(target=self._pump, args=(source, target), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(65536):
                with self._lock:
                    frozen = source in self._frozen
                if not frozen:
                    target.sendall(chunk)
            target.shutdown(socket.SHUT_WR)
