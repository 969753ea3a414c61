"""The hash of code: what it follows, and what counts for nothing."""

import pytest
from isthmus import hashing

PACKAGE = {
    "top.py": '"""Top."""\nfrom isthmus.low import first\ndef late():\n  from isthmus.parts import second\n',
    "low/__init__.py": '"""Low."""\n',
    "low/first.py": "import isthmus.third\n",
    "parts/__init__.py": '"""Parts."""\nfrom isthmus.parts.inner import second\n',
    "parts/inner.py": "second = 2\n",
    "third.py": "import os\n",
    "alone.py": "from isthmus.low.first import anything\n",
    "far.py": "FAR = 1\n",
    "showing/templates/page.html": "<p>",
    "showing/templates/js/start.js": "start()",
}


@pytest.fixture
def library(tmp_path, monkeypatch):
    for name, text in PACKAGE.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(hashing, "LIBRARY", tmp_path)
    hashing._code.cache_clear()
    return tmp_path


def reached(library, *modules):
    return {str(path.relative_to(library)) for path in hashing.reached(*modules)}


def test_imports_are_followed_through_functions_and_packages(library):
    everything = {"top.py", "low/first.py", "parts/__init__.py", "parts/inner.py", "third.py"}
    assert reached(library, "top") == everything
    assert reached(library, "low.first") == {"low/first.py", "third.py"}


def test_of_what_a_module_holds_the_module_is_reached(library):
    assert reached(library, "alone") == {"alone.py", "low/first.py", "third.py"}


def test_a_folder_stands_for_its_files(library):
    assert reached(library, "showing/templates") == {
        "showing/templates/page.html",
        "showing/templates/js/start.js",
    }
    assert reached(library, "showing/templates/page.html") == {"showing/templates/page.html"}


def test_a_module_that_is_not_there_is_an_error(library):
    with pytest.raises(FileNotFoundError):
        hashing.of_code("nowhere")


@pytest.mark.parametrize(
    "name", ["top.py", "low/first.py", "parts/__init__.py", "parts/inner.py", "third.py"]
)
def test_each_line_of_what_is_reached_counts(library, name):
    before = hashing.of_code("top")
    path = library / name
    path.write_text(path.read_text() + "CHANGED = True\n")
    hashing._code.cache_clear()
    assert hashing.of_code("top") != before


def test_neither_comments_nor_what_is_not_reached_count(library):
    before = hashing.of_code("top")
    (library / "top.py").write_text(PACKAGE["top.py"].replace("Top.", "Reworded.") + "\n# The end.\n")
    (library / "far.py").write_text("FAR = 2\n")
    hashing._code.cache_clear()
    assert hashing.of_code("top") == before
