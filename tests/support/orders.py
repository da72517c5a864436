"""One Assignment on a real API server, moved by the operator's and the nodes' own requests."""

from __future__ import annotations

import uuid
from typing import Any

from support.manifests import changed, right
from support.policies import OPERATOR, node_account
from support.rest import Answer, Rest, User

NAMESPACE = "orlop-assignments"


class Order:
    """An Assignment; each step is one write, and its answer is the API server's."""

    def __init__(self, admin: Rest) -> None:
        self._clients: dict[str, Rest] = {"": admin}
        self.uid = str(uuid.uuid4())
        self.manifest = changed(right("Assignment", self.uid, NAMESPACE), {"spec.instance.uid": self.uid})
        self.epoch = 0
        self.generation = 1

    def by(self, user: User | None) -> Rest:
        """Requests as this user; None is the administrator."""
        if user is None:
            return self._clients[""]
        if user.name not in self._clients:
            self._clients[user.name] = self._clients[""].acting(user)
        return self._clients[user.name]

    def create(self, user: User | None = OPERATOR, **changes: Any) -> Answer:
        return self.by(user).create(changed(self.manifest, changes))

    def order(self, user: User | None = OPERATOR, annotations: object = None, **spec: Any) -> Answer:
        """Change the spec."""
        patch: dict[str, Any] = {"spec": spec}
        if annotations is not None:
            patch["metadata"] = {"annotations": annotations}
        answer = self.by(user).patch(self.manifest, patch)
        if answer.status == 200:
            self.epoch = answer.body["spec"]["epoch"]
            self.generation = answer.body["metadata"]["generation"]
        return answer

    def bind(self, node: str, epoch: int | None = None, annotations: object = None) -> Answer:
        wanted = self.epoch + 1 if epoch is None else epoch
        return self.order(nodeName=node, poolID=f"pool-of-{node}", epoch=wanted, annotations=annotations)

    def answer(self, node: str, state: str, epoch: int | None = None, **status: Any) -> Answer:
        """The node's answer, at the order's epoch unless told."""
        wanted = {
            "observedGeneration": self.generation,
            "epoch": self.epoch if epoch is None else epoch,
            "state": state,
            **status,
        }
        return self.by(node_account(node)).patch(self.manifest, {"status": wanted}, "status")

    def start(self, node: str, boot: str = "boot-1", start: str = "start-1") -> Answer:
        return self.answer(node, "Starting", bootID=boot, startID=start)

    def delete(self, user: User | None = OPERATOR) -> Answer:
        return self.by(user).delete(self.manifest)


def done(answer: Answer) -> None:
    """The write must have been let through."""
    assert answer.status in (200, 201), answer.message
