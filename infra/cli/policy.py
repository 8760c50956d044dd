"""policy show."""

from collections.abc import Iterator, Sequence

import click
import psycopg

from api.web.language import ARABIC, ENGLISH
from domain.calendar import hijri
from domain.policy import Policy
from domain.policy_numbers import NUMBERS, rules_of
from infra.cli.opening import now, opened_database
from infra.migrate import migrate
from infra.policy_file import read_policies
from projections.policies import Version
from projections.policies import versions as policies_of_log


@click.group()
def policy() -> None:
    """The booking rules: dated numbers, under the ids of POL-02 to POL-11."""


@policy.command()
def show() -> None:
    """Every version that was adopted, and what MAWID_POLICY_FILE would add at the next start."""
    with opened_database() as (settings, found):
        file = settings.instance.policy_file
        told = read_policies(file) if file is not None else []
        migrate(found.dsn)
        with psycopg.connect(found.dsn, autocommit=True) as connection:
            versions, policies = policies_of_log(connection)
    for line in [*_versions(versions, policies.at(now())), "", *_numbers(versions), *_channels(versions)]:
        click.echo(line)
    for since, rules in told:
        if rules_of(policies.on(since)) != rules:
            click.echo(f"MAWID_POLICY_FILE, from {since}: the next start adopts it · تُعتمد عند التشغيل التالي")


def _versions(versions: Sequence[Version], in_force: Policy) -> Iterator[str]:
    for policy, position, _ in versions:
        since = (
            f"from {policy.since} ({hijri(policy.since)}), position {position}" if policy.since else "built in · الأصل"
        )
        yield f"v{policy.version}  {since}{'  ← in force · سارية' if policy == in_force else ''}"


def _numbers(versions: Sequence[Version]) -> Iterator[str]:
    """A row for each number; Arabic comes last, so that the columns stand where every terminal puts them."""
    rules = [rules_of(version.policy) for version in versions]
    rows = [("", "", [f"v{version.policy.version}" for version in versions], "")]
    for number in NUMBERS:
        said = f"{ENGLISH.rule(number.name)} · {ARABIC.rule(number.name)}"
        rows.append((number.rule, number.name, [str(each[number.name]) for each in rules], said))
    name_width = max(len(name) for _, name, _, _ in rows)
    width = max(len(value) for _, _, values, _ in rows for value in values)
    for rule, name, values, said in rows:
        columns = "  ".join(value.rjust(width) for value in values)
        yield f"{rule:6}  {name:{name_width}}  {columns}  {said}".rstrip()


def _channels(versions: Sequence[Version]) -> Iterator[str]:
    for policy, _, _ in versions:
        for channel, rule in sorted(policy.channels.items()):
            services = "all" if rule.services is None else ", ".join(sorted(rule.services))
            opens = f"; opens {rule.opens_at.isoformat()}" if rule.opens_at is not None else ""
            share = f"{rule.share_percent} % of each start's places"
            yield f"v{policy.version}  {channel}: services {services}{opens}; {share}"
