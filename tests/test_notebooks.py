"""The notebooks run from top to bottom, end in asserts, and are stored clean."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "notebooks").glob("*.ipynb"))


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request):
    return nbformat.read(request.param, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_stored_without_output(notebook):
    nbformat.validate(notebook)
    assert not any(c.outputs or c.execution_count for c in code_cells(notebook))


def test_ends_in_asserts(notebook):
    assert any("assert " in cell.source for cell in code_cells(notebook)[-2:])


def test_runs_from_top_to_bottom(notebook, tmp_path):
    where = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=300, resources=where).execute()
