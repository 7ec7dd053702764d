"""Put the page onto the service, where the extra ``ui`` is installed."""

import importlib.util

from fastapi import FastAPI

from api.deps import Services


def mount(app: FastAPI, services: Services) -> bool:
    """Whether the page could be mounted at ``/``."""
    if importlib.util.find_spec("nicegui") is None:
        return False
    from nicegui import ui

    from api.page.pages import register

    register(services)
    ui.run_with(app, mount_path="/", title="shopgraph", favicon="🕸", show_welcome_message=False)
    return True
