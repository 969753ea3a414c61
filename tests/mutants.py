"""Mistakes planted in the library, one at a time: which of them do the unit tests not notice?

    python tests/mutants.py [module ...] [--sample N] [--seed 0] [--list]

For each mistake (a mutant) a forked process imports the module with the mistake in it and runs those of its
tests that reach the line, fastest first, until one fails. Nothing is written to the source. What survives is
printed: either no test would notice that mistake, or it is none (equivalent code).
"""

import argparse
import ast
import importlib.util
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import CodeType

import pytest
from hypothesis import HealthCheck, Phase, settings

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = ROOT / "workflow/isthmus"


def file_of(module: str) -> Path:
    """A module of the library by its own name, whichever folder it stands in, or beside the folders."""
    return [*LIBRARY.glob(f"*/**/{module}.py"), LIBRARY / f"{module}.py"][0]


FAST = ("metrics", "bootstrap", "sampling", "tokens", "journal", "connectivity")

# ------------------------------------------------------------------------------------------ the mistakes

_SWAPPED = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Add: ast.Sub,
    ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult, ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult, ast.LShift: ast.RShift, ast.RShift: ast.LShift, ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}  # fmt: skip
_NAMES = dict(
    pair
    for a, b in (("min", "max"), ("minimum", "maximum"), ("fmin", "fmax"), ("any", "all"), ("floor", "ceil"))
    for pair in ((a, b), (b, a))
) | {"argmax": "argmin", "argmin": "argmax"}
_WRAPPERS = {"sorted", "abs", "round", "rint", "reversed"}
_SAID = {"print", "warn", "say"}  # what is said is no part of a result


def _name(node: ast.AST) -> str:
    return getattr(node, "id", getattr(node, "attr", ""))


def _with(node: ast.AST, **fields) -> ast.AST:
    """A copy of a node with other fields."""
    return type(node)(**{**{name: getattr(node, name, None) for name in node._fields}, **fields})


def _less(items: list) -> Iterator[list]:
    """The list without one of its items, each in turn."""
    yield from (items[:i] + items[i + 1 :] for i in range(len(items)))


def _mistakes(node: ast.AST) -> Iterator[ast.AST]:
    """What could stand in a node's place by mistake."""
    match node:
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value)):
            yield ast.Constant(value + 1)
        case ast.Constant(value=float(value)):
            yield ast.Constant(2 * value or 1.0)
        case ast.BinOp(op=op) if type(op) in _SWAPPED:
            yield _with(node, op=_SWAPPED[type(op)]())
        case ast.UnaryOp(operand=operand):
            yield operand
        case ast.BoolOp(values=values):
            yield from values
        case ast.Compare(ops=ops):
            for i, op in enumerate(ops):
                yield _with(node, ops=[*ops[:i], _SWAPPED[type(op)](), *ops[i + 1 :]])
        case ast.IfExp(body=body, orelse=orelse):
            yield from (body, orelse)
        case ast.comprehension(ifs=ifs):
            yield from (_with(node, ifs=fewer) for fewer in _less(ifs))
        case ast.List(elts=elements, ctx=ast.Load()) if len(elements) > 1:
            yield from (_with(node, elts=fewer) for fewer in _less(elements))
        case ast.Call():
            yield from _of_call(node)
        case ast.If(body=body, orelse=orelse):
            yield _with(node, test=ast.Constant(True))
            yield _with(node, test=ast.Constant(False))
        case ast.While():
            yield _with(node, test=ast.Constant(False))
        case ast.AugAssign(op=op):
            yield ast.Pass()
            yield _with(node, op=_SWAPPED[type(op)]())
        case ast.Raise() | ast.Continue() | ast.Break() | ast.Delete() | ast.Expr():
            yield ast.Pass()
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield ast.Pass()


def _of_call(node: ast.Call) -> Iterator[ast.AST]:
    name = _name(node.func)
    if name in _NAMES:
        field = "id" if isinstance(node.func, ast.Name) else "attr"
        yield _with(node, func=_with(node.func, **{field: _NAMES[name]}))
        if len(node.args) > 1:
            yield from node.args
    elif name in _WRAPPERS and node.args:
        yield node.args[0]
    elif len(node.args) > 1:
        yield _with(node, args=node.args[:-1])
    yield from (_with(node, keywords=fewer) for fewer in _less(node.keywords))


