from collections.abc import Iterator
from pathlib import Path

import pytest

from orlop_api.requester import Requester, from_user_info
from support.apiserver import ApiServer
from support.rest import Rest

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def crds(apiserver: ApiServer) -> ApiServer:
    """The API server with Orlop's kinds."""
    apiserver.kubectl("apply", "--server-side", "--force-conflicts", "-k", str(ROOT / "crds/generated"))
    apiserver.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
    return apiserver


@pytest.fixture(scope="session")
def rest(crds: ApiServer) -> Iterator[Rest]:
    """Requests as the administrator."""
    client = Rest(crds)
    yield client
    client.close()


@pytest.fixture(scope="session")
def administrator(rest: Rest) -> Requester:
    """Whom the API server takes the tests for."""
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    answer = rest.request("POST", "apis/authentication.k8s.io/v1/selfsubjectreviews", review)
    return from_user_info(answer.body["status"]["userInfo"])
