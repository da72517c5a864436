"""Every kind that the webhook is sent has a handler: without one, nobody could create an object of it."""

from pathlib import Path

import kopf
import yaml

from orlop_operator.handlers import admission

WEBHOOK = Path(__file__).parents[4] / "manifests/base/webhook.yaml"


def test_what_is_sent_is_handled():
    assert admission.admit
    handled = {handler.id for handler in kopf.get_default_registry()._webhooks._handlers}
    hooks = [
        hook for manifest in yaml.safe_load_all(WEBHOOK.read_text()) for hook in manifest.get("webhooks", ())
    ]
    assert len(hooks) == 2
    for hook in hooks:
        assert {plural for rule in hook["rules"] for plural in rule["resources"]} == handled
