"""Two users, a role and the public, as the Python SDK and Workbench's sharing dialog ask for them."""
import os
import unittest
import urllib.error
import urllib.request

import arvados
import arvados.util

from support import service, ssl

ADMIN = os.environ["KEEP_EDGE_ADMIN_TOKEN"]


def client(token):
    return arvados.api("v1", host=os.environ["ARVADOS_API_HOST"], token=token, insecure=True, num_retries=0)


def new_user(name):
    user = service("users", token=ADMIN, body={"user": {"username": name, "first_name": name}})
    made = service("api_client_authorizations", token=ADMIN, body={"api_client_authorization": {"owner_uuid": user["uuid"]}})
    return user["uuid"], client(f"v2/{made['uuid']}/{made['api_token']}")


def permission(api, tail, head, name):
    body = {"link": {"link_class": "permission", "tail_uuid": tail, "head_uuid": head, "name": name}}
    return api.links().create(body=body).execute()


class Sharing(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        suffix = os.urandom(4).hex()
        cls.ann_uuid, cls.ann = new_user(f"ann{suffix}")
        cls.bob_uuid, cls.bob = new_user(f"bob{suffix}")
        group = {"group": {"group_class": "project", "name": f"shared {suffix}"}}
        cls.project = cls.ann.groups().create(body=group).execute()
        with arvados.collection.Collection(api_client=cls.ann) as collection:
            with collection.open("file.txt", "w") as file:
                file.write("shared content")
            collection.save_new(name=f"collection {suffix}", owner_uuid=cls.project["uuid"])
            cls.collection = collection.manifest_locator()

    def refused(self, request, status):
        with self.assertRaises(arvados.errors.ApiError) as caught:
            request.execute()
        self.assertEqual(caught.exception.resp.status, status)

    def read(self, api):
        with arvados.collection.CollectionReader(self.collection, api_client=api).open("file.txt") as file:
            return file.read()

    def test_a_link_lets_another_user_read_and_its_end_ends_that(self):
        self.refused(self.bob.collections().get(uuid=self.collection), 404)
        link = permission(self.ann, self.bob_uuid, self.project["uuid"], "can_read")
        self.assertEqual(self.read(self.bob), "shared content")
        self.refused(self.bob.collections().update(uuid=self.collection, body={"collection": {"name": "x"}}), 403)
        projects = [["group_class", "in", ["project", "filter"]]]
        shared = self.bob.groups().shared(filters=projects, include="owner_uuid", order=["uuid"]).execute()
        self.assertEqual([item["uuid"] for item in shared["items"]], [self.project["uuid"]])
        self.assertEqual([item["uuid"] for item in shared["included"]], [self.ann_uuid])
        contents = self.bob.groups().contents(uuid=self.project["uuid"], include=["owner_uuid"]).execute()
        self.assertEqual([item["uuid"] for item in contents["items"]], [self.collection])
        listed = self.ann.links().get_permissions(uuid=self.project["uuid"]).execute()
        self.assertEqual([item["uuid"] for item in listed["items"]], [link["uuid"]])
        self.ann.links().update(uuid=link["uuid"], body={"link": {"name": "can_write"}}).execute()
        self.bob.collections().update(uuid=self.collection, body={"collection": {"description": "by bob"}}).execute()
        self.ann.links().delete(uuid=link["uuid"]).execute()
        self.refused(self.bob.collections().get(uuid=self.collection), 404)

    def test_a_role_gives_its_members_what_it_has(self):
        role = self.ann.groups().create(body={"group": {"group_class": "role", "name": f"role {os.urandom(4).hex()}"}}).execute()
        membership = permission(self.ann, self.bob_uuid, role["uuid"], "can_read")
        permission(self.ann, role["uuid"], self.collection, "can_manage")
        found = list(arvados.util.keyset_list_all(self.bob.collections().list))
        self.assertEqual([(item["uuid"], item["can_write"]) for item in found], [(self.collection, False)])
        self.ann.links().delete(uuid=membership["uuid"]).execute()
        self.assertEqual(list(arvados.util.keyset_list_all(self.bob.collections().list)), [])

    def test_the_public_reads_without_a_token(self):
        address = f"https://{os.environ['ARVADOS_API_HOST']}/c={self.collection}/file.txt"
        insecure = ssl._create_unverified_context()
        with self.assertRaises(urllib.error.HTTPError):
            urllib.request.urlopen(address, context=insecure)
        public = self.ann.groups().list(filters=[["name", "=", "Anonymous users"]]).execute()["items"][0]["uuid"]
        link = permission(self.ann, public, self.collection, "can_read")
        with urllib.request.urlopen(address, context=insecure) as response:
            self.assertEqual(response.read(), b"shared content")
        anonymous = client(self.ann.configs().get().execute()["Users"]["AnonymousUserToken"])
        self.assertEqual(self.read(anonymous), "shared content")
        self.ann.links().delete(uuid=link["uuid"]).execute()
        with self.assertRaises(urllib.error.HTTPError):
            urllib.request.urlopen(address, context=insecure)

    def test_the_calls_of_workbench_s_sharing_dialog(self):
        # Who it could be shared with: people by any part of their names, then roles.
        bob = self.bob.users().current().execute()
        people = self.ann.users().list(
            filters=[["any", "ilike", f"%{bob['username'][1:]}%"], ["uuid", "not in", [self.ann_uuid]]], limit=5, count="none"
        ).execute()
        self.assertEqual([item["uuid"] for item in people["items"]], [self.bob_uuid])
        roles = self.ann.groups().list(
            filters=[["group_class", "not in", ["project", "filter"]], ["name", "ilike", "%anonymous%"]], limit=5, count="none"
        ).execute()
        self.assertEqual([item["name"] for item in roles["items"]], ["Anonymous users"])
        link = permission(self.ann, self.bob_uuid, self.collection, "can_read")
        listed = self.ann.links().get_permissions(uuid=self.collection, limit=1000).execute()
        self.assertIn((self.bob_uuid, "can_read"), [(item["tail_uuid"], item["name"]) for item in listed["items"]])
        self.ann.links().update(uuid=link["uuid"], body={"link": {"name": "can_manage"}}).execute()
        filters = [["link_class", "=", "permission"], ["head_uuid", "=", self.collection]]
        self.assertEqual(self.bob.links().list(filters=filters).execute()["items"][0]["name"], "can_manage")
        self.ann.links().delete(uuid=link["uuid"]).execute()
        # A sharing URL: a token with scopes, found again by these.
        path = f"GET /arvados/v1/collections/{self.collection}"
        scopes = [path, f"{path}/", "GET /arvados/v1/keep_services/accessible"]
        body = {"api_client_authorization": {"scopes": scopes, "expires_at": "2100-01-01T00:00:00Z"}}
        token = self.ann.api_client_authorizations().create(body=body).execute()
        found = self.ann.api_client_authorizations().list(filters=[["scopes", "=", scopes]]).execute()
        self.assertEqual([item["uuid"] for item in found["items"]], [token["uuid"]])
        address = f"https://{os.environ['ARVADOS_API_HOST']}/c={self.collection}/t={token['api_token']}/_/file.txt"
        insecure = ssl._create_unverified_context()
        with urllib.request.urlopen(address, context=insecure) as response:
            self.assertEqual(response.read(), b"shared content")
        self.ann.api_client_authorizations().delete(uuid=token["uuid"]).execute()
        with self.assertRaises(urllib.error.HTTPError):
            urllib.request.urlopen(address, context=insecure)


if __name__ == "__main__":
    unittest.main()
