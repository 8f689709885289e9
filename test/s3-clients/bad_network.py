"""A proxy on loopback that damages what a client sends: it flips a bit, or cuts the connection."""
import contextlib
import socket
import threading


class BadNetwork:
    """Each connection takes the next of `faults`: ("flip" or "cut", bytes that pass before); none when they are used up."""

    def __init__(self, host, faults):
        self.upstream = host.rsplit(":", 1)
        self.faults = list(faults)
        self.happened = 0
        self.server = socket.create_server(("127.0.0.1", 0))
        self.host = "127.0.0.1:%d" % self.server.getsockname()[1]

    def __enter__(self):
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.close()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.server.accept()
                far = socket.create_connection((self.upstream[0], int(self.upstream[1])))
                fault = self.faults.pop(0) if self.faults else None
                threading.Thread(target=self.send, args=(near, far, fault), daemon=True).start()
                threading.Thread(target=self.send, args=(far, near, None), daemon=True).start()

    def send(self, source, target, fault):
        passed = 0
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if fault and passed <= fault[1] < passed + len(data):
                    self.happened += 1
                    at = fault[1] - passed
                    if fault[0] == "cut":
                        target.sendall(data[:at])
                        break
                    data = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
                target.sendall(data)
                passed += len(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
