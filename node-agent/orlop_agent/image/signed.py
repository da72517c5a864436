"""Fetches the signature of an image's file, before the file."""

from __future__ import annotations

from urllib.parse import urlsplit

from orlop_agent.image.credentials import Credentials
from orlop_agent.image.errors import short
from orlop_agent.image.signature import MOST_BYTES, Proof, proof
from orlop_agent.image.small import bounded, in_time
from orlop_agent.image.web import Ask, Web, refused
from orlop_api.source import FileSource, OrderedSignature

_SECONDS = 60


async def signed_by(
    web: Web, signature: OrderedSignature, source: FileSource, credentials: Credentials
) -> Proof:
    """What the file has to be. ImageError.

    Plain http will do for a file that comes by https: for one that does not, the CRD wants https here, or whoever is
    between could serve any older file with its signature.
    """
    shown = short(signature.url.partition("?")[0].partition("#")[0])
    login = credentials.authorization() if _same_server(signature.url, source) else {}
    ask = Ask(signature.url, shown, login)
    what = f"the signature at {shown}"
    async with in_time(what, _SECONDS), web.get(ask, checked=True) as response:
        if response.status != 200:
            raise refused(response, ask)
        made = await bounded(response, what, MOST_BYTES, "SignatureTooLarge", permanent=False)
    return proof(signature.public_key, made, shown)


def _same_server(url: str, source: FileSource) -> bool:
    """Whether the login is for this one too: it goes over https, to the very server that the file is on."""
    if source.http is None:
        return False
    here, there = urlsplit(url), urlsplit(source.http.url)
    return here.scheme == "https" and (here.scheme, here.netloc) == (there.scheme, there.netloc)
