"""The import contracts of pyproject.toml hold, and each of them notices its breach."""

import pkgutil
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")
SEES_THE_WHOLE = re.compile(
    r"bootstrap|consuming|following|web|catalogue_loading|child_process|cli|clinic|daylist|demo|doctor|erasure_replay|importing"
    r"|message_channels|messaging|policy_adoption|processes|relaying|restoring|rush|simulate|simulation|self_check|stream_history|sweep"
    r"|bench|vault_upkeep"
)


def contracts_of(tree: Path) -> list[dict]:
    return tomllib.loads((tree / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]


def broken_contracts(tree: Path) -> set[str]:
    """Ids of the contracts that lint-imports finds broken; an error of its own (a misspelt module) is no verdict."""
    run = subprocess.run(
        [LINT_IMPORTS, "--no-cache"], cwd=tree, capture_output=True, text=True, timeout=120, check=False
    )
    assert re.search(r"Contracts: \d+ kept, \d+ broken", run.stdout), run.stdout + run.stderr
    output = " ".join(run.stdout.split())
    broken = {contract["id"] for contract in contracts_of(tree) if f"{contract['name']} BROKEN" in output}
    assert run.returncode == (1 if broken else 0)
    return broken


def test_every_ring_keeps_to_its_contract(root):
    assert broken_contracts(root) == set()


def test_every_module_of_infra_is_an_adapter_or_sees_the_whole(root):
    (adapters,) = (set(contract["source_modules"]) for contract in contracts_of(root) if contract["id"] == "adapters")

    modules = {module.name for module in pkgutil.iter_modules([str(root / "infra")])}

    assert {f"infra.{module}" for module in modules if not SEES_THE_WHOLE.fullmatch(module)} == adapters


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("domain/planted.py", "import projections", "rings"),
        ("domain/planted.py", "import infra", "rings"),
        ("projections/planted.py", "import api", "rings"),
        ("api/planted.py", "import infra", "rings"),
        ("api/planted.py", "import consumers", "rings"),
        ("consumers/planted.py", "import api", "rings"),
        ("consumers/planted.py", "import infra", "rings"),
        ("domain/planted.py", "import psycopg", "domain"),
        ("domain/planted.py", "import pydantic", "domain"),
        ("projections/planted.py", "import fastapi", "projections"),
        ("consumers/planted.py", "import projections", "consumers"),
        ("consumers/planted.py", "import psycopg", "consumers"),
        ("infra/vault.py", "import projections", "adapters"),
        ("infra/recorder.py", "import infra.planted", "adapters"),
    ],
)
def test_a_breach_breaks_its_contract_and_no_other(tree, file, line, contract):
    (tree / "infra/planted.py").write_text("import api\n")  # the ring allows it; an adapter may not reach it
    with (tree / file).open("a") as source:
        source.write(f"\n{line}\n")

    assert broken_contracts(tree) == {contract}
