#!/usr/bin/env python3
"""Reads a log of Halligan and believes nothing but a public key (docs/log-format.md).

    read-log.py PLACE KEY     PLACE: a directory or an http(s) URL; KEY: name+id+base64

Hashes every entry, makes the tree's root out of the entries alone, and compares it with
the signed checkpoint; checks every personal part that is still there. Prints `size root`,
or what is wrong, with the first bad index where there is one, and ends with 1. Tiles serve
for one thing: an entry whose hash is not the one in its tile is the bad one.
Checks what passkeys signed with the keys that the log says were enrolled. What doesn't hold
is an exception: the log is whole, each is told behind it, and it ends with 2.
Needs the package `cryptography`, for signatures. Shares no code with the project.
"""
import base64, datetime, decimal, hashlib, itertools, json, pathlib, re, sys, urllib.error, urllib.request
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
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


KINDS = ("passkey.enrolled", "passkey.noticed", "passkey.confirmed", "passkey.removed",
         "grant.acknowledged", "extension.acknowledged")


class Exceptional(Exception):
    """What an entry says of a passkey doesn't hold."""


def hold(fact, otherwise):
    if not fact:
        raise Exceptional(otherwise)


def digest(*fields):
    """A hash over fields, each behind its length."""
    fields = [field.encode() if isinstance(field, str) else field for field in fields]
    return sha256(*(len(field).to_bytes(4, "big") + field for field in fields))


def url_encoded(found):
    return base64.urlsafe_b64encode(found).rstrip(b"=").decode()


def url_decoded(text, most):
    found = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    hold(url_encoded(found) == text and len(found) <= most, "a text is too long, or not base64url without padding")
    return found


def public_key(algorithm, text):
    """The key, and what its algorithm takes besides a signature and what was signed."""
    spki = url_decoded(text, 550)
    key = serialization.load_der_public_key(spki)
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    good, more = {
        "ES256": lambda: (isinstance(key.curve, ec.SECP256R1), (ec.ECDSA(hashes.SHA256()),)),
        "EdDSA": lambda: (isinstance(key, Ed25519PublicKey), ()),
        "RS256": lambda: (2048 <= key.key_size <= 4096 and key.public_numbers().e == 65537,
                          (padding.PKCS1v15(), hashes.SHA256())),
    }[algorithm]()
    hold(good and key.public_bytes(*form) == spki, "the public key is none of its algorithm")
    return key, more


def in_scope(origin, rp_id):
    """Whether a browser lets this site's passkeys be used there."""
    found = re.fullmatch(r"(https?)://([a-z0-9.-]+)(?::(0|[1-9][0-9]{0,4}))?", origin)
    scheme, host, port = found.groups() if found else ("", "", None)
    local = host == "localhost" or host.endswith(".localhost")
    below = host == rp_id or host.endswith("." + rp_id) and not host.startswith(".")
    return below and (scheme == "https" or local) and int(port or 0) < 65536


def seconds(text):
    whole = datetime.datetime.fromisoformat(text[:19] + "+00:00").timestamp()
    return int(whole) + decimal.Decimal("0" + text[19:-1])


