"""arv-copy between two clusters, each a service of its own, in both directions."""
import json
import os
import pathlib
import unittest

from support import contents, random_bytes, scratch, service, tool

HOME, OTHER = "xedge", "yedge"


def settings_of(cluster):
    """The variables of the cluster's settings file, for the tools that read them from the environment."""
    lines = (pathlib.Path(os.environ["HOME"]) / f".config/arvados/{cluster}.conf").read_text().split()
    return {**os.environ, **dict(line.split("=", 1) for line in lines)}


def at(cluster, *command, **options):
    return tool(*command, env=settings_of(cluster), **options)


def copy(uuid, source, target, *options):
    return tool("arv-copy", "--no-progress", "--src", source, "--dst", target, *options, uuid)


def make_tree():
    tree = scratch() / "tree"
    (tree / "below").mkdir(parents=True)
    (tree / "large.bin").write_bytes(random_bytes(70_000_000, "copied"))
    (tree / "empty").write_bytes(b"")
    (tree / "below" / "acbd18db4cc2f85cedef654fccc4a4d8+3").write_text("foo")
    (tree / "below" / "a file ⛵").write_text("sails")
    return tree


class Copy(unittest.TestCase):
    def read_at(self, cluster, uuid):
        target = scratch()
        at(cluster, "arv-get", "--no-progress", f"{uuid}/", f"{target}/")
        return contents(target)

    def test_a_collection_goes_to_the_other_cluster_and_back(self):
        tree = make_tree()
        here = tool("arv-put", "--no-progress", "--no-resume", "--name", "to be copied", f"{tree}/")
        there = copy(here, HOME, OTHER)
        self.assertTrue(there.startswith(f"{OTHER}-4zz18-"), there)
        self.assertEqual(self.read_at(OTHER, there), contents(tree))
        back = copy(there, OTHER, HOME, "--force")
        self.assertTrue(back.startswith(f"{HOME}-4zz18-"), back)
        self.assertEqual(self.read_at(HOME, back), contents(tree))
        hashes = {service(f"collections/{uuid}")["portable_data_hash"] for uuid in (here, back)}
        self.assertEqual(len(hashes), 1)

    def test_a_copy_that_is_there_already_is_not_made_again(self):
        source = scratch() / "once"
        source.write_text("once")
        here = tool("arv-put", "--no-progress", source)
        self.assertEqual(copy(here, HOME, OTHER), copy(here, HOME, OTHER))

    def test_a_project_goes_with_its_projects_and_collections(self):
        project = service("groups", body={"group": {"name": "study", "group_class": "project"}})["uuid"]
        inner = service("groups", body={"group": {"name": "inner", "group_class": "project", "owner_uuid": project}})["uuid"]
        source = scratch() / "deep"
        source.write_text("deep in a project")
        tool("arv-put", "--no-progress", "--project-uuid", inner, source)
        there = copy(project, HOME, OTHER)
        self.assertTrue(there.startswith(f"{OTHER}-j7d0g-"), there)
        keep_edge = json.loads(os.environ["KEEP_EDGE_CLI"])
        listed = at(OTHER, *keep_edge, "ls", there)
        self.assertIn("inner", listed)


if __name__ == "__main__":
    unittest.main()
