"""What goes into the Debian guest, as far as it can be judged without building it."""

import os
import subprocess

import yaml

from orlop_guests import debian


def test_reads_the_list_of_packages():
    assert debian.wanted("# why\none\n\ntwo   # for something\n") == ["one", "two"]


def test_holds_what_the_documentation_promises():
    names = debian.wanted((debian.SOURCES / "packages").read_text())
    assert {
        "linux-image-cloud-amd64",
        "cloud-init",
        "qemu-guest-agent",
        "openssh-server",
        "netplan.io",
    } <= set(names)


def test_asks_only_for_data_sources_that_answer():
    settings = yaml.safe_load((debian.SOURCES / "root/etc/cloud/cloud.cfg.d/90_image.cfg").read_text())
    assert settings["datasource_list"] == ["NoCloud", "None"]


def test_the_kernel_finds_its_root_by_the_label_that_fstab_has():
    label = "LABEL=debian-root"
    assert f"root={label} " in (debian.SOURCES / "root/boot/grub/grub.cfg").read_text()
    assert (debian.SOURCES / "root/etc/fstab").read_text().startswith(f"{label} / ext4 ")


def test_the_last_step_may_run_and_is_shell():
    script = debian.SOURCES / "finish.sh"
    assert os.access(script, os.X_OK)
    subprocess.run(["sh", "-n", script], check=True)