class Passkeys:
    """The passkeys that a log tells of, entry by entry."""

    def __init__(self):
        self.keys, self.nonces = {}, set()

    def follow(self, entry, data, kind, person):
        if kind == "passkey.enrolled":
            credential, algorithm, public = (data[name] for name in ("credential", "algorithm", "public_key"))
            key = public_key(algorithm, public)
            hold(person, "no person did it")
            enrolment = digest("halligan/enrolment/v1", person, credential, algorithm, public)
            hold(enrolment.hex() == data["enrolment"], "the enrolment is not what its hash says")
            hold(credential not in self.keys, "it was enrolled before")
            self.keys[credential] = {"person": person, "key": key, "rp_id": data["rp_id"], "enrolment": enrolment,
                                     "noticed": None, "confirmed": None}
        elif kind in KINDS[1:4]:
            passkey = self.keys.get(data["credential"])
            hold(passkey, "no such passkey")
            hold(passkey["person"] == data["person"], "it is another person's")
            if kind == "passkey.noticed":
                hold(not person and not entry["actor"].get("machine"), "the broker didn't record it")
                passkey["noticed"] = passkey["noticed"] or seconds(entry["time"])
            elif kind == "passkey.confirmed":
                hold(person and person != passkey["person"], "no other person confirmed it")
                hold(passkey["enrolment"].hex() == data["enrolment"], "another enrolment was confirmed")
                self.check(entry, data["signed"], "confirm", passkey["enrolment"])
                passkey["confirmed"] = person, seconds(entry["time"])
            else:
                del self.keys[data["credential"]]
        elif data.get("signed"):
            thing = data["request_hash" if kind == "grant.acknowledged" else "extension_hash"]
            self.check(entry, data["signed"], "acknowledge", bytes.fromhex(thing))

    def check(self, entry, signed, verb, thing):
        passkey = self.keys.get(signed["credential"])
        hold(passkey, "no such passkey")
        hold(passkey["person"] == entry["actor"].get("person"), "the passkey is another person's")
        longest = {"credential": 1023, "authenticator_data": 256, "client_data": 768, "signature": 512}
        credential, authenticator, client, signature = (url_decoded(signed[name], longest[name]) for name in longest)
        pairs = json.loads(client, object_pairs_hook=tuple)
        hold(credential and isinstance(pairs, tuple), "its credential or its client data is none")
        judged = [name for name, _ in pairs if name in ("type", "challenge", "origin", "crossOrigin", "topOrigin")]
        said = dict(pairs)
        hold(len(judged) == len(set(judged)), "its client data says something twice")
        hold(said["type"] == "webauthn.get", "it is of another ceremony")
        challenge = digest("halligan/passkey/v1", verb, thing, bytes.fromhex(signed["nonce"]))
        hold(said["challenge"] == url_encoded(challenge), "it signed something else")
        hold(in_scope(said["origin"], passkey["rp_id"]), "it was given on another site")
        hold(said.get("crossOrigin", False) is False and said.get("topOrigin") is None, "it was given in a frame")
        flags = authenticator[32]
        hold(len(authenticator) >= 37 and bool(flags & 0x80) == (len(authenticator) > 37) and not flags & 0x40,
             "its authenticator data is none")
        hold(authenticator[:32] == sha256(passkey["rp_id"].encode()), "the key was used for another site")
        key, more = passkey["key"]
        key.verify(signature, authenticator + sha256(client), *more)
        hold(not flags & 0x10 or flags & 0x08, "it says that it is backed up and can't be")
        hold(flags & 0x01 and flags & 0x04, "nobody touched the key, or it didn't verify who")
        now = min(seconds(entry["time"]), seconds(entry.get("decided_at") or entry["time"]))
        told, (by, vouched) = passkey["noticed"], passkey["confirmed"] or (None, None)
        waited, requester = (lambda since: since and now - since >= 24 * 3600), entry.get("links", {}).get("requester")
        hold(waited(told) or by and by != requester or waited(vouched), "the passkey did not count yet")
        hold(signed["nonce"] not in self.nonces, "it is the signature of an earlier entry")
        self.nonces.add(signed["nonce"])

    def exception(self, entry):
        """What doesn't hold of an entry; nothing, if all of it does."""
        try:
            entry = json.loads(entry)
            if entry["type"] in KINDS:
                self.follow(entry, entry["data"], entry["type"], entry["actor"].get("person"))
        except Exceptional as exceptional:
            return str(exceptional)
        except InvalidSignature:
            return "the signature is not this key's, or not over this"
        except (ValueError, LookupError, TypeError, AttributeError, UnsupportedAlgorithm) as error:
            return f"it can't be read: {error!r}"


def main(key):
    try:
        size, root = checkpoint(get("checkpoint") or wrong("it has no checkpoint"), key)
    except ValueError as error:
        wrong(f"its checkpoint or the key can't be read: {error}")
    stack = []  # the roots of whole subtrees, left to right, with their sizes
    passkeys, exceptions = Passkeys(), []
    for index, entry in enumerate(entries(size)):
        exceptions += [f"entry {index}: {found}" for found in [passkeys.exception(entry)] if found]
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
    for exception in exceptions:
        print(exception, file=sys.stderr)
    return 2 if exceptions else 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    PLACE = sys.argv[1]
    sys.exit(main(sys.argv[2]))
