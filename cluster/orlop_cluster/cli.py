"""`cluster/dev`: the one door to the development cluster."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from orlop_cluster import apt, demo, existing, gobuild, images, lifecycle, nodes, sbom, serving, simulated
from orlop_cluster.lab import CommandError
from orlop_cluster.opened import Open
from orlop_cluster.places import CHECKOUT
from orlop_cluster.process import QUIET, StepError, say, shown, step
from orlop_cluster.sealed import SERVE_PORT, Sealed


def parser() -> argparse.ArgumentParser:
    named = argparse.ArgumentParser(add_help=False)
    named.add_argument(
        "--name", default="orlop", help="which cluster, where there are several (default: orlop)"
    )
    top = argparse.ArgumentParser(prog="cluster/dev", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, explanation: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, parents=[named], help=explanation, description=explanation)

    add("build", "build what is cached per machine").add_argument(
        "what", nargs="?", choices=["all", "binaries"], default="all"
    )
    made = add("up", "make the cluster, or find that it runs")
    made.add_argument("--nodes", type=int, default=2, help="workers beside the control plane (default: 2)")
    made.add_argument("--owner", type=int, metavar="PID", help="end the cluster when this process ends")
    made.add_argument(
        "--open", action="store_true", help="on this machine's Docker or Podman, with its network"
    )
    made.add_argument(
        "--simulated",
        type=int,
        metavar="N",
        help="N simulated nodes instead of real ones: no kind, no guests",
    )
    add("down", "end the cluster and remove all that belongs to it")
    add("status", "say what runs")
    for name, explanation in (
        ("exec", "run a command in a node: exec NODE -- COMMAND"),
        ("run", "run a command inside the sealed network: run -- COMMAND"),
    ):
        inner = add(name, explanation)
        if name == "exec":
            inner.add_argument("node")
        inner.add_argument("argv", nargs="+", metavar="COMMAND")
    shown = add("logs", "a node's journal, a component's log, or `audit`")
    shown.add_argument("what", metavar="NODE|COMPONENT")
    shown.add_argument("--follow", "-f", action="store_true")
    for name, explanation in (
        ("kill", "cut a node's power: all its processes die at once, its disk stays"),
        ("start", "power a node on again"),
        ("cut", "cut a node's network, both ways"),
        ("heal", "mend a node's network"),
    ):
        add(name, explanation).add_argument("node")
    add("load", "put container images into all nodes").add_argument("archives", nargs="+", type=Path)
    add("sbom", "list what is in the project's container images (CycloneDX); prints where the lists are")
    built = add("image", "build container images of the project into one archive; prints where it is")
    built.add_argument("images", nargs="+", metavar="|".join([*images.RECIPES, images.ROOT]))
    built.add_argument("--quiet", "-q", action="store_true", help="only print where it is")
    served = add(
        "serve", "serve a directory by HTTP at a fixed address inside the sealed network, until ended"
    )
    served.add_argument("directory", type=Path)
    served.add_argument("--port", type=int, default=SERVE_PORT)
    served.add_argument(
        "--background",
        action="store_true",
        help="return when it serves; it ends with the cluster, or when another directory takes its place",
    )
    add("demo", "from nothing to four virtual machines that ping each other")
    add("kubeconfig", "print where the kubeconfig is")
    return top


def become(argv: list[str | Path], environment: dict[str, str]) -> int:
    """Run a program with this terminal; its status is ours."""
    return subprocess.run(argv, env={**os.environ, **environment}, check=False).returncode


def chosen(asked: argparse.Namespace) -> Sealed:
    """The cluster that is meant: an open one if it was made so, or is about to be."""
    opened = Open(asked.name)
    if getattr(asked, "open", False) and Sealed(asked.name).alive():
        raise StepError(f"the cluster {asked.name} runs sealed; `cluster/dev down --name {asked.name}` first")
    return opened if opened.alive() or getattr(asked, "open", False) else Sealed(asked.name)


def dispatch(asked: argparse.Namespace) -> int:
    """Do what was asked; the exit status."""
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    if existing.enabled() and (done := existing.dispatch(asked, terminal=terminal)) is not None:
        return done
    if (done := simulated.dispatch(asked)) is not None:
        return done
    cluster = chosen(asked)
    match asked.command:
        case "build":
            apt.ensure(apt.BUILD, apt.RUN)
            gobuild.ensure() if asked.what == "binaries" else lifecycle.build()
        case "up":
            lifecycle.up(cluster, asked.nodes, asked.owner)
            print(cluster.kubeconfig)
        case "down":
            lifecycle.down(cluster)
        case "status":
            print(lifecycle.status(cluster))
        case "exec":
            return become(
                nodes.command(cluster, asked.node, asked.argv, terminal=terminal), cluster.environment()
            )
        case "run":
            return become(cluster.inside(asked.argv), cluster.environment())
        case "logs":
            return become(nodes.logs(cluster, asked.what, asked.follow), cluster.environment())
        case "kill":
            nodes.kill(cluster, asked.node)
        case "start":
            nodes.start(cluster, asked.node)
        case "cut":
            nodes.partition(cluster, asked.node, nodes.DISABLED)
        case "heal":
            nodes.partition(cluster, asked.node, nodes.FORWARDING)
        case "load":
            with step(f"{', '.join(archive.name for archive in asked.archives)} into the nodes"):
                nodes.load(cluster, asked.archives)
        case "serve" if isinstance(cluster, Open):
            raise StepError("serve needs the sealed network; an open cluster reaches any HTTP server")
        case "serve" if asked.background:
            print(serving.in_background(cluster, asked.directory, asked.port))
        case "serve":
            return become(serving.command(cluster, asked.directory, asked.port), {})
        case "demo":
            demo.demo(asked.name)
        case "kubeconfig":
            print(cluster.kubeconfig)
        case "image":
            if asked.quiet:
                os.environ[QUIET] = "1"
            print(images.build(asked.images))
        case "sbom":
            print(*sbom.write(images.build(sorted(images.RECIPES))), sep="\n")
        case other:
            raise StepError(f"no command {other}")
    return 0


def main() -> int:
    # The modules that are run as programs are found where this one was.
    os.environ["PYTHONPATH"] = os.pathsep.join(
        filter(None, [str(CHECKOUT / "cluster"), os.environ.get("PYTHONPATH", "")])
    )
    try:
        return dispatch(parser().parse_args())
    except (StepError, CommandError, TimeoutError) as reason:
        say(f"cluster/dev: {reason}")
        return 1
    except subprocess.CalledProcessError as failed:
        # A part of the demo, which has said why itself.
        say(f"cluster/dev: {shown(failed.cmd)} ended with status {failed.returncode}")
        return 1
    except KeyboardInterrupt:
        return 130
