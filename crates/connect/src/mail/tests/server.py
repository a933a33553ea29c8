"""A mail server for one test: aiosmtpd on a free port of loopback.

    server.py '{"tls": "none|starttls|tls", "certificate": FILE, "key": FILE,
                "user": …, "password": …, "refuse": "550 …", "silent": true}'

Writes its port on a line, then each mail as a line of JSON. Ends with its input.
"""

import asyncio
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

settings = json.loads(sys.argv[1])


def say(value):
    print(json.dumps(value), flush=True)


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if "refuse" in settings:
            return settings["refuse"]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if settings.get("silent"):
            await asyncio.sleep(3600)
        say({
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "hello": session.host_name,
            "encrypted": session.ssl is not None or settings["tls"] == "tls",
            "user": session.auth_data,
            "data": envelope.content.decode("utf-8"),
        })
        return "250 OK"


def authenticate(server, session, envelope, mechanism, data):
    login, password = data.login.decode(), data.password.decode()
    good = (login, password) == (settings["user"], settings["password"])
    return AuthResult(success=good, handled=False, auth_data=login if good else None)


def protocol(context):
    options = {}
    if settings["tls"] == "starttls":
        options.update(tls_context=context, require_starttls=True)
    if "user" in settings:
        options.update(authenticator=authenticate, auth_required=True, auth_require_tls=settings["tls"] == "starttls")
    return SMTP(Handler(), hostname="mail.example.com", enable_SMTPUTF8=True, **options)


async def main():
    context = None
    if settings["tls"] != "none":
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(settings["certificate"], settings["key"])
    loop = asyncio.get_running_loop()
    wrapped = context if settings["tls"] == "tls" else None
    server = await loop.create_server(lambda: protocol(context), "127.0.0.1", 0, ssl=wrapped)
    say(server.sockets[0].getsockname()[1])
    await loop.run_in_executor(None, sys.stdin.read)
    # Whoever is still served is cut off.
    sys.stdout.flush()
    import os

    os._exit(0)


asyncio.run(main())
