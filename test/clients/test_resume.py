"""An arv-put that is killed in the middle and run again."""
import hashlib
import json
import os
import pathlib
import re
import signal
import subprocess
import time
import unittest

from support import PYTHON, contents, random_bytes, scratch, service, tool

FILES = 8
FILE_BYTES = 40_000_000
# arv-put saves where it is once a minute; here, five times a second.
FREQUENT_STATE = """
import functools, sys
import arvados.commands.put as put
job = put.ArvPutUploadJob
job.__init__ = functools.partialmethod(job.__init__, update_time=0.2)
sys.argv[0] = 'arv-put'
put.main()
"""


def stored_files():
    """Names of the files that arv-put's state says are completely stored."""
    for path in pathlib.Path.home().glob(".cache/arvados/arv-put/*"):
        # A new state is written beside the old one before it takes its place.
        if not re.fullmatch("[0-9a-f]{32}", path.name):
            continue
        try:
            state = json.loads(path.read_text())
        except ValueError:
            continue
        if state["files"] and all("resumed" in name for name in state["files"]):
            return set(re.findall(rf":{FILE_BYTES}:(file\d+)", state["manifest"] or ""))
    return set()


def times_uploaded(data):
    """How often the service has accepted these bytes as a block."""
    filters = [["hash", "=", hashlib.md5(data).hexdigest()]]
    return service("upload_log", token=os.environ["KEEP_EDGE_ADMIN_TOKEN"], limit=0, filters=filters)["items_available"]


class Resume(unittest.TestCase):
    def test_sends_only_what_was_not_stored_before_the_kill(self):
        directory = scratch() / "resumed"
        directory.mkdir()
        for number in range(FILES):
            (directory / f"file{number}").write_bytes(random_bytes(FILE_BYTES, number))
        command = [PYTHON, "-c", FREQUENT_STATE, "--no-progress", "--threads", "1", f"{directory}/"]
        killed = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 120
        while len(stored_files()) < 2 and killed.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        self.assertIsNone(killed.poll(), "it was done before it could be killed")
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        known = stored_files()
        self.assertGreaterEqual(len(known), 2)
        self.assertLess(len(known), FILES)
        uuid = tool("arv-put", "--no-progress", f"{directory}/")
        for number in range(FILES):
            # What was under way when the kill came may have arrived all the same.
            times = [1] if f"file{number}" in known else [1, 2]
            self.assertIn(times_uploaded(random_bytes(FILE_BYTES, number)), times, f"file{number}")
        target = scratch()
        tool("arv-get", "--no-progress", f"{uuid}/", f"{target}/")
        self.assertEqual(contents(target), contents(directory))


if __name__ == "__main__":
    unittest.main()
