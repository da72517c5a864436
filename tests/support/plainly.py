"""One cloud by chance: the scheduler and the plain one decide the same, while hosts come, change and go."""

from hypothesis import event
from hypothesis import strategies as st

from orlop_operator.scheduling import Placement, Unplaceable, World, place
from support.naive import choose
from support.worlds import CLOUDS, HELD, HOSTS, NAMES, REQUESTS

WORLDS = {
    "hosts": CLOUDS,
    "requests": st.lists(REQUESTS, min_size=1, max_size=4),
    "held": HELD,
    "failed": st.lists(NAMES, max_size=4),
    "busy": st.lists(NAMES, max_size=14),
    "news": st.lists(st.one_of(NAMES, HOSTS), max_size=3),
}


def compare(hosts, requests, held, failed, busy, news):
    world = World(hosts)
    for number, (node, usage) in enumerate(held):
        world.hold(f"h{number}", node, usage)
    for number, node in enumerate(failed):
        world.blame(f"f{number}", node)
    for number, node in enumerate(busy):
        world.occupy(f"b{number}", node)
    known = {host.name: host for host in hosts}
    held = list(held)
    for number, request in enumerate(requests):
        expected = choose(request, list(known.values()), held, failed, busy)
        event(f"{min(len(expected), 3)} hosts or more will do")
        match place(request, world):
            case Placement(node, alternates):
                assert [node, *alternates] == expected[:4]
                taken = request.usage_on(node)
                world.hold(f"p{number}", node, taken)
                held.append((node, taken))
            case Unplaceable(_, rejections):
                assert expected == []
                assert sum(each.count for each in rejections) == len(known)
        # What is remembered between decisions has to follow what changes.
        for each in news[number : number + 1]:
            if isinstance(each, str):
                known.pop(each, None)
                world.remove(each)
            else:
                known[each.name] = each
                world.put(each)
