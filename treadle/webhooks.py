"""What receives webhooks needs: the check that a message comes from your own deployment."""

from scheduler.webhook_signature import DELIVERY_HEADER, SIGNATURE_HEADER, InvalidSignature, verify_webhook

__all__ = ["DELIVERY_HEADER", "SIGNATURE_HEADER", "InvalidSignature", "verify_webhook"]
