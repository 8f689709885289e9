"""keep-edge's own command line beside the SDK's tools: the same files in, the same files out, with either of them."""
import json
import os
import unittest

from support import contents, scratch, tool
from test_command_line import make_tree

KEEP_EDGE = json.loads(os.environ["KEEP_EDGE_CLI"])


def keep_edge(*command):
    return tool(*KEEP_EDGE, *command)


def listing(uuid):
    """Path -> size of every file, as keep-edge lists them."""
    entries = [json.loads(line) for line in keep_edge("ls", "--json", uuid).split("\n")]
    return {entry["path"]: entry["size"] for entry in entries if "size" in entry}


class SameFiles(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tree = make_tree()
        cls.theirs = tool("arv-put", "--no-progress", "--no-resume", f"{cls.tree}/")
        cls.ours = keep_edge("put", "--quiet", f"{cls.tree}/")

    def test_both_collections_hold_the_same_files(self):
        self.assertEqual(listing(self.ours), listing(self.theirs))
        self.assertEqual(sorted(tool("arv-ls", self.ours).split("\n")), sorted(tool("arv-ls", self.theirs).split("\n")))

    def test_arv_get_reads_what_keep_edge_put(self):
        target = scratch()
        tool("arv-get", "--no-progress", f"{self.ours}/", f"{target}/")
        self.assertEqual(contents(target), contents(self.tree))

    def test_keep_edge_reads_what_arv_put_put(self):
        target = scratch()
        keep_edge("get", "--quiet", self.theirs, target)
        self.assertEqual(contents(target), contents(self.tree))

    def test_the_normal_form_is_the_sdk_s(self):
        text = tool("arv-get", "--no-progress", self.ours, "-")
        self.assertEqual(keep_edge("manifest", "--strip", "--normalise", self.ours), keep_edge("manifest", "--strip", self.ours))
        self.assertTrue(text.startswith(". "))

    def test_blocks_of_an_arv_put_collection_are_not_sent_again(self):
        result = json.loads(
            keep_edge("put", "--quiet", "--json", "--no-resume", "--reference", self.theirs, self.tree / "big.bin")
        )
        # Whole blocks are cut alike; the last of a file may share its block with others.
        self.assertGreaterEqual(result["blocks_skipped"], 2)