def _places(node: ast.AST) -> Iterator[tuple[ast.AST, str, int | None, ast.AST]]:
    """Where mistakes can be, as parent, field, position, node: not in annotations or in what is said."""
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list", "type_params", "bases"):
            continue
        for position, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if not isinstance(child, ast.AST) or isinstance(
                child, ast.JoinedStr | ast.Import | ast.ImportFrom
            ):
                continue
            if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
                continue
            said = child.value if isinstance(child, ast.Expr) else child
            if isinstance(said, ast.Call) and _name(said.func) in _SAID:
                continue
            yield node, field, position, child
            if not isinstance(child, ast.Raise):
                yield from _places(child)


@dataclass(frozen=True)
class Mutant:
    line: int
    what: str
    code: CodeType


def mutants(source: str, path: Path) -> list[Mutant]:
    """All mistakes that are planted in a module."""
    tree = ast.parse(source)
    found = {}
    for parent, field, position, node in list(_places(tree)):
        before = ast.unparse(node).splitlines()
        line = getattr(node, "lineno", getattr(parent, "lineno", 0)) or node.target.lineno
        for new in _mistakes(node):
            _put(parent, field, position, ast.copy_location(new, node))
            ast.fix_missing_locations(tree)
            what = f"{before[0]}  ->  {ast.unparse(new).splitlines()[0]}"
            changed = ast.unparse(tree)
            if changed not in found:
                found[changed] = Mutant(line, what, compile(tree, path, "exec"))
            _put(parent, field, position, node)
    return sorted(found.values(), key=lambda mutant: mutant.line)


def _put(parent: ast.AST, field: str, position: int | None, node: ast.AST) -> None:
    if position is None:
        setattr(parent, field, node)
    else:
        getattr(parent, field)[position] = node


# ---------------------------------------------------------------------------------------------- the tests


class _Finder:
    """Gives a module's place to code with a mistake in it."""

    def __init__(self, module: str, code: CodeType):
        self.path = file_of(module)
        self.name = ".".join(("isthmus", *self.path.relative_to(LIBRARY).with_suffix("").parts))
        self.code = code

    def find_spec(self, name, path=None, target=None):
        return (
            importlib.util.spec_from_file_location(name, self.path, loader=self)
            if name == self.name
            else None
        )

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        exec(self.code, module.__dict__)


class _Limit:
    """A pytest plugin: a test that takes much longer than without a mistake ends the process."""

    def __init__(self, seconds: dict[str, float]):
        self.seconds = seconds

    def pytest_runtest_logstart(self, nodeid, location):
        signal.setitimer(signal.ITIMER_PROF, 5 + self.seconds[nodeid])  # of CPU


class _Watch:
    """A pytest plugin: which lines of a file each test reaches, with its fixtures, and how long it takes."""

    def __init__(self, path: Path):
        self.path, self.lines, self.seconds = str(path), {}, {}
        self.fixtures: dict[str, set[int]] = {}
        self.reached: set[int] = set()

    def _trace(self, frame, event, _):
        if frame.f_code.co_filename != self.path:
            return None
        self.reached.add(frame.f_lineno)
        return self._trace

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item):
        own = self.reached = set()
        sys.settrace(self._trace)
        result = yield
        sys.settrace(None)
        self.lines[item.nodeid] = own.union(*(self.fixtures.get(name, ()) for name in item.fixturenames))
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef):
        outer, self.reached = self.reached, self.fixtures.setdefault(fixturedef.argname, set())
        try:
            return (yield)
        finally:
            self.reached = outer

    def pytest_runtest_logreport(self, report):
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0) + report.duration


def _pytest(arguments: list[str], plugins=()) -> int:
    # The same examples each time, and a failing one is enough: no shorter one is looked for.
    settings.register_profile(
        "mutants", derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck),
        phases=(Phase.explicit, Phase.generate),
    )  # fmt: skip
    settings.load_profile("mutants")
    return pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *arguments], list(plugins))


