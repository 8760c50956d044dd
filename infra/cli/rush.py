"""rush: the benchmark."""

from pathlib import Path

import click
import msgspec

from infra.bench import rounds as bench
from infra.bench.report import table


@click.command()
@click.option("--rounds", type=click.IntRange(1, 100), default=5, show_default=True)
@click.option("--seconds", type=click.FloatRange(0.2, 60), default=2.0, show_default=True, help="Of each variant.")
@click.option("--http/--no-http", default=True, show_default=True, help="Measure over HTTP too.")
@click.option("--mix", is_flag=True, help="Measure 85 % booking, 10 % cancelling, 5 % moving too.")
@click.option("--json", "report", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here too.")
def rush(*, rounds: int, seconds: float, http: bool, mix: bool, report: Path | None) -> None:
    """Measure this machine: ratios to its own limits, and to what one would use instead, within one run."""

    def wanted(variant: str) -> bool:
        return (http or not variant.startswith(bench.HTTP)) and (mix or not variant.endswith(bench.MIX))

    figures = bench.run(rounds, seconds, wanted=wanted, told=lambda line: click.echo(line, err=True))
    for line in table(figures):
        click.echo(line)
    if report is not None:
        said = {"ratios": dict(figures.ratios()), "rounds": figures}
        report.write_bytes(msgspec.json.format(msgspec.json.encode(said)))
