"""The kernel module br_netfilter, which shows bridged packets to the tables that judge them. Scripts for the node.

Loading it has a side effect: in every network namespace that is there already it begins with all switches on, and puts
every bridge of the node under rules that were never meant for it. So they are turned off at once, in the node's own
namespace and in those of Orlop: each Network turns its own on when its SecurityGroups want it.
"""

from __future__ import annotations

from orlop_agent.network.names import NAMESPACES

MODULE = "br_netfilter"
_SWITCHES = "/proc/sys/net/bridge"
_OFF = f"for each in {_SWITCHES}/bridge-nf-call-*; do echo 0 > $each; done"
MODPROBE = ("modprobe", MODULE)
BY_SYSTEMD = ("systemctl", "start", f"modprobe@{MODULE}.service")
"""The agent's container may not load modules, and what it runs may not either (capabilities(7), CAP_SYS_MODULE)."""
LOAD = f"""
[ ! -e {_SWITCHES}/bridge-nf-call-iptables ] || exit 0
namespaces=$1; shift
"$@" || exit 0
[ -e {_SWITCHES}/bridge-nf-call-iptables ] || exit 0
{_OFF}
for namespace in "$namespaces"/{NAMESPACES}; do
  [ ! -e "$namespace" ] || nsenter --net="$namespace" sh -c '{_OFF}'
done
"""
"""For the node itself, with the directory of namespaces and one of the commands above. It fails nowhere: whether the
module is there shows."""
SHOW = f"""
for each in {_SWITCHES}/bridge-nf-call-iptables {_SWITCHES}/bridge-nf-call-ip6tables; do
  if [ -e "$each" ]; then echo "$1" > "$each"; else echo missing; fi
done
"""
"""For a Network's namespace: whether what is bridged is shown, of both families; in a Network without IPv6 there is
none of it on the bridge."""
MISSING = (
    f"this node cannot keep SecurityGroups: its kernel module {MODULE} is not there, and cannot be loaded"
)
