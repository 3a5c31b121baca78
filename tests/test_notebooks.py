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


def test_runs_in_less_than_a_minute(notebook, tmp_path):
    # Processor time: the tests may share the machine.
    clock = nbformat.v4.new_code_cell("import time; print(time.process_time())")
    notebook.cells.append(clock)
    where = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=300, resources=where).execute()
    assert float(clock.outputs[0].text) < 60
