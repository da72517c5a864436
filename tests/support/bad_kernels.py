"""Wrong kernels and initial RAM disks of Images, and what is said of each."""

from __future__ import annotations

from support.bad import Bad

PLAIN_HTTP_BESIDE = "a plain http url needs a checksum (sha256:… or sha512:…); without one use https"
ONE_PLACE = "exactly one of http, oci and s3 must be set"
_HTTP = {"http": {"url": "https://mirror.example.org/vmlinuz"}}

KERNELS = [
    Bad(
        "kernel over http, no checksum",
        "Image",
        {"spec.kernelBoot": {"kernel": {"http": {"url": "http://a.example/vmlinuz"}}}},
        "spec.kernelBoot.kernel",
        PLAIN_HTTP_BESIDE,
    ),
    Bad(
        "initrd over http, no checksum",
        "Image",
        {"spec.kernelBoot": {"kernel": {"http": _HTTP["http"]}, "initrd": {"http": {"url": "http://a.b/i"}}}},
        "spec.kernelBoot.initrd",
        PLAIN_HTTP_BESIDE,
    ),
    Bad(
        "kernel in a bucket over http, no checksum",
        "Image",
        {
            "spec.kernelBoot": {
                "kernel": {"s3": {"endpoint": "http://a.example", "bucket": "boot", "key": "k"}}
            }
        },
        "spec.kernelBoot.kernel",
        PLAIN_HTTP_BESIDE,
    ),
    Bad(
        "kernel from nowhere",
        "Image",
        {"spec.kernelBoot": {"kernel": {}}},
        "spec.kernelBoot.kernel",
        ONE_PLACE,
    ),
    Bad(
        "kernel from two places",
        "Image",
        {"spec.kernelBoot": {"kernel": {**_HTTP, "oci": {"reference": "r.example/boot/linux:6.1"}}}},
        "spec.kernelBoot.kernel",
        ONE_PLACE,
    ),
    Bad(
        "kernel of no tag",
        "Image",
        {"spec.kernelBoot": {"kernel": {"oci": {"reference": "r.example/boot/linux"}}}},
        "spec.kernelBoot.kernel.oci.reference",
    ),
    Bad("initrd without kernel", "Image", {"spec.kernelBoot": {"initrd": _HTTP}}, "spec.kernelBoot.kernel"),
    Bad(
        "kernel command line of two lines",
        "Image",
        {"spec.kernelBoot": {"kernel": _HTTP, "commandLine": "quiet\ninit=/bin/sh"}},
        "spec.kernelBoot.commandLine",
    ),
]
