import asyncio
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from notifications.channels.email import Email, Relay, Stage, classify
from notifications.contract import FailureClass, SendFailed
from tests.notifications.channels.outgoing import BODY, EMAIL, outgoing
from tests.notifications.channels.smtp_stub import DISCONNECT, DRIP, LATE, SILENCE, SmtpStub

A, C, K, T, AMBIGUOUS = (
    FailureClass.ADDRESS,
    FailureClass.CONTENT,
    FailureClass.ACCOUNT,
    FailureClass.TRANSPORT,
    FailureClass.AMBIGUOUS,
)


@pytest.fixture
async def stub() -> AsyncIterator[SmtpStub]:
    async with SmtpStub.running() as stub:
        yield stub


def relay(stub: SmtpStub, **more: object) -> Relay:
    fields = {"tls": "none", "connect_seconds": 0.3, "command_seconds": 0.3, "body_seconds": 0.3}
    return Relay(host="127.0.0.1", port=stub.port, **fields | more)  # type: ignore[arg-type]


async def failure(channel: Email) -> SendFailed:
    with pytest.raises(SendFailed) as caught:
        await channel.send(outgoing())
    return caught.value


async def test_a_message_arrives_as_it_was_rendered(stub: SmtpStub) -> None:
    channel = Email(relay(stub))

    accepted = await channel.send(outgoing())
    await channel.close()

    assert accepted.provider_reference == "2.0.0 queued as 1"
    assert stub.received == [BODY.replace(b"\r\n.", b"\r\n..") + b".\r\n"]
    assert stub.commands[1:] == ["MAIL FROM:<envios@sol.test>", f"RCPT TO:<{EMAIL}>", "DATA", "QUIT"]


@pytest.mark.parametrize(
    ("stage", "answer", "expected"),
    [
        ("CONNECT", DISCONNECT, T),
        ("CONNECT", SILENCE, T),
        ("CONNECT", "554 5.3.2 not today", T),
        ("EHLO", DISCONNECT, T),
        ("MAIL", DISCONNECT, T),
        ("MAIL", SILENCE, T),
        ("MAIL", "421 4.3.2 shutting down", T),
        ("MAIL", "451 4.3.0 later", T),
        ("MAIL", "550 5.1.8 who are you", K),
        ("MAIL", "530 5.7.0 log in first", K),
        ("RCPT", DISCONNECT, T),
        ("RCPT", DRIP, T),
        ("RCPT", "450 4.7.1 greylisted, try again in 5 minutes", T),
        ("RCPT", "550 5.1.1 no such user", A),
        ("RCPT", "554 5.7.1 relay access denied", K),
        ("DATA", DISCONNECT, T),
        ("DATA", SILENCE, T),
        ("DATA", "451 4.3.1 disk full", T),
        ("BODY", DISCONNECT, AMBIGUOUS),
        ("BODY", SILENCE, AMBIGUOUS),
        ("BODY", DRIP, AMBIGUOUS),
        ("BODY", "what was that", AMBIGUOUS),
        ("BODY", "451 4.7.1 later", T),
        ("BODY", "554 5.7.1 looks like spam", C),
        ("BODY", "552 5.3.4 too big", C),
    ],
)
async def test_every_stage_fails_in_its_own_way_and_the_next_message_goes_through(
    stub: SmtpStub, stage: str, answer: str, expected: FailureClass
) -> None:
    stub.will(stage, answer)
    channel = Email(relay(stub))

    assert (await failure(channel)).failure is expected

    assert (await channel.send(outgoing(2))).provider_reference
    await channel.close()


async def test_refused_credentials_are_a_matter_of_the_account(stub: SmtpStub) -> None:
    stub.will("AUTH", *["535 5.7.8 wrong password"] * 2)
    channel = Email(relay(stub, username="shop", password="secret-word"))

    refused = await failure(channel)

    assert (refused.failure, refused.alone) == (K, False)
    assert "MAIL" not in "".join(stub.commands)


async def test_a_recipients_server_that_wants_us_later_says_nothing_of_the_relay(stub: SmtpStub) -> None:
    stub.will("RCPT", "450 4.2.0 greylisted")
    stub.will("MAIL", "250 ok", "451 4.3.0 overloaded")
    channel = Email(relay(stub))

    assert (await failure(channel)).alone is True
    assert (await failure(channel)).alone is False
    await channel.close()


async def test_connections_are_reused_and_never_more_than_allowed(stub: SmtpStub) -> None:
    channel = Email(relay(stub, connections=3, messages_per_connection=10))

    await asyncio.gather(*(channel.send(outgoing(n)) for n in range(45)))
    await channel.close()

    assert len(stub.received) == 45
    assert stub.most_open <= 3
    assert stub.connections in {5, 6, 7}  # ten messages each


async def test_a_refusal_costs_no_connection(stub: SmtpStub) -> None:
    stub.will("RCPT", "550 5.1.1 no such user")
    channel = Email(relay(stub))

    await failure(channel)
    await channel.send(outgoing())
    await channel.close()

    assert stub.connections == 1
    assert "RSET" in stub.commands


@pytest.mark.parametrize("leaves", ["silently", "with a 421"])
async def test_a_kept_connection_that_the_relay_gave_up_is_replaced(stub: SmtpStub, leaves: str) -> None:
    channel = Email(relay(stub))
    await channel.send(outgoing())
    if leaves == "silently":
        stub.hang_up()
    else:
        stub.will("MAIL", "421 4.4.2 idle for too long")

    await channel.send(outgoing(2))
    await channel.close()

    assert (len(stub.received), stub.connections) == (2, 2)


