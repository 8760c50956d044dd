"""What MAWID_POLICY_FILE says becomes facts, where it does not hold already: at every start, once."""

from collections.abc import Sequence
from datetime import datetime
from uuid import uuid4

import structlog

from domain.commands import AdoptPolicy
from infra.bootstrap import OPERATOR, Instance
from infra.policy_file import DatedRules

_log = structlog.get_logger("policy")


def adopt_policies(instance: Instance, policies: Sequence[DatedRules], at: datetime) -> None:
    """Each with a key of this start's own: what was adopted once may be overridden, and adopted again."""
    start = uuid4().hex
    futures = [
        instance.desk.submit(
            AdoptPolicy(**instance.stamp(OPERATOR, f"policy/{start}/{since}", at), since=since, rules=rules)
        )
        for since, rules in policies
    ]
    for receipt in [future.result() for future in futures]:
        if receipt.answer is None:
            raise RuntimeError(f"the policy file does not fit: {receipt.refusal}")
        if receipt.answer["is_new"]:
            version, since = receipt.answer["version"], receipt.answer["from"]
            _log.info("a policy is adopted", version=version, since=since)
