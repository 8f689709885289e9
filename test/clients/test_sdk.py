"""Programs on the SDK: KeepClient, Collection and the generated API."""
import random
import unittest

import arvados
import arvados.collection
import arvados.errors
import arvados.keep

from support import MIB, random_bytes


class Keep(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.api = arvados.api("v1")

    def client(self):
        return arvados.keep.KeepClient(api_client=self.api, block_cache=arvados.keep.KeepBlockCache())

    def test_blocks_of_all_sizes_go_and_come(self):
        for size in [0, 1, 2, 1023, 65_535, 65_536, 65_537, MIB - 1, MIB, 5 * MIB + 1, 64 * MIB - 1, 64 * MIB]:
            with self.subTest(size=size):
                data = random_bytes(size, size)
                locator = self.client().put(data, num_retries=0)
                self.assertEqual(self.client().get(locator, num_retries=0), data)
                self.assertTrue(self.client().head(locator, num_retries=0))

    def test_two_copies_are_confirmed(self):
        locator = self.client().put(b"two copies", copies=2, num_retries=0)
        self.assertEqual(self.client().get(locator), b"two copies")

    def test_copies_that_cannot_be_had_fail(self):
        with self.assertRaises(arvados.errors.KeepWriteError):
            self.client().put(b"a hundred copies", copies=100, num_retries=0)

    def test_a_tampered_signature_opens_nothing(self):
        locator = self.client().put(b"secret")
        signature = locator.index("+A") + 2
        digit = "0" if locator[signature] != "0" else "1"
        tampered = locator[:signature] + digit + locator[signature + 1 :]
        for bad in [tampered, locator[: signature - 2]]:
            with self.subTest(bad=bad), self.assertRaises(arvados.errors.KeepReadError):
                self.client().get(bad, num_retries=0)

    def test_a_block_that_is_not_there_is_not_found(self):
        locator = self.client().put(b"there")
        missing = "0" * 32 + locator[32:]
        with self.assertRaises(arvados.errors.KeepReadError):
            self.client().get(missing, num_retries=0)

    def test_a_signature_can_be_refreshed(self):
        locator = self.client().put(b"refresh me")
        refreshed = self.client().refresh_signature(locator) if hasattr(self.client(), "refresh_signature") else locator
        self.assertEqual(self.client().get(refreshed if isinstance(refreshed, str) else locator), b"refresh me")


class Collections(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.api = arvados.api("v1")

    def open(self, uuid):
        return arvados.collection.Collection(uuid, api_client=self.api)

    def test_one_is_opened_changed_and_saved(self):
        made = arvados.collection.Collection(api_client=self.api)
        for name, text in [("keep.txt", "kept"), ("change.txt", "before"), ("dir/remove.txt", "x"), ("rename me", "named")]:
            with made.open(name, "w") as file:
                file.write(text)
        made.save_new("opened and changed", ensure_unique_name=True)
        changed = self.open(made.manifest_locator())
        with changed.open("change.txt", "a") as file:
            file.write(" and after")
        with changed.open("new/ünicode name", "wb") as file:
            file.write(b"\0\1\2")
        changed.remove("dir", recursive=True)
        changed.rename("rename me", "renamed")
        changed.copy("keep.txt", "copy/of it")
        changed.save()
        read = self.open(made.manifest_locator())
        found = {}
        for stream, _, names in [("." , None, ["keep.txt", "change.txt", "renamed"]), ("./new", None, ["ünicode name"]), ("./copy", None, ["of it"])]:
            for name in names:
                with read.open(f"{stream}/{name}", "rb") as file:
                    found[name] = file.read()
        self.assertEqual(
            found,
            {"keep.txt": b"kept", "change.txt": b"before and after", "renamed": b"named", "ünicode name": b"\0\1\2", "of it": b"kept"},
        )
        self.assertFalse(read.exists("dir"))
        self.assertEqual(read.portable_data_hash(), changed.portable_data_hash())

    def test_files_are_copied_between_collections_without_their_data(self):
        source = arvados.collection.Collection(api_client=self.api)
        with source.open("data", "wb") as file:
            file.write(random_bytes(MIB, "copied"))
        source.save_new("source", ensure_unique_name=True)
        target = arvados.collection.Collection(api_client=self.api)
        target.copy("data", "copied", source_collection=self.open(source.manifest_locator()))
        target.save_new("target", ensure_unique_name=True)
        with self.open(target.manifest_locator()).open("copied", "rb") as file:
            self.assertEqual(file.read(), random_bytes(MIB, "copied"))

    def test_two_writers_of_one_collection_both_find_their_files(self):
        made = arvados.collection.Collection(api_client=self.api)
        made.save_new("two writers", ensure_unique_name=True)
        first, second = self.open(made.manifest_locator()), self.open(made.manifest_locator())
        for collection, name in [(first, "one"), (second, "two")]:
            with collection.open(name, "w") as file:
                file.write(name)
            collection.save()
        self.assertEqual(sorted(self.open(made.manifest_locator()).keys()), ["one", "two"])

    def test_random_seeks_over_block_boundaries(self):
        data = random_bytes(160 * MIB, "seeks")
        made = arvados.collection.Collection(api_client=self.api)
        with made.open("file", "wb") as file:
            file.write(data)
        made.save_new("seeks", ensure_unique_name=True)
        choose = random.Random(7)
        with self.open(made.manifest_locator()).open("file", "rb") as file:
            for boundary in [64 * MIB, 128 * MIB]:
                for _ in range(20):
                    start = boundary - choose.randrange(1, 2 * MIB)
                    length = choose.randrange(1, 4 * MIB)
                    file.seek(start)
                    self.assertEqual(file.read(length), data[start : start + length])
            for _ in range(20):
                start = choose.randrange(len(data))
                file.seek(start)
                self.assertEqual(file.read(1000), data[start : start + 1000])

    def test_properties_are_saved_and_found(self):
        made = arvados.collection.Collection(api_client=self.api)
        made.save_new("with properties", ensure_unique_name=True)
        read = self.open(made.manifest_locator())
        read.save(properties={"sample": "S 1"})
        filters = [["properties.sample", "=", "S 1"], ["uuid", "=", made.manifest_locator()]]
        found = self.api.collections().list(filters=filters, select=["uuid", "properties"]).execute()
        self.assertEqual([item["properties"] for item in found["items"]], [{"sample": "S 1"}])


class Api(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.api = arvados.api("v1")

    def test_users_groups_tokens_and_logs(self):
        user = self.api.users().current().execute()
        group = self.api.groups().create(body={"group": {"name": "sdk", "group_class": "project"}}, ensure_unique_name=True).execute()
        self.assertEqual(group["owner_uuid"], user["uuid"])
        contents = self.api.groups().contents(uuid=user["uuid"], limit=1000).execute()
        self.assertIn(group["uuid"], [item["uuid"] for item in contents["items"]])
        self.assertEqual(self.api.groups().get(uuid=group["uuid"]).execute()["name"], group["name"])
        token = self.api.api_client_authorizations().create(body={"api_client_authorization": {"scopes": ["GET /"]}}).execute()
        self.assertEqual(self.api.api_client_authorizations().delete(uuid=token["uuid"]).execute()["uuid"], token["uuid"])
        self.assertEqual(self.api.logs().create(body={"log": {"event_type": "sdk"}}).execute()["event_type"], "sdk")

    def test_lists_are_walked_to_their_end(self):
        for number in range(5):
            self.api.collections().create(body={"collection": {"name": f"walk {number}"}}).execute()
        found = list(arvados.util.keyset_list_all(self.api.collections().list, filters=[["name", "like", "walk %"]], limit=2))
        self.assertEqual(len(found), 5)

    def test_a_long_query_is_sent_as_a_form(self):
        uuids = [f"xedge-4zz18-{number:015d}" for number in range(200)]
        self.assertEqual(self.api.collections().list(filters=[["uuid", "in", uuids]]).execute()["items"], [])

    def test_trash_and_untrash(self):
        uuid = self.api.collections().create(body={"collection": {}}).execute()["uuid"]
        self.assertTrue(self.api.collections().trash(uuid=uuid).execute()["is_trashed"])
        self.assertFalse(self.api.collections().untrash(uuid=uuid).execute()["is_trashed"])

    def test_mistakes_are_told_at_once(self):
        with self.assertRaises(arvados.errors.ApiError) as caught:
            self.api.collections().get(uuid="xedge-4zz18-000000000000000").execute()
        self.assertEqual(caught.exception.resp.status, 404)
        with self.assertRaises(arvados.errors.ApiError) as caught:
            self.api.collections().create(body={"manifest_text": "not a manifest"}).execute()
        self.assertEqual(caught.exception.resp.status, 422)


if __name__ == "__main__":
    unittest.main()
