"""Settings of the kernel in a Network's namespace (Documentation/networking/ip-sysctl.rst)."""

SETTINGS = """
cd /proc/sys/net
set_if_there() { for file in $2; do [ ! -e "$file" ] || echo "$1" > "$file"; done; }
echo 1 > ipv4/ip_forward
set_if_there 0 'ipv4/conf/all/send_redirects ipv4/conf/default/send_redirects'
set_if_there 1 'ipv4/conf/all/arp_ignore'
set_if_there 1 'ipv6/conf/all/disable_ipv6 ipv6/conf/default/disable_ipv6'
set_if_there 0 'bridge/bridge-nf-call-ip6tables bridge/bridge-nf-call-arptables'
"""
"""The namespace's own settings (Documentation/networking/ip-sysctl.rst): it routes; an address is answered for
only where it is; no IPv6. Whether what is bridged is shown to the inet tables the Guardian says."""