def _forked(task, seconds: float, quiet=True) -> int:
    """Run a function in a process of its own, for so long at most; its exit status."""
    pid = os.fork()
    if pid == 0:
        status = 99
        with suppress(BaseException):
            os.setsid()
            signal.alarm(int(seconds))
            if quiet:
                null = os.open(os.devnull, os.O_WRONLY)
                os.dup2(null, 1)
                os.dup2(null, 2)
            status = int(task())
        os._exit(status)
    _, status = os.waitpid(pid, 0)
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)  # what the tests may have left running
    return os.waitstatus_to_exitcode(status)


def _baseline(tests: str, path: Path) -> dict:
    """Run all tests without a mistake: lines that they reach, seconds. What they import stays so."""
    with tempfile.NamedTemporaryFile("r+") as said:

        def watched() -> int:
            watch = _Watch(path)
            status = _pytest([tests], [watch])
            ours = tuple(str(ROOT / folder) for folder in ("workflow", "tests"))
            loaded = [
                name
                for name, module in list(sys.modules.items())
                if not (getattr(module, "__file__", None) or "").startswith(ours)
            ]
            lines = {test: sorted(reached) for test, reached in watch.lines.items()}
            Path(said.name).write_text(
                json.dumps({"lines": lines, "seconds": watch.seconds, "loaded": loaded})
            )
            return status

        status = _forked(watched, 3000, quiet=False)
        if status:
            sys.exit(f"the tests fail without a mistake (status {status})")
        found = json.load(said)
    for name in found.pop("loaded"):
        with suppress(BaseException):
            if not name.startswith(("isthmus", "tests", "conftest", "test_", "__m")):
                importlib.import_module(name)
    if _forked(lambda: _pytest(["--collect-only", *found["lines"]]), 3000):
        sys.exit("the tests are not found by their names")
    return found


def tested(module: str, chosen: list[Mutant]) -> list[Mutant]:
    """The mistakes that no test notices, printed as they are found."""
    path = file_of(module)
    found = _baseline(f"tests/unit/test_{module}.py", path)
    limit = 60 + 3 * sum(found["seconds"].values())
    order = sorted(found["lines"], key=found["seconds"].get)
    survivors = []
    for mutant in chosen:
        tests = [test for test in order if mutant.line in found["lines"][test]] or order

        def run(mutant=mutant, tests=tests) -> int:
            sys.meta_path.insert(0, _Finder(module, mutant.code))
            return _pytest(tests, [_Limit(found["seconds"])])

        if _forked(run, limit) == 0:
            survivors.append(mutant)
            print(f"{module}.py:{mutant.line}: {mutant.what}", flush=True)
    return survivors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("modules", nargs="*", default=FAST, help=f"default: {' '.join(FAST)}")
    parser.add_argument("--sample", type=int, help="so many mistakes a module, drawn at random; default: all")
    parser.add_argument("--seed", type=int, default=0, help="of that draw")
    parser.add_argument("--line", type=int, action="append", help="only those in these lines")
    parser.add_argument("--list", action="store_true", help="only name the mistakes")
    arguments = parser.parse_args()
    os.chdir(ROOT)
    for module in arguments.modules:
        path = file_of(module)
        every = chosen = mutants(path.read_text(), path)
        if arguments.line:
            chosen = [mutant for mutant in every if mutant.line in arguments.line]
        if arguments.sample and arguments.sample < len(chosen):
            picked = random.Random(arguments.seed).sample(range(len(chosen)), arguments.sample)
            chosen = [chosen[i] for i in sorted(picked)]
        if arguments.list:
            print("\n".join(f"{module}.py:{mutant.line}: {mutant.what}" for mutant in chosen))
            continue
        began = time.monotonic()
        survivors = tested(module, chosen)
        print(
            f"{module}: {len(chosen)} of {len(every)} mistakes planted, "
            f"{len(chosen) - len(survivors)} noticed, {len(survivors)} not; {time.monotonic() - began:.0f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
