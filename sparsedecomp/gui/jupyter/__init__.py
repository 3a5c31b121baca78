"""Views of the tools for JupyterLab and voila; they need ipywidgets and anywidget."""
