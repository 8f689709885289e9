"""The SDK and its tools on data that lies in a bucket which a gateway reads: they follow the hint in the locators."""
import json
import os
import pathlib
import shutil
import subprocess
import time
import unittest

import arvados
import arvados.collection
import arvados.keep

from support import contents, random_bytes, scratch, service, tool

LAKE = json.loads(os.environ["KEEP_EDGE_LAKE"])


def expected():
    """What run.ts put into the bucket, below lake/."""
    return {name: random_bytes(size, size) for name, size in LAKE["objects"].items()}


class Gateways(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        user = service("users/current")
        command = json.loads(os.environ["KEEP_EDGE_CLI"])
        environment = {**os.environ, "ARVADOS_API_TOKEN": os.environ["KEEP_EDGE_ADMIN_TOKEN"]}
        cls.uuid = tool(*command, "adopt", "s3://lake/data", "--into", user["uuid"], env=environment)
        cls.manifest = service(f"collections/{cls.uuid}")["manifest_text"]

    def test_arv_get_brings_every_object(self):
        here = scratch()
        tool("arv-get", f"{self.uuid}/", here)
        self.assertEqual(contents(here), expected())

    def test_the_sdk_knows_the_gateway_and_asks_it_first(self):
        self.assertIn(f"+K@{LAKE['gateway']}", self.manifest)
        client = arvados.keep.KeepClient(api_client=arvados.api("v1"))
        locator = next(word for word in self.manifest.split() if "+K@" in word)
        self.assertEqual(len(client.get(locator, num_retries=0)), arvados.KeepLocator(locator).size)
        self.assertIn(LAKE["gateway"], client._gateway_services)
        roots = client.weighted_service_roots(arvados.KeepLocator(locator), force_rebuild=True)
        self.assertEqual(roots[0], client._gateway_services[LAKE["gateway"]]["_service_root"])

    def test_files_are_read_at_any_place(self):
        reader = arvados.collection.CollectionReader(self.uuid)
        for name, data in expected().items():
            with reader.open(name, "rb") as file:
                file.seek(len(data) // 2)
                self.assertEqual(file.read(1000), data[len(data) // 2 :][:1000])

    def test_stored_files_join_adopted_ones(self):
        copy = arvados.collection.Collection(self.manifest)
        with copy.open("new.txt", "w") as file:
            file.write("stored beside them")
        copy.save_new(name="mixed", owner_uuid=service("users/current")["uuid"])
        here = scratch()
        tool("arv-get", f"{copy.manifest_locator()}/", here)
        self.assertEqual(contents(here), {**expected(), "new.txt": b"stored beside them"})
        source = scratch() / "more.txt"
        source.write_bytes(b"put by arv-put")
        tool("arv-put", "--no-progress", "--update-collection", copy.manifest_locator(), source)
        self.assertEqual(tool("arv-get", f"{copy.manifest_locator()}/more.txt", "-"), "put by arv-put")

    @unittest.skipUnless(shutil.which("arv-mount") and os.access("/dev/fuse", os.W_OK), "no arv-mount, or no /dev/fuse")
    def test_arv_mount_shows_the_tree(self):
        here = scratch()
        mount = subprocess.Popen(["arv-mount", "--foreground", "--collection", self.uuid, str(here)])
        try:
            until = time.monotonic() + 60
            while not os.path.ismount(here) and time.monotonic() < until:
                time.sleep(0.1)
            found = contents(pathlib.Path(here))
            found.pop(".arvados#collection", None)
            self.assertEqual(found, expected())
        finally:
            subprocess.run(["arv-mount", "--unmount", str(here)], check=False, timeout=60)
            mount.wait(60)
