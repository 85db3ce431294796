import ast

from tests.architecture.tree import PACKAGES, ROOT, files, modules, shown

NAMES_OF_NOTHING = {"util", "utils", "helper", "helpers", "common", "manager", "base", "misc", "stuff", "core", "lib"}
BESIDE_THE_PACKAGES = {"tests", "bench"}

# What must not die, whatever one round of it meets: file and function.
CATCHES_EVERYTHING = {
    ("tracker/actions/deciding.py", "decide_and_save"),  # our own mistake leaves the shipment undecided, never unheard
    ("notifications/batching.py", "_settle"),  # handed to whoever waits for the batch
    ("notifications/lane.py", "_send"),  # a channel's surprise is one message's failure, and is logged
    ("tracker/actions/poll.py", "_ask"),  # what we misread of one parcel is quarantined, and the others are asked about
    ("tracker/actions/group_commit.py", "_settle"),  # one bad push of a batch fails alone
    ("tracker/actions/group_commit.py", "_settle_alone"),  # handed to whoever pushed it
    ("tracker/jobs/schedule.py", "_drain"),  # the next tick tries again
    ("tracker/web/errors.py", "answer_problems"),  # whoever asked gets an answer, whatever we got wrong
}


def test_python_stands_only_in_the_four_packages_and_beside_them_in_tests_and_bench():
    tops = {path.relative_to(ROOT).parts[0] for path in files(suffix=".py")}
    assert tops <= {*PACKAGES, *BESIDE_THE_PACKAGES}


def test_every_folder_with_code_is_a_package_so_that_no_room_escapes_the_contracts():
    folders = {path.parent for path in files(*PACKAGES, suffix=".py")}
    assert [shown(folder) for folder in sorted(folders) if not (folder / "__init__.py").exists()] == []


def test_no_file_is_named_after_nothing():
    parts = {shown(path): {*path.relative_to(ROOT).parts[:-1], path.stem} for path in files(*PACKAGES)}
    assert [path for path, names in parts.items() if NAMES_OF_NOTHING.intersection(names)] == []


def test_every_module_opens_with_a_sentence_that_says_what_it_is_for():
    docstrings = {shown(path): ast.get_docstring(module) for path, module in modules(*PACKAGES)}
    assert [path for path, docstring in docstrings.items() if not opens_with_a_sentence(docstring)] == []


def opens_with_a_sentence(docstring: str | None) -> bool:
    first = (docstring or "").split("\n\n", maxsplit=1)[0].strip()
    return len(first.split()) >= 3 and first[-1] in ".:"


def test_only_the_loops_that_must_not_die_catch_every_exception():
    found = {
        (shown(path), function)
        for path, module in modules(*PACKAGES)
        for function in functions_that_catch_everything(module)
    }
    assert found == CATCHES_EVERYTHING


def functions_that_catch_everything(module: ast.Module) -> set[str]:
    return {
        function.name
        for function in ast.walk(module)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.ExceptHandler) and catches_everything(node) and not passes_it_on(node)
    }


def catches_everything(handler: ast.ExceptHandler) -> bool:
    match handler.type:
        case None:
            return True
        case ast.Name(id="Exception" | "BaseException"):
            return True
        case ast.Tuple(elts=kinds):
            return any(isinstance(kind, ast.Name) and kind.id in {"Exception", "BaseException"} for kind in kinds)
    return False


def passes_it_on(handler: ast.ExceptHandler) -> bool:
    match handler.body[-1]:
        case ast.Raise(exc=None):
            return True
    return False


def test_a_catch_all_is_found():
    code = "async def loop():\n    try:\n        tick()\n    except (OSError, Exception):\n        pass\n"
    assert functions_that_catch_everything(ast.parse(code)) == {"loop"}
