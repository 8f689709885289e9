"""arv-put, arv-get and arv-ls as people run them."""
import json
import os
import unittest

import support
from support import MIB, contents, random_bytes, scratch, service, tool


def make_tree():
    tree = scratch() / "tree"
    for number in range(300):
        path = tree / f"many/{number % 7}/file {number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(random_bytes(number * 37, number))
    (tree / "big.bin").write_bytes(random_bytes(150_000_000, "big"))
    (tree / "empty").write_bytes(b"")
    odd = tree / "spaces and ünïcode ⛵"
    odd.mkdir()
    for name in ["colon:and\\backslash", "tab\there", "日本語.txt", "😀", "..."]:
        (odd / name).write_text(name)
    (odd / "also empty").write_bytes(b"")
    return tree


class Tree(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tree = make_tree()
        cls.uuid = tool("arv-put", "--no-progress", "--no-resume", "--name", "the tree", f"{cls.tree}/")

    def test_everything_comes_back_byte_for_byte(self):
        target = scratch()
        tool("arv-get", "--no-progress", f"{self.uuid}/", f"{target}/")
        self.assertEqual(contents(target), contents(self.tree))

    def test_one_file_comes_back(self):
        for name in ["big.bin", "empty", "many/3/file 3.txt", "spaces and ünïcode ⛵/日本語.txt"]:
            target = scratch() / "one"
            tool("arv-get", "--no-progress", f"{self.uuid}/{name}", target)
            self.assertEqual(target.read_bytes(), (self.tree / name).read_bytes(), name)

    def test_everything_comes_back_by_portable_data_hash(self):
        target = scratch()
        pdh = service(f"collections/{self.uuid}")["portable_data_hash"]
        tool("arv-get", "--no-progress", f"{pdh}/many/", f"{target}/")
        self.assertEqual(contents(target), contents(self.tree / "many"))

    def test_arv_ls_lists_every_file(self):
        listed = set(tool("arv-ls", self.uuid).split("\n"))
        self.assertEqual(len(listed), len(contents(self.tree)))
        self.assertIn("./big.bin", listed)

    def test_the_record_counts_files_and_bytes(self):
        record = service(f"collections/{self.uuid}")
        self.assertEqual(record["file_count"], len(contents(self.tree)))
        self.assertEqual(record["file_size_total"], sum(map(len, contents(self.tree).values())))


class Options(unittest.TestCase):
    def setUp(self):
        self.directory = scratch()
        (self.directory / "a").write_text("first")

    def test_the_same_again_sends_nothing(self):
        first = tool("arv-put", "--no-progress", "--portable-data-hash", f"{self.directory}/")
        before = support.uploads_so_far()
        second = tool("arv-put", "--no-progress", "--portable-data-hash", f"{self.directory}/")
        self.assertEqual(first, second)
        self.assertEqual(support.uploads_so_far(), before)

    def test_update_collection_adds_to_what_is_there(self):
        uuid = tool("arv-put", "--no-progress", f"{self.directory}/")
        more = scratch()
        (more / "b").write_text("second")
        tool("arv-put", "--no-progress", "--update-collection", uuid, f"{more}/")
        self.assertEqual(tool("arv-ls", uuid), "./a\n./b")

    def test_project_uuid_places_the_collection(self):
        project = service("groups", body={"group": {"name": self.directory.name, "group_class": "project"}})
        uuid = tool("arv-put", "--no-progress", "--project-uuid", project["uuid"], f"{self.directory}/")
        self.assertEqual(service(f"collections/{uuid}")["owner_uuid"], project["uuid"])

    def test_the_same_name_twice_becomes_two_collections(self):
        uuids = [tool("arv-put", "--no-progress", "--no-resume", "--name", "same", f"{self.directory}/") for _ in range(2)]
        names = [service(f"collections/{uuid}")["name"] for uuid in uuids]
        self.assertEqual(names, ["same", f"same ({uuids[1][12:]})"])

    def test_standard_input_raw_and_stream(self):
        uuid = tool("arv-put", "--no-progress", "--filename", "in", "-", input="from a pipe")
        self.assertEqual(tool("arv-get", "--no-progress", f"{uuid}/in", "-"), "from a pipe")
        locator = tool("arv-put", "--no-progress", "--raw", self.directory / "a")
        self.assertEqual(tool("arv-get", "--no-progress", locator, "-"), "first")
        manifest = tool("arv-put", "--no-progress", "--stream", f"{self.directory}/")
        self.assertRegex(manifest, r"^\. [0-9a-f]{32}\+5\+A\S+ 0:5:a$")

    def test_trash_after_and_storage_classes(self):
        uuid = tool("arv-put", "--no-progress", "--trash-after", "1", "--storage-classes", "default", f"{self.directory}/")
        record = service(f"collections/{uuid}")
        self.assertFalse(record["is_trashed"])
        self.assertIsNotNone(record["trash_at"])


class UploaderAccount(unittest.TestCase):
    def test_uploads_with_arv_put_and_its_owner_reads_with_arv_get(self):
        made = service("uploader_accounts", body={"uploader_account": {"name": "sequencer"}})
        directory = scratch()
        (directory / "run").write_bytes(random_bytes(3 * MIB, "run"))
        env = {**os.environ, "ARVADOS_API_TOKEN": made["api_token"]}
        uuid = tool("arv-put", "--no-progress", f"{directory}/", env=env)
        self.assertEqual(service(f"collections/{uuid}")["owner_uuid"], made["uuid"])
        tool("arv-put", "--no-progress", "--update-collection", uuid, f"{directory}/", env=env)
        target = scratch() / "run"
        tool("arv-get", "--no-progress", f"{uuid}/run", target)
        self.assertEqual(target.read_bytes(), (directory / "run").read_bytes())
        project = service("groups", body={"group": {"name": json.dumps(made["uuid"])}})
        refused = tool("arv-put", "--no-progress", "--project-uuid", project["uuid"], f"{directory}/", env=env, check=False)
        self.assertNotEqual(refused.returncode, 0)


if __name__ == "__main__":
    unittest.main()
