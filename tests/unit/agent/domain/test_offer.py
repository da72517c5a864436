"""What libvirt 9.0 with QEMU 7.2 says of itself, without KVM, and what of it guests can have."""

from orlop_agent.domain.offer import host_model, read_offer
from orlop_api.hardware import Firmware

CAPABILITIES = """
<capabilities>
  <guest><os_type>hvm</os_type>
    <arch name='i686'><machine maxCpus='255'>pc-i440fx-1.0</machine></arch>
  </guest>
  <guest><os_type>hvm</os_type>
    <arch name='x86_64'>
      <machine maxCpus='255'>pc-i440fx-7.2</machine>
      <machine canonical='pc-i440fx-7.2' maxCpus='255'>pc</machine>
      <machine canonical='pc-q35-7.2' maxCpus='288'>q35</machine>
      <machine maxCpus='288'>pc-q35-7.2</machine>
      <machine maxCpus='288'>microvm</machine>
      <machine maxCpus='1'>isapc</machine>
    </arch>
  </guest>
</capabilities>
"""
DOMAIN = """
<domainCapabilities>
  <os supported='yes'><enum name='firmware'><value>efi</value></enum></os>
  <cpu>
    <mode name='host-passthrough' supported='no'/>
    <mode name='maximum' supported='yes'/>
    <mode name='host-model' supported='yes'>
      <model fallback='forbid'>EPYC</model>
      <vendor>AMD</vendor>
      <feature policy='require' name='la57'/>
      <feature policy='disable' name='vme'/>
    </mode>
    <mode name='custom' supported='yes'>
      <model usable='yes' vendor='unknown'>qemu64</model>
      <model usable='no' vendor='Intel'>Haswell</model>
    </mode>
  </cpu>
  <devices>
    <tpm supported='yes'>
      <enum name='model'><value>tpm-tis</value><value>tpm-crb</value></enum>
      <enum name='backendModel'><value>passthrough</value><value>emulator</value></enum>
      <enum name='backendVersion'><value>1.2</value><value>2.0</value></enum>
    </tpm>
  </devices>
</domainCapabilities>
"""
FEATURES = """
<cpu mode='custom' match='exact'>
  <model fallback='forbid'>EPYC</model>
  <feature policy='require' name='avx2'/>
  <feature policy='require' name='aes'/>
  <feature policy='disable' name='vme'/>
</cpu>
"""


def test_what_guests_can_have() -> None:
    found = read_offer(CAPABILITIES, DOMAIN, FEATURES, "x86_64")
    assert found.machine_types == ["pc", "pc-i440fx-7.2", "pc-q35-7.2", "q35"]
    assert found.firmwares == [Firmware.BIOS, Firmware.UEFI]
    assert found.tpm_versions == ["2.0"]
    assert found.cpu_models == ["host-model", "maximum", "qemu64"]
    assert found.cpu_features == ["aes", "avx2"]


def test_a_node_without_the_packages_offers_neither() -> None:
    bare = DOMAIN.replace("<value>efi</value>", "").replace("<value>emulator</value>", "")
    found = read_offer(CAPABILITIES, bare, None, "x86_64")
    assert (found.firmwares, found.tpm_versions, found.cpu_features) == ([Firmware.BIOS], [], [])


def test_an_older_libvirt_tells_no_versions_of_a_tpm() -> None:
    old = DOMAIN.replace("<enum name='backendVersion'><value>1.2</value><value>2.0</value></enum>", "")
    assert read_offer(CAPABILITIES, old, None, "x86_64").tpm_versions == ["2.0"]
    none = DOMAIN.replace("<value>2.0</value>", "")
    assert read_offer(CAPABILITIES, none, None, "x86_64").tpm_versions == []


def test_parts_of_nested_virtualization_make_room_for_others() -> None:
    names = [*(f"vmx-{number}" for number in range(300)), "aes", "xsave"]
    listed = "".join(f"<feature policy='require' name='{name}'/>" for name in names)
    many = f"<cpu>{listed}</cpu>"
    found = read_offer(CAPABILITIES, DOMAIN, many, "x86_64").cpu_features
    assert len(found) == 256
    assert (found[0], found[-1]) == ("aes", "xsave")
    assert found == sorted(found)


def test_the_nearest_model_is_what_is_expanded() -> None:
    model = host_model(DOMAIN)
    assert model is not None
    assert model.startswith("<cpu><model fallback='forbid'>EPYC".replace("'", '"'))
    assert (
        host_model(DOMAIN.replace("<mode name='host-model' supported='yes'>", "<mode name='other'>")) is None
    )
