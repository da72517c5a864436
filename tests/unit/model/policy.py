"""What the API server's policies let through, mirrored for the model.

The original is CEL: manifests/base/policies/assignment-answer.yaml, assignment-order.yaml and
node-fence.yaml. tests/component/api holds those against a real API server; here only the rules that the
protocol leans on are said once more. Each function gives the rule that is broken, or nothing.
"""

from orlop_api.assignment import Desired, State


def refuses_answer(old, status, node):
    """A status write by the node's agent."""
    spec, was = old.spec, old.status
    same_epoch = was is not None and was.epoch == status.epoch
    same_start = same_epoch and (was.boot_id, was.start_id) == (status.boot_id, status.start_id)
    before = was.state if same_epoch else None
    starts = status.state is State.STARTING and not (before is State.STARTING and same_start)
    if spec.node_name != node:
        return "only the node that it names answers"
    if status.epoch != spec.epoch:
        return "stale answer"
    if (
        before in {State.RELEASED, State.REFUSED}
        and status.state is not before
        and (before, status.state) != (State.REFUSED, State.RELEASED)
    ):
        return "final"
    if starts and (spec.desired is not Desired.RUNNING or old.metadata.deleting):
        return "Starting needs desired Running"
    if starts and not (status.boot_id and status.start_id):
        return "Starting needs its names"
    if not starts and same_epoch and not same_start:
        return "bootID and startID change only with Starting"
    if status.state is State.RUNNING and not (same_epoch and status.start_id):
        return "Running needs Starting before it"
    if not starts and not same_epoch and (status.boot_id or status.start_id):
        return "the first answer has bootID and startID only if it is Starting"
    return None


def refuses_order(old, spec, fenced_boot):
    """A spec write by the operator; fenced_boot is the annotation."""
    was = old.spec
    current = old.status if old.status is not None and old.status.epoch == was.epoch else None
    moved = spec.epoch != was.epoch
    if spec.epoch not in {was.epoch, was.epoch + 1}:
        return "epoch + 1"
    if spec.node_name != was.node_name and not moved:
        return "another node needs epoch + 1"
    if spec.node_name and not spec.pool_id:
        return "poolID"
    boot = current.boot_id if current else None
    if (
        moved
        and was.node_name
        and not (current and current.state in {State.RELEASED, State.REFUSED})
        and not (fenced_boot and boot in {None, fenced_boot})
    ):
        return "a higher epoch needs a final answer or a fence"
    if was.desired is Desired.PURGED and spec.desired is not Desired.PURGED:
        return "Purged cannot be taken back"
    return None


def refuses_delete(old):
    """A deletion by the operator."""
    spec, status = old.spec, old.status
    if spec.node_name is None:
        return None
    released = status is not None and status.epoch == spec.epoch and status.state is State.RELEASED
    return None if spec.desired is Desired.PURGED and released else "only unbound, or Purged and Released"
