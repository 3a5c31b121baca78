"""Configuration of the documentation site, read by sphinx.

``python -m sphinx -W --keep-going -b html docs docs/_build/html`` builds it without a
network. The quick variant, which neither runs the gallery nor the notebooks, has
``-D plot_gallery=0 -D nb_execution_mode=off`` in addition.
"""

from __future__ import annotations

import os
import shutil
import sys
import warnings
from pathlib import Path

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
sys.path[:0] = [str(ROOT), str(DOCS / "_extensions")]

# The figures and notebooks run beside each other, each on one core.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["PYTHONPATH"] = os.pathsep.join(
    [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
)

import sparsedecomp  # noqa: E402

# The one place that names where the project lives; empty until it is published.
REPOSITORY = ""

project = "sparsedecomp"
author = "The sparsedecomp developers"
copyright = f"2026, {author}"
version = release = sparsedecomp.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
    "numpydoc",
    "myst_nb",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "sphinxcontrib.bibtex",
    "docstrings",
    "mathml",
    "messages",
]
templates_path = ["_templates"]
exclude_patterns = [
    "_build", "_templates", "examples", "**/*.ipynb_checkpoints", "gallery.py",
    "auto_examples/**/*.ipynb", "auto_examples/**/*.py", "**/README.txt",
    "sg_execution_times.rst", "api/generated/sparsedecomp.rst",
]  # fmt: skip
default_role = "py:obj"
nitpicky = False
suppress_warnings = ["mystnb.unknown_mime_type", "config.cache"]

# Offline unless inventories are asked for: links to other projects are then made, too.
if os.environ.get("SPARSEDECOMP_INTERSPHINX"):
    extensions.append("sphinx.ext.intersphinx")
    intersphinx_mapping = {
        "python": ("https://docs.python.org/3", None),
        "numpy": ("https://numpy.org/doc/stable", None),
        "hyperspy": ("https://hyperspy.org/hyperspy-doc/current", None),
        "sklearn": ("https://scikit-learn.org/stable", None),
    }

# The pages of the interface, made from the docstrings.
autosummary_generate = True
autosummary_ignore_module_all = False
autosummary_imported_members = True
autodoc_typehints = "none"
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

# Text in Markdown; equations become MathML, which browsers draw without a script.
myst_enable_extensions = ["dollarmath", "colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3
html_math_renderer = "mathml"
bibtex_bibfiles = ["references.bib"]
bibtex_default_style = "unsrt"
bibtex_reference_style = "author_year"

# Tutorials: the notebooks of the project. Outputs are kept beside the built pages.
nb_execution_mode = "off"
nb_execution_timeout = 300
nb_execution_raise_on_error = True
nb_execution_cache_path = str(DOCS / "_build" / "notebooks")
nb_merge_streams = True

sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": "plot_",
    "ignore_pattern": r"__init__\.py",
    "image_scrapers": ("matplotlib",),
    "remove_config_comments": True,
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "min_reported_time": 1e9,
    "write_computation_times": False,
    "abort_on_example_error": True,
    "doc_module": ("sparsedecomp",),
    "backreferences_dir": None,
    "reset_modules": ("matplotlib",),
    "nested_sections": True,
}

html_theme = "pydata_sphinx_theme"
html_title = "sparsedecomp"
html_context = {"default_mode": "auto"}
html_logo = "_static/logo.svg"
html_favicon = "_static/logo.svg"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_sidebars = {
    "index": [], "install": [], "ten_minutes": [], "which_method": [],
    "changelog": [], "cite": [],
}  # fmt: skip
html_theme_options = {
    "navbar_align": "left",
    "header_links_before_dropdown": 7,
    "show_prev_next": True,
    "collapse_navigation": True,
    "navigation_depth": 2,
    "show_nav_level": 1,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": ["theme-version"],
}
if REPOSITORY:
    html_theme_options["github_url"] = REPOSITORY


def copy_notebooks() -> None:
    """Put the notebooks, which are kept outside of this folder, among the pages."""
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        target = DOCS / "tutorials" / path.name
        target.parent.mkdir(exist_ok=True)
        if not target.is_file() or target.read_bytes() != path.read_bytes():
            shutil.copyfile(path, target)


copy_notebooks()
warnings.filterwarnings("ignore", category=DeprecationWarning)
