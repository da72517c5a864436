"""An Instance never runs twice: every state that two nodes and any number of operators can reach.

The search drives the production functions of both protocols (operator and agent) over a compare-and-swap
store, with power cuts, crashes at every step, lost and late replies, and stale caches. It looks at every
state there is, so a green test is a proof for this world. The second half turns the rules of
docs/explanation/assignment.md off one at a time: a search that finds nothing then would be blind.
"""

import pytest

from orlop_agent import protocol as agent
from orlop_operator import protocol as operator
from unit.model.node_moves import Variant
from unit.model.search import Model

NO_POLICY = Variant(shared=True, policy=False)
SHARED = Variant(shared=True)
FROM_VOLUME = Variant(shared=True, volume=True, wipes=True)


@pytest.mark.parametrize(
    ("variant", "at_least"),
    [
        pytest.param(Variant(), 50_000, id="local-disks"),
        pytest.param(Variant(shared=True), 1_000_000, id="shared-disks"),
        pytest.param(FROM_VOLUME, 1_000_000, id="boots-from-a-volume"),
        pytest.param(Variant(wipes=True), 50_000, id="a-data-pool-is-lost"),
        pytest.param(Variant(calls=2), 50_000, id="two-calls-in-libvirt"),
        pytest.param(Variant(policy=False), 50_000, id="without-policies"),
    ],
)
def test_no_reachable_state_is_wrong(variant, at_least):
    found = Model(variant).search()
    assert found.broke is None, _story(found)
    assert found.states > at_least, "the search ended early: some step is not tried any more"


def test_a_restored_etcd_costs_no_guest():
    # Far from all states, as an Instance whose order was forgotten can have any number of guests.
    found = Model(Variant(forgets=True)).search("destroyed", limit=500_000)
    assert found.broke is None, _story(found)


def _destroyed_on_404(domain, fresh, *rest, asked=agent.verdict_on_domain):
    return agent.Destroy(keep_files=True) if fresh is None else asked(domain, fresh, *rest)


RULES_OFF = [
    pytest.param(
        Variant(),
        [(operator, "may_bind", lambda instance, assignment: True)],
        "a guest runs, and its Instance is gone",
        id="1-bound-without-reading-the-instance",
    ),
    pytest.param(
        Variant(start_by_read=True),
        [],
        "two guests of the Instance run",
        id="2-started-by-looking-not-taking",
    ),
    pytest.param(
        SHARED,
        [(agent, "may_resume", lambda domain, mine, journal: domain.held)],
        "two guests of the Instance run",
        id="2-an-unknown-paused-domain-is-resumed",
    ),
    pytest.param(
        NO_POLICY,
        [(operator, "is_proved_dead", lambda assignment, proof: proof is not None)],
        "two guests of the Instance run",
        id="3-moved-by-the-proof-of-another-boot",
    ),
    pytest.param(
        NO_POLICY,
        [(operator, "is_final", lambda assignment: True)],
        "two guests of the Instance run",
        id="3-moved-without-a-final-answer",
    ),
    pytest.param(
        FROM_VOLUME._replace(policy=False),
        [(operator, "is_final", lambda assignment: True)],
        "two guests of the Instance run",
        id="3-moved-with-its-volume-without-a-final-answer",
    ),
    pytest.param(
        Variant(),
        [(operator, "has_data", lambda assignment: False)],
        "a guest runs from an empty disk while its data is elsewhere",
        id="4-moved-away-from-its-data",
    ),
    pytest.param(
        Variant(policy=False),
        [(operator, "is_purged", lambda assignment: True)],
        "a guest runs, and its Instance is gone",
        id="5-deleted-before-the-node-purged",
    ),
    pytest.param(
        Variant(forgets=True),
        [(agent, "verdict_on_domain", _destroyed_on_404)],
        "a guest is destroyed that nothing said shall go",
        id="6-destroyed-because-of-a-404",
    ),
]


@pytest.mark.parametrize(("variant", "changes", "breaks"), RULES_OFF)
def test_without_a_rule_it_breaks(monkeypatch, variant, changes, breaks):
    for module, name, instead in changes:
        monkeypatch.setattr(module, name, instead)
    found = Model(variant).search(breaks)
    assert found.broke == breaks
    assert found.trace


@pytest.mark.parametrize("forbidden", ["is_proved_dead", "is_final"])
def test_policy_alone_stops_an_operator_that_moves_too_early(monkeypatch, forbidden):
    """The API server's policies are the second line: a wrong operator is refused, and nothing runs twice."""
    monkeypatch.setattr(operator, forbidden, lambda assignment, proof=True: proof is not None)
    assert Model(SHARED).search("policy refuses").broke == "policy refuses what the protocol allows"


def _story(found):
    return "\n".join([found.broke or "", *found.trace])
