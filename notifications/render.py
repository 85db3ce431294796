"""Turns an occasion into the bytes that are sent and kept: an RFC 5322 message, or the text of an SMS."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from functools import cache
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType

import jinja2
import msgspec

from notifications import sms_text
from notifications.addresses import ascii_address
from notifications.contract import Rendered
from notifications.languages import Unsayable, clean
from notifications.letter import Writer, entries
from notifications.wording import Occasion

LAYOUTS = Path(__file__).with_name("layouts")

_POLICY = SMTP.clone(cte_type="7bit")  # relays without 8BITMIME must not rewrite what we keep
_SUBJECT_CAP = 150
_EARLIER_KEPT = 10


class Thread(msgspec.Struct, frozen=True, kw_only=True):
    """The conversation a message belongs to; ids without angle brackets.

    `subject` is that of its first message, and kept as long as the trouble lasts and the language is the same: mail
    programs thread by it.
    """

    message_id: str
    root: str
    earlier: tuple[str, ...] = ()
    subject: str | None = None
    language: str | None = None


def email(occasion: Occasion, thread: Thread) -> Rendered:
    """A multipart email to one recipient, text before HTML; raises Unsayable."""
    letter = Writer(occasion).letter()
    goes_on = entries()[occasion.kind].subject == "incident" and thread.language == letter.language
    kept = thread.subject if goes_on else None
    subject = clean(kept or letter.subject, _SUBJECT_CAP)
    message = EmailMessage(policy=_POLICY)
    message["Message-ID"] = f"<{thread.message_id}>"
    message["Date"] = occasion.now
    message["From"] = _address(occasion.sender.name, occasion.sender.email)
    message["To"] = _address(occasion.recipient.name, occasion.recipient.email)
    message["Reply-To"] = _address(occasion.sender.name, occasion.sender.reply_email)
    message["Subject"] = subject
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "OOF, AutoReply"
    ancestors = (thread.root, *thread.earlier[-_EARLIER_KEPT:])
    message["In-Reply-To"] = f"<{ancestors[-1]}>"
    message["References"] = " ".join(f"<{ancestor}>" for ancestor in ancestors)
    message.set_content(_layout("email.txt").render(letter=letter), cte="quoted-printable")
    message.add_alternative(_layout("email.html").render(letter=letter), subtype="html", cte="quoted-printable")
    message["Content-Language"] = letter.language  # after the content, which would take it along
    message.set_boundary(sha256(thread.message_id.encode()).hexdigest()[:32])
    return Rendered(subject=subject, body=message.as_bytes(), language=letter.language)


def sms(occasion: Occasion, _: Thread) -> Rendered:
    """The text of an SMS: the shop first, one fact, one link; raises Unsayable."""
    writer = Writer(occasion)
    text = sms_text.compose(clean(writer.values["shop"], 20), writer.say("sms"), occasion.link)
    return Rendered(subject=None, body=text.encode(), language=writer.speech.language)


RENDERERS: Mapping[str, Callable[[Occasion, Thread], Rendered]] = MappingProxyType({"email": email, "sms": sms})


def _address(name: str | None, address: str | None) -> Address:
    try:
        return Address(display_name=clean(name or "", 80), addr_spec=ascii_address(address or ""))
    except (ValueError, IndexError) as error:
        raise Unsayable("an address is not one that mail can be sent to") from error


@cache
def _layout(name: str) -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(LAYOUTS),
        autoescape=jinja2.select_autoescape(["html"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(name)