async def test_an_idle_connection_is_not_trusted_for_ever(stub: SmtpStub) -> None:
    channel = Email(relay(stub, idle_seconds=0.0))

    await channel.send(outgoing())
    await channel.send(outgoing(2))
    await channel.close()

    assert stub.connections == 2


@pytest.mark.parametrize("stage", ["EHLO", "MAIL", "DATA", "BODY"])
async def test_a_cancelled_send_leaves_nothing_behind_for_the_next(stub: SmtpStub, stage: str) -> None:
    stub.will(stage, LATE)
    channel = Email(relay(stub, connections=1, connect_seconds=5.0, command_seconds=5.0, body_seconds=5.0))
    cancelled = asyncio.create_task(channel.send(outgoing(1, body=b"Subject: first\r\n\r\n-\r\n")))
    await stub.reached(stage)
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    stub.answer_late.set()

    await channel.send(outgoing(2, body=b"Subject: second\r\n\r\n-\r\n"))
    await channel.close()

    assert stub.received[-1].startswith(b"Subject: second")
    assert stub.connections == 2


@pytest.mark.parametrize(
    ("stage", "code", "text", "expected"),
    [
        (Stage.RCPT, 550, "5.1.1 <x>: User unknown in relay recipient table", A),
        (Stage.RCPT, 550, "5.1.10 null MX", A),
        (Stage.RCPT, 556, "domain takes no mail", A),
        (Stage.RCPT, 550, "no enhanced code", A),
        (Stage.RCPT, 553, "bad mailbox", A),
        (Stage.RCPT, 550, "5.2.1 mailbox disabled", A),
        (Stage.RCPT, 552, "5.2.2 mailbox full", T),
        (Stage.RCPT, 552, "mailbox full", T),
        (Stage.RCPT, 450, "5.1.1 codes that disagree: the basic one counts", T),
        (Stage.RCPT, 550, "4.1.1 codes that disagree: the basic one counts", A),
        (Stage.RCPT, 550, "5.7.1 blocked by policy", C),
        (Stage.RCPT, 550, "5.7.26 unauthenticated mail", C),
        (Stage.RCPT, 503, "5.5.1 bad sequence", C),
        (Stage.RCPT, 550, "5.1.8 sender's domain does not exist", K),
        (Stage.BODY, 550, "5.1.1 no such user", A),
        (Stage.BODY, 550, "looks like spam", C),
        (Stage.BODY, 554, "5.6.0 malformed", C),
        (Stage.BODY, -1, "no reply at all", AMBIGUOUS),
        (Stage.MAIL, -1, "no reply at all", T),
        (Stage.MAIL, 553, "5.7.1 sender rejected", K),
        (Stage.AUTH, 454, "4.7.0 later", K),
        (Stage.DATA, 554, "5.7.1 relaying denied", K),
    ],
)
def test_who_is_at_fault(stage: Stage, code: int, text: str, expected: FailureClass) -> None:
    assert classify(stage, code, text) is expected


async def test_what_is_kept_of_a_refusal_names_no_address(stub: SmtpStub) -> None:
    stub.will("RCPT", f"550 5.1.1 <{EMAIL}>: unknown, ask postmaster@home.test " + "x" * 900)
    channel = Email(relay(stub))

    refused = await failure(channel)
    await channel.close()

    assert "home.test" not in str(refused)
    assert len(refused.detail) < 250


@pytest.mark.parametrize(("email", "expected"), [("maría@home.test", A), ("no address", A), (None, A)])
async def test_an_address_that_cannot_be_written_never_reaches_the_relay(
    stub: SmtpStub, email: str | None, expected: FailureClass
) -> None:
    with pytest.raises(SendFailed) as caught:
        await Email(relay(stub)).send(outgoing(email=email))

    assert caught.value.failure is expected
    assert stub.connections == 0


def test_mail_does_not_cross_a_network_in_the_clear_unless_that_was_said() -> None:
    with pytest.raises(ValueError, match="clear"):
        Email(Relay(host="mail.example", port=25, tls="none"))
    Email(Relay(host="mail.example", port=25, tls="none", allow_plaintext=True))
    for host in ("127.0.0.1", "::1", "localhost"):
        Email(Relay(host=host, port=25, tls="none"))


async def test_a_relay_without_starttls_gets_nothing(stub: SmtpStub) -> None:
    channel = Email(relay(stub, tls="starttls", username="shop", password="secret-word"))

    assert (await failure(channel)).failure is K
    assert [command.split(" ")[0] for command in stub.commands] == ["EHLO"]


class Inbox:
    """What aiosmtpd calls for a message."""

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []
        self.encrypted: list[bool] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.envelopes.append(envelope)
        assert server.transport is not None
        self.encrypted.append(server.transport.get_extra_info("sslcontext") is not None)
        return "250 2.0.0 taken"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate of 127.0.0.1 with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + built.public_bytes(serialization.Encoding.PEM))
    return file


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
@pytest.mark.parametrize("trusted", [True, False])
async def test_mail_travels_encrypted_to_whom_we_trust(certificate: Path, tls: str, trusted: bool) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    inbox, in_band = Inbox(), tls == "starttls"
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(inbox, tls_context=context if in_band else None, require_starttls=in_band),
        "127.0.0.1",
        0,
        ssl=context if tls == "implicit" else None,
    )
    channel = Email(
        Relay(
            host="127.0.0.1",
            port=server.sockets[0].getsockname()[1],
            tls=tls,  # type: ignore[arg-type]
            ca_file=str(certificate) if trusted else None,
        )
    )
    try:
        if trusted:
            await channel.send(outgoing())
            assert inbox.encrypted == [True]
            assert inbox.envelopes[0].content == BODY
        else:
            assert (await failure(channel)).failure is T
            assert inbox.envelopes == []
    finally:
        await channel.close()
        server.close()
        await server.wait_closed()
