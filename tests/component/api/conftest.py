from collections.abc import Iterator
from pathlib import Path

import pytest

from orlop_api.requester import Requester, from_user_info
from orlop_cluster import gobuild
from orlop_cluster.apiserver import running
from support.apiserver import ApiServer
from support.policies import install
from support.rest import Rest

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="package")
def crds(apiserver: ApiServer) -> ApiServer:
    """The API server with Orlop's kinds."""
    apiserver.kubectl("apply", "--server-side", "--force-conflicts", "-k", str(ROOT / "crds/generated"))
    apiserver.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
    return apiserver


@pytest.fixture(scope="package")
def rest(crds: ApiServer) -> Iterator[Rest]:
    """Requests as the administrator."""
    client = Rest(crds)
    yield client
    client.close()


@pytest.fixture(scope="package")
def administrator(rest: Rest) -> Requester:
    """Whom the API server takes the tests for."""
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    answer = rest.request("POST", "apis/authentication.k8s.io/v1/selfsubjectreviews", review)
    return from_user_info(answer.body["status"]["userInfo"])


@pytest.fixture(scope="package")
def policed() -> Iterator[ApiServer]:
    """An API server of its own with kinds, roles and policies: policies concern everybody on it."""
    gobuild.ensure()
    with running() as server:
        install(server)
        yield server


@pytest.fixture(scope="package")
def admin(policed: ApiServer) -> Iterator[Rest]:
    """The administrator where the policies are."""
    client = Rest(policed)
    yield client
    client.close()
