"""Messages as the outbox hands them to a channel."""

from notifications.contract import Outgoing, Recipient, Sender

EMAIL = "maria.garcia@home.test"
PHONE = "+34612345678"
BODY = b"Subject: Hola\r\nMessage-ID: <n.1@sol.test>\r\n\r\nSu pedido\r\n.\r\n..va\r\n.x\r\n"


def outgoing(number: int = 1, *, body: bytes = BODY, email: str | None = EMAIL, phone: str | None = PHONE) -> Outgoing:
    return Outgoing(
        reference=f"message-{number}",
        sender=Sender(name="Sol", email="envios@sol.test", reply_email="ayuda@sol.test", phone=None, website=None),
        recipient=Recipient(name="María", email=email, phone=phone, language="es", time_zone="Europe/Madrid"),
        message_id=f"n.{number}@sol.test",
        body=body,
    )
