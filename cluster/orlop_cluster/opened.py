"""`up --open`: the same cluster on the machine's own Docker or Podman, with a network that reaches the world."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from orlop_cluster import gobuild, nodeimage
from orlop_cluster.process import StepError, run, step
from orlop_cluster.sealed import NAMESPACES, Sealed

ENGINES = ("docker", "podman")


def answers(engine: str) -> bool:
    """Whether the engine is there and its `info` succeeds: a client without its daemon does not count."""
    if not shutil.which(engine):
        return False
    return subprocess.run([engine, "info"], capture_output=True, timeout=60, check=False).returncode == 0


def engine(answering: Callable[[str], bool] = answers) -> str:
    """The first engine that works. Raises StepError if none does."""
    for candidate in ENGINES:
        if answering(candidate):
            return candidate
    raise StepError(
        "--open needs a Docker or Podman that works here, and neither `docker info` nor `podman info` "
        "succeeds; without --open none is needed"
    )


class Open(Sealed):
    """A cluster on the machine's own engine. Commands run on the machine instead of inside namespaces."""

    network = "kind"

    @property
    def engine(self) -> str:
        """What it was made with."""
        return str(json.loads((self.state / "open.json").read_text())["engine"])

    def alive(self) -> bool:
        return (self.state / "open.json").exists()

    def inside(
        self,
        argv: Sequence[str | Path],
        *,
        namespaces: Sequence[str] = NAMESPACES,  # noqa: ARG002 - there are none to enter
    ) -> list[str | Path]:
        program, *arguments = argv
        return [self.engine if program == "podman" else program, *arguments]

    def environment(self) -> dict[str, str]:
        return {
            "KIND_EXPERIMENTAL_PROVIDER": self.engine,
            "KUBECACHEDIR": str(self.kubectl_cache),
            "KUBECONFIG": str(self.inner_kubeconfig),
            "PATH": f"{gobuild.directory()}:{os.environ.get('PATH', '/usr/sbin:/usr/bin:/sbin:/bin')}",
        }

    def prepare(self) -> None:
        """Choose the engine and give it the node image, unless it has it."""
        chosen = engine()
        reference = f"localhost/orlop-node:{nodeimage.key()}"
        known = subprocess.run([chosen, "image", "inspect", reference], capture_output=True, check=False)
        if known.returncode:
            with step(f"node image into {chosen}"):
                self._carry(chosen, reference)
        self.state.mkdir(parents=True)
        (self.state / "open.json").write_text(json.dumps({"engine": chosen, "image": reference}))

    def _carry(self, chosen: str, reference: str) -> None:
        """From the podman store in the cache to the engine, through a file beside the store."""
        archive = nodeimage.store().parent / "node.tar"
        archive.unlink(missing_ok=True)
        try:
            nodeimage.save(archive)
            run([chosen, "load", "--input", archive])
            run([chosen, "tag", nodeimage.REFERENCE, reference])
        finally:
            archive.unlink(missing_ok=True)

    @property
    def image(self) -> str:
        """The node image's name in the engine."""
        return str(json.loads((self.state / "open.json").read_text())["image"])

    def remove(self) -> None:
        """End the nodes; what the engine keeps of the image stays in the engine."""
        run(
            [gobuild.directory() / "kind", "delete", "cluster", f"--name={self.name}"], env=self.environment()
        )
        shutil.rmtree(self.state)
        self.kubeconfig.unlink(missing_ok=True)
