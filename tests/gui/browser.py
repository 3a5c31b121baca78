"""A real JupyterLab in a real browser, for the tests of the widgets."""

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat

# Debian's Chromium needs no download; as root it does without its sandbox.
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
    "--no-first-run", "--disable-component-update", "--disable-sync",
)  # fmt: skip
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}


def chromium():
    """Path of a browser of the system, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def notebook(path, *cells):
    """Write a notebook with a kernel; one without it asks for one in a dialog."""
    book = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source) for source in cells],
        metadata={"kernelspec": KERNEL},
    )
    nbformat.write(book, path)


def _settings(folder):
    """No news, no windowed notebook, which takes cells off the screen from the page."""
    place = folder / "settings" / "@jupyterlab"
    for extension, name, values in (
        ("apputils-extension", "notification", {"fetchNews": "false"}),
        ("notebook-extension", "tracker", {"windowingMode": "none"}),
    ):
        (place / extension).mkdir(parents=True)
        path = place / extension / f"{name}.jupyterlab-settings"
        path.write_text(json.dumps(values), encoding="utf-8")
    return folder / "settings"


@contextlib.contextmanager
def jupyterlab(folder):
    """Serve a folder on this machine; yields the address of a file by its name."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token, root = secrets.token_hex(8), Path(__file__).resolve().parents[2]
    paths = [str(root), *filter(None, [os.environ.get("PYTHONPATH")])]
    private = {name: str(folder / name) for name in ("config", "runtime", "data")}
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "JUPYTER_CONFIG_DIR": private["config"],
        "JUPYTER_RUNTIME_DIR": private["runtime"],
        "JUPYTER_DATA_DIR": private["data"],
        "JUPYTERLAB_SETTINGS_DIR": str(_settings(folder)),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
        "JUPYTER_PREFER_ENV_PATH": "1",
    }
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1",
        f"--port={port}", f"--IdentityProvider.token={token}",
        f"--ServerApp.root_dir={folder}", "--allow-root",
        "--ServerApp.port_retries=0", "--LabApp.check_for_updates_class="
        "jupyterlab.NeverCheckForUpdate",
    ]  # fmt: skip
    with (folder / "server.log").open("w", encoding="utf-8") as log:
        server = subprocess.Popen(
            command, env=environment, stdout=log, stderr=subprocess.STDOUT, cwd=folder
        )
        try:
            _wait_for(f"http://127.0.0.1:{port}/api?token={token}", server)
            yield (
                lambda name: (
                    f"http://127.0.0.1:{port}/lab/tree/{name}?reset&token={token}"
                )
            )
        finally:
            server.terminate()
            server.wait(20)


def _wait_for(address, server):
    end = time.monotonic() + 60
    while time.monotonic() < end:
        assert server.poll() is None, "JupyterLab ended, see server.log"
        with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=5):
            return
        time.sleep(0.2)
    raise TimeoutError("JupyterLab did not start within a minute")
