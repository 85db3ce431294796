"""A plain mail of the service itself (a trial, an alarm), beside the notices: one text, no layout, ready for a relay."""

from __future__ import annotations

from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime, formataddr

from notifications.contract import Outgoing, Recipient, Sender


def plain_mail(
    sender: Sender, address: str, subject: str, text: str, *, reference: str, token: str, at: datetime
) -> Outgoing:
    """`token` makes the Message-ID one of its own; lines end as SMTP wants them."""
    message_id = f"<{token}@{sender.email.partition('@')[2]}>"
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = formataddr((sender.name, sender.email)), address, subject
    mail["Date"], mail["Message-ID"], mail["Auto-Submitted"] = format_datetime(at), message_id, "auto-generated"
    mail.set_content(text)
    return Outgoing(
        reference=reference,
        sender=sender,
        recipient=Recipient(name=None, email=address, phone=None, language="en", time_zone="UTC"),
        message_id=message_id,
        body=mail.as_bytes(policy=mail.policy.clone(linesep="\r\n")),
    )
