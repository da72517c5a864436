"""Which Ports and Routers an agent follows: those of Networks that are here, also because a Router joins them."""

import asyncio
from collections.abc import AsyncIterator, Callable

from orlop_agent.api.watch import Changed, Event, Gone, Listed
from orlop_agent.simulation.networks import SimulatedNetworks
from orlop_agent.wiring import Wiring
from support.routed import HOME, NETWORKS, on, router

BLUE, GREEN, _ = NETWORKS


class Told:
    """Stands for the API server's watches."""

    def __init__(self) -> None:
        self.ports: set[str] = set()
        self.routers: dict[str, asyncio.Queue[Event]] = {}

    async def watch_ports(self, network_uid: str) -> AsyncIterator[Event]:
        self.ports.add(network_uid)
        try:
            yield Listed(())
            await asyncio.Event().wait()
        finally:
            self.ports.discard(network_uid)

    async def watch_floating_ips(self, namespace: str) -> AsyncIterator[Event]:
        await asyncio.Event().wait()
        yield Listed([])

    async def watch_routers(self, namespace: str) -> AsyncIterator[Event]:
        queue = self.routers[namespace] = asyncio.Queue()
        try:
            yield Listed(())
            while True:
                yield await queue.get()
        finally:
            del self.routers[namespace]


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():
            await asyncio.sleep(0)


async def test_ports_of_all_that_a_router_joins_are_followed_as_long_as_that_is_needed():
    told, networks = Told(), SimulatedNetworks()
    wiring = Wiring(networks, told)  # type: ignore[arg-type]
    try:
        wiring.use("guest", [on(BLUE, 20)])
        await until(lambda: networks.routers == {HOME: []})
        assert told.ports == {f"net-{BLUE}"}

        body = router(BLUE, GREEN).wire()
        told.routers[HOME].put_nowait(Changed(body))
        await until(lambda: networks.routers == {HOME: ["vpc"]})
        await until(lambda: told.ports == {f"net-{BLUE}", f"net-{GREEN}"})

        told.routers[HOME].put_nowait(Gone(body))
        await until(lambda: told.ports == {f"net-{BLUE}"})

        told.routers[HOME].put_nowait(Changed(body))
        await until(lambda: told.ports == {f"net-{BLUE}", f"net-{GREEN}"})
        # The last guest goes: nothing is followed any more.
        wiring.use("guest", ())
        await until(lambda: not told.ports and not told.routers)
        await until(lambda: networks.routers == {})
    finally:
        await wiring.close()
