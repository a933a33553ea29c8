#!/usr/bin/env python3
"""Reads a log of Halligan and believes nothing but a public key (docs/log-format.md).

    read-log.py PLACE KEY     PLACE: a directory or an http(s) URL; KEY: name+id+base64

Hashes every entry, makes the tree's root out of the entries alone, and compares it with
the signed checkpoint; checks every personal part that is still there. Prints `size root`,
or what is wrong, with the first bad index where there is one, and ends with 1. Tiles serve
for one thing: an entry whose hash is not the one in its tile is the bad one.
Needs the package `cryptography`, for Ed25519. Shares no code with the project.
"""
import base64, hashlib, itertools, json, pathlib, sys, urllib.error, urllib.request
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def wrong(what, index=None):
    sys.exit(f"{'the log' if index is None else f'entry {index}'}: {what}")


def get(key):
    if not PLACE.startswith(("http://", "https://")):
        path = pathlib.Path(PLACE, key)
        return path.read_bytes() if path.is_file() else None
    try:
        with urllib.request.urlopen(f"{PLACE.rstrip('/')}/{key}", timeout=60) as answer:
            return answer.read()
    except urllib.error.HTTPError as error:
        return None if error.code == 404 else wrong(f"{key}: {error}")


def part(prefix, n, width):
    """A tile or a bundle of at least `width`: what is full begins as what was partial did."""
    key = f"{n % 1000:03d}"
    while n >= 1000:
        n //= 1000
        key = f"x{n % 1000:03d}/{key}"
    partial = get(f"{prefix}/{key}.p/{width}") if width < 256 else None
    return partial if partial is not None else get(f"{prefix}/{key}")


def texts(bundle, first):
    """Each text of a bundle, after its length in two bytes."""
    while bundle:
        size = int.from_bytes(bundle[:2], "big")
        if len(bundle) < 2 + size:
            wrong("its bundle ends here", first)
        yield bundle[2:2 + size]
        bundle, first = bundle[2 + size:], first + 1


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def decoded(text):
    found = base64.b64decode(text, validate=True)
    return found if encoded(found) == text else wrong("base64 that says the same in another way")


def encoded(found):
    return base64.b64encode(found).decode()


def checkpoint(note, key):
    """Size and root, if the log's key signed them, and signed them again with a time."""
    name, _, public = key.split("+", 2)
    public = decoded(public)[1:]
    body, signatures = note.decode().rsplit("\n\n", 1)
    found = {}
    for line in signatures.removesuffix("\n").split("\n"):
        dash, signer, signature = line.split(" ")
        if dash != "\N{EM DASH}":
            wrong("its checkpoint has a line that is no signature")
        found[signer, decoded(signature)[:4]] = decoded(signature)[4:]
    plain, timed = (found.get((name, sha256(name.encode(), b"\n", kind, public)[:4])) for kind in (b"\1", b"\4"))
    origin, size, root = body.split("\n")
    if origin != name or plain is None or timed is None:
        wrong(f"`{name}` did not sign the checkpoint of `{origin}`, both without and with a time")
    key, text = Ed25519PublicKey.from_public_bytes(public), f"{body}\n".encode()
    time = int.from_bytes(timed[:8], "big")
    try:
        key.verify(plain, text)
        key.verify(timed[8:], f"cosignature/v1\ntime {time}\n".encode() + text)
    except InvalidSignature:
        wrong("a signature is not over this checkpoint")
    return int(size), decoded(root)


def entries(size):
    """Each entry, once its tile and its personal part agree with it."""
    for n in range(-(-size // 256)):
        first, width = n * 256, min(256, size - n * 256)
        bundle, tile = part("tile/entries", n, width), part("tile/0", n, width)
        if bundle is None or tile is None:
            wrong("its bundle or its tile is missing", first)
        personal = itertools.chain(texts(part("personal", n, width) or b"", first), itertools.repeat(b""))
        index = first - 1
        for index, entry, private in zip(range(first, first + width), texts(bundle, first), personal):
            at = 32 * (index - first)
            if sha256(b"\0", entry) != tile[at:at + 32]:
                wrong("it is not the one in the tree", index)
            if private and json.loads(entry).get("personal_sha256") != sha256(private).hex():
                wrong("its personal part is not the one that it commits to", index)
            yield entry
        if index + 1 < first + width:
            wrong("its bundle ends here", index + 1)


def main(key):
    try:
        size, root = checkpoint(get("checkpoint") or wrong("it has no checkpoint"), key)
    except ValueError as error:
        wrong(f"its checkpoint or the key can't be read: {error}")
    stack = []  # the roots of whole subtrees, left to right, with their sizes
    for entry in entries(size):
        stack.append((1, sha256(b"\0", entry)))
        while len(stack) > 1 and stack[-1][0] == stack[-2][0]:
            (width, right), (_, left) = stack.pop(), stack.pop()
            stack.append((2 * width, sha256(b"\1", left, right)))
    while len(stack) > 1:
        (width, right), (more, left) = stack.pop(), stack.pop()
        stack.append((width + more, sha256(b"\1", left, right)))
    made = stack[0][1] if stack else sha256()
    if made != root:
        wrong(f"its entries make the root {encoded(made)}, not the one that is signed")
    print(size, encoded(root))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    PLACE = sys.argv[1]
    main(sys.argv[2])
