"""Clients as they are, against a service that lets a token make few requests in ten seconds."""
import json
import os
import re
import ssl
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request

from support import contents, random_bytes, scratch, tool

LIMITED = json.loads(os.environ["KEEP_EDGE_LIMITED"])
HOST = urllib.parse.urlsplit(LIMITED["url"]).netloc
ENVIRONMENT = {**os.environ, "ARVADOS_API_HOST": HOST, "ARVADOS_API_TOKEN": LIMITED["token"]}
FILES = 12
WINDOW_SECONDS = 10


def ask(path, token):
    request = urllib.request.Request(f"{LIMITED['url']}/{path}", headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, context=ssl._create_unverified_context()) as response:
        return response.read().decode()


def refused_so_far():
    found = re.search(r'keep_edge_refused_requests_total\{limit="tokens"\} (\d+)', ask("metrics", LIMITED["management"]))
    return int(found[1]) if found else 0


def use_up():
    """Leaves the token nothing of a window that has just begun, so that slow clients are refused, too; the refusals so far."""
    time.sleep(WINDOW_SECONDS - time.time() % WINDOW_SECONDS)
    try:
        while True:
            ask("arvados/v1/users/current", LIMITED["token"])
    except urllib.error.HTTPError as refusal:
        assert refusal.code == 429, refusal
    return refused_so_far()


class Limits(unittest.TestCase):
    def setUp(self):
        self.source = scratch() / "source"
        self.source.mkdir()
        for number in range(FILES):
            (self.source / f"file{number}").write_bytes(random_bytes(1000 + number, number))

    def test_arv_put_and_arv_get_wait_and_go_on(self):
        before = use_up()
        uuid = tool("arv-put", "--no-progress", "--no-resume", "--no-cache", f"{self.source}/", env=ENVIRONMENT)
        self.assertGreater(refused_so_far(), before)
        target = scratch()
        before = use_up()
        tool("arv-get", "--no-progress", f"{uuid}/", f"{target}/", env=ENVIRONMENT)
        self.assertEqual(contents(target), contents(self.source))
        self.assertGreater(refused_so_far(), before)

    def test_rclone_waits_and_goes_on_over_webdav_and_s3(self):
        uuid = tool("arv-put", "--no-progress", "--no-resume", "--no-cache", f"{self.source}/", env=ENVIRONMENT)
        flags = ["--no-check-certificate", "--transfers", "2", "--checkers", "2"]
        webdav = f":webdav,url='{LIMITED['url']}/c={uuid}/',bearer_token='{LIMITED['token']}':"
        token = LIMITED["token"].replace("/", "_")
        s3 = f":s3,provider=Other,access_key_id='{token}',secret_access_key='{token}',endpoint='{LIMITED['url']}',force_path_style=true:{uuid}"
        for place in (webdav, s3):
            before = use_up()
            target = scratch()
            tool("rclone", "copy", place, target, *flags)
            self.assertEqual(contents(target), contents(self.source))
            self.assertGreater(refused_so_far(), before)


if __name__ == "__main__":
    unittest.main()
