"""The libvirt domain of an Instance: a description in, XML out, nothing touched (https://libvirt.org/formatdomain.html).

One element, one file; `build` lists them in order.
"""
